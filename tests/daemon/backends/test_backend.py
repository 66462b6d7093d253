"""What the daemon needs of an engine: every engine offers it, with the same words."""

import inspect

import pytest

from innkeepd.backends.backend import Backend, BackendFault, Piece
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.backends.openai import OpenAIBackend


def test_a_fault_has_a_wire_code_and_the_engines_own_words():
    fault = BackendFault("out_of_memory", "model requires more system memory", status=500)
    assert (fault.code, fault.message, fault.status) == ("out_of_memory", str(fault), 500)


@pytest.mark.parametrize("engine", [OllamaBackend, OpenAIBackend])
def test_every_engine_offers_what_the_protocol_names(engine):
    names = [name for name in vars(Backend) if not name.startswith("_")]
    assert {"pulled", "running", "load", "unload", "chat", "embed", "forward"} <= set(names)
    for name in names:
        assert hasattr(engine, name), name
        if callable(getattr(Backend, name)):
            said = inspect.signature(getattr(Backend, name)).parameters.values()
            by_place = [None for one in said if one.kind is one.POSITIONAL_OR_KEYWORD]
            by_name = {one.name: None for one in said if one.kind is one.KEYWORD_ONLY}
            assert inspect.signature(getattr(engine, name)).bind(*by_place, **by_name), name


def test_a_piece_is_one_of_three():
    assert Piece(text="a") == Piece("a", None, None)
    assert Piece(thinking="b") != Piece(text="b")
