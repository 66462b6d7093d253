"""One load a swap, and no reload for any sequence of requests: counted in Ollama's own log, on both versions.

Since 0.30 a launch attribute that changes (``shift`` among them) reloads a model, and ``/api/ps`` does not tell.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from innkeep.errors import BackendFailure
from innkeepd.backends.ollama_wire import epoch
from support.live import DaemonProcess, RunnerSampler, options
from support.ollama import PsSampler

HEAVY_TINY = """
[models.tiny]
weight = "heavy"
[models.tools]
weight = "heavy"
"""
REQUESTS = 220
PROMPT = "hello there"
MAYBE_TOO_LONG = "a" * 3600
"""More bytes than the context less what templates may add: under /v1 it is measured first, by a look of its own."""
HELLO = [{"role": "user", "content": PROMPT}]

CHATS: dict[str, dict[str, object]] = {
    "/api/chat": {"messages": HELLO, "options": options(2), "stream": False},
    "/api/generate": {"prompt": PROMPT, "options": options(2), "stream": False},
    "/v1/chat/completions": {"messages": HELLO, "max_tokens": 2},
    "/v1/completions": {"prompt": PROMPT, "max_tokens": 2},
    "/v1/responses": {"input": PROMPT, "max_output_tokens": 2},
    "/v1/messages": {"messages": HELLO, "max_tokens": 2},
}
EMBEDDINGS: dict[str, dict[str, object]] = {
    "/api/embed": {"input": ["one", "two"]},
    "/api/embeddings": {"prompt": "one"},
    "/v1/embeddings": {"input": "one"},
}
LAUNCH_OPTIONS: list[dict[str, object]] = [
    {"num_ctx": 512},
    {"num_batch": 64},
    {"num_gpu": 0},
    {"num_gpu": 99},
    {"main_gpu": 1},
    {"num_thread": 2},
    {"use_mmap": False},
    {"use_mmap": True},
    {"draft_num_predict": 4},
    {"num_keep": 7},
]
"""What a client may write into ``options``: each but the last would reload the model, had it its way."""


@pytest.mark.parametrize("door", ["socket", *CHATS])
def test_each_swap_is_one_load_at_every_door(ollama, start_daemon, door):
    daemon = start_daemon(more=HEAVY_TINY, http=True)
    with RunnerSampler(ollama) as runners, PsSampler(ollama.port) as shown:
        for model in ("tiny", "tools", "tiny", "tiny", "tools"):
            _ask(daemon, door, model)
    assert ollama.loads() == daemon.status().counters.loads == 4
    assert runners.most == 1
    assert len(runners.pids) == 4
    assert shown.seen_together("tiny", "tools") == []


def test_no_sequence_of_requests_reloads_a_model(ollama, llama_server, start_daemon):
    daemon = start_daemon(more=HEAVY_TINY, http=True, budget="2GB")
    draw = random.Random(9)
    tour = _tour(draw)
    with RunnerSampler(ollama) as runners:
        for step in tour:
            step(daemon)
            assert ollama.loads() <= 3, f"{step.__name__} reloaded a model"
        if llama_server:  # a renewal takes up to a minute to come; before 0.30 it could differ in num_ctx only
            _renewed(ollama, daemon)
    assert len(tour) >= 200
    assert ollama.loads() == daemon.status().counters.loads == 3  # tiny, mid, embedder: each once
    assert len(runners.pids) == 3
    assert ollama.loaded() == {"tiny", "mid", "embedder"}


def _tour(draw: random.Random) -> list[Callable[[DaemonProcess], object]]:
    """Requests of all kinds in a random order, the same each time."""

    def chat(door: str, model: str, fields: dict[str, object]) -> Callable[[DaemonProcess], object]:
        def step(daemon: DaemonProcess) -> None:
            _ask(daemon, door, model, fields)

        step.__name__ = f"{door} {model} {fields}"
        return step

    def embed(door: str) -> Callable[[DaemonProcess], object]:
        def step(daemon: DaemonProcess) -> None:
            if door == "socket":
                with daemon.client() as client:
                    client.embed(["one"], model="embedder")
            else:
                _post(daemon, door, {"model": "embedder", **EMBEDDINGS[door]})

        step.__name__ = f"{door} embedder"
        return step

    def verb(name: str, model: str) -> Callable[[DaemonProcess], object]:
        def step(daemon: DaemonProcess) -> None:
            with daemon.client() as client:
                getattr(client, name)(model)

        step.__name__ = f"{name} {model}"
        return step

    steps: list[Callable[[DaemonProcess], object]] = []
    while len(steps) < REQUESTS:
        kind = draw.random()
        model = draw.choice(["tiny", "tiny", "mid"])
        if kind < 0.2:
            steps.append(embed(draw.choice(["socket", *EMBEDDINGS])))
        elif kind < 0.3:
            steps.append(verb(draw.choice(["load", "pin", "unpin"]), model))
        elif kind < 0.36:
            long = {"messages": [{"role": "user", "content": MAYBE_TOO_LONG}]}
            steps.append(chat("/v1/chat/completions", "tiny", long))
        else:
            fields = draw.choice(
                [{}, {}, {"shift": draw.choice([True, False])}, {"options": draw.choice(LAUNCH_OPTIONS)}]
            )
            steps.append(chat(draw.choice(["socket", "/api/chat", "/api/generate", *CHATS]), model, fields))
    return steps


def _renewed(ollama, daemon):
    """Another program shortens a pinned model's stay: the daemon moves its end again, which must not reload it."""
    with daemon.client() as client:
        client.pin("tiny")
        ollama.load("tiny", keep_alive=60, options={"num_ctx": 4096})
        # It looks for the first time a minute after its start.
        deadline, pause = time.monotonic() + 80, threading.Event()
        while _stays_for(ollama, "tiny") < 900:
            assert time.monotonic() < deadline, "the stay of a pinned model was not renewed"
            pause.wait(0.05)


