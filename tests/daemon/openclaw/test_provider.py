import pytest

from innkeepd.config.schema import HttpConfig
from innkeepd.errors import DaemonError
from innkeepd.openclaw.provider import Endpoint, block, endpoint, masked, merge

OURS = block(Endpoint("http://127.0.0.1:11435"))
PROVIDER = OURS["models"]["providers"]["ollama"]


def test_the_block_asks_for_the_native_api_with_a_key_and_the_virtual_models():
    assert tuple(PROVIDER[k] for k in ("baseUrl", "api", "apiKey")) == ("http://127.0.0.1:11435", "ollama", "innkeep")
    assert [model["id"] for model in PROVIDER["models"]] == ["auto", "coding", "reasoning", "general"]
    assert all(model["name"] and model["contextWindow"] == 16_384 for model in PROVIDER["models"])
    assert OURS["agents"]["defaults"]["model"] == {"primary": "ollama/auto"}


@pytest.mark.parametrize(
    ("http", "url", "container", "expected"),
    [
        (HttpConfig(), None, False, Endpoint("http://127.0.0.1:11435")),
        (HttpConfig(), None, True, Endpoint("http://host.containers.internal:11435")),
        (HttpConfig(host="0.0.0.0", port=80, token="t"), None, False, Endpoint("http://127.0.0.1:80", "t")),
        (HttpConfig(host="::1"), None, False, Endpoint("http://[::1]:11435")),
        (HttpConfig(host="mac.local", token="t"), None, False, Endpoint("http://mac.local:11435", "t")),
        (HttpConfig(), "http://mac.local:1/", True, Endpoint("http://mac.local:1")),
    ],
)
def test_the_door_is_where_our_port_is(http, url, container, expected):
    assert expected == endpoint(http, url, container=container)


@pytest.mark.parametrize("url", ["mac.local:1", "ftp://x", "http://", "http://x:99999", "http://x?a", "http://x/v1/"])
def test_an_address_that_openclaw_could_not_use_is_refused(url):
    with pytest.raises(DaemonError, match="--http: "):
        endpoint(HttpConfig(), url, container=False)


def test_an_empty_configuration_gets_the_block():
    assert merge({}, OURS) == (OURS, [])


def test_merging_twice_changes_nothing():
    once, _ = merge({"gateway": {"port": 1}}, OURS)
    assert (once, []) == merge(once, OURS)


def test_what_a_person_has_set_beside_ours_stays():
    before = {
        "models": {
            "mode": "merge",
            "providers": {
                "openai": {"apiKey": "k"},
                "ollama": {
                    "baseUrl": "http://127.0.0.1:11434/v1",
                    "headers": {"a": "b"},
                    "timeoutSeconds": 7200,
                    "models": [{"id": "auto", "name": "old"}, {"id": "mine", "name": "Mine"}],
                },
            },
        },
        "agents": {"defaults": {"model": "ollama/big"}},
    }
    after, notes = merge(before, OURS)
    provider = after["models"]["providers"]["ollama"]
    assert after["models"]["providers"]["openai"] == {"apiKey": "k"}
    assert tuple(provider[key] for key in ("baseUrl", "headers", "timeoutSeconds")) == (
        "http://127.0.0.1:11435",
        {"a": "b"},
        7200,
    )
    assert [*PROVIDER["models"], {"id": "mine", "name": "Mine"}] == provider["models"]
    assert after["agents"]["defaults"]["model"] == "ollama/big"
    assert notes == [
        "models.providers.ollama.baseUrl was http://127.0.0.1:11434/v1",
        "agents.defaults.model stays; `openclaw models set ollama/auto` lets innkeep choose for each message",
    ]
    assert before["models"]["providers"]["ollama"]["baseUrl"] == "http://127.0.0.1:11434/v1"


def test_the_seeds_profiles_become_entries_because_openclaw_refuses_them():
    agents = {"profiles": {"coder": {"model": "a"}, "reasoner": {"model": "b"}, "No!": {}}}
    after, notes = merge({"agents": agents}, OURS)
    assert after["agents"] == {
        "entries": {"coder": {"model": "a"}, "reasoner": {"model": "b"}},
        "ownership": "explicit",
        "defaults": {"systemAgent": {"agentId": "coder"}, "model": {"primary": "ollama/auto"}},
    }
    assert notes == [
        "agents.profiles.coder is now agents.entries.coder: OpenClaw 2026.9 refuses profiles",
        "agents.profiles.reasoner is now agents.entries.reasoner: OpenClaw 2026.9 refuses profiles",
        "agents.profiles.No!: dropped: OpenClaw 2026.9 refuses profiles, and no entry can have that name",
    ]


def test_one_agent_needs_no_word_on_ownership():
    after, _ = merge({"agents": {"profiles": {"coder": {}}}}, OURS)
    assert "ownership" not in after["agents"]


@pytest.mark.parametrize("before", [{"models": []}, {"models": {"providers": 7}}, {"agents": {"defaults": "x"}}])
def test_a_configuration_of_another_shape_is_refused_with_the_place(before):
    with pytest.raises(DaemonError, match=r"^(models|models\.providers|agents\.defaults): expected an object"):
        merge(before, OURS)


def test_a_secret_is_not_shown():
    ours = block(Endpoint("http://x", "s3cret"), 8192)
    assert "s3cret" not in str(masked(ours))
    assert "s3cret" in str(ours)
