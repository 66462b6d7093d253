import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeepd.policy.memory.admission import SizedModel, Verdict, judge, judge_load, missing, together
from innkeepd.policy.memory.budget import MemoryPolicy, budget_of, ollama_gate
from innkeepd.policy.memory.context import asks, choose_contexts, is_heavy, takes
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.settings import SchedulerSettings
from support.scheduler_run import begin

GIB = 2**30


def daemon(gibibytes):
    """Budget and the four models of the default chains (two 32B, the 70B, the 8B) on a Mac of that size."""
    budget = budget_of(Reading(total=gibibytes * GIB))
    contexts = choose_contexts(KNOWN_MODELS, budget.bytes)
    clients = [
        SizedModel(
            m.name, m.weights, takes(m, contexts[m.weights], MemoryPolicy()), is_heavy(m, budget.bytes, MemoryPolicy())
        )
        for m in KNOWN_MODELS
    ]
    return budget, clients


BUDGET, (CODER, THINKER, BIG, SMALL) = daemon(36)
OTHER = SizedModel("other:8b", "other", SMALL.footprint)

TABLE = {
    # GB: one 32B, 32B + 8B, two 32B, llama3.3:latest, llama3.3:latest + 8B, one 8B
    16: ("never", "never", "never", "never", "never", "fits"),
    24: ("never", "never", "never", "never", "never", "fits"),
    36: ("fits", "tight", "never", "never", "never", "fits"),
    48: ("fits", "tight", "never", "never", "never", "fits"),
    64: ("fits", "fits", "never", "fits", "tight", "fits"),
    128: ("fits", "fits", "never", "fits", "fits", "fits"),
}


@pytest.mark.parametrize("size", TABLE)
def test_the_table_of_the_seed_over_real_sizes(size):
    budget, (coder, thinker, big, small) = daemon(size)
    sets = [[coder], [coder, small], [coder, thinker], [big], [big, small], [small]]
    assert TABLE[size] == tuple(together(clients, budget).fit for clients in sets)
    alone = [judge(clients[0], [], budget).fit for clients in sets if len(clients) == 1]
    assert [TABLE[size][0], TABLE[size][3], TABLE[size][5]] == alone


def test_two_heavy_models_may_stand_together_where_the_user_allows_it():
    budget, (coder, thinker, *_) = daemon(128)
    assert together([coder, thinker], budget, heavy_limit=2).fit == "fits"
    assert judge(thinker, [coder], budget, heavy_limit=2).fit == "fits"


def test_what_stands_in_memory_is_resident_whoever_is_asked_by_another_name():
    assert (
        judge(SizedModel("alias:latest", CODER.weights, CODER.footprint, heavy=True), [CODER], BUDGET).fit == "resident"
    )


def test_never_tells_the_sum_the_limit_and_what_to_do():
    verdict = judge(BIG, [CODER], BUDGET)
    assert (verdict.fit, verdict.evict) == ("never", ())
    for part in ("takes 41.9 GiB", "the budget is 27.0 GiB", "Metal's limit", "14.9 GiB too much", "Choose a smaller"):
        assert part in verdict.reason


def test_never_off_the_mac_speaks_of_the_machine():
    linux = budget_of(Reading(platform="linux", total=16 * GIB))
    assert "what this machine can give to models" in judge(CODER, [], linux).reason


def test_the_8b_beside_the_32b_is_tight_and_tells_the_sum():
    verdict = judge(SMALL, [CODER], BUDGET)
    assert verdict.fit == "tight"
    for part in ("llama3.1:8b 5.3 GiB + qwen2.5-coder:32b 21.4 GiB = 26.7 GiB", "budget 27.0 GiB", "0.3 GiB left"):
        assert part in verdict.reason


def test_a_second_32b_comes_only_after_the_first_has_left():
    verdict = judge(THINKER, [SMALL, CODER], BUDGET)
    assert Verdict("after_eviction", verdict.reason, (CODER.weights,)) == verdict
    assert verdict.reason == "at most 1 heavy model at a time: qwen2.5-coder:32b must be unloaded first"


