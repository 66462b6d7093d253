import pytest
from msgspec.structs import replace

from innkeepd.policy.memory.budget import MemoryPolicy
from innkeepd.policy.memory.context import choose_contexts, footprints, is_heavy, next_context, steps, takes
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.model import Model

GIB = 2**30
CODER, THINKER, BIG, SMALL = KNOWN_MODELS
MAC36 = 27 * GIB
DEFAULT = MemoryPolicy()


def test_on_36_gb_the_32b_gets_8192_so_that_an_8b_at_4096_stands_beside_it():
    chosen = choose_contexts(KNOWN_MODELS, MAC36)
    assert {CODER.weights: 8192, THINKER.weights: 8192, BIG.weights: 4096, SMALL.weights: 4096} == chosen
    both = takes(CODER, 8192, DEFAULT) + takes(SMALL, 4096, DEFAULT)
    assert both <= MAC36 < both + GIB


def test_macos_26_grants_more_and_changes_nothing_of_that():
    assert choose_contexts(KNOWN_MODELS, 30_150_670_000)[CODER.weights] == 8192


def test_larger_macs_give_longer_contexts():
    assert choose_contexts(KNOWN_MODELS, 36 * GIB)[CODER.weights] == 32768
    assert choose_contexts(KNOWN_MODELS, 36 * GIB)[SMALL.weights] == 16384
    assert {4096, 8192, 32768} == set(choose_contexts(KNOWN_MODELS, 48 * GIB).values())
    assert {32768} == set(choose_contexts(KNOWN_MODELS, 96 * GIB).values())


def test_where_no_heavy_model_fits_the_light_one_has_the_budget_to_itself():
    assert choose_contexts(KNOWN_MODELS, 16 * GIB)[SMALL.weights] == 32768


def test_a_heavy_model_without_a_light_one_takes_90_percent_of_the_budget():
    assert {CODER.weights: 16384} == choose_contexts([CODER], MAC36)


def test_a_heavy_model_that_leaves_no_room_takes_what_fits_alone():
    assert choose_contexts([CODER, SMALL], 24 * GIB)[CODER.weights] == 8192
    assert choose_contexts([CODER, SMALL], 22 * GIB)[CODER.weights] == 4096


def test_an_embedding_model_is_no_light_candidate_to_leave_room_for():
    embedder = Model(name="embed", weights="e", size=300_000_000, capabilities=frozenset({"embedding"}))
    assert choose_contexts([CODER, embedder], MAC36)[CODER.weights] == 16384


def test_configured_numbers_win_in_any_spelling_but_not_over_the_models_own_context():
    policy = MemoryPolicy(contexts={"qwen2.5-coder:32b": 12000, "ollama/llama3.3": 10**6})
    chosen = choose_contexts(KNOWN_MODELS, MAC36, policy)
    assert (chosen[CODER.weights], chosen[BIG.weights]) == (12000, 131072)
    unknown = Model(name="odd", weights="o", size=GIB)
    assert choose_contexts([unknown], MAC36, MemoryPolicy(contexts={"odd": 5000})) == {"o": 5000}


def test_two_names_of_the_same_weights_have_one_context():
    twin = replace(CODER, name="my-coder")
    assert {CODER.weights: 8192, SMALL.weights: 4096} == choose_contexts([CODER, twin, SMALL], MAC36)


def test_a_tiny_model_has_no_context_but_its_own():
    tiny = Model(name="tiny", weights="t", size=1000, max_context=2048)
    assert steps(tiny) == (2048,)
    assert choose_contexts([tiny], MAC36) == {"t": 2048}


def test_heavy_is_20_billion_parameters_or_over_half_of_the_budget():
    assert is_heavy(CODER, 96 * GIB, DEFAULT)
    assert not is_heavy(SMALL, 16 * GIB, DEFAULT)
    assert is_heavy(SMALL, 10 * GIB, DEFAULT)
    assert is_heavy(SMALL, 96 * GIB, MemoryPolicy(heavy_parameters=8_000_000_000))


def test_the_users_word_on_weight_wins():
    policy = MemoryPolicy(weights={"llama3.1:8b": "heavy", "qwen2.5-coder:32b": "light"})
    assert is_heavy(SMALL, MAC36, policy)
    assert not is_heavy(CODER, MAC36, policy)


def test_a_learned_footprint_replaces_the_estimate_at_that_context_only():
    learned = {(CODER.weights, 8192): 24 * GIB}
    assert takes(CODER, 8192, DEFAULT, learned) == 24 * GIB
    assert takes(CODER, 4096, DEFAULT) == takes(CODER, 4096, DEFAULT, learned)
    assert choose_contexts(KNOWN_MODELS, MAC36, DEFAULT, learned)[CODER.weights] == 4096


def test_parallel_slots_and_the_caches_type_count():
    """256 KiB a token for a 32B at f16."""
    one = takes(CODER, 8192, DEFAULT)
    assert takes(CODER, 8192, MemoryPolicy(parallel={"qwen2.5-coder:32b": 2})) - one == 2 * GIB
    assert one - takes(CODER, 8192, MemoryPolicy(cache_type="q8_0")) == pytest.approx(0.47 * 2 * GIB, rel=0.001)


def test_the_context_grows_one_step_within_90_percent_of_the_budget():
    assert next_context(CODER, 8192, MAC36) == 16384
    assert next_context(CODER, 16384, MAC36) is None
    assert next_context(CODER, 32768, 96 * GIB) is None


def test_a_configured_context_does_not_grow():
    assert next_context(CODER, 8192, MAC36, MemoryPolicy(contexts={"qwen2.5-coder:32b": 8192})) is None


def test_footprints_are_the_contexts_that_it_may_ever_have():
    assert [tokens for tokens, _ in footprints(CODER, 8192, MAC36)] == [4096, 8192, 16384]
    assert [tokens for tokens, _ in footprints(BIG, 4096, MAC36)] == [4096]
    said = MemoryPolicy(contexts={"qwen2.5-coder:32b": 12000})
    assert [tokens for tokens, _ in footprints(CODER, 12000, MAC36, said)] == [4096, 8192, 12000]
