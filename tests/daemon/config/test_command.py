import json

import pytest

from innkeepd.config.command import main
from innkeepd.config.load import load
from innkeepd.errors import EX_CONFIG


def test_check_path_and_show(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path))
    monkeypatch.delenv("INNKEEP_CONFIG", raising=False)
    file = tmp_path / "config.toml"
    file.write_text("[timeouts]\nstall = 7\n")
    assert main(["path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert main(["show"]) == 0
    shown = capsys.readouterr().out
    assert "stall" in shown
    assert main(["check"]) == 0
    assert str(file) in capsys.readouterr().out
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(again, {}).timeouts.stall == 7.0


def test_a_wrong_file_is_one_line_and_78(tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text("[timeouts]\nstal = 7\n")
    for verb in ("check", "show"):
        assert main([verb, "--config", str(file)]) == 78
        reported = capsys.readouterr()
        assert reported.out == ""
        assert len(reported.err.splitlines()) == 1
        assert "timeouts.stal" in reported.err


@pytest.mark.parametrize(("what", "key"), [("check", "ok"), ("path", "path"), ("show", "config")])
def test_every_answer_is_json_where_that_is_wanted(tmp_path, capsys, what, key):
    file = tmp_path / "config.toml"
    file.write_text('[http]\ntoken = "secret"\n')
    assert main([what, "--config", str(file), "--json"]) == 0
    printed = capsys.readouterr().out
    assert key in json.loads(printed)
    assert printed.count("\n") == 1
    assert "secret" not in printed


def test_a_wrong_configuration_is_json_too(tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text("[http]\nprot = 1\n")
    assert main(["check", "--config", str(file), "--json"]) == EX_CONFIG
    assert json.loads(capsys.readouterr().out)["code"] == "bad_config"
