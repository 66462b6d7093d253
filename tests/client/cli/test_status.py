import json

from innkeep import wire
from support.cli_daemon import a_status


def test_status_prints_the_snapshot(daemon, innkeep):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    ended = innkeep("status")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("innkeepd 0.1.0  pid 4711")
    assert "\x1b" not in ended.out


def test_status_on_a_terminal_has_colours(daemon, innkeep):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    assert "\x1b[32mnormal\x1b[0m" in innkeep("status", tty=True).out


def test_status_as_json_is_the_wires_message(daemon, innkeep):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    told = json.loads(innkeep("status", "--json").out)
    assert (told["type"], told["memory"]["budget"]) == ("status", 27 * 2**30)
