import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from innkeep.cli.command import run
from innkeep.cli.terminal import Terminal
from support.cli_daemon import ScriptedDaemon, Stream


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Innkeep = Callable[..., Ended]


@pytest.fixture
def daemon() -> Iterator[ScriptedDaemon]:
    folder = tempfile.mkdtemp(prefix="ik")  # not tmp_path: a socket's path has at most 103 bytes
    scripted = ScriptedDaemon(Path(folder) / "d.sock")
    yield scripted
    scripted.close()
    shutil.rmtree(folder)


@pytest.fixture
def innkeep(request: pytest.FixtureRequest) -> Innkeep:
    """``innkeep("status", tty=True) -> Ended``: a command line in this process, at the scripted daemon."""

    def command(*argv: str, tty: bool = False, environ: Mapping[str, str] | None = None) -> Ended:
        terminal = Terminal(Stream(tty=tty), Stream(tty=tty), {"COLUMNS": "100", "TERM": "xterm"} | dict(environ or {}))
        words = list(argv)
        if "daemon" in request.fixturenames and "--socket" not in words:
            words = ["--socket", str(request.getfixturevalue("daemon").path), *words]
        try:
            status = run(words, terminal)
        except SystemExit as leaving:
            status = leaving.code
        return Ended(status, terminal.out.getvalue(), terminal.err.getvalue())

    return command
