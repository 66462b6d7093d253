import pytest

from innkeepd.openclaw.chains import Chain, take

SEED = {
    "agents": {
        "defaults": {"model": {"primary": "ollama/llama3.3:latest"}},
        "profiles": {
            "coder": {"model": {"primary": "ollama/qwen2.5-coder:32b", "fallbacks": ["ollama/deepseek-r1:32b"]}},
            "reasoner": {"model": {"primary": "ollama/deepseek-r1:32b", "fallbacks": ["ollama/qwen2.5-coder:32b"]}},
        },
    },
    "models": {"providers": {"ollama": {"baseUrl": "http://host.containers.internal:11434/v1"}}},
}


def entries(**agents):
    return {"agents": {"entries": agents}}


def test_the_seeds_profiles_and_defaults_become_the_three_roles():
    assert {
        "general": Chain("llama3.3:latest", None, "agents.defaults.model"),
        "coding": Chain("qwen2.5-coder:32b", ("deepseek-r1:32b",), "agents.profiles.coder.model"),
        "reasoning": Chain("deepseek-r1:32b", ("qwen2.5-coder:32b",), "agents.profiles.reasoner.model"),
    } == take(SEED).roles


def test_the_seeds_address_of_ollama_is_told_not_taken():
    (note,) = take(SEED).notes
    assert note.startswith("models.providers.ollama.baseUrl: not taken (http://host.containers.internal:11434/v1)")


def test_todays_entries_may_be_a_name_or_a_chain():
    taken = take(entries(coding={"model": "ollama/big"}, reasoner={"model": {"primary": "deep", "fallbacks": []}}))
    assert {
        "coding": Chain("big:latest", None, "agents.entries.coding.model"),
        "reasoning": Chain("deep:latest", (), "agents.entries.reasoner.model"),
    } == taken.roles
    assert taken.notes == ()


def test_the_older_list_of_agents_is_read_too():
    taken = take({"agents": {"list": [{"id": "coder", "model": "ollama/a:1", "tools": {}}, "?"]}})
    assert {"coding": Chain("a:1", None, "agents.list[0].model")} == taken.roles
    assert taken.notes == ("left to OpenClaw, innkeep has no use for it: agents.list[0].tools",)


def test_of_two_agents_with_one_role_the_later_one_counts_and_both_are_told():
    taken = take(entries(coder={"model": "a:1"}, coding={"model": "b:1"}))
    assert taken.roles["coding"].primary == "b:1"
    assert taken.notes == (
        "agents.entries.coder.model: not taken: agents.entries.coding.model is coding too and follows later",
    )


def test_an_agent_that_is_no_role_is_told():
    taken = take(entries(poet={"model": "a:1"}))
    assert taken.roles == {}
    assert taken.notes == (
        "agents.entries.poet: not taken: no role of innkeep is called 'poet' (coding, reasoning, general)",
    )


def test_an_agent_without_a_model_of_its_own_is_nothing_to_take():
    assert take(entries(poet={}, coder={"workspace": "w"})).roles == {}


def test_a_model_of_another_provider_is_left_out_of_the_chain_and_told():
    taken = take(entries(coder={"model": {"primary": "anthropic/claude", "fallbacks": ["ollama/a:1", "ollama/a:1"]}}))
    assert Chain("a:1", (), "agents.entries.coder.model") == taken.roles["coding"]
    assert "anthropic/claude not taken: anthropic is not this machine's Ollama" in taken.notes[0]


def test_a_model_of_our_own_further_backend_stays_as_it_is():
    taken = take(entries(coder={"model": {"primary": "ray/llama-70b", "fallbacks": ["a:1"]}}), frozenset({"ray"}))
    assert Chain("ray/llama-70b", ("a:1",), "agents.entries.coder.model") == taken.roles["coding"]


def test_a_provider_that_speaks_ollamas_api_is_ollama_under_another_name():
    content = entries(coder={"model": "local/a:1"}) | {"models": {"providers": {"local": {"api": "ollama"}}}}
    assert take(content).roles["coding"].primary == "a:1"


def test_an_alias_is_resolved():
    content = {
        "agents": {
            "defaults": {"models": {"ollama/a:1": {"alias": "Quick"}, "ollama/b:1": {}}},
            "entries": {"coder": {"model": "quick"}},
        }
    }
    assert take(content).roles["coding"].primary == "a:1"
    assert take(content).notes == ()


@pytest.mark.parametrize("name", ["ollama/auto", "innkeep/coding", "auto:latest"])
def test_our_own_virtual_names_would_go_in_a_circle(name):
    taken = take(entries(coder={"model": {"primary": name, "fallbacks": ["a:1"]}}))
    assert taken.roles["coding"].primary == "a:1"
    assert "in a circle" in taken.notes[0]


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (7, 'agents.entries.coder.model: not taken: expected a name or {"primary": ..., "fallbacks": [...]}'),
        ({"fallbacks": "a"}, 'agents.entries.coder.model: not taken: expected a name or {"primary": ..., "fallbacks"'),
        ({"primary": ["a"]}, "agents.entries.coder.model: ['a'] is not the name of a model"),
        ("a b", "agents.entries.coder.model: 'a b' is not the name of a model"),
        ({}, "agents.entries.coder.model: not taken: it names no model that innkeep could ask"),
        (
            {"primary": "a", "fallback": []},
            "agents.entries.coder.model.fallback: not taken: innkeep has nothing like it",
        ),
    ],
)
def test_a_model_of_another_shape_is_told_with_its_path(model, note):
    assert take(entries(coder={"model": model})).notes[0].startswith(note)


def test_every_other_key_is_told_once():
    content = {
        "agents": {"defaults": {"workspace": "w"}, "ownership": "explicit", "entries": {"coder": {"identity": {}}}},
        "models": {"mode": "merge", "providers": {"openai": {}}},
        "gateway": {},
    }
    assert take(content).notes == (
        (
            "left to OpenClaw, innkeep has no use for it: agents.ownership, agents.defaults.workspace, "
            "agents.entries.coder.identity, models.providers.openai, models.mode, gateway"
        ),
    )


def test_agents_that_are_no_object_are_told():
    assert take({"agents": [], "models": []}).notes == ("left to OpenClaw, innkeep has no use for it: agents",)
