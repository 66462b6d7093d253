import json
import math
from pathlib import Path

import pytest

from innkeepd.policy.memory.estimate import SHORT_PROMPT, Average, Estimates


def test_the_first_observations_count_alike_and_later_ones_decay():
    average = Average(10.0, 1)
    assert average.joined(20.0) == Average(15.0, 2)
    assert Average(10.0, 50).joined(20.0) == Average(12.0, 51)


def test_durations_are_none_until_learned():
    estimates = Estimates()
    assert estimates.durations("a") == {"load_s": None, "unload_s": None, "service_s": None}
    assert (estimates.prefill("a"), estimates.view("a")) == (None, None)
    estimates.learned_load("a", 12.0)
    estimates.learned_unload("a", 1.0)
    estimates.learned_answer("a", service=30.0, decode=13.0, prefill=300.0)
    assert estimates.durations("a") == {"load_s": 12.0, "unload_s": 1.0, "service_s": 30.0}
    assert estimates.prefill("a") == 300.0
    assert repr(estimates) == "Estimates(['a'])"


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_positive_number_teaches_nothing(seconds):
    estimates = Estimates()
    estimates.learned_load("a", seconds)
    estimates.learned_footprint("a", 4096, -1)
    assert estimates.to_dict() == {}


def test_the_newest_footprint_wins_and_is_counted():
    estimates = Estimates()
    estimates.learned_footprint("a", 4096, 20)
    estimates.learned_footprint("a", 4096, 22)
    estimates.learned_footprint("a", 8192, 30, most=True)
    estimates.learned_footprint("a", 8192, 29, most=True)
    assert estimates.footprints == {("a", 4096): 22, ("a", 8192): 30}
    assert estimates.view("a")["footprints"]["4096"] == {"value": 22, "count": 2}


def test_the_most_that_a_model_grew_is_kept_by_context_and_version():
    estimates = Estimates()
    for size in (5, 9, 7, 0):
        estimates.learned_growth("a", 4096, "0.33.0", size)
    estimates.learned_growth("a", 4096, "0.34.0", 3)
    assert estimates.view("a")["growths"] == {
        "4096@0.33.0": {"value": 9, "count": 2},
        "4096@0.34.0": {"value": 3, "count": 1},
    }
    assert Estimates.from_dict(json.loads(json.dumps(estimates.to_dict()))).view("a") == estimates.view("a")


def test_estimates_survive_a_restart_through_json_and_forget_what_cannot_be_read():
    estimates = Estimates()
    estimates.learned_load("a", 12.0)
    estimates.learned_footprint("a", 4096, 20)
    kept = json.loads(json.dumps(estimates.to_dict()))
    assert Estimates.from_dict(kept).to_dict() == estimates.to_dict()
    bad = {"b": 5, "c": {"footprints": {"many": {"value": 1, "count": 1}}}, "d": {"load": {"value": "x"}}}
    assert Estimates.from_dict(bad).to_dict() == {}


@pytest.mark.parametrize(
    "known",
    [
        {"load": {"value": 1.0, "count": -1}},
        {"load": {"value": 1e308, "count": 1}},
        {"footprints": {"4096": {"value": -5.0, "count": 1}}},
        {"footprints": {"9" * 400: {"value": 5.0, "count": 1}}},
    ],
)
def test_an_average_that_no_observation_can_have_made_is_forgotten(known):
    assert Estimates.from_dict({"w": known}).to_dict() == {}


@pytest.mark.parametrize("folder", ["ollama", "ollama-0.33"])
def test_no_speed_is_learned_from_a_prompt_that_was_cached(folder):
    """Recorded: 376 tokens in 126 ms, then the same in 3 ms; before 0.30 cached tokens are counted alike."""
    first, again = {"ollama": ((376, 0.126), (376, 0.003)), "ollama-0.33": recorded_prefixes()}[folder]
    estimates = Estimates()
    estimates.learned_load("a", 1.0)
    assert estimates.is_first_prompt("a")
    estimates.learned_prefill("a", *first, is_first=True)
    true = estimates.prefill("a")
    assert true == pytest.approx(first[0] / first[1])
    for _ in range(5):
        assert not estimates.is_first_prompt("a")
        estimates.learned_prefill("a", *again, is_first=False)
    assert estimates.prefill("a") == true


def recorded_prefixes():
    data = Path(__file__).parents[3] / "data" / "ollama-0.33"
    for number in (1, 2):
        last = json.loads(
            json.loads((data / f"generate_cached_prefix_{number}.json").read_text())["response"]["lines"][-1][1]
        )
        yield last["prompt_eval_count"], last["prompt_eval_duration"] / 1e9


def test_a_prompt_that_may_be_cached_teaches_only_that_it_is_slower():
    estimates = Estimates()
    estimates.learned_prefill("a", 1000, 1.0, is_first=False)
    assert estimates.prefill("a") is None
    estimates.learned_prefill("a", 1000, 1.0, is_first=True)
    estimates.learned_prefill("a", 1000, 0.01, is_first=False)
    assert estimates.prefill("a") == 1000
    estimates.learned_prefill("a", 1000, 2.0, is_first=False)
    assert estimates.prefill("a") == 750
    estimates.learned_prefill("a", SHORT_PROMPT - 1, 100.0, is_first=True)
    estimates.learned_prefill("a", 1000, 0.0, is_first=True)
    assert estimates.prefill("a") == 750
