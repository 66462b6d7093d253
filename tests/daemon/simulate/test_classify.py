import io
import json
import sys

import pytest

from innkeepd.simulate.classify import main


@pytest.fixture(autouse=True)
def _no_config(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("INNKEEP_CONFIG", raising=False)


def answers(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_line_gets_its_role(tmp_path, capsysbinary):
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"id": "a", "text": "Write a haiku", "more": 1}\n\n{"id": 2, "text": "왜 하늘은 파래?"}\n', encoding="utf-8"
    )
    assert main([str(file)]) == 0
    reported = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [(one["id"], one["role"]) for one in reported] == [("a", "general"), (2, "reasoning")]
    assert all(0 < one["confidence"] <= 1 for one in reported)


def test_prompts_may_come_from_stdin(monkeypatch, capsysbinary):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1, "text": "git push fails"}')))
    assert main(["-"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["role"] == "coding"


@pytest.mark.parametrize("line", [b"{", b'{"id": 1}', b'{"text": "x"}', b"[]", b"\xff", b'{"id": 1, "text": "\xff"}'])
def test_a_bad_line_is_named_and_the_others_are_answered(tmp_path, capsysbinary, line):
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(b'{"id": 1, "text": "hello"}\n' + line + b'\n{"id": 3, "text": "hello"}\n')
    assert main([str(file)]) == 1
    reported = capsysbinary.readouterr()
    assert len(reported.out.splitlines()) == 2
    (complaint,) = reported.err.splitlines()
    assert complaint.startswith(f"innkeepd: {file}, line 2: ".encode())


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "none")])
    assert left.value.code == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_wrong_configuration_is_told(tmp_path, capsys):
    config = tmp_path / "config.toml"
    config.write_text("[nonsense]\n")
    assert main(["-", "--config", str(config)]) == 78
    assert "nonsense" in capsys.readouterr().err
