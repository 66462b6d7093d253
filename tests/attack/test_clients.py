"""Clients that say half of it, nothing, too much, or do not read: nobody else waits, and memory comes back."""

import json
import socket
import statistics
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from support.attack import LONG
from support.process import Lines
from support.simulated import BUDGET
from support.target import PAUSE, SimulatedOllama, Target

MB = 2**20
MODEL = "llama3.1:8b"
CONFIG = f'[memory]\nbudget = "{BUDGET}"\n[timeouts]\nstall = "3s"\n'
TOKEN = "s3cr3t-Tok"
STRANGERS = 100 if LONG else 40
TRAILERS = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
SAYS = {
    "half a head": (b"GET /api/tags HTTP/1.1\r\nHost: ", b"a" * 65536),
    "endless trailers": (TRAILERS, b"a: b\r\n" * 10_000),
    "an endless body": (
        b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000000\r\n\r\n",
        b"[" * 65536,
    ),
    "endless chunks": (TRAILERS[:-3], b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "endless requests": (b"", b"GET /api/tags HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000),
    "nothing": (b"", b""),
}
"""What a stranger says first, and then again and again."""


@pytest.fixture(scope="module")
def ollama():
    with SimulatedOllama() as one:
        yield one


@pytest.fixture
def target(ollama):
    with Target(ollama.url, config=CONFIG) as one:
        one.until(lambda: one.chat(MODEL)["type"] == "done")
        yield one


def _flood(port: int, first: bytes, again: bytes, most: int, seconds: float) -> int:
    """Say it for so long without reading; the bytes that were taken."""
    taken, deadline = 0, time.monotonic() + seconds
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as one:
        one.sendall(first)
        while again and taken < most and time.monotonic() < deadline:
            taken += one.send(again)
        PAUSE.wait(max(0.0, deadline - time.monotonic()))
    return taken


_IN_SHORT = ("half a head", "endless trailers", "endless requests")


@pytest.mark.parametrize("what", SAYS if LONG else _IN_SHORT)
def test_strangers_without_a_token_take_little_memory_and_give_it_back(attack, ollama, what):
    seconds = 4.0 if LONG else 1.0
    first, again = SAYS[what]
    with Target(ollama.url, config=CONFIG, http=f'token = "{TOKEN}"') as target:
        target.until(lambda: target.get("/api/tags", authorization=f"Bearer {TOKEN}")[0] == 200)
        _flood(target.port, first, again, MB, 0.3)
        before, most = target.memory(), 0
        asking = (target.port, first, again, 30 * MB, seconds)
        threads = [threading.Thread(target=_flood, args=asking) for _ in range(STRANGERS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, target.memory())
            PAUSE.wait(0.05)
        with suppress(RuntimeError):
            target.until(lambda: target.memory() - before < 16 * MB, within=10)
        kept = target.memory() - before
        attack.count("connections", STRANGERS)
        grown = (most - before) / MB
        told = f"{grown:.1f} MB at most, {grown / STRANGERS:.2f} a connection, {kept / MB:.1f} kept after"
        attack.figure(f"memory for {what}", told)
        assert target.is_well()
        assert most - before <= min(64, STRANGERS) * MB
        assert kept < 16 * MB


def test_clients_that_break_off_anywhere_leave_no_lease_and_no_descriptor(attack, target):
    whole = json.dumps({"type": "chat", "id": 1, "model": MODEL, "messages": [{"role": "user", "content": "hi"}]})
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}).encode()
    asked = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    before = target.descriptors()
    for _ in attack.rounds(short=2, long=20):
        with ExitStack() as stack, suppress(OSError):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.connect(str(target.home / "innkeepd.sock"))
            line = whole.encode() + b"\n"
            one.sendall(line * 2 + line[: attack.dice.randrange(len(line))])
            other = stack.enter_context(socket.create_connection(("127.0.0.1", target.port)))
            other.sendall(asked[: attack.dice.randrange(len(asked))] if attack.dice.random() < 0.7 else asked)
            if attack.dice.random() < 0.5:
                one.settimeout(0.2)
                one.recv(attack.dice.randrange(1, 2000))
            attack.count("connections", 2)
    target.until(lambda: target.leases() == 0)
    target.until(lambda: target.descriptors() <= before + 20)
    assert target.chat(MODEL)["type"] == "done"


def test_who_does_not_read_keeps_no_lease_and_nobody_else_waits(attack, target):
    talk = [{"role": "user", "content": "x"}]
    long_answer = {"type": "chat", "model": MODEL, "messages": talk, "options": {"num_predict": 9000}}
    for _ in range(3 if LONG else 1):
        one = socket.socket(socket.AF_UNIX)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(str(target.home / "innkeepd.sock"))
        with one:
            for more in range(30):
                one.sendall(json.dumps(long_answer | {"id": more}).encode() + b"\n")
            target.until(lambda: target.chat(MODEL)["type"] == "done", within=60)
            attack.count("deaf clients")
        target.until(lambda: target.leases() == 0)


def test_one_connection_with_thousands_of_requests_gets_an_end_for_each(attack, target):
    number = 3000 if LONG else 400
    with target.connect() as lines:
        ends: dict[int, int] = {}

        def hear() -> None:
            while len(ends) < number and (reply := lines.hear()) is not None:
                if reply["type"] in {"done", "error"}:
                    ends[reply["id"]] = ends.get(reply["id"], 0) + 1

        hearing = threading.Thread(target=hear)
        hearing.start()
        for _ in range(number):
            lines.say(type="chat", model=MODEL, messages=[{"role": "user", "content": "x"}], options={"num_predict": 1})
        hearing.join(120)
    attack.count("requests", number)
    assert set(ends.values()) == {1}
    assert len(ends) == number


# ---- how long one message holds the event loop ----

LINE = 16_000_000
BOMBS = {
    "a line of 16 MB of empty lists": b'{"type":"route","id":1,"text":"x","pad":[' + b"[]," * (LINE // 3) + b"[]]}\n",
    "a line of 16 MB of options": b'{"type":"chat","id":1,"messages":[],"options":{"a":['
    + b"{}," * (LINE // 3)
    + b"{}]}}\n",
    "a prompt of 10 MB": b'{"type":"route","id":1,"text":"' + b"why " * 2_500_000 + b'"}\n',
    "a list of numbers to route": b'{"type":"route","id":1,"text":"' + b"1," * 100_000 + b'"}\n',
    "a prompt of one word": b'{"type":"route","id":1,"text":"' + b"a" * 1_000_000 + b'"}\n',
}
_LIST = b"[]," * 10_000_000 + b"[]"
HTTP_BOMBS = {
    "a body of 30 MB of lists": b'{"model":"llama3.1:8b","messages":[' + _LIST + b"]}",
    "a body of 30 MB of options": b'{"model":"llama3.1:8b","messages":[],"options":{"a":[' + _LIST + b"]}}",
}
HELD_AT_MOST = 0.050


def _held(target: Target, bomb: bytes, *, http: bool) -> float:
    """The longest that somebody else waited for an answer while this was said, in seconds."""
    longest, over = 0.0, threading.Event()
    with target.connect() as other:

        def say() -> None:
            try:
                if http:
                    head = (
                        b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                    )
                    target.raw(head % len(bomb) + bomb, timeout=60)
                else:
                    with target.connect() as lines, suppress(OSError, ValueError):
                        lines._connection.sendall(bomb)
                        lines.hear()
            finally:
                over.set()

        thread = threading.Thread(target=say)
        thread.start()
        while not over.is_set():
            began = time.monotonic()
            other.ask(type="hello", protocol=1)
            longest = max(longest, time.monotonic() - began)
            PAUSE.wait(0.001)
        thread.join()
    return longest


def _noise(target: Target, seconds: float = 0.5) -> float:
    """The same with nothing said: what this machine's other work costs."""
    with target.connect() as lines:
        return max(_ping(lines) for _ in range(int(seconds / 0.002)))


def _ping(lines: Lines) -> float:
    began = time.monotonic()
    lines.ask(type="hello", protocol=1)
    PAUSE.wait(0.001)
    return time.monotonic() - began - 0.001


_SHORT_BOMBS = ("a list of numbers to route", "a line of 16 MB of options")


@pytest.mark.parametrize("what", [*BOMBS, *HTTP_BOMBS] if LONG else _SHORT_BOMBS)
def test_no_message_holds_the_event_loop(attack, target, what):
    tries = 4 if LONG else 2
    bomb, http = (BOMBS[what], False) if what in BOMBS else (HTTP_BOMBS[what], True)
    noise = _noise(target)
    held = [_held(target, bomb, http=http) for _ in range(tries)]
    attack.count("messages", tries)
    attack.figure("others waited", f"{min(held) * 1000:.0f} ms at best, {statistics.median(held) * 1000:.0f} median;"
                                   f" {noise * 1000:.0f} with nothing said")  # fmt: skip
    assert min(held) <= HELD_AT_MOST + noise
