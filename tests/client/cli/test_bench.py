import json
import re
import signal

import msgspec
import pytest

from innkeep import wire
from innkeep.cli import bench_files, bench_run
from innkeep.cli.bench_result import Bench
from support.cli_daemon import GIB, UNTIL_CANCELLED, a_status

Q, L = "qwen2.5-coder:32b", "llama3.1:8b"


def a_model(name, **changes):
    model = wire.ModelState(
        name=name,
        size=20 * GIB,
        parameters=32_000_000_000 if name == Q else 8_000_000_000,
        quantization="Q4_K_M",
        roles=["coding"],
        weight="heavy",
        footprint=21 * GIB,
        fit="fits",
        reason="it fits",
        context=4096,
        first_for=["coding"] if name == Q else ["general"],
    )
    return msgspec.structs.replace(model, **changes)


@pytest.fixture
def machine(daemon, tmp_path, monkeypatch):
    """A daemon that keeps what is in memory, and takes 12 s for a load, 1 s for an unload."""
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path))
    resident = {}

    def load(ask):
        resident[ask.model] = a_status().resident[0]
        yield wire.Loaded(id=0, model=ask.model, took=12.0)

    def unload(ask):
        resident.pop(ask.model, None)
        yield wire.Unloaded(id=0, model=ask.model, took=1.0)

    def status(_):
        found = [msgspec.structs.replace(one, name=name, leases=0) for name, one in resident.items()]
        yield a_status(resident=found)

    def chat(ask):
        yield wire.Routed(id=0, request="r", role="", confidence=1.0, model=ask.model, candidates=[], reason="")
        yield wire.Started(id=0, model=ask.model, attempt=1)
        length = len(ask.messages[0].content)
        yield wire.Done(
            id=0,
            model=ask.model,
            role="",
            finish_reason="stop",
            usage=wire.Usage(length // 4, 40),
            timings=wire.Timings(first_token=length / 1000, tokens_per_second=11.0, prompt_per_second=180.0),
            attempts=[],
        )

    daemon.script |= {
        wire.ModelsAsk: lambda _: [wire.Models(id=0, models=[a_model(Q), a_model(L)])],
        wire.Load: load,
        wire.Unload: unload,
        wire.StatusAsk: status,
        wire.Chat: chat,
    }
    return daemon


def test_it_measures_the_first_model_of_each_role_and_leaves_memory_as_it_was(machine, innkeep, tmp_path):
    ended = innkeep("bench", "--svg", str(tmp_path / "b.svg"))
    assert ended.status == 0, ended.err
    assert f"| {Q} | 12.0 s | 13.0 s | 1.0 s | " in ended.out
    assert f"| {L} | 12.0 s | 13.0 s | 1.0 s | " in ended.out
    assert f"| {Q} | 10 to 15 tokens/s | 11.0 tokens/s | as expected |" in ended.out
    assert f"| {L} | 25 to 30 tokens/s | 11.0 tokens/s | slower |" in ended.out
    prompts = re.findall(rf"\| {Q} \| (English|Korean) \| (\d+) tokens", ended.out)
    assert [language for language, _ in prompts] == ["English", "Korean"] * 3
    assert (tmp_path / "b.svg").read_text().startswith("<svg ")
    assert machine.last(wire.Unload).model in (Q, L)
    asked = [each.priority for each in machine.requests if isinstance(each, wire.Chat | wire.Load)]
    assert set(asked) == {"batch"}
    assert len({each.messages[0].content[:18] for each in machine.requests if isinstance(each, wire.Chat)}) == 14


def test_a_later_run_stands_beside_the_earlier_ones(machine, innkeep, monkeypatch):
    for at in (1_700_000_000.0, 1_700_000_100.0):
        monkeypatch.setattr("innkeep.cli.bench.time.time", lambda at=at: at)
        ended = innkeep("bench", "-m", L, "--quick")
        assert ended.status == 0, ended.err
    assert "Earlier runs of this machine" in ended.out
    assert "12.0 s (+0% now)" in ended.out
    assert len(list(bench_files.folder().glob("*.json"))) == 2


def test_as_json_it_is_one_object_that_decodes_again(machine, innkeep):
    ended = innkeep("bench", "-r", "coding", "--quick", "--json")
    bench = msgspec.json.decode(ended.out, type=Bench)
    assert [one.model for one in bench.results] == [Q]
    assert (bench.results[0].decode, bench.results[0].cold_load, len(bench.results[0].runs)) == (11.0, 12.0, 4)
    assert json.loads(ended.out)["quick"] is True


def test_it_refuses_while_others_wait_unless_it_is_forced(machine, innkeep):
    waiter = wire.Waiter("w", "m", "interactive", 1.0)
    machine.script[wire.StatusAsk] = lambda _: [a_status(waiting=[waiter])]
    ended = innkeep("bench", "-m", L, "--quick")
    assert ended.status == 4
    assert "1 requests wait and 1 are being answered now" in ended.err
    assert not any(isinstance(each, wire.Load | wire.Unload) for each in machine.requests)
    assert innkeep("bench", "-m", L, "--quick", "--force").status == 0


def test_it_pauses_for_others_that_come_in_between(machine, innkeep, monkeypatch):
    quiet, slept = machine.script[wire.StatusAsk], []
    monkeypatch.setattr(bench_run.time, "sleep", slept.append)
    busy = iter([False] * 4 + [True, True])
    machine.script[wire.StatusAsk] = lambda ask: [a_status()] if next(busy, False) else quiet(ask)
    assert innkeep("bench", "-m", L, "--quick").status == 0
    assert slept == [bench_run.PAUSE] * 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-m", "nope"], "no model 'nope' is known"),
        (["-m", L], "can't be measured: it never fits"),
        ([], "no role's first model is pulled"),
    ],
)
def test_what_cannot_be_measured_is_said(machine, innkeep, words, reason):
    never = a_model(L, fit="never", reason="it never fits", context=None)
    machine.script[wire.ModelsAsk] = lambda _: [wire.Models(id=0, models=[never])]
    ended = innkeep("bench", *words)
    assert ended.status == 1
    assert reason in ended.err


