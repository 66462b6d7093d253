"""Fewer swaps, and nobody starves: the policy at work on the real Ollama, beside what Ollama does by itself."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import SchedulerSettings
from support.journal import played_again, read_journal, unloads
from support.ollama import PsSampler

TURN, GATE = 3.0, 2
GUESTS = 4
"""Who ask for A without end: while one is answered, three wait."""
LONG = 400
"""Tokens of an answer of A's, so that the answers of the stream overlap."""
QUESTIONS = 10
"""Of each of two sessions, at least."""
SHORT_TURNS = f"""
[schedule]
turn = "{TURN:g}s"
gate = {GATE}
session_hold = "2s"
[models.tiny]
weight = "heavy"
[models.tools]
weight = "heavy"
"""
RULES = SchedulerSettings(turn=TURN, gate=GATE, session_hold=2.0)


class Stream:
    """Answers of A without a gap: when each began and ended."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.spans: list[tuple[float, float]] = []
        self._more = threading.Condition()

    def note(self, began: float) -> None:
        with self._more:
            self.spans.append((began, time.monotonic()))
            self._more.notify_all()

    def wait_for(self, count: int) -> None:
        """Return once so many have ended."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.spans) >= count, timeout=60), f"{len(self.spans)} of {count}"

    def after(self, instant: float) -> int:
        """How many began after it."""
        return sum(began > instant for began, _ in self.spans)


@contextmanager
def hot(ask_a: Callable[[], object]):
    """Several guests who ask for A again and again, until the context is left."""
    stream = Stream()

    def client() -> None:
        while not stream.over.is_set():
            began = time.monotonic()
            ask_a()
            stream.note(began)

    with ThreadPoolExecutor(GUESTS) as pool:
        clients = [pool.submit(client) for _ in range(GUESTS)]
        try:
            yield stream
        finally:
            stream.over.set()
    for each in clients:
        each.result()


def test_a_hot_stream_does_not_starve_another_model(ollama, start_daemon, start_ollama, capsys):
    daemon = start_daemon(more=SHORT_TURNS, journal=True)
    daemon.ask("tools")
    with PsSampler(ollama.port) as shown, hot(lambda: daemon.ask("tiny", tokens=LONG)) as stream:
        stream.wait_for(2 * GUESTS)
        asked = time.monotonic()
        said = daemon.ask("tools")
        served = time.monotonic()
        count = len(stream.spans)
        stream.wait_for(count + 2 * GUESTS)  # the stream goes on after B as it did before
    assert said.done.model == "tools:latest"
    assert stream.after(served) >= GUESTS
    assert shown.seen_together("tiny", "tools") == []

    steps = read_journal(daemon.journal)
    waited, bound = served - asked, _bound(steps)
    assert waited <= bound
    assert waited >= TURN / 2  # it was the turn that ended, not the stream that had a gap
    assert played_again(steps, RULES) == [step.actions for step in steps]

    alone = start_ollama(OLLAMA_MAX_LOADED_MODELS="1")
    alone_wait, began_meanwhile = _ollama_alone(alone, as_long_as=1.2 * bound)
    assert alone_wait >= 1.2 * bound, "Ollama alone served B while A's stream went on: tell so in the facts"
    with capsys.disabled():
        print(
            f"\n  hot stream for A, one request for B: innkeep serves B after {waited:.1f} s (bound {bound:.1f} s),"
            f" Ollama alone only when A's stream ends, here after {alone_wait:.1f} s and {began_meanwhile} more of A's"
        )


def _bound(steps):
    """What the policy promises B: W + max(1, m - 1) * ((G + 1) * S + swap) + swap, with S and swap as measured."""
    granted, began, services, changes = {}, {}, [], []
    for now, event, actions in steps:
        if isinstance(event, ev.Released) and event.ticket in granted:
            services.append(now - granted.pop(event.ticket))
        if isinstance(event, ev.LoadEnded | ev.UnloadEnded):
            changes.append(now - began.pop(event.op))
        granted |= {action.ticket: now for action in actions if isinstance(action, ev.Grant)}
        began |= {action.op: now for action in actions if isinstance(action, ev.Load | ev.Unload)}
    service, swap = max(services), 2 * max(changes)
    return TURN + (GATE + 1) * service + 2 * swap


def _ollama_alone(server, *, as_long_as):
    """The same scenario without us: seconds that B waited while A's stream ran, and how many of A's began meanwhile."""

    def ask(model: str, tokens: int) -> None:
        answer = server.chat(model, options={"num_ctx": 4096, "num_predict": tokens})
        assert answer.status == 200, answer

    ask("tools", 3)
    with ThreadPoolExecutor(1) as pool, hot(lambda: ask("tiny", LONG)) as stream:
        stream.wait_for(2 * GUESTS)
        asked = time.monotonic()
        served = pool.submit(lambda: (ask("tools", 3), time.monotonic())[1])
        still_waits = not wait([served], timeout=as_long_as).done
        stream.over.set()
        waited = served.result() - asked
        meanwhile = stream.after(asked)
    return (waited if still_waits else 0.0), meanwhile


def test_two_clients_in_turn_swap_no_oftener_than_the_policy_says(ollama, start_daemon, capsys):
    daemon = start_daemon(more=SHORT_TURNS, journal=True)
    asked: list[str] = []

    def client(model: str) -> None:
        while not all(asked.count(each) >= QUESTIONS for each in ("tiny", "tools")) or len(unloads(steps())) < 2:
            asked.append(model)
            daemon.ask(model, session=f"of {model}", tokens=LONG)

    def steps():
        return read_journal(daemon.journal)

    with PsSampler(ollama.port) as shown, ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        for each in [pool.submit(client, model) for model in ("tiny", "tools")]:
            each.result()
        took = time.monotonic() - began
    assert shown.seen_together("tiny", "tools") == []
    swaps = len(unloads(steps()))
    # One after the other would be a swap a question. A session keeps its model until the other is due.
    assert 2 <= swaps <= 1 + took / TURN
    assert swaps == daemon.status().counters.swaps
    assert played_again(steps(), RULES) == [step.actions for step in steps()]
    with capsys.disabled():
        print(f"\n  ABAB, {len(asked)} questions of two sessions: {swaps} swaps in {took:.1f} s")
