import json
import os
import plistlib

import pytest

from innkeepd.service.cli import World, main
from innkeepd.service.probe import Answer
from support.service import GUI, FakeMac

pytestmark = pytest.mark.processes


def test_the_whole_life_of_a_service_by_its_commands(mac: FakeMac):
    world = mac.everything()
    assert main(["status"], world) == 3
    assert main(["install"], world) == 0
    assert mac.said[-1] == "running: innkeepd 0.1.0, pid 4001"
    assert main(["status"], world) == 0
    assert main(["restart"], world) == 0
    assert main(["stop"], world) == 0
    assert main(["start"], world) == 0
    assert main(["uninstall", "--keep-state"], world) == 0
    assert mac.jobs == {}


def test_the_launchctl_on_the_real_path_is_the_one_that_runs(mac: FakeMac, monkeypatch):
    for name, value in mac.environ.items():
        monkeypatch.setenv(name, value)
    world = World(os.environ, 501, "darwin", clock=mac.clock, say=mac.said.append, ask=mac.ask)
    assert main(["install"], world) == 0
    assert mac.jobs[GUI]["pid"]
    assert main(["uninstall"], world) == 0
    assert mac.jobs == {}


def test_a_bad_configuration_is_told_at_install_and_as_the_reason_in_status(mac: FakeMac):
    mac.paths.home.mkdir(mode=0o700)
    (mac.paths.home / "config.toml").write_text("[roles]\ncodin = 1\n")
    mac.answer = Answer("error", code="bad_config", message="config.toml: roles.codin: expected a table")
    assert main(["install"], mac.everything()) == 1
    assert any(line.startswith("warning: the configuration is broken") and "codin" in line for line in mac.said)
    assert "refuses every request: bad_config" in mac.said[-1]
    assert main(["status", "--json"], mac.everything()) == 1
    told = json.loads(mac.said[-1])
    assert (told["state"], told["job"]["pid"], told["target"]) == ("bad_config", 4001, GUI)
    assert "roles.codin" in told["why"]


def test_the_drain_of_the_configuration_makes_the_exit_timeout(mac: FakeMac):
    mac.paths.home.mkdir(mode=0o700)
    (mac.paths.home / "config.toml").write_text('[timeouts]\ndrain = "90s"\n')
    assert main(["print", "--json"], mac.everything()) == 0
    assert json.loads(mac.said[-1])["ExitTimeOut"] == 100


def test_print_shows_what_install_would_write(mac: FakeMac):
    main(["print"], mac.everything())
    shown = mac.said[-1]
    assert not mac.paths.agent_file.exists()
    main(["install"], mac.everything())
    assert plistlib.loads(shown.encode()) == plistlib.loads(mac.paths.agent_file.read_bytes())


def test_print_on_linux_shows_both_units(linux: FakeMac):
    main(["print"], linux.everything())
    assert "ListenStream=" in linux.said[-1]
    assert "ExecStart=" in linux.said[-1]
    main(["print", "--json"], linux.everything())
    assert len(json.loads(linux.said[-1])) == 2


def test_the_commands_work_on_linux(linux: FakeMac):
    assert main(["install"], linux.everything()) == 0
    assert main(["status"], linux.everything()) == 0
    assert main(["uninstall"], linux.everything()) == 0


def test_ollama_host_of_the_shell_is_not_taken_over_silently(mac: FakeMac):
    mac.environ["OLLAMA_HOST"] = "127.0.0.1:11434"
    main(["install"], mac.everything())
    assert any("OLLAMA_HOST of this shell is not taken over" in line for line in mac.said)


def test_a_daemon_that_starts_and_says_nothing_is_an_exit_status_of_one(mac: FakeMac):
    mac.answer = Answer("silent")
    assert main(["install"], mac.everything()) == 0 + 1
    assert "innkeep service status" in mac.said[-1]


def test_a_fault_is_one_line_on_stderr(mac: FakeMac, capsys):
    assert main(["start"], mac.everything()) == 1
    assert capsys.readouterr().err == (
        "innkeepd: dev.innkeep.innkeepd isn't installed: run `innkeep service install`\n"
    )


