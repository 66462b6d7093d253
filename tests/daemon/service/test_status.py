import pytest

from innkeepd.service.launchctl import Job
from innkeepd.service.probe import Answer
from innkeepd.service.status import View, judge, look, render
from support.service import GUI, FakeMac

WELCOME = Answer("welcome", version="0.1.0", pid=7)
BAD_CONFIG = Answer(
    "error", code="bad_config", message="~/.innkeep/config.toml: roles.coding.primary: a name is missing"
)
REFUSED = Answer("refused")


def view(answer: Answer, job: Job | None = None, **more) -> View:
    return View(
        **{"socket": "/h/s", "answer": answer, "installed": True, "current": True, "target": GUI, "job": job} | more
    )


@pytest.mark.parametrize(
    ("seen", "state", "why", "status"),
    [
        (view(WELCOME, Job(state="running", pid=7)), "running", "innkeepd 0.1.0, pid 7", 0),
        (view(WELCOME, Job(state="running", pid=7), current=False), "running", "older definition", 0),
        (view(WELCOME, installed=False), "foreground", "not as a service", 0),
        (view(BAD_CONFIG, Job(state="running", pid=7)), "bad_config", "roles.coding.primary", 1),
        (view(REFUSED, Job(state="spawn scheduled", last_exit=1)), "failing", "last exit code 1", 1),
        (view(REFUSED, Job(state="not running", last_signal="Killed: 9")), "failing", "Killed: 9", 1),
        (view(REFUSED, Job(state="running", pid=7)), "silent", "pid 7 runs, but nothing answers at /h/s", 1),
        (view(Answer("error", code="forbidden", message="no")), "silent", "forbidden", 1),
        (view(Answer("forbidden")), "silent", "belongs to another user", 1),
        (view(REFUSED, Job(state="not running", last_exit=0)), "stopped", "loaded, but not running", 3),
        (view(REFUSED), "stopped", "installed, but not loaded", 3),
        (view(Answer("absent"), installed=False), "not_installed", "there is no service", 3),
    ],
)
def test_what_was_seen_becomes_one_state_with_its_reason(seen: View, state: str, why: str, status: int):
    standing = judge(seen)
    assert (standing.state, standing.exit_status) == (state, status)
    assert why in standing.why


def test_the_reason_of_a_failing_start_is_shown_with_its_last_words():
    seen = view(
        REFUSED, Job(state="spawn scheduled", last_exit=1, runs=4), last_words=["Traceback", "ImportError: no psutil"]
    )
    text = render(seen, judge(seen))
    assert text.splitlines()[0] == "failing: last exit code 1"
    assert "started 4 times" in text
    assert "    ImportError: no psutil" in text


def test_old_last_words_are_not_shown_while_all_is_well():
    seen = view(WELCOME, Job(state="running", pid=7), last_words=["ImportError"])
    assert "ImportError" not in render(seen, judge(seen))


def test_a_machine_is_looked_at(mac: FakeMac):
    assert look(mac.agent(), mac.ask) == view(
        Answer("absent"), installed=False, current=False, target=None, socket=str(mac.paths.socket)
    )
    mac.agent().install()
    mac.paths.crash_log.write_text("old\n")
    seen = look(mac.agent(), mac.ask)
    assert (seen.target, seen.installed, seen.current, seen.last_words) == (GUI, True, True, ["old"])
    assert not look(mac.agent(drain=1.0), mac.ask).current
