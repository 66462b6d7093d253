"""The recorded traces, and others of their kinds: what the policy promises."""

import json
import random
import sys
import time
from pathlib import Path

import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings
from innkeepd.simulate.replay import Report, delay, replay, totals
from innkeepd.simulate.trace import DEFAULT_MACHINE, Machine, MachineModel, TraceRequest, read_machine, read_trace

DATA = Path(__file__).parents[2] / "data" / "scheduling"
REFERENCE = json.loads((DATA / "reference.json").read_text())
MACHINE = read_machine((DATA / "models.json").read_text(), "models.json")


def trace(name: str) -> list[TraceRequest]:
    return read_trace((DATA / "traces" / f"{name}.jsonl").read_text().splitlines(), name)


def request(name: str, at: float, model: str = "coder32", out: int = 130, **more: object) -> TraceRequest:
    return TraceRequest(name, more.pop("priority", "interactive"), [model], 0, out, t=at, **more)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_every_recorded_trace_stays_within_its_limits_and_does_what_the_reference_does(name):
    found = totals(replay(trace(name), MACHINE))
    limits, turns = REFERENCE[name]["limits"], REFERENCE[name]["turns"]
    assert found["mean_delay"] <= limits["mean_max"]
    assert found["fair_cost"] <= limits["fair_max"]
    assert found["swaps"] <= limits["swaps_max"]
    assert found["longest_model_wait"] <= limits["model_wait_max"]
    assert (found["refused"], found["swaps"]) == (limits["refused"], turns["swaps"])
    assert found["mean_delay"] == pytest.approx(turns["mean_delay"], abs=0.06)


def test_a_replay_is_deterministic_and_two_hundred_requests_take_less_than_two_seconds():
    requests = trace("t09_batch200")
    began = time.process_time()
    first = replay(requests, MACHINE)
    # 0.3 s on a quick core; the measuring of coverage alone takes four times as long as the run.
    assert time.process_time() - began < (2 if sys.gettrace() is None else 10)
    assert first == replay(requests, MACHINE)


def test_the_log_of_a_run_given_to_another_scheduler_gives_the_same_actions():
    report = replay(trace("t07_agents2"), MACHINE, keep_log=True)
    scheduler = Scheduler(SchedulerSettings(idle_unload=None))
    assert all(scheduler.step(event, at) == actions for at, event, actions in report.log)


def test_fifo_swaps_for_each_request():
    name = "t01_abab"
    assert (
        totals(replay(trace(name), MACHINE, SchedulerSettings(order="fifo")))["swaps"]
        == REFERENCE[name]["fifo"]["swaps"]
    )


def test_requests_share_the_speed_and_a_load_slows_nobody():
    report = replay([request("a", 0), request("b", 0, "light8", out=270)])
    ends = {one.id: one.end for one in report.outcomes}
    # The 32B stands at 12; 10 s of work begin. The 8B stands at 16 and has 10 s of work: both at half speed from there.
    assert ends == pytest.approx({"a": 28.0, "b": 32.0})
    assert delay(report.outcomes[0]) == pytest.approx(18.0)


def test_a_client_that_leaves_takes_its_wish_or_its_answer_along():
    report = replay(
        [
            request("a", 0, cancel=5),
            request("b", 1, cancel=15),
            request("c", 2, cancel=1000),
            TraceRequest("d", "interactive", ["coder32"], 0, 13, after="b", think=1),
        ]
    )
    a, b, c, d = report.outcomes
    assert (a.start, a.end, a.cancelled) == (None, 5.0, True)
    assert (b.start, b.end, b.cancelled) == (12.0, 16.0, True)
    assert (c.start, c.end, c.cancelled) == (16.0, 26.0, False)
    assert (d.asked, d.end) == (17.0, 27.0)
    assert totals(report)["mean_delay"] == pytest.approx((14.0 + 9.0) / 2)


def test_a_load_for_somebody_who_left_is_not_begun():
    report = replay([request("a", 0), request("b", 1, "reason32", cancel=2)])
    assert totals(report)["swaps"] == 0
    assert [(span.model, span.state) for span in report.spans] == [("coder32", "loading"), ("coder32", "resident")]


