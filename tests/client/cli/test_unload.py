import json

import pytest

from innkeep import wire


@pytest.fixture
def unloading(daemon):
    daemon.script[wire.Unload] = lambda ask: [wire.Unloaded(id=0, model=ask.model, took=0.42)]
    return daemon


def test_unload_tells_the_end(unloading, innkeep):
    assert innkeep("unload", "m").out == "unloaded m (0.4 s)\n"
    assert not unloading.last(wire.Unload).all


def test_unload_all_names_no_model(unloading, innkeep):
    assert innkeep("unload", "--all").out == "all models unloaded (0.4 s)\n"
    assert unloading.last(wire.Unload).all


def test_unload_as_json_is_the_wires_message(unloading, innkeep):
    assert json.loads(innkeep("unload", "m", "--json").out)["type"] == "unloaded"


@pytest.mark.parametrize("words", [(), ("m", "--all")])
def test_unload_wants_one_model_or_all(unloading, innkeep, words):
    ended = innkeep("unload", *words)
    assert (ended.status, ended.err.startswith("innkeep: ")) == (2, True)
    assert unloading.requests == []
