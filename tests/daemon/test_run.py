"""The daemon as a process: how it starts, what signals do, and how it ends."""

import os
import shutil
import signal
import stat
import time

import pytest

from innkeepd import run
from innkeepd.errors import EX_SOFTWARE
from support.process import daemon, short_home

pytestmark = pytest.mark.processes

CHAT = {"type": "chat", "messages": [{"role": "user", "content": "hi"}], "model": "llama3.1:8b"}
LONG = CHAT | {"messages": [{"role": "user", "content": "hi [simulate tokens 60000]"}]}
SOME = CHAT | {"messages": [{"role": "user", "content": "hi [simulate tokens 1500]"}]}
QUIET = '[http]\nenabled = false\n[timeouts]\ndrain = "10s"\n'


@pytest.fixture
def home():
    with short_home() as folder:
        (folder / "config.toml").write_text(QUIET)
        yield folder


def simulated(home, *more):
    return daemon(home, "--simulate", "--speed", "50", *more)


def test_it_answers_and_says_that_it_is_simulated(home):
    with simulated(home) as process:
        status = process.ask(type="status")
        assert status["pid"] == process.popen.pid
        assert status["backend"]["simulated"]
        assert process.ask(**CHAT)["type"] == "done"
        assert stat.S_IMODE(process.socket.stat().st_mode) == 0o600
        assert (home / "innkeepd.lock").read_text().strip() == str(process.popen.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_answers_end_and_exits_well(home, number):
    with simulated(home) as process, process.connect() as lines:
        lines.say(**SOME)
        lines.until("delta")
        process.send(number)
        assert lines.until("done", "error")["type"] == "done"
        assert process.end() == (0, "")
        assert not process.socket.exists()


def test_a_second_signal_stops_at_once_with_an_honest_error(home):
    with simulated(home) as process, process.connect() as lines:
        lines.say(**LONG)
        lines.until("delta")
        process.send(signal.SIGTERM)
        with process.connect() as other:
            while other.ask(**CHAT).get("code") != "shutting_down":
                pass
        began = time.monotonic()
        process.send(signal.SIGTERM)
        error = lines.until("done", "error")
        assert (error["code"], error["detail"]["partial"]) == ("shutting_down", True)
        assert process.end()[0] == 0
        assert time.monotonic() - began < 5


def test_shutdown_is_answered_and_exits_well(home):
    with simulated(home) as process:
        assert process.ask(type="shutdown") == {"type": "stopping", "id": 1, "drain": 10.0}
        assert process.end() == (0, "")


def test_shutdown_tells_everybody_who_is_connected_why(home):
    with simulated(home) as process, process.connect() as lines:
        lines.say(**LONG)
        lines.until("delta")
        process.ask(type="shutdown", drain=0)
        error = lines.until("done", "error")
        assert error["code"] == "shutting_down"
        assert process.end() == (0, "")


def test_sighup_reads_the_configuration_again_and_keeps_it_where_the_new_one_is_wrong(home):
    with simulated(home) as process:
        assert process.ask(type="select", model="llama3.1:8b")["type"] == "selected"
        config = home / "config.toml"
        config.write_text(QUIET + '[roles.coding]\nprimary = "llama3.1:8b"\nfallbacks = []\n')
        process.send(signal.SIGHUP)
        with process.connect() as lines:
            while lines.ask(type="route", text="debug this function")["candidates"] != ["llama3.1:8b"]:
                pass
            config.write_text("[roles.coding]\nprimary = 7\n")
            process.send(signal.SIGHUP)
            assert lines.ask(type="hello", protocol=1)["pid"] == process.popen.pid
            assert "llama3.1:8b" in lines.ask(type="route", text="debug this function")["candidates"]
            while not (warnings := lines.ask(type="status")["warnings"]):
                pass
            assert "roles.coding.primary" in warnings[0]


def test_a_bad_configuration_exits_78_with_one_line_that_names_file_and_key(home):
    (home / "config.toml").write_text("[timeouts]\nstall = []\n")
    with simulated(home) as process:
        status, error = process.end()
        assert status == 78
        assert len(error.splitlines()) == 1
        assert str(home / "config.toml") in error
        assert "timeouts.stall" in error


def test_a_second_daemon_names_the_pid_of_the_first(home):
    with simulated(home) as first:
        first.ask(type="status")
        with simulated(home) as second:
            status, error = second.end()
        assert status == 1
        assert len(error.splitlines()) == 1
        assert f"pid {first.popen.pid}" in error
        assert first.ask(type="hello", protocol=1)["pid"] == first.popen.pid


def test_a_killed_daemons_stale_socket_is_removed_and_its_selection_remembered(home):
    with simulated(home) as first:
        first.ask(type="select", model="llama3.1:8b")
        first.ask(type="history")  # waits until everything before is on disk
        first.popen.kill()
        first.popen.wait()
        assert first.socket.exists()
    with simulated(home) as second:
        assert second.ask(type="status")["selected"] == "llama3.1:8b"


def test_something_that_is_no_socket_in_the_sockets_place_is_told(home):
    (home / "innkeepd.sock").write_text("mine")
    with simulated(home) as process:
        status, error = process.end()
    assert status == 1
    assert error == f"innkeepd: {home / 'innkeepd.sock'} is in the way and is not a socket; move it away\n"


def test_a_journal_is_written_and_one_that_cannot_be_is_told_in_one_line(home):
    with simulated(home, "--journal", str(home / "journal")) as process:
        process.ask(**CHAT)
        assert b'"Asked"' in (home / "journal").read_bytes()
    with simulated(home, "--journal", str(home / "no" / "journal")) as process:
        status, error = process.end()
    assert status == 2
    assert f"cannot write {home / 'no' / 'journal'}" in error.splitlines()[-1]
    assert "Traceback" not in error


def test_a_log_that_cannot_be_written_stops_nothing(home):
    (home / "config.toml").write_text(QUIET + f'[log]\npath = "{home}"\n')
    with simulated(home) as process:
        assert process.ask(**CHAT)["type"] == "done"
        process.send(signal.SIGTERM)
        status, error = process.end()
    assert status == 0
    assert "the log's file cannot be written" in error


def test_a_new_log_level_holds_at_once(home):
    with simulated(home) as process:
        process.ask(**CHAT)
        (home / "config.toml").write_text(QUIET + f'[log]\npath = "{home / "other.log"}"\nlevel = "debug"\n')
        process.send(signal.SIGHUP)
        while not (home / "other.log").exists():
            process.ask(type="status")
        process.ask(**CHAT)
        process.send(signal.SIGTERM)
        assert process.end() == (0, "")
        assert '"event":"request"' in (home / "other.log").read_text().replace('": "', '":"')


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_told_in_one_line(home):
    home.chmod(0o500)
    with simulated(home) as process:
        status, error = process.end()
    assert (status, len(error.splitlines())) == (1, 1)


@pytest.mark.parametrize("speed", ["0", "-1", "x", "1e9"])
def test_a_speed_that_makes_no_sense_is_wrong_usage(speed, capsys):
    with pytest.raises(SystemExit) as end:
        run.main(["--simulate", "--speed", speed])
    assert end.value.code == 2
    assert "--speed" in capsys.readouterr().err


BROKEN_OWNER = """
import sys
from innkeepd import main
from innkeepd.policy.scheduling import events, scheduler
step = scheduler.Scheduler.step
def broken(self, event, now):
    if isinstance(event, events.HoldBegan):
        raise RuntimeError("planted")
    return step(self, event, now)
scheduler.Scheduler.step = broken
sys.exit(main.main(sys.argv[1:]))
"""


def test_a_fault_of_the_owner_ends_the_process_within_a_second_and_loses_nothing(home):
    with daemon(home, "--simulate", "--speed", "50", code=BROKEN_OWNER) as process, process.connect() as lines:
        assert lines.ask(type="pin", model="llama3.1:8b")["type"] == "pinned"
        done = process.ask(**CHAT)
        began = time.monotonic()
        lines.say(type="hold", seconds=60)
        status, error = process.end()
        assert (status, time.monotonic() - began < 2) == (EX_SOFTWARE, True)
        for part in ("HoldBegan(until=", "Scheduler([", "planted", "Traceback"):
            assert part in error
        assert '"level":"critical"' in (home / "logs" / "innkeepd.log").read_text()
    with simulated(home) as process:
        record = process.ask(type="history", request="last")["records"][0]
        assert (record["outcome"], record["model"]) == ("answered", done["model"])
        process.ask(type="resume")  # the hold had been written down before the owner failed over it
        process.ask(**CHAT)
        assert [each["pinned"] for each in process.ask(type="status")["resident"]] == [True]


IMPATIENT = """
import sys
from innkeepd import lock, main
lock.LOOK_EVERY = 0.05
sys.exit(main.main(sys.argv[1:]))
"""


def test_a_daemon_whose_home_is_deleted_says_so_and_ends(home):
    with daemon(home, "--simulate", "--speed", "50", code=IMPATIENT) as process:
        process.ask(type="hello", protocol=1)
        shutil.rmtree(home)
        status, error = process.end()
        home.mkdir(exist_ok=True)
    assert (status, "was deleted or replaced" in error) == (1, True)


def test_a_second_home_on_the_same_ollama_is_refused_in_one_sentence(home):
    (home / "config.toml").write_text(QUIET + '[ollama]\nurl = "http://127.0.0.1:1"\n')
    with daemon(home) as first, short_home() as other:
        first.ask(type="hello", protocol=1)
        (other / "config.toml").write_text((home / "config.toml").read_text())
        (other / ".innkeep").symlink_to(home / ".innkeep")  # the same user's
        with daemon(other) as second:
            status, error = second.end()
    assert (status, len(error.splitlines())) == (1, 1)
    assert f"pid {first.popen.pid}" in error
    assert "another home" in error