def test_for_bytes_the_first_in_line_leaves_and_no_more_than_needed():
    verdict = judge(OTHER, [SMALL, CODER], BUDGET)
    assert ("after_eviction", (SMALL.weights,)) == (verdict.fit, verdict.evict)
    assert "over the budget of 27.0 GiB" in verdict.reason


def test_ollamas_gate_is_80_percent_of_what_it_holds_free():
    limit = BUDGET.gpu_limit
    assert int(0.8 * 6 * GIB) == ollama_gate(limit, 6 * GIB)
    assert int(0.8 * 27 * GIB) == ollama_gate(limit, 20 * GIB, freed=20 * GIB)
    assert int(0.8 * 7 * GIB) == ollama_gate(limit, 20 * GIB, loaded=20 * GIB)
    assert ollama_gate(limit, 20 * GIB, loaded=28 * GIB) == 0
    assert ollama_gate(limit, None) is None
    assert ollama_gate(None, 30 * GIB, loaded=20 * GIB) == int(0.8 * 30 * GIB)


CODER_MODEL, SMALL_MODEL = KNOWN_MODELS[0], next(m for m in KNOWN_MODELS if m.name == "llama3.1:8b")


@pytest.mark.parametrize(
    ("limit", "context", "beside", "more", "fit"),
    [
        # Metal's limit, GiB; tokens of the 32B and of the 8B; GiB of compute buffers of the 32B; what Ollama does.
        (27.0, 8192, 4096, 0.0, True),  # 36 GB, macOS 15: 5.08 of 5.21 GiB
        (27.0, 8192, 4096, 0.2, False),  # 5.08 of 5.05 GiB: Ollama throws the 32B out
        (27.0, 4096, 4096, 0.4, True),
        (28.08, 8192, 4096, 0.4, True),  # 36 GB, macOS 26
        (37.44, 32768, 4096, 0.0, True),  # 48 GB, macOS 26: 5.08 of 8.76 GiB
        (37.44, 32768, 32768, 0.0, False),  # 8.58 GiB and 768 MiB of surcharge
    ],
)
def test_a_32b_and_an_8b_on_a_mac_are_judged_as_ollama_judges_them(limit, context, beside, more, fit):
    """Weights 18.49 and 4.58 GiB, KV 256 and 128 KiB a token; Ollama subtracts what is loaded from Metal's limit."""
    loaded = CODER_MODEL.size + 256 * 1024 * context + int(more * GIB)
    gate = ollama_gate(int(limit * GIB), 30 * GIB, loaded=loaded)
    assert (asks(SMALL_MODEL, beside, MemoryPolicy()) <= gate) == fit


@pytest.mark.parametrize(("old", "context"), [(True, 4096), (False, 8192)])
def test_the_32b_gets_the_context_that_leaves_ollamas_gate_open_for_the_8b(old, context):
    """On 36 GB: at 8192 tokens Ollama of macOS 15's limit would throw the 32B out as soon as the 8B is asked for."""
    limit = 27 * GIB if old else 28753 * 2**20
    found = choose_contexts(KNOWN_MODELS, limit, gpu_limit=limit)
    assert found[CODER_MODEL.weights] == context
    loaded = takes(CODER_MODEL, context, MemoryPolicy())
    assert asks(SMALL_MODEL, found[SMALL_MODEL.weights], MemoryPolicy()) <= ollama_gate(limit, 36 * GIB, loaded=loaded)


def test_where_no_context_opens_the_gate_the_two_take_turns_at_the_context_that_the_budget_allows():
    limit = 26 * GIB
    found = choose_contexts(KNOWN_MODELS, limit, gpu_limit=limit)
    assert found[CODER_MODEL.weights] == choose_contexts(KNOWN_MODELS, limit)[CODER_MODEL.weights]


def test_no_more_models_are_loaded_than_ollama_keeps():
    clients = [SizedModel(name, name, GIB) for name in ("a", "b", "c")]
    verdict = judge(SizedModel("d", "d", GIB), clients, BUDGET, most_loaded=3)
    assert (verdict.fit, verdict.evict) == ("after_eviction", ("a",))
    assert "Ollama keeps at most 3 models loaded" in verdict.reason
    assert judge(SizedModel("d", "d", GIB), clients, BUDGET).fit == "fits"


