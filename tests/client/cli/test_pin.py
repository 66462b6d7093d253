import json

from innkeep import wire


def test_pin_names_the_model(daemon, innkeep):
    daemon.script[wire.Pin] = lambda ask: [wire.Pinned(id=0, model=ask.model)]
    ended = innkeep("pin", "ollama/llama3.1:8b")
    assert ended.status == 0
    assert ended.out.startswith("pinned llama3.1:8b")
    assert json.loads(innkeep("pin", "llama3.1:8b", "--json").out)["model"] == "llama3.1:8b"
