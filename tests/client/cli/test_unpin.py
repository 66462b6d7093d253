import json

from innkeep import wire


def test_unpin_names_the_model(daemon, innkeep):
    daemon.script[wire.Unpin] = lambda ask: [wire.Unpinned(id=0, model=ask.model)]
    ended = innkeep("unpin", "ollama/llama3.1:8b")
    assert ended.status == 0
    assert ended.out.startswith("unpinned llama3.1:8b")
    assert json.loads(innkeep("unpin", "llama3.1:8b", "--json").out)["model"] == "llama3.1:8b"
