import json

from innkeep import wire
from support.cli_daemon import HANG_UP


def test_shutdown_tells_how_long_answers_have(daemon, innkeep):
    daemon.script[wire.Shutdown] = lambda ask: [wire.Stopping(id=0, drain=20.0 if ask.drain is None else ask.drain)]
    assert innkeep("shutdown").out == "innkeepd stops; running answers have at most 20 s\n"
    assert json.loads(innkeep("shutdown", "--drain", "5s", "--json").out)["drain"] == 5.0


def test_a_daemon_that_leaves_without_an_answer_has_stopped(daemon, innkeep):
    daemon.script[wire.Shutdown] = lambda _: [HANG_UP]
    ended = innkeep("shutdown")
    assert (ended.status, ended.out) == (0, "innkeepd is gone\n")
