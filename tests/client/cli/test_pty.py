"""The command in a real process on a real terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from innkeep import wire
from support.cli_daemon import UNTIL_CANCELLED, an_answer, half_an_answer

COMMAND = [sys.executable, "-c", "import sys; from innkeep.cli import main; sys.exit(main())"]
LIMIT = 20.0


class Screen:
    """A terminal of 120 columns with a command on it."""

    def __init__(self, words, **environ):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
        environ = inherited | {"TERM": "xterm", "PYTHONPATH": ":".join(sys.path)} | environ
        self.process = subprocess.Popen([*COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        self.text = ""

    def until(self, wanted):
        """Read until ``wanted`` (a pattern) has been drawn."""
        end = time.monotonic() + LIMIT
        while not re.search(wanted, self.text):
            assert time.monotonic() < end, self.text
            assert self._read(), self.text

    def _read(self):
        ready, _, _ = select.select([self._master], [], [], LIMIT)
        try:
            piece = os.read(self._master, 4096) if ready else b""
        except OSError:  # Linux tells so that the other side is closed
            piece = b""
        self.text += piece.decode()
        return piece

    def type(self, keys):
        os.write(self._master, keys.encode())

    def end(self):
        """Read to the end and give the exit status."""
        while self._read():
            pass
        return self.process.wait(LIMIT)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT)
        os.close(self._master)


@pytest.fixture
def screen(daemon):
    opened = []

    def show(*words, **environ):
        opened.append(Screen(["--socket", str(daemon.path), *words], **environ))
        return opened[-1]

    yield show
    for one in opened:
        one.close()


BEFORE = [
    wire.Waiting(id=0, model="q", position=2, ahead=1, resident=["d"], expected=None, reason="d answers"),
    wire.Loading(id=0, model="q", unloading=["d"], elapsed=7.0, expected=12.0),
]


def test_progress_is_redrawn_on_one_line_and_wiped_before_the_answer(daemon, screen):
    daemon.script[wire.Chat] = an_answer("파랗다", before=BEFORE)
    shown = screen("ask", "x")
    assert shown.end() == 0
    assert "\r\x1b[J\x1b[2mloading q  7 s of ~12 s (d is unloading)\x1b[0m" in shown.text
    assert "\r\x1b[J파랗다\r\n" in shown.text


def test_a_dumb_terminal_gets_plain_lines(daemon, screen):
    daemon.script[wire.Chat] = an_answer("파랗다", before=BEFORE)
    shown = screen("ask", "x", TERM="dumb")
    assert shown.end() == 0
    assert "\x1b" not in shown.text
    assert "loading q  7 s of ~12 s (d is unloading)\r\n" in shown.text


def test_ctrl_c_cancels_the_request_and_ends_with_130(daemon, screen):
    daemon.script[wire.Chat] = half_an_answer("on and on", UNTIL_CANCELLED)
    shown = screen("ask", "x")
    shown.until("on and on")
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 130
    assert "Traceback" not in shown.text
    assert daemon.cancelled.wait(LIMIT)


def test_a_conversation_outlives_a_stopped_answer(daemon, screen):
    daemon.script[wire.Chat] = half_an_answer("on and on", UNTIL_CANCELLED)
    shown = screen("chat")
    shown.until(">>> ")
    shown.type("hello\n")
    shown.until("on and on")
    shown.process.send_signal(signal.SIGINT)
    shown.until("stopped[^>]*>>> ")
    daemon.script[wire.Chat] = an_answer("fine")
    shown.type("again\n")
    shown.until("fine")
    shown.until(r"14 s: waited[^>]*>>> ")
    shown.type("\x04")
    assert shown.end() == 0
    assert daemon.last(wire.Chat).messages[1] == wire.Message("assistant", "on and on")
