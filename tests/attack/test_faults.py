"""A fault of our own at every place of the running daemon that only asyncio has: it serves afterwards.

``tests/flow/test_faults.py`` walks the daemon in memory, on trio. Here it is whole, with its accept loop, its signals
and its HTTP port, and two kinds of places are found by watching it live: where a task of it waits, and what the event
loop, a transport or a parser calls back. At each of them one fault is raised: one after the other in the same daemon,
and where only a start comes by, each in a daemon of its own.
"""

import argparse
import asyncio
import functools
import gc
import json
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from innkeep import paths
from innkeepd import lock, ownership, run, supervision
from innkeepd.config.load import load
from innkeepd.server.http.connection import Connection
from innkeepd.server.socket.listener import bind
from support.innkeepd import free_port
from support.places import Injected, waits_at
from support.simulated import BUDGET
from support.target import SimulatedOllama

LIGHT = "llama3.1:8b"
CHAT = {"type": "chat", "model": LIGHT, "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 3}}
WITHIN = 60.0
CALLED = ("connection_made", "connection_lost", "data_received", "eof_received", "pause_writing", "resume_writing")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    # A transport whose ``connection_made`` raised is never closed by asyncio.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Walk:
    """Notes where the daemon waits and what is called back; raises once at ``target``."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, ...], None] = {}
        self.target: tuple[str, ...] | None = None
        self.raised = 0

    def aim(self, target: tuple[str, ...] | None) -> None:
        self.target, self.raised = target, 0

    def is_hit(self, place: tuple[str, ...]) -> bool:
        """Whether the fault is to be raised here and now."""
        if self.target is None:
            self.places[place] = None
            return False
        if place != self.target or self.raised:
            return False
        self.raised += 1
        return True


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine whose every step a ``Walk`` sees first."""

    def __init__(self, inner: Any, walk: Walk) -> None:
        self._inner = inner
        self._walk = walk
        self._is_ours = "/tests/" not in inner.cr_code.co_filename if hasattr(inner, "cr_code") else False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # cr_running, cr_frame and what else ``inspect`` asks of a coroutine

    def __await__(self) -> Any:
        return self._inner.__await__()

    def send(self, value: Any) -> Any:
        if self._is_ours and (place := waits_at(self._inner)) and self._walk.is_hit(place):
            return self._inner.throw(Injected("a fault"))
        return self._inner.send(value)

    def throw(self, *args: Any) -> Any:
        return self._inner.throw(*args)

    def close(self) -> None:
        self._inner.close()


def named(callback: Any) -> tuple[str, ...]:
    """The place that a callback of ours is; empty for everybody else's."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    code = getattr(getattr(callback, "__func__", callback), "__code__", None)
    if code is None or "/innkeepd/" not in code.co_filename:
        return ()
    return ("callback", f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}")


def protocols() -> Iterator[tuple[type, str]]:
    """The classes of the daemon that a transport or a parser calls back, and by which methods."""
    for cls in {Connection, *asyncio.Protocol.__subclasses__()}:
        if cls.__module__.startswith("innkeepd.") and ".simulator" not in cls.__module__:
            for name in vars(cls):
                if name in CALLED or (issubclass(cls, HttpToolsProtocol) and name.startswith("on_")):
                    yield cls, name


def watched(walk: Walk, place: tuple[str, ...], method: Any) -> Any:
    """A method whose calls a walk sees first."""

    def called(self: Any, *args: Any) -> Any:
        if walk.is_hit(place):
            raise Injected("a fault")
        return method(self, *args)

    return called


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Walk:
    """A walk that sees every callback of this process's event loop."""
    walk = Walk()
    call = asyncio.events.Handle._run

    def boom(*_args: Any) -> None:
        raise Injected("a fault")

    def called(handle: Any) -> None:
        place, callback = named(handle._callback), handle._callback
        if not place or not walk.is_hit(place):
            call(handle)
            return
        handle._callback = boom
        call(handle)
        handle._callback = callback

    monkeypatch.setattr(asyncio.events.Handle, "_run", called)
    for cls, name in protocols():
        monkeypatch.setattr(cls, name, watched(walk, (cls.__module__, name), vars(cls)[name]))
    monkeypatch.setattr(supervision, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(lock, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(ownership, "RENEW_EVERY", 0.05)
    return walk


class Life:
    """What clients of the two doors do."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def lines(self, *requests: dict[str, Any], until: tuple[str, ...] = ("done", "error")) -> list[str]:
        """The kinds of the last replies to requests, one after the other on a connection of its own."""
        reader, writer = await asyncio.open_unix_connection(str(paths.socket_path()))
        last = []
        try:
            for number, request in enumerate(requests, 1):
                writer.write(json.dumps({"id": number, **request}).encode() + b"\n")
                while (reply := json.loads(await reader.readline()))["type"] not in until:
                    pass
                last.append(reply["type"])
        finally:
            writer.close()
        return last

    async def http(self, *requests: tuple[str, dict[str, Any] | None]) -> list[bytes]:
        """The answers to requests on one connection, which the last of them closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for place, (path, body) in enumerate(requests, 1):
                data = b"" if body is None else json.dumps(body).encode()
                method = "GET" if body is None else "POST"
                end = "connection: close\r\n" if place == len(requests) else ""
                head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n{end}\r\n"
                writer.write(head.encode() + data)
            return (await reader.read()).split(b"HTTP/1.1 ")[1:]
        finally:
            writer.close()

    async def pass_by(self) -> None:
        """All of it once, whatever comes of it."""
        chat = {"model": LIGHT, "messages": CHAT["messages"], "options": {"num_predict": 3}}
        ends = ("welcome", "status", "done", "error", "pinned", "unpinned", "history", "models")
        asks = [
            self.lines({"type": "hello", "protocol": 1}, {"type": "status"}, CHAT, until=ends),
            self.lines(
                {"type": "pin", "model": LIGHT}, {"type": "unpin", "model": LIGHT}, {"type": "history"}, until=ends
            ),
            self.http(("/api/tags", None), ("/api/chat", chat), ("/api/version", None)),
            self.http(("/v1/chat/completions", {"model": LIGHT, "messages": CHAT["messages"], "max_tokens": 3})),
            self.leave(),
        ]
        os.kill(os.getpid(), signal.SIGHUP)
        async with anyio.create_task_group() as tasks:
            for ask in asks:
                tasks.start_soon(self.tried, ask)

    async def leave(self) -> None:
        """Go in the middle of an answer, by either door."""
        _, writer = await asyncio.open_unix_connection(str(paths.socket_path()))
        writer.write(json.dumps({"id": 1, **CHAT}).encode() + b"\n{")
        _, other = await asyncio.open_connection("127.0.0.1", self._port)
        other.write(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        await asyncio.sleep(0)
        writer.close()
        other.close()

    async def tried(self, ask: Any) -> None:
        with suppress(OSError, ValueError, EOFError), anyio.move_on_after(3.0):
            await ask

    async def is_served(self) -> bool:
        """Whether both doors answer a chat."""
        chat = {"model": LIGHT, "messages": CHAT["messages"], "stream": False}
        try:
            with anyio.fail_after(10.0):
                last = await self.lines(CHAT, {"type": "status"}, until=("done", "error", "status"))
                answers = await self.http(("/api/chat", chat))
        except (OSError, ValueError, EOFError, TimeoutError):
            return False
        return last == ["done", "status"] and [each[:3] for each in answers] == [b"200"]

    async def serves(self) -> None:
        """Wait until it does. Raises ``TimeoutError``."""
        with anyio.fail_after(WITHIN):
            while not await self.is_served():  # noqa: ASYNC110 - a client can but try
                await anyio.sleep(0.02)


class Whole:
    """``innkeepd run`` in this process. ``status`` is how it ended, None while it lives."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.status: int | None = None

    async def run(self, file: Path) -> None:
        """What ``main`` does; a fault that reaches it ends the process with status 1."""
        options = argparse.Namespace(simulate=False, config=str(file), journal=None, speed=1.0, ollama="0.33")
        listener = bind(paths.socket_path())
        try:
            self.status = await run._serve(options, file, load(file, os.environ), [listener], own=True)
        except* Injected:
            self.status = 1
        finally:
            listener.close()

    async def is_well(self) -> bool:
        """Whether it serves, or has ended with a status after which it is started again."""
        try:
            await self.life.serves()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def at_work(walk: Walk, file: Path, life: Life) -> AsyncIterator[Whole]:
    """The whole daemon at work; shut down at the end, if it has not ended before."""
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_task_factory(lambda loop, coro, **more: asyncio.Task(Stepped(coro, walk), loop=loop, **more))
    whole = Whole(life)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole.run, file)
            yield whole
            walk.aim(("nowhere",))
            if whole.status is None:
                assert await life.lines({"type": "shutdown"}, until=("stopping",)) == ["stopping"]
    finally:
        loop.set_exception_handler(handler)
        loop.set_task_factory(None)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Path, Life]]:
    """A configuration with an Ollama of its own, and clients."""
    port = free_port()
    (tmp_path / "h").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path / "h"))
    with SimulatedOllama(speed=2000.0) as ollama:
        file = tmp_path / "config.toml"
        file.write_text(f'[ollama]\nurl = "{ollama.url}"\n[http]\nport = {port}\n[memory]\nbudget = "{BUDGET}"\n')
        yield file, Life(port)
    gc.collect()


async def test_a_fault_at_any_place_of_the_whole_daemon_leaves_it_serving(attack, walk, place):
    async with at_work(walk, *place) as whole:
        life = whole.life
        await life.serves()
        walk.places.clear()  # those of the start
        for _ in range(3):
            await life.pass_by()
        await life.serves()
        targets = list(walk.places)
        attack.dice.shuffle(targets)
        for number in attack.rounds(short=8, long=90, most=len(targets)):
            target = targets[number]
            walk.aim(target)
            for _ in range(3):
                await life.pass_by()
                if walk.raised:
                    break
            attack.count("places where a fault was raised" if walk.raised else "places not reached again")
            assert whole.status is None, target
            assert await whole.is_well(), target
    assert whole.status == 0
    assert attack.counts["places where a fault was raised"] > 2 * attack.counts.get("places not reached again", 0)


async def test_a_fault_at_any_place_of_the_start_leaves_it_serving_or_ends_it_with_a_status(attack, walk, place):
    async with at_work(walk, *place) as whole:
        await whole.life.serves()
        targets = list(walk.places)
    attack.dice.shuffle(targets)
    for number in attack.rounds(short=8, long=60, most=len(targets)):
        walk.aim(targets[number])
        async with at_work(walk, *place) as whole:
            with anyio.fail_after(WITHIN):
                while whole.status is None and not await whole.life.is_served():  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            attack.count("faults raised" if walk.raised else "places not reached again")
            if whole.status is not None:
                attack.count("ended, to be started again")
                assert whole.status == 1, targets[number]
    assert attack.counts["faults raised"] > attack.counts.get("places not reached again", 0)
