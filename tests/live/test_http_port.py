"""The HTTP port in front of a real Ollama: the same bytes, and Ollama's own command line."""

import http.client
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from support.innkeepd import Daemon

CONFIG = """
[roles.coding]
primary = "big"
fallbacks = ["mid"]
[roles.reasoning]
primary = "think"
[roles.general]
primary = "mid"
[memory]
budget = "4GiB"
"""
HELLO = [{"role": "user", "content": "hello there"}]
SEEDED = {"seed": 7, "num_predict": 12, "num_ctx": 4096}


@pytest.fixture
def daemon(ollama) -> Iterator[Daemon]:
    with Daemon(ollama=ollama.url, config=CONFIG) as running:
        yield running


def fetched(port, path, body):
    """Status, type and body of a whole answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    found = response.status, response.headers["content-type"], response.read()
    connection.close()
    return found


def timeless(data: bytes) -> bytes:
    """Without times and ids."""
    data = re.sub(rb'"(created_at|completed_at|created)":("[^"]*"|\d+)', b"", data)
    data = re.sub(rb'"[a-z_]*duration":\d+', b"", data)
    return re.sub(rb"(chatcmpl-|cmpl-|resp_|msg_)\w+", b"ID", data)


BODIES = {
    "/api/chat": {"messages": HELLO, "options": SEEDED},
    "/api/generate": {"prompt": "hello there", "options": SEEDED},
    "/api/embed": {"input": ["a", "b"], "options": {"num_ctx": 4096}},
    "/api/embeddings": {"prompt": "a", "options": {"num_ctx": 4096}},
    "/v1/chat/completions": {"messages": HELLO, "seed": 7, "max_tokens": 12},
    "/v1/completions": {"prompt": "hello there", "seed": 7, "max_tokens": 12},
    "/v1/embeddings": {"input": "a"},
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", BODIES)
def test_every_byte_is_ollamas_own_but_for_times_and_ids(daemon, ollama, path, stream):
    embeds = "embed" in path  # since 0.30 only an embedding model does
    body = {"model": "embedder" if embeds else "mid", **BODIES[path]} | ({} if embeds else {"stream": stream})
    ours = fetched(daemon.port, path, body)
    theirs = fetched(ollama.port, path, body)
    assert ours[0] == theirs[0] == 200, ours
    assert ours[1] == theirs[1]
    assert timeless(ours[2]) == timeless(theirs[2])


@pytest.mark.parametrize("body", [{"model": "nope", "messages": HELLO}, {"messages": HELLO}])
def test_what_ollama_refuses_is_refused_in_its_words(daemon, ollama, body):
    ours, theirs = fetched(daemon.port, "/api/chat", body), fetched(ollama.port, "/api/chat", body)
    assert (ours[0], json.loads(ours[2])) == (theirs[0], json.loads(theirs[2]))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"think": True}, "does not support thinking"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "does not support tools"),
        ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type'),
    ],
)
def test_a_request_at_fault_is_refused_as_such(daemon, ollama, more, words):
    """Capabilities in our own words, before anything is loaded; an option of the wrong type is 500 at Ollama itself."""
    body = {"model": "mid", "messages": HELLO, **more}
    ours, theirs = fetched(daemon.port, "/api/chat", body), fetched(ollama.port, "/api/chat", body)
    assert words in json.loads(theirs[2])["error"]
    assert (ours[0], words in json.loads(ours[2])["error"]) == (400, True)


def test_under_v1_the_model_is_neither_reloaded_nor_forgotten(daemon, ollama):
    fetched(daemon.port, "/api/chat", {"model": "mid", "messages": HELLO, "stream": False})
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"):
        body = {"model": "mid", "max_tokens": 4, "messages": HELLO, "prompt": "a", "input": "a"}
        assert fetched(daemon.port, path, body)[0] == 200
    assert ollama.loads() == 1
    (line,) = ollama.ps()
    assert (line["name"], line["context_length"]) == ("mid:latest", 4096)
    minutes = (_epoch(line["expires_at"]) - time.time()) / 60
    assert minutes > 20


def _epoch(text):
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"])
def test_a_prompt_over_the_context_is_told_where_ollama_would_cut_it(daemon, path):
    words = "hello world " * 9000
    body = {"model": "mid", "max_tokens": 2, "messages": [{"role": "user", "content": words}], "prompt": words}
    status, _, reported = fetched(daemon.port, path, body | {"input": words})
    assert status == 400
    assert b"context" in reported


def test_a_prompt_that_just_fits_is_answered_whole(daemon):
    body = {"model": "tiny", "max_tokens": 2, "messages": [{"role": "user", "content": "a" * 3600}]}
    status, _, reported = fetched(daemon.port, "/v1/chat/completions", body)
    assert status == 200
    assert json.loads(reported)["usage"]["prompt_tokens"] > 1000


def test_ollamas_own_command_line_works_through_us(daemon, ollama):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"OLLAMA_HOST": f"127.0.0.1:{daemon.port}", "HOME": str(ollama.folder)}
        return subprocess.run(
            [ollama.binary, *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    listed = run("list").stdout
    assert "mid:latest" in listed
    assert "auto" in listed
    said = run("run", "tiny", "hello")
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()
    assert "tiny:latest" in run("ps").stdout
    assert run("stop", "tiny").returncode == 0
    assert "tiny:latest" not in run("ps").stdout
    assert ollama.loaded() == set()
    assert "llama" in run("show", "tiny").stdout
    assert "num_ctx" in run("show", "auto").stdout
    assert run("run", "auto", "hello").returncode == 0
    refused = run("rm", "tiny")
    assert refused.returncode != 0
    assert "allow_admin" in refused.stderr
    assert "tiny:latest" in run("list").stdout