def _stays_for(ollama, model):
    """Seconds that Ollama will keep it, 0 where it does not show it."""
    ends = [line["expires_at"] for line in ollama.ps() if line["name"] == f"{model}:latest"]
    return epoch(ends[0]) - time.time() if ends else 0.0


def test_what_a_client_says_about_the_runner_never_reaches_it(ollama, start_daemon):
    daemon = start_daemon(http=True)
    daemon.ask("tiny")
    before = [each.cmdline() for each in ollama.runners()]
    for launch in LAUNCH_OPTIONS:
        for door in ("socket", "/api/chat", "/api/generate"):
            _ask(daemon, door, "tiny", {"options": launch})
    for shift in (True, False, None):
        for door in ("/api/chat", "/api/generate"):
            _ask(daemon, door, "tiny", {"shift": shift})
        _ask(daemon, "/v1/chat/completions", "tiny", {"shift": shift, "options": {"num_ctx": 512}})
    assert ollama.loads() == daemon.status().counters.loads == 1
    assert [each.cmdline() for each in ollama.runners()] == before


@pytest.mark.since_0_30("shift belongs to the request before, and reloads nothing")
def test_the_log_tells_a_reload_that_ps_hides(ollama):
    # What all of the above is for: Ollama alone reloads at each change of `shift`, and only its log shows it.
    ollama.chat("tiny", options=options(1))
    assert ollama.loads() == 1
    for number in range(2):
        reloaded = ollama.chat("tiny", shift=False, options=options(1))
        assert reloaded.body["load_duration"] > 1e8, "a reload shows in load_duration: over 0.1 s"
        ollama.chat("tiny", options=options(1))
        assert ollama.loads() == 3 + 2 * number
    assert ollama.loaded() == {"tiny"}
    again = ollama.chat("tiny", options=options(1))
    assert again.body["load_duration"] < 1e8


def _ask(daemon: DaemonProcess, door: str, model: str, fields: dict[str, object] | None = None) -> None:
    """One answer of a model at a door; it fails loudly."""
    fields = dict(fields or {})
    if door == "socket":
        launch = fields.get("options") or {}
        assert isinstance(launch, dict)
        with (
            daemon.client() as client,
            suppress(BackendFailure),
        ):  # bytes that are no UTF-8: told, and no load of theirs
            client.chat(PROMPT, model=model, options=options(2) | launch).read()
        return
    body = {"model": model, **CHATS[door]} | fields
    if door.startswith("/api"):
        body["options"] = options(2) | (fields.get("options") or {})  # type: ignore[operator] - a dict of JSON
    _post(daemon, door, body)


def _post(daemon: DaemonProcess, door: str, body: dict[str, object]) -> None:
    answer = daemon.post(door, body)
    # Random weights write bytes that are no UTF-8 now and then: since 0.30 such an answer breaks, and that is told.
    assert answer.status == 200 or b"the answer broke off" in answer.data, (door, body, answer)
