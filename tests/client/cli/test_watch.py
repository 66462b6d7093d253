import json

from innkeep import wire
from support.cli_daemon import a_status


def watched(_):
    yield a_status()
    yield wire.Event(id=0, kind="residency", at=1.0, what="loaded", data={"model": "m"})
    yield wire.Error(id=0, code="shutting_down", message="innkeepd stops", retryable=True)


def test_watch_prints_the_snapshot_then_events_until_the_daemon_stops(daemon, innkeep):
    daemon.script[wire.Watch] = watched
    ended = innkeep("watch", "--kind", "residency", "--kind", "memory")
    assert "IN MEMORY" in ended.out
    assert ended.out.splitlines()[-1].endswith("residency  loaded  model=m")
    assert (ended.status, ended.err) == (4, "innkeep: innkeepd stops\n")
    assert daemon.last(wire.Watch).kinds == ["residency", "memory"]


def test_watch_as_json_is_one_object_a_line_its_error_too(daemon, innkeep):
    daemon.script[wire.Watch] = watched
    kinds = [json.loads(line)["type"] for line in innkeep("watch", "--json").out.splitlines()]
    assert kinds == ["status", "event", "error"]
    assert daemon.last(wire.Watch).kinds is None
