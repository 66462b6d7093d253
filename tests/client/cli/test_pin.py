import json

import pytest

from innkeep import wire


@pytest.mark.parametrize(
    ("verb", "request_type", "reply"), [("pin", wire.Pin, wire.Pinned), ("unpin", wire.Unpin, wire.Unpinned)]
)
def test_pin_and_unpin_name_the_model(daemon, innkeep, verb, request_type, reply):
    daemon.script[request_type] = lambda ask: [reply(id=0, model=ask.model)]
    ended = innkeep(verb, "ollama/llama3.1:8b")
    assert ended.status == 0
    assert ended.out.startswith(f"{verb}ned llama3.1:8b")
    assert json.loads(innkeep(verb, "llama3.1:8b", "--json").out)["model"] == "llama3.1:8b"
