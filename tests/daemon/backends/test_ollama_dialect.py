"""One convention for launch attributes, chosen by the version of Ollama."""

import math

import pytest

from innkeepd.backends.ollama_dialect import (
    DIALECTS,
    LAUNCH_OPTIONS,
    LLAMA_SERVER,
    NEWEST,
    OWN_RUNNER,
    dialect_by_tags,
    dialect_of,
    duration,
)

PATHS = ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"]


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("0.17.4", OWN_RUNNER),
        ("0.24.0", OWN_RUNNER),
        ("v0.29.9", OWN_RUNNER),
        ("0.30.0", LLAMA_SERVER),
        ("0.30.0-rc2", LLAMA_SERVER),
        (" 0.33.0\n", LLAMA_SERVER),
        ("1.0.0", LLAMA_SERVER),
        ("0.0.0", None),
        ("", None),
        ("main", None),
        ("0.33", None),
    ],
)
def test_the_version_chooses_the_dialect(version, dialect):
    assert dialect_of(version) is dialect


def test_a_build_without_a_number_is_known_by_what_its_tags_tell():
    assert dialect_by_tags(has_capabilities=True) is LLAMA_SERVER
    assert dialect_by_tags(has_capabilities=False) is OWN_RUNNER
    assert NEWEST is LLAMA_SERVER


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shift", [None, True, False])
def test_since_llama_server_no_endpoint_ever_sends_shift(path, shift):
    owned = LLAMA_SERVER.own(path, {"model": "m", "shift": shift}, context=4096, keep_alive=60)
    assert "shift" not in owned


def test_before_llama_server_a_chat_is_told_not_to_shift_unless_its_client_says_otherwise():
    assert OWN_RUNNER.own("/api/chat", {}, context=4096, keep_alive=60)["shift"] is False
    assert OWN_RUNNER.own("/api/chat", {"shift": True}, context=4096, keep_alive=60)["shift"] is True
    assert "shift" not in OWN_RUNNER.own("/api/embed", {}, context=4096, keep_alive=60)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", PATHS)
def test_all_endpoints_launch_alike_whatever_the_client_says(dialect, path):
    theirs = dict.fromkeys(LAUNCH_OPTIONS, 7) | {"temperature": 0.5}
    owned = dialect.own(path, {"options": theirs, "keep_alive": -1}, context=8192, keep_alive=1800.0)
    assert owned["options"] == {"temperature": 0.5, "num_ctx": 8192}
    assert owned["keep_alive"] == 1800
    loads = dialect.launch({"options": theirs}, context=8192, keep_alive=1800.0)
    assert {key: owned["options"].get(key) for key in LAUNCH_OPTIONS} == {
        key: loads["options"].get(key) for key in LAUNCH_OPTIONS
    }


@pytest.mark.parametrize("options", [None, [1], "num_ctx", {}])
def test_options_that_are_no_object_are_left_out(options):
    assert NEWEST.launch({"options": options}, context=None, keep_alive=1)["options"] == {}


def test_a_prompt_is_cut_only_where_the_client_asks_for_it():
    assert NEWEST.own("/api/chat", {}, context=1, keep_alive=1)["truncate"] is False
    assert NEWEST.own("/api/chat", {"truncate": True}, context=1, keep_alive=1)["truncate"] is True
    assert "truncate" not in NEWEST.own("/api/embeddings", {}, context=1, keep_alive=1)


def test_the_clients_body_is_left_as_it_was():
    body = {"shift": True, "options": {"num_ctx": 1}}
    NEWEST.own("/api/chat", body, context=2, keep_alive=1)
    assert body == {"shift": True, "options": {"num_ctx": 1}}


@pytest.mark.parametrize(("seconds", "reported"), [(1800.0, 1800), (math.inf, -1), (-3, -1), (0.5, 0.5), (0.0, 0)])
def test_keep_alive_is_a_number_of_seconds_and_for_ever_is_minus_one(seconds, reported):
    assert duration(seconds) == reported
    assert type(duration(seconds)) is type(reported)