def test_what_ollama_would_not_admit_beside_others_does_not_fit():
    """The 8B takes 5.3 GiB: 80 % of 7 GiB is enough, of 6 GiB is not, whatever Metal's limit leaves."""
    wide = msgspec.structs.replace(BUDGET, gpu_limit=None)
    assert judge(SMALL, [CODER], wide, free=7 * GIB).fit == "tight"
    refused = judge(SMALL, [CODER], wide, free=6 * GIB)
    assert ("after_eviction", (CODER.weights,)) == (refused.fit, refused.evict)
    assert "Ollama admits at most 4.8 GiB now" in refused.reason


def test_the_gate_counts_what_the_leaving_give_back():
    first, second = SizedModel("a", "a", 6 * GIB), SizedModel("b", "b", 6 * GIB)
    assert judge(SMALL, [first, second], BUDGET, free=2 * GIB).evict == ("a",)


def test_alone_the_gate_does_not_apply_but_busy_memory_is_told():
    verdict = judge(CODER, [], BUDGET, free=10 * GIB)
    assert verdict.fit == "fits"
    assert "only 10.0 GiB are free now" in verdict.reason


def test_a_model_that_is_not_pulled_is_missing_with_the_line_that_gets_it():
    assert Verdict("missing", "nope:1b is not pulled; get it with: ollama pull nope:1b") == missing("nope:1b")


# ---- one rule ------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    residents=st.lists(st.sampled_from(["a", "b", "c", "l", "m"]), max_size=4, unique=True),
    pins=st.sets(st.sampled_from(["a", "b", "c", "l", "m"])),
    room=st.sampled_from([8, 24, 27, 30, 60]),
    free=st.sampled_from([None, 3, 8, 30]),
    limits=st.tuples(st.sampled_from([1, 2]), st.sampled_from([0, 2, 3]), st.sampled_from([None, 27])),
    is_critical=st.booleans(),
)
def test_what_is_said_of_a_model_is_what_a_load_of_it_comes_to(*, residents, pins, room, free, limits, is_critical):
    """``models list`` and ``load`` cannot disagree: whom the verdict names is unloaded, ``never`` is refused."""
    heavy_limit, most_loaded, gpu_limit = limits
    pressure = "critical" if is_critical else "normal"
    life = begin(room, SchedulerSettings(heavy_limit=heavy_limit, idle_unload=None))
    for weights in residents:
        life.settle()
        life.ask(chain=(weights,))
    life.settle()
    for weights in pins:
        life.step(ev.PinSet(weights))
    life.step(ev.Measured(room, free, pressure, gpu_limit, most_loaded))
    life.settle()
    ledger, budget = life.scheduler.ledger, msgspec.structs.replace(BUDGET, bytes=room, gpu_limit=gpu_limit)
    for weights in ("a", "b", "c", "l", "m", "h"):
        verdict, twin = judge_load(ledger, weights, budget), life.scheduler._twin()
        actions = twin.step(ev.Asked(ev.Ticket("t", (weights,), insist=True)), life.now)
        refused = [action.code for action in actions if isinstance(action, ev.Refuse)]
        unloads = tuple(action.weights for action in actions if isinstance(action, ev.Unload))
        loads = [action.weights for action in actions if isinstance(action, ev.Load)]
        if verdict.fit == "resident":
            assert any(isinstance(action, ev.Grant) for action in actions)
        elif verdict.fit == "never":
            assert refused in (["never_fits"], ["memory_pressure"] if is_critical else [])
            assert (unloads, loads) == ((), [])
        elif is_critical:
            assert (refused, unloads, loads) == (["memory_pressure"], (), [])
            assert "pressure is critical" in verdict.reason
        elif verdict.fit == "after_eviction":
            assert (refused, unloads, loads) == ([], verdict.evict, [])
        else:
            assert (refused, unloads, loads) == ([], (), [weights])
