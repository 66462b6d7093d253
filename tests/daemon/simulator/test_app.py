"""The ASGI door, driven without a server."""

import anyio
import pytest

from innkeepd.simulator import app as door
from innkeepd.simulator.app import ABORT, App

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "method": "POST", "path": "/api/chat"}
CHAT = b'{"model": "llama3.1:8b", "messages": [{"role": "user", "content": "hi"}]}'


class Wire:
    """What a server does for an application: messages in, messages out."""

    def __init__(self, *incoming, leave_after=None):
        self.incoming = list(incoming)
        self.leave_after = leave_after
        self.sent = []

    async def receive(self):
        if self.incoming:
            return self.incoming.pop(0)
        await anyio.sleep(1e9 if self.leave_after is None else self.leave_after)
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)


def request(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_answered_with_a_head_and_chunks(simulator):
    wire = Wire(request(CHAT[:9], more=True), request(CHAT[9:]))
    await App(simulator)(SCOPE, wire.receive, wire.send)
    head, *chunks, last = wire.sent
    assert head["status"] == 200
    assert dict(head["headers"])[b"content-type"] == b"application/x-ndjson"
    assert len(chunks) > 20
    assert last == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("seconds", [1.0, 5.0])
async def test_a_client_that_leaves_stops_the_work(simulator, seconds):
    wire = Wire(request(CHAT), leave_after=seconds)
    await App(simulator)(SCOPE, wire.receive, wire.send)
    assert anyio.current_time() < 6
    assert bool(wire.sent) == (seconds > 4)
    assert all(runner.busy == 0 for runner in simulator.runners.standing())


async def test_no_answer_cuts_the_connection(simulator):
    simulator.fail("refuse")
    cut = []
    wire = Wire(request(CHAT))
    await App(simulator)(SCOPE | {"extensions": {ABORT: lambda: cut.append(True)}}, wire.receive, wire.send)
    assert (cut, wire.sent) == ([True], [])


async def test_a_body_that_ends_early_or_never_is_not_answered(simulator, monkeypatch):
    monkeypatch.setattr(door, "LARGEST_BODY", 10)
    for wire in (Wire(request(b"{", more=True), {"type": "http.disconnect"}), Wire(request(CHAT, more=True))):
        await App(simulator)(SCOPE, wire.receive, wire.send)
        assert wire.sent == []
    assert simulator.requests == []
