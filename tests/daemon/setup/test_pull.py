import json

import pytest

from innkeepd.errors import ConfigError
from innkeepd.setup import pull
from innkeepd.setup.pull import Bar, Line
from support.setup import Puller, Screen, no_registry, situation, world

LINES = (
    b'{"status":"pulling manifest"}\n{"status":"pulling 1","dig',
    b'est":"sha256:1","total":100,"completed":50}\n\n{"status":"success"}',
)


@pytest.fixture
def run(tmp_path, capsys):
    def command(*argv, puller=None, reachable=True):
        said = []
        puller = puller or Puller(*LINES)
        now = situation((), tmp_path, reachable=reachable)
        status = pull.main(argv, world(said), lambda _world: now, no_registry, lambda _config: puller)
        return status, said, capsys.readouterr().err, puller

    return command


def test_the_verdict_comes_first_then_the_pull(run):
    status, said, err, puller = run("llama3.2:3b")
    assert (status, said) == (0, ["pulled llama3.2:3b"])
    assert err.splitlines()[0] == "llama3.2:3b: fits"
    assert err.splitlines()[-3:] == ["pulling manifest", "pulling 1", "success"]
    assert json.loads(puller.asked[0][2]) == {"model": "llama3.2:3b", "stream": True}
    assert puller.closed


def test_one_that_never_fits_is_not_downloaded_unless_forced(run):
    status, _, err, puller = run("llama3.3")
    assert (status, puller.asked) == (1, [])
    assert "never fits this machine" in err
    assert "--force downloads it all the same" in err
    assert run("llama3.3", "--force")[0] == 0


def test_json_is_the_verdict_and_ollamas_own_lines(run):
    _, said, err, _ = run("llama3.2:3b", "--json")
    assert [json.loads(line).get("type") or json.loads(line)["status"] for line in said] == [
        "fit", "pulling manifest", "pulling 1", "success",
    ]  # fmt: skip
    assert err == ""


def test_a_size_that_nobody_knows_is_said(run):
    assert "its size is not known before it is pulled" in run("odd")[2]


def test_what_ollama_refuses_is_one_line(run):
    status, _, err, puller = run("odd:1b", puller=Puller(b'{"error":"file does not exist"}\n'))
    assert (status, err.splitlines()[-1]) == (1, "innkeep: odd:1b: file does not exist")
    assert puller.closed
    assert run("odd:1b", puller=Puller(b"<html>\n"))[0] == 1
    assert run("odd:1b", puller=Puller())[0] == 1


def test_an_ollama_that_is_down_is_status_4(run, capsys):
    assert run("x:1b", reachable=False)[0] == 4

    def broken(_world):
        raise ConfigError("bad")

    assert pull.main(["x"], world([]), broken) == 78


def test_the_bar_shows_share_speed_and_what_is_left(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    now, screen = [0.0], Screen()
    bar = Bar(screen, lambda: now[0])
    total = 4 * 2**30
    bar.show(Line("pulling 1", "sha256:1", total, 0))
    now[0] = 10.0
    assert bar.text(Line("pulling 1", "sha256:1", total, total // 4), now[0]) == (
        "[######------------------]  25%  1.0 GiB / 4.0 GiB  102.4 MiB/s  30 s left"
    )
    assert bar.text(Line("verifying"), now[0]) == "verifying"
    bar.show(Line("pulling 1", "sha256:1", total, total // 2))
    now[0] = 10.01
    drawn = screen.getvalue()
    bar.show(Line("pulling 1", "sha256:1", total, total // 2 + 1))
    assert screen.getvalue() == drawn
    bar.clear()
    assert screen.getvalue().endswith("\r\x1b[K")
    now[0] = 1000.0
    assert "min left" in bar.text(Line("pulling 1", "sha256:1", total, total // 2), now[0])
