"""The door to HTTP servers: what stands behind it has to be what it says."""

import inspect

import pytest

from innkeepd.backends.http import Answer, Transport, Unreachable
from innkeepd.backends.http_transport import HttpTransport
from innkeepd.simulator.engine import Simulator
from support.scripted import ScriptedTransport
from support.transport import MemoryTransport


def test_unreachable_is_told_in_one_line():
    assert str(Unreachable("http://x: connection refused")) == "http://x: connection refused"


@pytest.mark.parametrize(
    "transport",
    [
        HttpTransport("http://127.0.0.1:1", connect_timeout=1.0),
        MemoryTransport(Simulator()),
        ScriptedTransport(lambda *_: None),
    ],
    ids=lambda transport: type(transport).__name__,
)
def test_every_transport_offers_what_the_protocol_names(transport):
    names = [name for name in vars(Transport) if not name.startswith("_")]
    assert {"url", "request", "aclose"} <= set(names)
    assert all(hasattr(transport, name) for name in names)
    expected = list(inspect.signature(Transport.request).parameters)[1:]
    assert list(inspect.signature(transport.request).parameters) == expected


def test_an_answer_is_read_whole_or_as_it_comes():
    assert {"status", "headers", "read", "chunks"} <= set(vars(Answer))
