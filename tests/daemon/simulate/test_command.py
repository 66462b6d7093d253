import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from innkeepd.simulate.command import main

DATA = Path(__file__).parents[2] / "data" / "scheduling"
TRACE = str(DATA / "traces" / "t01_abab.jsonl")
MODELS = str(DATA / "models.json")
PATH = os.pathsep.join(sys.path)


def test_json_has_totals_and_every_request_in_the_order_of_the_trace(capsys):
    assert main([TRACE, "--models", MODELS, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert set(out) == {"totals", "requests"}
    assert out["totals"]["swaps"] == 15
    assert {"mean_delay", "fair_cost", "longest_model_wait", "refused"} < set(out["totals"])
    ids = [json.loads(line)["id"] for line in Path(TRACE).read_text().splitlines()[1:]]
    assert [request["id"] for request in out["requests"]] == ids
    assert all(set(request) == {"id", "start", "end", "model", "refused"} for request in out["requests"])


def test_a_person_reads_a_table_by_class(capsys):
    assert main([TRACE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "40 requests: 0 refused, 0 cancelled; 15 swaps"
    assert lines[1] == "mean delay 29.6 s, fair cost 40.2, longest model-wait 61 s (batch left out)"
    assert lines[3].split() == ["delay,", "s", "served", "mean", "p50", "p95", "max"]
    assert lines[4].split()[:3] == ["interactive", "40", "29.6"]


def test_fifo_can_be_compared(capsys):
    assert main([TRACE, "--policy", "fifo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["swaps"] == 39


def test_the_picture_is_written(tmp_path):
    picture = tmp_path / "run.svg"
    assert main([TRACE, "--plot", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")


def test_another_configuration_gives_other_turns_and_its_patience(tmp_path, capsys):
    config = tmp_path / "config.toml"
    config.write_text('[schedule]\nturn = "5s"\ngate = 1\nsession_hold = 0\npatience.interactive = "45s"\n')
    assert main([TRACE, "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["swaps"] > 15


def test_a_trace_may_come_from_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(Path(TRACE).read_text()))
    assert main(["-", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["requests"]) == 40


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda here: [str(here / "none.jsonl")], "can't be read: No such file"),
        (lambda here: [str(here)], "can't be read: Is a directory"),
        (lambda here: [str(here / "binary")], "not UTF-8 text"),
        (lambda here: [str(here / "bad.jsonl")], "line 1: "),
        (lambda here: [TRACE, "--models", str(here / "few.json")], "names models without constants: coder32"),
        (lambda here: [TRACE, "--models", TRACE], "t01_abab.jsonl: "),
        (lambda here: [TRACE, "--plot", str(here / "no" / "run.svg")], "can't be written: No such file"),
        (lambda here: [TRACE, "--config", str(here / "none.toml")], "none.toml: no such file"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(tmp_path, capsys, make, why):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "bad.jsonl").write_text("{}\n")
    (tmp_path / "few.json").write_text('{"budget_gib": 27, "models": {}}')
    assert main(make(tmp_path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("innkeepd simulate: ")
    assert captured.err.count("\n") == 1
    assert why in captured.err


def test_a_wrong_option_is_usage(capsys):
    with pytest.raises(SystemExit) as left:
        main([TRACE, "--policy", "luck"])
    assert left.value.code == 2
    assert "invalid choice: 'luck'" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error():
    command = (
        f"{sys.executable} -c 'import sys; from innkeepd.simulate.command import main; sys.exit(main(sys.argv[1:]))'"
    )
    script = f"({command} {TRACE} --json; echo $? >&2) | true"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env={"PYTHONPATH": PATH})
    assert done.stderr.split() == ["0"]
