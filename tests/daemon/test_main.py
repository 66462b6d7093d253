import os
import subprocess
import sys
from pathlib import Path

import pytest

from innkeepd import __version__, main

PACKAGES = Path(main.__file__).parents[1], Path(main.__file__).parents[2] / "client"
ENVIRON = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PACKAGES))}


def test_without_a_verb_the_verbs_are_told(capsys):
    with pytest.raises(SystemExit) as left:
        main.main([])
    assert left.value.code == 2
    assert "VERB" in capsys.readouterr().err


def test_help_names_every_verb_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as left:
        main.main(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert all(f"\n    {verb} " in out for verb in main.VERBS)
    assert "78 wrong configuration" in out


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit):
        main.main(["--version"])
    assert capsys.readouterr().out == f"innkeepd {__version__}\n"


def test_a_verb_gets_the_rest_of_the_words_and_gives_the_status(tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text("[roles.coding]\nprimry = 1\n")
    assert main.main(["config", "check", "--config", str(file)]) == 78
    assert capsys.readouterr().err == f"innkeepd: {file}: roles.coding.primry: unknown key; did you mean primary?\n"


def test_a_wrong_configuration_ends_the_daemon_in_the_foreground_with_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("[timeouts]\nload = 'soon'\n")
    assert main.main(["run"]) == 78
    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert "timeouts.load: expected a duration" in reported


def test_a_reader_that_leaves_sees_no_traceback():
    command = [sys.executable, "-m", "innkeepd.main", "config", "show"]
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run(command, env=ENVIRON, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_ctrl_c_ends_a_verb_without_a_traceback(monkeypatch):
    def interrupted(_argv):
        raise KeyboardInterrupt

    monkeypatch.setattr("innkeepd.config.command.main", interrupted)
    assert main.main(["config", "show"]) == 130


def test_only_the_chosen_verb_is_imported():
    code = "import sys, innkeepd.main as m; m.main(['config', 'path']); sys.exit('httptools' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], env=ENVIRON, stdout=subprocess.DEVNULL, check=False)
    assert ran.returncode == 0


def test_a_thin_install_is_told_what_the_daemon_needs(capsys, monkeypatch):
    def absent(_name):
        raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    monkeypatch.setattr(main, "import_module", absent)
    assert main.main(["memory"]) == 1
    assert capsys.readouterr().err == (
        'innkeepd: psutil is not installed; the daemon needs it: pip install "innkeep[daemon]"\n'
    )


def test_a_module_of_ours_that_is_missing_is_a_fault(monkeypatch):
    def absent(_name):
        raise ModuleNotFoundError("No module named 'innkeepd.gone'", name="innkeepd.gone")

    monkeypatch.setattr(main, "import_module", absent)
    with pytest.raises(ModuleNotFoundError):
        main.main(["memory"])
