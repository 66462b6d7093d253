import json

from innkeep import wire


def test_resume_ends_a_hold(daemon, innkeep):
    daemon.script[wire.Resume] = lambda _: [wire.Resumed(id=0)]
    assert innkeep("resume").out == "models are loaded again when they are asked\n"
    assert json.loads(innkeep("resume", "--json").out)["type"] == "resumed"