def test_what_never_fits_is_refused_and_the_next_of_the_session_comes_after_it():
    report = replay([request("a", 3, "huge70"), TraceRequest("b", "agent", ["light8"], 0, 27, after="a", think=2)])
    a, b = report.outcomes
    assert (a.refused, a.end, b.asked) == (True, None, 5.0)
    assert totals(report)["refused"] == 1


def test_an_empty_run_has_no_figures():
    assert totals(Report([], 0))["mean_delay"] == 0.0


# ---- other traces of the same kinds ----

HEAVY = ("coder32", "reason32", "general32")


def roles(dice: random.Random, load: float) -> list[TraceRequest]:
    """Poisson arrivals on three heavy models."""
    requests, at = [], 0.0
    for number in range(80):
        at += dice.expovariate(load / 35)
        requests.append(request(f"r{number}", at, dice.choice(HEAVY), out=dice.randint(150, 550)))
    return requests


def hot(dice: random.Random) -> list[TraceRequest]:
    """An overlapping stream for one heavy model, single questions for the others."""
    stream = [request(f"h{n}", n * 18.0 + dice.random(), out=dice.randint(180, 260)) for n in range(60)]
    others = [request(f"o{n}", dice.uniform(0, 900), dice.choice(HEAVY[1:])) for n in range(4)]
    return sorted(stream + others, key=lambda one: one.t)


def batch(dice: random.Random) -> list[TraceRequest]:
    """Many batch jobs at once, and questions for other models."""
    jobs = [request(f"b{n}", n / 100, out=dice.randint(200, 400), priority="batch") for n in range(60)]
    others = [request(f"o{n}", dice.uniform(0, 1500), dice.choice(HEAVY[1:])) for n in range(12)]
    return sorted(jobs + others, key=lambda one: one.t)


def agents(dice: random.Random) -> list[TraceRequest]:
    """Two closed loops on two heavy models, and light chat."""
    requests = []
    for model in HEAVY[:2]:
        last = None
        for n in range(25):
            name = f"{model}-{n}"
            more = {"t": 0.0} if last is None else {"after": last, "think": dice.uniform(0.5, 5)}
            requests.append(
                TraceRequest(name, "agent", [model], 300, dice.randint(60, 300), session=model, last=n == 24, **more)
            )
            last = name
    return requests + [request(f"l{n}", dice.uniform(0, 800), "light8") for n in range(10)]


@pytest.mark.parametrize("seed", range(100, 106))
@pytest.mark.parametrize("kind", ["roles03", "roles09", "hot", "batch", "agents"])
def test_on_other_traces_a_model_comes_within_the_bound_and_swaps_stay_below_those_of_fifo(kind, seed):
    dice = random.Random(seed)
    made = {
        "roles03": lambda: roles(dice, 0.3),
        "roles09": lambda: roles(dice, 0.9),
        "hot": lambda: hot(dice),
        "batch": lambda: batch(dice),
        "agents": lambda: agents(dice),
    }[kind]()
    report = replay(made)
    rules = SchedulerSettings()
    models = {one.chain[0] for one in made}
    longest = max((one.end or 0.0) - (one.start or 0.0) for one in report.outcomes)
    swap = max(DEFAULT_MACHINE.models[m].load_s + DEFAULT_MACHINE.models[m].unload_s for m in models)
    bound = rules.turn + max(1, len(models) - 1) * ((rules.gate + 1) * longest + swap) + swap
    waits = [one.model_wait or 0.0 for one in report.outcomes if one.priority == "interactive"]
    assert max(waits, default=0.0) <= bound
    assert all(one.end is not None for one in report.outcomes)
    if kind != "batch":
        assert report.swaps <= totals(replay(made, rules=SchedulerSettings(order="fifo")))["swaps"]


def test_parallel_slots_of_the_machine_are_used():
    model = MachineModel(20.0, True, 12.0, 1.0, 300, 13.0)
    report = replay([request("a", 0), request("b", 0)], Machine(27.0, {"coder32": model}, parallel=2))
    assert [one.start for one in report.outcomes] == [12.0, 12.0]


def test_a_run_ends_though_timers_go_on():
    report = replay([request("a", 0, session="s", last=False)])
    assert report.end == 22.0
    assert isinstance(report.log, list)
    assert ev.PRIORITIES[0] == report.outcomes[0].priority
