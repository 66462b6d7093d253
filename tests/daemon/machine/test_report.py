import json

import pytest
from msgspec.structs import replace

from innkeepd.machine.report import QUANTITIES, Seen, describe, memory_report
from innkeepd.policy.memory.budget import MemoryPolicy
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.model import Model
from support.macos import GIB, M4_24G, text

CODER, THINKER, BIG, SMALL = KNOWN_MODELS
NAMES = [model.name for model in KNOWN_MODELS]
MAC36 = Reading(total=36 * GIB, hw_memsize=36 * GIB)


class Fixed:
    def __init__(self, reading):
        self.reading = reading

    def read(self):
        return self.reading


@pytest.fixture
def recording(tmp_path):
    (tmp_path / "vm_stat.txt").write_text(M4_24G + "Pages of the future: 7.\n")
    (tmp_path / "sysctl.txt").write_text(
        text("sysctl_m4_24g_macos26_5_warn.txt") + "iogpu.wired_limit_mb: 0\nnew.name: 1\n"
    )
    return tmp_path


def fits(seen, reading=MAC36, policy=None, names=NAMES):
    return {line["name"]: line["fit"] for line in describe(reading, policy or MemoryPolicy(), names, seen)["models"]}


def test_a_cloud_model_takes_nothing_and_says_where_it_runs():
    cloud = Model("gpt-oss:120b-cloud", "far", 0, host="https://ollama.com:11434")
    found = describe(MAC36, MemoryPolicy(), [cloud.name], Seen([cloud, SMALL], []))["models"]
    assert (found[0]["name"], found[0]["fit"], found[0]["footprint"]) == (cloud.name, "fits", 0)
    assert "prompts go to https://ollama.com:11434" in found[0]["reason"]


def test_the_json_of_a_recording_holds_every_quantity_as_bytes(recording, capsys):
    assert memory_report(as_json=True, recording=recording) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(type(told[name]) is int for name in QUANTITIES)
    assert (told["free"], told["total"], told["page_size"]) == (4639 * 16384, 24 * GIB, 16384)
    assert (told["hw.memsize"], told["iogpu.wired_limit_mb"], told["pressure"]) == (24 * GIB, 0, "warning")
    assert told["formulas"]["memory_pressure_percent"] == 37
    assert (told["budget"]["bytes"], told["budget"]["gpu_limit"]) == (16 * GIB, 16 * GIB)
    assert {line["name"]: line["fit"] for line in told["models"]} == dict(
        zip(NAMES, ["never", "never", "never", "fits"], strict=True)
    )
    assert told["unknown"] == ["Pages of the future: 7."]


def test_the_text_shows_the_arithmetic_and_the_verdicts(recording, capsys):
    assert memory_report(recording=recording) == 0
    shown = capsys.readouterr().out
    for part in (
        "pressure warning",
        "budget: the smaller of 16.0 GiB and 20.0 GiB = 16.0 GiB",
        "llama3.3:latest",
        "never",
        "free as Ollama counts it",
        "37 %",
        "built-in sizes",
        "lines not understood: 1",
    ):
        assert part in shown


@pytest.mark.parametrize("files", [{}, {"vm_stat.txt": "hello\n"}])
def test_a_folder_that_tells_nothing_is_one_line_and_exit_code_2(files, tmp_path, capsys):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert memory_report(recording=tmp_path, as_json=True) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert str(tmp_path) in err


def test_this_machine_is_read_where_no_recording_is_named(capsys):
    assert memory_report(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["total"] > 0


def test_a_machine_of_unknown_size_is_told_as_it_is():
    written = []
    assert memory_report(door=Fixed(Reading()), write=written.append) == 0
    assert "unknown: no size of memory" in written[0]


def test_a_misread_line_is_shown_as_a_warning():
    written = []
    odd = replace(MAC36, active=1, inactive=1, speculative=1, file_backed=1, anonymous=1)
    memory_report(door=Fixed(odd), write=written.append)
    assert "warning: active + inactive + speculative" in written[0]


def test_ollamas_models_replace_the_built_in_ones_and_the_rest_is_missing():
    own = Model(name="mine:latest", weights="m", size=3 * GIB)
    told = describe(MAC36, MemoryPolicy(), NAMES, Seen([CODER, own]))
    assert told["ollama"] == "answers"
    by_name = {line["name"]: line for line in told["models"]}
    assert [by_name[name]["fit"] for name in NAMES] == ["fits", "missing", "never", "missing"]
    assert "ollama pull llama3.1:8b" in by_name["llama3.1:8b"]["reason"]
    assert by_name["mine:latest"]["fit"] == "fits"


def test_what_stands_in_memory_decides_who_must_leave():
    seen = Seen(KNOWN_MODELS, [("qwen2.5-coder:32b", 22_991_401_040)])
    assert list(fits(seen).values()) == ["resident", "after_eviction", "never", "tight"]


def test_a_stranger_in_memory_is_heavy_by_its_bytes():
    seen = Seen(KNOWN_MODELS, [("gone", 20 * GIB)])
    assert fits(seen)["qwen2.5-coder:32b"] == "after_eviction"


def test_with_ollama_down_an_unknown_candidate_is_called_so():
    told = describe(MAC36, MemoryPolicy(), ["own-model"])["models"][0]
    assert (told["fit"], told["footprint"]) == ("missing", None)
    assert told["reason"] == "own-model:latest is not known while Ollama is down"


def test_a_recording_is_judged_without_what_this_machine_holds(recording):
    written = []
    memory_report(recording=recording, seen=Seen([], []), as_json=True, write=written.append)
    assert json.loads(written[0])["ollama"] == "not asked"
