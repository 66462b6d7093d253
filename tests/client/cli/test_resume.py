import json

from innkeep import wire


def test_resume_ends_a_hold(daemon, innkeep):
    daemon.script[wire.Resume] = lambda _: [wire.Resumed(id=0)]
    assert innkeep("resume").out == "hold ended; models load on demand\n"
    assert json.loads(innkeep("resume", "--json").out)["type"] == "resumed"


def test_resume_without_a_hold_says_so(daemon, innkeep):
    daemon.script[wire.Resume] = lambda _: [wire.Resumed(id=0, was_held=False)]
    assert innkeep("resume").out == "there is no hold\n"