def test_ctrl_c_cancels_what_is_under_way_and_prints_what_was_measured(machine, innkeep):
    answer, asked = machine.script[wire.Chat], []

    def chat(ask):
        asked.append(ask)
        if len(asked) < 3:
            return answer(ask)
        signal.raise_signal(signal.SIGINT)
        return [UNTIL_CANCELLED]

    machine.script[wire.Chat] = chat
    ended = innkeep("bench", "-m", L, "--quick")
    assert ended.status == 130
    assert "stopped; what was measured so far" in ended.err
    assert f"| {L} | 12.0 s |" in ended.out
    assert machine.cancelled.is_set()
    assert machine.last(wire.Unload).model == L
    assert not list(bench_files.folder().glob("*.json"))


def test_a_picture_that_cannot_be_written_is_one_line(machine, innkeep):
    ended = innkeep("bench", "-m", L, "--quick", "--svg", "/nowhere/x.svg")
    assert (ended.status, ended.err.splitlines()[-1]) == (
        2,
        "innkeep: /nowhere/x.svg can't be written: No such file or directory",
    )


def test_a_prompt_that_fails_is_noted_and_the_rest_is_measured(machine, innkeep):
    answer = machine.script[wire.Chat]
    broken = [wire.Error(id=0, code="backend_error", message="the answer broke off")]
    machine.script[wire.Chat] = lambda ask: broken if "가" in ask.messages[0].content else answer(ask)
    ended = innkeep("bench", "-m", L, "--quick")
    assert ended.status == 0, ended.err
    assert f"- {L}: 64 tokens, Korean: the answer broke off" in ended.out
    assert re.findall(rf"\| {L} \| (English|Korean) ", ended.out) == ["English", "English"]
