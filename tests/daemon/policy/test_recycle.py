"""Growth that nobody counts: a runner that takes more than the budget is unloaded and loaded anew at a quiet moment."""

import itertools
import random

import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.eviction import DRAIN_AFTER, RECYCLE_EVERY
from innkeepd.policy.scheduling.residency import LEAST_GROWTH, Residency
from support.scheduler_run import SchedulerRun

GIB = 2**30
SPECS = (
    ev.Spec("big", "big:32b", ((4096, 20 * GIB), (8192, 21 * GIB)), heavy=True, load_s=12, unload_s=1, service_s=20),
    ev.Spec("light", "light:8b", ((4096, 5 * GIB),), load_s=4, unload_s=1, service_s=5),
    ev.Spec("small", "small:1b", ((4096, 1 * GIB),), load_s=1, unload_s=1, service_s=1),
)


class Daemon:
    """A life with 27 GiB for models, whose processes can be weighed."""

    def __init__(self, *loaded: str) -> None:
        self.life = SchedulerRun()
        self.growth: dict[str, int] = {}
        self.life.step(ev.Known(SPECS))
        self.life.step(ev.Measured(27 * GIB))
        for weights in loaded:
            self.use(weights)

    @property
    def daemon(self):
        return self.life.scheduler.ledger

    def use(self, weights: str, seconds: float = 1.0) -> None:
        ticket = self.life.ask(chain=(weights,))
        self.finish()
        self.life.now += seconds
        self.life.step(ev.Released(ticket))

    def finish(self) -> None:
        """Whatever is under way comes to its end."""
        while self.life.loads or self.life.unloads:
            self.life.now += 1
            if self.life.unloads:
                self.life.unload_ended(next(iter(self.life.unloads)))
                continue
            load = next(iter(self.life.loads.values()))
            self.life.load_ended(load.op)
            self.growth[load.weights] = 0
            self.weigh(load.weights, 0)

    def standing(self) -> list[tuple[str, Residency]]:
        return [(weights, resident) for weights, resident in self.daemon.residents.items() if resident.is_resident]

    def weigh(self, weights: str, growth: int) -> list[ev.Action]:
        size = self.daemon.residents[weights].settled
        return self.life.step(ev.Weighed((ev.Weight(weights, size + growth, GIB + growth),)))

    def unloads(self) -> list[tuple[str, str]]:
        return [(a.weights, a.reason) for _, _, actions in self.life.log for a in actions if isinstance(a, ev.Unload)]

    def wait(self, seconds: float) -> None:
        self.life.now += seconds
        self.life.step(ev.Woke())


def test_a_process_is_counted_with_what_it_grew_since_its_load():
    resident = Residency("w", 4096, 10 * GIB, heavy=True)
    resident.weigh(10 * GIB, 2 * GIB)
    resident.weigh(10 * GIB + LEAST_GROWTH - 1, 2 * GIB)
    assert (resident.footprint, resident.grown) == (10 * GIB, 0)
    resident.weigh(6 * GIB, 5 * GIB)
    assert (resident.footprint, resident.grown, resident.process) == (13 * GIB, 3 * GIB, 6 * GIB)
    resident.weigh(14 * GIB, 5 * GIB)
    assert resident.footprint == 14 * GIB
    resident.take(12 * GIB)
    assert (resident.settled, resident.footprint) == (12 * GIB, 16 * GIB)
    resident.weigh(12 * GIB, 2 * GIB)
    assert (resident.footprint, resident.grown) == (12 * GIB, 0)


def test_what_the_process_takes_right_after_our_own_load_is_no_growth_and_is_learned():
    at = Daemon("light")
    at.life.ask(chain=("big",))
    at.life.load_ended(next(iter(at.life.loads)))
    at.life.step(ev.Weighed((ev.Weight("big", 21 * GIB, 3 * GIB), ev.Weight("nobody", 1, 1))))
    resident = at.daemon.residents["big"]
    assert (resident.settled, resident.grown, at.daemon.bytes_for("big", 4096)) == (21 * GIB, 0, 21 * GIB)


def test_an_adopted_runner_that_takes_more_than_ps_tells_has_grown():
    at = Daemon()
    at.life.step(ev.Observed(0, (ev.Seen("big", 20 * GIB, 4096),)))
    at.life.step(ev.Weighed((ev.Weight("big", 26 * GIB, 8 * GIB),)))
    resident = at.daemon.residents["big"]
    assert (resident.settled, resident.grown, at.daemon.bytes_for("big", 4096)) == (20 * GIB, 6 * GIB, 20 * GIB)


def test_growth_within_the_budget_changes_nothing_but_keeps_others_out():
    at = Daemon("big")
    assert at.weigh("big", 3 * GIB) == [ev.WakeAt(at.daemon.residents["big"].used + 300)]
    at.life.ask(chain=("light",))
    assert at.unloads() == [("big", "eviction")], "23 + 5 is over 27"


def test_a_model_over_the_budget_is_loaded_anew_at_once_where_it_is_idle():
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    assert at.unloads() == [("big", "recycle")]
    at.finish()
    assert at.daemon.residents["big"].footprint == 20 * GIB
    assert at.daemon.used() == 25 * GIB


