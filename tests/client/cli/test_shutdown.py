import json

from innkeep import wire


def test_shutdown_tells_how_long_answers_have(daemon, innkeep):
    daemon.script[wire.Shutdown] = lambda ask: [wire.Stopping(id=0, drain=20.0 if ask.drain is None else ask.drain)]
    assert innkeep("shutdown").out == "innkeepd stops; running answers have at most 20 s\n"
    assert json.loads(innkeep("shutdown", "--drain", "5s", "--json").out)["drain"] == 5.0
