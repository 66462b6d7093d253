import subprocess
from pathlib import Path

import pytest

from innkeepd.service import launchctl
from innkeepd.service.errors import ServiceFault, Unsupported
from innkeepd.service.launchctl import STATUSES, Job, Launchctl, parse_print, run_command
from support.service import GUI, FakeMac

RECORDINGS = Path(__file__).parents[2] / "data" / "launchctl"


def recorded(name: str) -> Job:
    return parse_print((RECORDINGS / f"launchctl_print_{name}.txt").read_text())


def test_a_running_job_is_read_past_its_nested_blocks():
    job = recorded("running_keepalive")
    assert (job.state, job.pid, job.last_exit, job.runs, job.exit_timeout) == ("running", 1076, None, 1, 5)
    assert job.path == "/Users/sglavoie/scripts/launchagents/Library/LaunchAgents/com.sglavoie.ddc-brightnessd.plist"
    assert job.program == "/Users/sglavoie/.local/bin/ddc-brightnessd"


@pytest.mark.parametrize(
    ("name", "state", "pid", "last_exit", "last_signal"),
    [
        ("background_successfulexit_false", "running", 1082, None, None),
        ("crash_loop_excerpt", "spawn scheduled", None, 1, None),
        ("exited_nonzero", "not running", None, 1, None),
        ("exited_zero_interval", "not running", None, 0, None),
        ("killed_by_signal_excerpt", "running", 31035, None, "Terminated: 15"),
        ("socket_activated", "running", 9183, 2, None),
    ],
)
def test_every_recording_is_read(name, state, pid, last_exit, last_signal):
    job = recorded(name)
    assert (job.state, job.pid, job.last_exit, job.last_signal) == (state, pid, last_exit, last_signal)
    assert job.is_throttled == (state == "spawn scheduled")


@pytest.mark.parametrize("text", ["", "x", "\tpid = many\n", "\tlast exit code = (never exited)\n", "\t\tpid = 3\n"])
def test_odd_texts_are_read_as_nothing_known(text: str):
    assert parse_print(text) == Job()


def test_every_recorded_error_is_in_the_table_with_its_own_number():
    recorded_errors = (RECORDINGS / "launchctl_errors.txt").read_text().splitlines()
    numbers = {int(line.split(": ")[1]) for line in recorded_errors if " failed: " in line}
    assert numbers | {0, 17} == STATUSES.keys()


@pytest.mark.parametrize("status", sorted(set(STATUSES) - {0}))
def test_every_status_becomes_a_fault_with_call_number_and_meaning(status: int):
    reply = Launchctl("gui/501", lambda command: subprocess.CompletedProcess(command, status, "", "")).bootout()
    assert f"`launchctl bootout {GUI}` failed with status {status}" in str(reply.fault())
    assert STATUSES[status].says in str(reply.fault())


def test_an_absent_job_is_none(mac: FakeMac):
    assert Launchctl("gui/501", mac.run).job() is None


def test_a_variable_of_the_login_session_is_read(mac: FakeMac):
    mac.set(env={"OLLAMA_HOST": "0.0.0.0"})
    door = Launchctl("gui/501", mac.run)
    assert door.getenv("OLLAMA_HOST") == "0.0.0.0"
    assert door.getenv("OLLAMA_MODELS") is None
    assert repr(door) == f"<Launchctl {GUI}>"


def test_a_machine_without_launchctl_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unsupported, match="no `launchctl`"):
        run_command(["launchctl", "print"])


def test_a_command_that_hangs_is_told(monkeypatch):
    monkeypatch.setattr(launchctl, "TIMEOUT", 0.05)
    with pytest.raises(ServiceFault, match="gave no answer"):
        run_command(["sleep", "5"])


def test_a_command_runs_with_its_output_caught():
    assert run_command(["printf", "a"]).stdout == "a"
