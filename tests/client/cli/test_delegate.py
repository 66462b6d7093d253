import os
import stat
import subprocess
import sys

import pytest

from innkeep.cli import delegate
from innkeep.cli.outcome import UsageError
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream

SCRIPT = '#!/bin/sh\necho "$INNKEEP_SOCKET|$*"\nexit 7\n'


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No innkeepd beside this command or this Python."""
    monkeypatch.setattr(delegate.sys, "argv", [str(tmp_path / "nowhere" / "innkeep")])
    monkeypatch.setattr(delegate.sys, "executable", str(tmp_path / "nowhere" / "python"))


def install(folder, text=SCRIPT):
    folder.mkdir(exist_ok=True)
    innkeepd = folder / "innkeepd"
    innkeepd.write_text(text)
    innkeepd.chmod(innkeepd.stat().st_mode | stat.S_IXUSR)
    return innkeepd


def test_without_a_daemon_one_line_says_how_to_get_it(bare, innkeep, tmp_path):
    ended = innkeep("doctor", environ={"PATH": str(tmp_path)})
    assert (ended.status, ended.err) == (
        1,
        (
            "innkeep: `innkeep doctor` needs the daemon, which is not installed; "
            "install the extra `daemon`, as the README says\n"
        ),
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["service", "install", "--force"], "|service install --force"),
        (["--socket", "/s", "--json", "config", "path"], "/s|config path --json"),
        (["--socket=/s", "openclaw", "--help"], "/s|openclaw --help"),
    ],
)
def test_the_command_becomes_innkeepd_with_its_output_and_status(tmp_path, words, told):
    install(tmp_path)
    script = "import sys; from innkeep.cli import main; sys.exit(main())"
    environ = os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    environ.pop("INNKEEP_SOCKET", None)
    fake = tmp_path / "innkeep"
    fake.write_text(script)
    ended = subprocess.run(
        [sys.executable, str(fake), *words], capture_output=True, text=True, env=environ, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, f"{told}\n", "")


def test_options_before_the_verb_are_passed_on(bare, innkeep, tmp_path, monkeypatch):
    innkeepd = install(tmp_path)
    became = []
    monkeypatch.setattr("os.execve", lambda *call: became.append(call))
    innkeep("--json", "--socket", "/a", "--socket=/b", "config", "show", environ={"PATH": str(tmp_path)})
    ((path, words, environ),) = became
    assert (path, words) == (innkeepd, [str(innkeepd), "config", "show", "--json"])
    assert environ["INNKEEP_SOCKET"] == "/b"


def test_a_socket_behind_the_verb_is_passed_on_too(bare, innkeep, tmp_path, monkeypatch):
    install(tmp_path)
    became = []
    monkeypatch.setattr("os.execve", lambda *call: became.append(call))
    innkeep("doctor", "--socket", "/c", "--json", environ={"PATH": str(tmp_path)})
    ((_, words, environ),) = became
    assert (words[1:], environ["INNKEEP_SOCKET"]) == (["doctor", "--json"], "/c")


def test_innkeepd_beside_the_command_comes_before_the_path(tmp_path):
    beside, elsewhere = install(tmp_path / "a"), install(tmp_path / "b")
    found = delegate.find_innkeepd(
        {"PATH": str(elsewhere.parent)}, argv0=str(beside.parent / "innkeep"), python=str(tmp_path / "c" / "python")
    )
    assert found == beside


def test_innkeepd_on_the_path_is_found(tmp_path):
    elsewhere = install(tmp_path / "b")
    python = str(tmp_path / "c" / "python")
    assert (
        delegate.find_innkeepd({"PATH": str(elsewhere.parent)}, argv0=str(tmp_path / "innkeep"), python=python)
        == elsewhere
    )


def test_an_innkeepd_whose_libraries_are_missing_counts_as_absent(tmp_path, monkeypatch):
    innkeepd = install(tmp_path / "a")
    places = {
        "environ": {"PATH": str(innkeepd.parent)},
        "argv0": str(innkeepd.parent / "innkeep"),
        "python": str(innkeepd.parent / "python"),
    }
    monkeypatch.setattr(delegate, "find_spec", lambda _: None)
    assert delegate.find_innkeepd(**places) is None
    monkeypatch.setattr(delegate, "find_spec", lambda name: name)
    assert delegate.find_innkeepd(**places) == innkeepd


def test_an_innkeepd_that_cannot_be_started_is_one_line(bare, innkeep, tmp_path):
    innkeepd = install(tmp_path, "#!/nonexistent/python\n")
    ended = innkeep("doctor", environ={"PATH": str(innkeepd.parent)})
    assert (ended.status, ended.err) == (
        1,
        f"innkeep: {innkeepd} can't be started: No such file or directory; install innkeep again\n",
    )


def test_a_socket_option_without_a_path_is_a_usage_error(bare, tmp_path):
    innkeepd = install(tmp_path)
    terminal = Terminal(Stream(tty=False), Stream(tty=False), {"PATH": str(innkeepd.parent)})
    with pytest.raises(UsageError, match="--socket needs a path"):
        delegate.delegate("doctor", ["--socket"], [], terminal)