def test_an_answer_is_never_cut_and_a_waiter_is_served_first():
    at = Daemon("big", "light")
    ticket = at.life.ask(chain=("big",))
    at.life.ask(chain=("big",))
    at.weigh("big", 4 * GIB)
    assert at.unloads() == []
    at.life.now += 5
    at.life.step(ev.Released(ticket))
    assert at.unloads() == []
    at.life.step(ev.Released("t4"))
    assert at.unloads() == [("big", "recycle")]


def test_a_model_that_is_never_idle_starts_nothing_new_after_a_while():
    at = Daemon("big", "light")
    first = at.life.ask(chain=("big",))
    at.weigh("big", 4 * GIB)
    second = at.life.ask(chain=("big",))
    at.wait(DRAIN_AFTER)
    at.life.step(ev.Released(first))
    assert at.unloads() == [("big", "recycle")]
    at.finish()
    assert second in at.life.granted


def test_within_an_hour_another_model_leaves_or_the_grown_one_without_coming_back():
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    at.finish()
    at.weigh("big", 4 * GIB)
    at.finish()
    assert at.unloads() == [("big", "recycle"), ("light", "growth")]
    at.weigh("big", 8 * GIB)
    at.finish()
    assert at.unloads()[-1] == ("big", "growth")
    assert at.daemon.residents == {}


def test_a_pinned_model_waits_for_its_hour():
    at = Daemon("big")
    at.life.step(ev.PinSet("big"))
    at.weigh("big", 8 * GIB)
    at.finish()
    at.weigh("big", 8 * GIB)
    assert at.unloads() == [("big", "recycle")]
    recycled = at.life.scheduler.state.recycled["big"]
    at.wait(recycled + RECYCLE_EVERY - at.life.now)
    assert at.unloads() == [("big", "recycle")] * 2


def test_a_pinned_model_that_may_not_be_recycled_costs_whoever_else_is_idle():
    at = Daemon("big", "small")
    at.life.step(ev.PinSet("big"))
    at.weigh("big", 8 * GIB)
    at.finish()
    at.weigh("big", 9 * GIB)
    assert at.unloads() == [("big", "recycle"), ("small", "growth")]


def test_of_several_the_most_grown_are_recycled_until_it_fits():
    at = Daemon("big", "light", "small")
    at.weigh("small", GIB // 2)
    at.weigh("light", 2 * GIB)
    assert at.unloads() == [("light", "recycle")]


@pytest.mark.parametrize("why", [ev.HoldBegan(1e6), ev.UnloadAsked(("big",))])
def test_who_wants_it_out_is_not_answered_with_a_load(why):
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    at.life.step(why)
    at.finish()
    assert "big" not in at.daemon.residents


def test_an_unload_that_failed_is_not_followed_by_a_load_and_rests():
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    at.life.unload_ended(next(iter(at.life.unloads)), "load_failed")
    assert at.life.scheduler.state.coming_back == {}
    assert at.unloads() == [("big", "recycle")]


def test_a_model_comes_back_only_where_nobody_took_its_room_and_it_is_still_pulled():
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    at.life.step(ev.Measured(10 * GIB))
    at.finish()
    assert "big" not in at.daemon.residents
    at = Daemon("big", "light")
    at.weigh("big", 4 * GIB)
    at.life.step(ev.Known(SPECS[1:]))
    at.finish()
    assert "big" not in at.daemon.residents


def test_a_model_that_had_a_larger_context_comes_back_with_it():
    at = Daemon()
    at.life.ask(chain=("big",), need=8192)
    at.finish()
    at.life.step(ev.Released("t1"))
    at.weigh("big", 7 * GIB)
    at.finish()
    assert at.daemon.residents["big"].context == 8192


def test_ten_thousand_requests_on_runners_that_grow_are_never_cut_and_rarely_over_the_budget():
    """Each request leaves 40 to 160 MiB of conversation behind, up to 8 GiB a runner, as llama-server does by default.

    Idle time over the budget is counted while no request runs or waits; processes are weighed every two seconds, and
    less than ``LEAST_GROWTH`` of a model is not seen.
    """
    dice = random.Random(33)
    at, over, longest = Daemon(), 0.0, 0.0
    for _ in range(10_000):
        weights = dice.choices(["big", "light", "small"], [5, 4, 1])[0]
        at.use(weights, dice.uniform(0.5, 4.0))
        at.growth[weights] = min(8 * GIB, at.growth[weights] + dice.randint(40, 160) * 2**20)
        idle = dice.choice([0.0, 1.0, 3.0, 30.0])
        while idle > 0:
            pause = min(2.0, idle)
            held = sum(r.settled + at.growth[w] - LEAST_GROWTH for w, r in at.standing())
            over = over + pause if held > 27 * GIB else 0.0
            longest = max(longest, over)
            at.life.now += pause
            idle -= pause
            sizes = [(w, r.settled, at.growth[w]) for w, r in at.standing()]
            at.life.step(ev.Weighed(tuple(ev.Weight(w, size + more, GIB + more) for w, size, more in sizes)))
            at.finish()
    assert longest <= 5.0
    assert len(at.unloads()) > 10
    times: dict[str, list[float]] = {}
    for _, now, actions in at.life.log:
        for action in actions:
            if isinstance(action, ev.Unload) and action.reason == "recycle":
                times.setdefault(action.weights, []).append(now)
    assert times
    assert all(b - a >= RECYCLE_EVERY for each in times.values() for a, b in itertools.pairwise(each))
    assert set(at.life.ended.values()) == {"granted"}
