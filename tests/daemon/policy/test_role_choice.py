from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.memory.budget import GIB, Budget, MemoryPolicy
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.unpulled import model_by_name, model_by_size
from innkeepd.policy.model import Model
from innkeepd.policy.role_choice import choose_roles, suggestions, traits_of

POLICY = MemoryPolicy()


def budget_of(size):
    return Budget(int(size * GIB), int(size * GIB), 4 * GIB, int(size * GIB) + 4 * GIB, None, "", ())


def named(name, *capabilities):
    model = model_by_name(name)
    return Model(
        **{field: getattr(model, field) for field in model.__struct_fields__ if field != "capabilities"},
        capabilities=frozenset(capabilities),
    )


def roles(*models, size=27.0, korean=False):
    found = choose_roles(models, budget_of(size), POLICY, korean=korean)
    return {role: (one.primary, *one.fallbacks) for role, one in found.roles.items()}


def test_the_default_models_get_the_default_roles_without_the_one_that_never_fits():
    assert roles(*KNOWN_MODELS) == {
        "coding": ("qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b"),
        "reasoning": ("deepseek-r1:32b", "qwen2.5-coder:32b", "llama3.1:8b"),
        "general": ("llama3.1:8b",),
    }
    found = choose_roles(KNOWN_MODELS, budget_of(27))
    assert found.notes == ("llama3.3:latest never fits this machine (41.9 GiB)",)
    assert found.pulls == {}


def test_the_reasons_say_what_fits_together():
    found = choose_roles(KNOWN_MODELS, budget_of(27)).roles["coding"]
    assert found.reasons == (
        "qwen2.5-coder:32b: made for code; takes 20.4 GiB at 4096 tokens",
        "in memory together with llama3.1:8b: 25.7 GiB of a budget of 27.0 GiB",
        "never in memory together with deepseek-r1:32b: changing between them takes a swap",
    )
    (general,) = choose_roles(KNOWN_MODELS, budget_of(27)).roles["general"].reasons
    assert general == "llama3.1:8b: the best that can stay in memory beside a large one (5.3 GiB)"


def test_two_that_never_fit_together_are_said_to():
    found = choose_roles([named("qwen2.5-coder:14b"), named("llama3.1:8b")], budget_of(12)).roles["coding"]
    assert found.reasons[1].startswith("not in memory together with llama3.1:8b: ")


def test_a_single_model_answers_for_every_role():
    one = named("mistral:7b")
    assert roles(one) == {"coding": ("mistral:7b",), "reasoning": ("mistral:7b",), "general": ("mistral:7b",)}
    found = choose_roles([one], budget_of(27))
    assert "no pulled model that fits is made for code" in found.roles["coding"].reasons[0]
    assert "no pulled model that fits thinks" in found.roles["reasoning"].reasons[0]
    assert found.pulls == {"coding": "qwen2.5-coder:32b", "reasoning": "deepseek-r1:32b"}


def test_a_heavy_model_alone_is_said_to_be_the_only_one():
    found = choose_roles([named("qwen2.5-coder:32b")], budget_of(27))
    assert found.roles["general"].reasons[0].startswith("qwen2.5-coder:32b: no smaller model is pulled")


def test_a_specialist_is_preferred_up_to_four_times_its_parameters():
    assert roles(named("qwen2.5-coder:7b"), named("mistral:14b"))["coding"][0] == "qwen2.5-coder:7b"
    assert roles(named("qwen2.5-coder:1.5b"), named("mistral:14b"))["coding"][0] == "mistral:14b"


def test_what_ollama_tells_of_a_model_counts_beside_its_name():
    fills, thinks = named("some:7b", "completion", "insert"), named("other:7b", "completion", "thinking")
    found = roles(fills, thinks, named("plain:7b", "completion"))
    assert (found["coding"][0], found["reasoning"][0]) == ("some:7b", "other:7b")


def test_an_embedding_model_answers_for_no_role():
    found = choose_roles([named("nomic:135m", "embedding"), named("bge-m3:567m")], budget_of(27))
    assert found.roles == {}
    assert found.pulls == {"coding": "qwen2.5-coder:32b", "reasoning": "deepseek-r1:32b", "general": "llama3.1:8b"}
    assert found.notes == (
        "bge-m3:567m makes embeddings: ask for it by its name",
        "nomic:135m makes embeddings: ask for it by its name",
    )


def test_a_model_that_sees_stands_behind_a_general_one_that_does_not():
    found = roles(named("llama3.1:8b", "completion"), named("qwen2.5vl:7b", "completion", "vision"))
    assert found["general"] == ("llama3.1:8b", "qwen2.5vl:7b")


def test_a_smaller_model_stands_behind_the_general_one():
    found = roles(named("llama3.1:8b"), named("llama3.2:3b"), named("llama3.2:1b"), named("gemma2:2b-text"))
    assert found["general"] == ("llama3.1:8b", "llama3.2:3b")


def test_who_writes_korean_gets_a_model_that_knows_it():
    models = named("llama3.1:8b"), named("exaone3.5:7.8b")
    assert (roles(*models)["general"][0], roles(*models, korean=True)["general"][0]) == (
        "llama3.1:8b",
        "exaone3.5:7.8b",
    )
    assert ", knows Korean" in choose_roles(models, budget_of(27), korean=True).roles["general"].reasons[0]


def test_a_cloud_model_is_left_out_with_its_machine():
    cloud = Model(name="gpt-oss:120b-cloud", weights="x", size=0, host="ollama.com")
    assert choose_roles([cloud], budget_of(27)).notes == (
        "gpt-oss:120b-cloud runs at ollama.com: prompts would leave this machine",
    )


def test_where_heavy_models_may_stand_together_no_swap_is_foretold():
    policy = MemoryPolicy(heavy_limit=2)
    reasons = choose_roles(KNOWN_MODELS, budget_of(48), policy).roles["coding"].reasons
    assert not any("never in memory together" in reason for reason in reasons)


def test_what_is_suggested_fits():
    assert suggestions(budget_of(27), POLICY) == {
        "coding": "qwen2.5-coder:32b",
        "reasoning": "deepseek-r1:32b",
        "general": "llama3.1:8b",
    }
    assert suggestions(budget_of(3.5), POLICY) == {
        "coding": "qwen2.5-coder:3b",
        "reasoning": "deepseek-r1:1.5b",
        "general": "llama3.2:3b",
    }
    assert suggestions(budget_of(0.1), POLICY) == {}


def test_the_words_of_a_model():
    found = traits_of(named("qwen2.5vl:7b", "completion", "vision"), budget_of(27), POLICY)
    assert found.words == ("vision", "korean")
    assert traits_of(Model(name="x", weights="x", size=GIB), budget_of(27), POLICY).parameters == GIB * 8 // 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["coder", "plain", "deepseek-r1", "vision", "embed"]),
            st.sampled_from([0.1, 1, 3, 8, 14, 32, 70]),
        ),
        max_size=8,
        unique=True,
    ),
    st.floats(0.5, 128),
)
def test_no_chain_ever_names_a_model_that_does_not_fit_or_names_one_twice(kinds, size):
    models = [model_by_size(f"{kind}:{n}b", int(n * 1e9), int(n * 6e8), "Q4_K_M") for kind, n in kinds]
    found = choose_roles(models, budget_of(size), POLICY)
    fitting = {one.name for one in found.traits if one.fits}
    for one in found.roles.values():
        chain = (one.primary, *one.fallbacks)
        assert set(chain) <= fitting
        assert len(chain) == len(set(chain))