def test_a_file_in_a_folders_place_is_one_line_on_stderr(mac: FakeMac, capsys):
    agents = mac.paths.agent_file.parent
    agents.parent.mkdir(parents=True)
    agents.write_text("no folder")
    assert main(["install"], mac.everything()) == 1
    assert f"{agents} can't be written (File exists)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line_on_stderr(mac: FakeMac, capsys, monkeypatch):
    def denied(*_arguments, **_options):
        raise PermissionError(13, "Permission denied", "/Users/you/.innkeep")

    monkeypatch.setattr("innkeepd.service.install.make_ready", denied)
    assert main(["install"], mac.everything()) == 1
    assert capsys.readouterr().err.startswith("innkeepd: /Users/you/.innkeep can't be written (Permission denied)")


def test_logs_are_shown_and_missing_ones_told(mac: FakeMac, capsys):
    assert main(["logs"], mac.everything()) == 1
    assert "there is no log at" in capsys.readouterr().err
    mac.paths.logs.mkdir(parents=True)
    mac.paths.daemon_log.write_text('{"event":"one"}\n{"event":"two"}\n')
    assert main(["logs", "-n", "1"], mac.everything()) == 0
    assert mac.said == ["two"]
    assert main(["logs", "--json", "-n", "1"], mac.everything()) == 0
    assert mac.said[-1] == '{"event":"two"}'


def test_a_daemon_that_died_before_its_first_line_is_shown_by_its_last_words(mac: FakeMac):
    mac.paths.logs.mkdir(parents=True)
    mac.paths.crash_log.write_text("ModuleNotFoundError: No module named 'psutil'\n")
    assert main(["logs"], mac.everything()) == 0
    assert mac.said[-1] == "  ModuleNotFoundError: No module named 'psutil'"


def test_following_ends_with_ctrl_c_and_without_a_traceback(mac: FakeMac, monkeypatch):
    mac.paths.logs.mkdir(parents=True)
    mac.paths.daemon_log.write_text('{"event":"old"}\n')

    def interrupted(_seconds: float) -> None:
        if len(mac.said) > 1:
            raise KeyboardInterrupt
        with mac.paths.daemon_log.open("a") as log:
            log.write('{"event":"new"}\n')

    monkeypatch.setattr(mac.clock, "sleep", interrupted)
    assert main(["logs", "-f"], mac.everything()) == 130
    assert mac.said == ["old", "new"]


def test_the_log_of_the_configuration_is_the_one_shown(mac: FakeMac):
    mac.paths.home.mkdir(mode=0o700)
    log = mac.root / "mine.log"
    log.write_text("hello\n")
    (mac.paths.home / "config.toml").write_text(f'[log]\npath = "{log}"\n')
    assert main(["logs"], mac.everything()) == 0
    assert mac.said == ["hello"]


def test_wrong_usage_is_two(mac: FakeMac, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["instal"], mac.everything())
    assert stopped.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_without_a_world_it_is_this_machine(capsys, monkeypatch, short_path):
    monkeypatch.setenv("HOME", str(short_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setattr("sys.argv", ["/nowhere/innkeepd"])
    assert main(["print"]) == 1
    assert "no innkeepd on PATH" in capsys.readouterr().err


def test_install_refuses_a_program_whose_interpreter_is_gone(mac: FakeMac, capsys):
    mac.paths.program.write_text("#!/gone/bin/python\n")
    assert main(["install"], mac.everything()) == 1
    assert "starts /gone/bin/python, which is gone" in capsys.readouterr().err
    assert not mac.paths.agent_file.exists()


def test_install_warns_of_a_folder_that_macos_guards(mac: FakeMac):
    mac.environ["INNKEEP_HOME"] = str(mac.paths.user_home / "Documents" / "i")
    main(
        ["install"],
        mac.everything().__class__(
            mac.environ, 501, "darwin", mac.run, mac.clock, mac.said.append, lambda *_: mac.answer
        ),
    )
    assert any("in a guarded folder" in line for line in mac.said)
