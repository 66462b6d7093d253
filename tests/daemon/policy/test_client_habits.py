import json
from pathlib import Path

import pytest

from innkeepd.policy.client_habits import gives_up_on_silence, heartbeat, priority_of, session_of

CLIENTS = Path(__file__).parents[2] / "data" / "clients"


def recorded(client):
    (path,) = (CLIENTS / client).glob("session.json")
    request = json.loads(path.read_text())
    return {name.lower(): value for name, value in request["headers"].items()}, request["body"]


@pytest.mark.parametrize(
    ("client", "header"),
    [
        ("claude_code", "x-claude-code-session-id"),
        ("codex", "session-id"),
        ("opencode", "x-session-affinity"),
        ("open_webui", "x-openwebui-chat-id"),
    ],
)
def test_the_session_of_a_recorded_client_is_known(client, header):
    headers, body = recorded(client)
    assert session_of(headers, body) == headers[header]


def test_a_session_is_known_by_the_body_alone():
    assert session_of({}, {"prompt_cache_key": "k"}) == "k"
    assert session_of({}, {"metadata": {"user_id": json.dumps({"device_id": "d", "session_id": "s"})}}) == "s"
    assert session_of({}, {"metadata": {"user_id": "user_1_account__session_0a1b2c3d-4e5f"}}) == "0a1b2c3d-4e5f"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": 1},
        {"metadata": {}},
        {"metadata": {"user_id": 1}},
        {"metadata": {"user_id": "somebody"}},
        {"metadata": {"user_id": "[1]"}},
        {"metadata": {"user_id": '{"session_id": 1}'}},
        {"prompt_cache_key": 1},
        {"metadata": {"user_id": "[" * 100_000}},
    ],
)
def test_a_mere_user_is_no_session(body):
    assert session_of({}, body) is None


def test_our_own_header_wins():
    assert session_of({"x-innkeep-session": "mine", "session-id": "theirs"}, {}) == "mine"
    assert priority_of({"x-innkeep-priority": "batch", "x-initiator": "agent"}) == "batch"


def test_copilots_tool_turns_are_an_agents():
    assert priority_of({"x-initiator": "agent"}) == "agent"
    assert priority_of({"x-initiator": "user"}) is None


def test_each_client_gets_the_sign_of_life_that_it_counts():
    assert heartbeat("responses", "codex_exec/0.169.0 (Debian)", "big is loading").startswith(
        b": big is loading\nevent: k"
    )
    assert heartbeat("responses", "OpenAI/JS 7.57.0", "big\nis loading") == b": big is loading\n\n"
    assert heartbeat("messages", "claude-cli/2.1.197", "").endswith(b'event: ping\ndata: {"type":"ping"}\n\n')
    assert heartbeat("openai", "codex", "") == b": \n\n"


@pytest.mark.parametrize(
    "agent",
    [
        "node",
        "undici",
        "ollama-js/0.6.4 (x64 linux Node.js/v26.10.0)",
        "OpenAI/JS 7.57.0",
        "ai/7.0.173 ai-sdk-provider-utils/5",
    ],
)
def test_nodes_clients_give_up_on_silence(agent):
    assert gives_up_on_silence(agent)


@pytest.mark.parametrize(
    "agent", ["", "ollama-python/0.6.3 (x86_64 linux) Python/3.11.7", "codex_exec/0.169.0", "litellm/1.1"]
)
def test_others_do_not(agent):
    assert not gives_up_on_silence(agent)
