import json

import pytest

from innkeep import wire
from innkeep.cli import monitor
from innkeep.cli.monitor import status_line
from support.cli_daemon import a_status


@pytest.fixture
def slept(monkeypatch):
    found = []
    monkeypatch.setattr(monitor.time, "sleep", found.append)
    return found


def test_monitor_prints_a_line_each_half_minute(daemon, innkeep, slept):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    ended = innkeep("monitor", "-n", "3")
    assert len(ended.out.splitlines()) == 3
    assert ended.out.splitlines()[0][8:] == (
        "  qwen2.5-coder:32b 21.0 GiB answers 1, llama3.1:8b 6.0 GiB | 0 waiting | 3.0 GiB of 27.0 GiB available"
        " | pressure normal | 1 swap"
    )
    assert (ended.status, slept) == (0, [30.0, 30.0])


def test_monitor_as_json_is_a_status_a_line_and_never_hurries(daemon, innkeep, slept):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    ended = innkeep("monitor", "-n", "2", "--every", "0.1", "--json")
    assert [json.loads(line)["type"] for line in ended.out.splitlines()] == ["status", "status"]
    assert slept == [1.0]


def test_a_line_says_what_is_not_as_usual():
    status = a_status(
        resident=[],
        changing=[wire.Changing("m", "loading", 4.0)],
        oldest_wait=12.0,
        waiting=[wire.Waiter("a", "m", "batch", 12.0)],
        held_until=2e9,
        backend=wire.BackendState("u", reachable=False),
    )
    line = status_line(status)
    for part in ("loading m 4.0 s", "1 waiting (12 s)", "Ollama does not answer", "on hold"):
        assert part in line
