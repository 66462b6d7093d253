import pytest
from msgspec.structs import replace

from innkeepd.policy.memory.admission import fits, obstacle, victims_for
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.policy.scheduling.residency import LOADING, RESIDENT, UNLOADING, Cooling, Residency
from support.scheduler_run import MODELS


def daemon(*residents: str, budget: int = 27, free: int | None = None, pins: tuple[str, ...] = ()) -> MemoryLedger:
    made = MemoryLedger()
    made.know(tuple(MODELS.values()))
    made.measure(budget, free, "normal", 0.0)
    for weights in residents:
        spec = MODELS[weights]
        size = spec.footprints[0][1]
        made.residents[weights] = Residency(weights, spec.context, size, spec.heavy, state=RESIDENT)
    made.pins = dict.fromkeys(pins, True)
    return made


def code(at: MemoryLedger, weights: str, need: int = 0, cooling: Cooling | None = None) -> str | None:
    passed = obstacle(at, weights, need, cooling, 0.0)
    return passed.code if passed else None


COOLING = Cooling(60.0, 1, "load_failed", "text")


def test_what_stands_or_comes_has_no_obstacle_whatever_else_is_said():
    at = daemon("a")
    at.pressure = "critical"
    assert (code(at, "a", 4096, COOLING), code(at, "r")) == (None, None)
    at.residents["a"].state = LOADING
    assert code(at, "a", 0, COOLING) is None
    assert code(at, "a", 8192) == "memory_pressure"


@pytest.mark.parametrize(
    ("weights", "need", "expected"),
    [("a", 0, None), ("h", 0, "never_fits"), ("unknown", 0, "model_missing"), ("a", 9000, "context_overflow")],
)
def test_what_can_never_be_had_is_said_with_its_code(weights, need, expected):
    assert code(daemon(), weights, need) == expected


def test_cooling_ends():
    assert code(daemon(), "a", 0, COOLING) == "load_failed"
    assert obstacle(daemon(), "a", 0, COOLING, 60.0) is None


def test_pinned_models_are_in_the_way_by_weight_and_by_bytes():
    assert code(daemon("a", pins=("a",)), "b") == "never_fits"
    assert code(daemon("l", pins=("l",)), "b", 16384) == "never_fits"
    assert code(daemon("l", pins=("l",)), "a") is None
    assert code(daemon("a"), "b") is None


def test_fits_knows_bytes_the_heavy_limit_and_ollamas_gate():
    assert fits(daemon("a"), "l", 4096)
    assert not fits(daemon("a"), "b", 4096), "two heavy"
    assert not fits(daemon("a"), "a", 8192), "it stands there with another context"
    assert not fits(daemon("l", budget=25), "a", 4096), "bytes"
    assert not fits(daemon("a", free=7), "l", 4096), "beside others at most 80 % of what is free"
    assert fits(daemon("a", free=8), "l", 4096)
    assert fits(daemon(free=1), "a", 4096), "alone, the gate does not count"


def test_fits_knows_how_many_models_ollama_keeps_and_what_metal_has_left():
    at = daemon("l", "m", budget=30)
    at.limit(None, 2)
    assert not fits(at, "a", 4096)
    at.limit(None, 3)
    assert fits(at, "a", 4096)
    at = daemon("a", free=27)
    at.limit(27, 0)
    assert not fits(at, "l", 4096), "80 % of the 7 that the heavy one leaves of Metal's limit"
    at.limit(28, 0)
    assert fits(at, "l", 4096)


def test_ollamas_own_prediction_counts_in_its_gate():
    at = daemon("a", free=8)
    at.specs["l"] = replace(at.specs["l"], predicted=((4096, 7), (8192, 9)))
    assert not fits(at, "l", 4096)
    assert (at.predicted_for("l", 4096), at.predicted_for("l", 5000), at.predicted_for("a", 4096)) == (7, 9, 20)


def leave(at: MemoryLedger, weights: str, context: int = 4096) -> list[str] | None:
    victims = victims_for(at, weights, context, lambda resident: (False, resident.used))
    return None if victims is None else [victim.weights for victim in victims]


def test_victims_are_the_heavy_then_the_longest_unused_until_it_fits():
    assert leave(daemon("a", "l"), "b") == ["a"]
    assert leave(daemon("a", "l"), "b", 16384) == ["a", "l"]
    assert leave(daemon("a"), "a", 8192) == ["a"]
    at = daemon("l", "m")
    at.limit(None, 2)
    assert leave(at, "a") == ["l"], "Ollama would choose by itself whom to throw out"
    at.pins = {"l": True, "m": True}
    assert leave(at, "a") is None
    at = daemon("l", "m", budget=23)
    at.residents["l"].used = 5.0
    assert leave(at, "a") == ["m", "l"]
    assert leave(daemon("l", "m", budget=23, pins=("l",)), "a") is None
    assert leave(daemon("a", "m", free=1, pins=("a",)), "l") is None


def test_looks():
    at = daemon("a", "l")
    assert (at.size("a"), at.size("b"), at.size("r"), at.size("unknown")) == (20, 21, 0, 0)
    assert (at.slots("b"), at.slots("unknown")) == (2, 1)
    assert (at.name("a"), at.name("unknown")) == ("a:32b", "unknown")
    assert (at.has("a", 4096), at.has("a", 8192), at.has("r", 99999), at.has("b", 0)) == (True, False, True, False)
    assert not at.is_changing()
    assert not at.is_loading()
    at.residents["a"].state, at.residents["a"].op = UNLOADING, 7
    assert (at.by_op(7, UNLOADING), at.by_op(7, LOADING)) == (at.residents["a"], None)
    assert at.is_changing()
    assert not at.is_loading()


def test_a_house_is_disordered_until_what_mends_it_is_under_way():
    at = daemon("a", "b")
    assert at.is_disordered()
    at.residents["a"].state = UNLOADING
    assert not at.is_disordered()
    assert daemon("a", budget=19).is_disordered()


def test_free_memory_is_reckoned_forward_until_it_is_measured_again():
    at = daemon("a", free=30)
    at.take(20, 1.0)
    assert at.free == 10
    at.take(20, 1.0)
    assert at.free == 0
    at.measure(27, 15, "normal", 5.0)
    at.take(-20, 4.0)
    assert at.free == 15, "that was measured after it began"
    at.free = None
    at.take(1, 9.0)
    assert at.free is None


def test_what_was_seen_in_memory_is_believed_until_the_catalogue_says_anew():
    at = daemon("a")
    at.residents["a"].footprint = 26
    at.learn(at.residents["a"])
    assert at.bytes_for("a", 4096) == 26
    at.know((MODELS["b"],))
    at.know(tuple(MODELS.values()))
    assert at.bytes_for("a", 4096) == 20
    twin = at.twin()
    twin.residents["a"].footprint = 1
    twin.pins["a"] = True
    assert (at.residents["a"].footprint, at.pins) == (26, {})


def test_a_model_that_was_idle_for_three_minutes_on_a_mac_looks_free_already():
    """Its unload adds nothing to what is free: to add its bytes again would let Ollama's gate seem open."""
    at = daemon("a", free=30)
    at.residents["a"].used = 100.0
    at.measure(27, 15, "normal", 279.0)
    assert at.gives_back(at.residents["a"]) == at.residents["a"].footprint
    at.limit(27, 3)
    assert at.gives_back(at.residents["a"]) == at.residents["a"].footprint, "still wired"
    at.measure(27, 15, "normal", 280.0)
    assert at.gives_back(at.residents["a"]) == 0
