import json
import signal

from innkeep import wire
from support.cli_daemon import a_status


def test_reload_signals_the_daemon_and_tells_what_waits(daemon, innkeep, monkeypatch):
    sent = []
    monkeypatch.setattr("innkeep.cli.reload.os.kill", lambda *what: sent.append(what))
    monkeypatch.setattr("innkeep.cli.reload.SETTLES", 0)
    daemon.script[wire.StatusAsk] = lambda _: [a_status(awaits_restart=["http"], warnings=["line 3: prot"])]
    ended = innkeep("reload")
    assert sent == [(4711, signal.SIGHUP)]
    assert ended.out == "configuration read again\n[http] takes effect at a restart (`innkeep restart`)\n"
    assert ended.err == "innkeep: line 3: prot\n"
    assert json.loads(innkeep("reload", "--json").out)["awaits_restart"] == ["http"]


def test_a_daemon_that_cannot_be_signalled_is_told(daemon, innkeep, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("innkeep.cli.reload.os.kill", refused)
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    ended = innkeep("reload")
    assert (ended.status, "`innkeep restart`" in ended.err) == (1, True)
