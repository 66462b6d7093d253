"""``innkeep top`` on a real terminal: a pseudo-terminal of the kernel, and tmux."""

import os
import shutil
import subprocess
import sys
import time

import pytest

pytest.importorskip("textual", reason="the extra `top` is not installed")

from innkeep import wire
from support.cli_daemon import UNTIL_CANCELLED, a_record, a_status

COMMAND = "import sys; from innkeep.cli import main; sys.exit(main())"
LIMIT = 60.0


@pytest.fixture
def served(daemon):
    daemon.script[wire.Watch] = lambda _: [a_status(), UNTIL_CANCELLED]
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[a_record(model="한국어:8b")])]
    return daemon


class Tmux:
    """A window of 80x24 in a tmux server of its own."""

    def __init__(self, folder, command):
        self._base = ["tmux", "-S", str(folder / "t"), "-f", "/dev/null"]
        size = ["-x", "80", "-y", "24"]
        self._run("new-session", "-d", *size, " ".join(command) + "; echo ended $?; sleep 600")

    def _run(self, *words):
        environ = os.environ | {"LC_ALL": "C.UTF-8", "PYTHONPATH": ":".join(sys.path)}
        return subprocess.run([*self._base, *words], check=True, capture_output=True, text=True, env=environ).stdout

    def until(self, wanted, without="\0"):
        end = time.monotonic() + LIMIT
        while wanted not in (shown := self._run("capture-pane", "-p")) or without in shown:
            assert time.monotonic() < end, shown
        return shown

    def type(self, *keys):
        self._run("send-keys", *keys)

    def close(self):
        self._run("kill-server")


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
def test_in_tmux_at_80_by_24_it_shows_everything_and_leaves_a_clean_terminal(served):
    tmux = Tmux(served.path.parent, [sys.executable, "-c", f"'{COMMAND}'", "--socket", str(served.path), "top"])
    try:
        shown = tmux.until("한국어:8b").splitlines()
        assert shown[0].startswith("innkeep top  ollama 0.17.4  up 2 h 10 min  12 requests, 1 swap")
        assert any(line.startswith("qwen2.5-coder:32b        ████████") for line in shown)
        assert any(line.endswith("한국어:8b             12.0s   0.5s  11.2  answered") for line in shown)
        assert shown[23].endswith("q quit")
        tmux.type("e")
        tmux.until("request 3f9a01")
        tmux.type("Escape")
        tmux.until("q quit", without="request 3f9a01")  # or the terminal takes Escape and q for one key, Alt-q
        tmux.type("q")
        assert "MODELS" not in tmux.until("ended 0")
    finally:
        tmux.close()


def test_without_a_terminal_it_says_what_to_use_instead(innkeep, served):
    ended = innkeep("top")
    assert (ended.status, ended.err) == (
        2,
        "innkeep: top needs a terminal; `innkeep monitor` prints a line each half minute\n",
    )
    assert innkeep("top", "--json").status == 2


def test_without_textual_it_says_what_to_install(innkeep, served, monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Tty", (), {"isatty": lambda _: True})())
    monkeypatch.setitem(sys.modules, "innkeep.cli.top_app", None)
    monkeypatch.delitem(sys.modules, "innkeep.cli.top_app")
    monkeypatch.setitem(sys.modules, "textual.app", None)
    ended = innkeep("top", tty=True)
    assert ended.status == 2
    assert "install the extra `top`" in ended.err
