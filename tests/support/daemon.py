"""The whole daemon in memory: its own rooms around a simulated Ollama, and clients that speak the socket's protocol.

No threads, no sockets, no real time: on trio's mock clock hours pass in milliseconds.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import trio.testing
from anyio.abc import ByteStream, TaskGroup
from msgspec import to_builtins
from msgspec.structs import replace

from innkeep import wire
from innkeep.conversation import Conversation
from innkeep.framing import Framer, decode_reply
from innkeepd.app import App
from innkeepd.backends.backend import Backend
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.config.schema import Config
from innkeepd.machine.power import Awake, NoPower
from innkeepd.machine.recorded import SimulatedMemory
from innkeepd.machine.sleep import Instant, SleepWatch
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.lease import LeaseHandle
from innkeepd.residency.supervisor import OwnerFault
from innkeepd.server.socket.listener import Acceptor
from innkeepd.simulator.engine import Simulator
from innkeepd.store.records import MemoryHistory
from innkeepd.supervision import supervise
from support.transport import MemoryTransport

QWEN, DEEPSEEK, LLAMA70, LLAMA8 = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.3:latest", "llama3.1:8b"
OWNER = 501
HOUR = 3600.0


def mock_clock() -> tuple[str, dict[str, Any]]:
    """What the fixture ``anyio_backend`` returns for a clock that jumps."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Pipe:
    """One direction of a connection: at most ``room`` bytes that nobody has read yet, as a kernel's buffer has."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._bytes = bytearray()
        self._moved = anyio.Event()
        self.is_ended = False
        self.is_broken = False

    def _move(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def send(self, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        view = memoryview(bytes(data))
        while view:
            if self.is_ended or self.is_broken:
                raise anyio.BrokenResourceError
            taken = view[: self._room - len(self._bytes)]
            self._bytes += taken
            view = view[len(taken) :]
            self._move()
            if view:
                await self._moved.wait()

    async def receive(self, most: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not self._bytes:
            if self.is_broken:
                raise anyio.BrokenResourceError
            if self.is_ended:
                raise anyio.EndOfStream
            await self._moved.wait()
        data = bytes(self._bytes[:most])
        del self._bytes[:most]
        self._move()
        return data

    def end(self, *, broken: bool = False) -> None:
        self.is_ended = True
        self.is_broken = self.is_broken or broken
        self._move()


class Wire(ByteStream):
    """One end of a connection in memory."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._in = incoming
        self._out = outgoing

    async def send(self, item: bytes) -> None:
        await self._out.send(item)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._in.receive(max_bytes)

    async def send_eof(self) -> None:
        self._out.end()

    async def aclose(self) -> None:
        self._out.end()
        self._in.end(broken=True)
        await anyio.lowlevel.checkpoint()


def wires(room: int = 65536) -> tuple[Wire, Wire]:
    """Both ends of a new connection."""
    here, there = Pipe(room), Pipe(room)
    return Wire(here, there), Wire(there, here)


class Client:
    """A client. Every reply is checked against the protocol's legal order and kept, with its instant."""

    def __init__(self, stream: Wire, tasks: TaskGroup) -> None:
        self.stream = stream
        self.conversation = Conversation()
        self.heard: dict[int, list[wire.Reply]] = {}
        self.at: dict[int, list[float]] = {}
        self.is_over = False
        self.broken: BaseException | None = None
        self._news = anyio.Event()
        self._asked: dict[int, wire.Request] = {}
        tasks.start_soon(self._listen)

    async def _listen(self) -> None:
        try:
            while True:
                for reply in self.conversation.receive(await self.stream.receive()):
                    assert reply.id is not None
                    self.heard[reply.id].append(reply)
                    self.at[reply.id].append(anyio.current_time())
                self._tell()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        except Exception as error:  # noqa: BLE001 - a breach of the protocol: whoever waits for a reply is told
            self.broken = error
        self.is_over = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def ask(self, request: wire.Request) -> int:
        """Send a request; returns its id."""
        number, data = self.conversation.ask(request)
        self.heard[number], self.at[number] = [], []
        self._asked[number] = request
        await self.stream.send(data)
        return number

    async def chat(self, text: str = "hello there", **more: Any) -> int:
        """Ask a chat; returns its id."""
        return await self.ask(wire.Chat(id=0, messages=[wire.Message("user", text)], **more))

    async def until(self, number: int, kind: type | tuple[type, ...], count: int = 1) -> Any:
        """The ``count``-th reply of this kind to a request. Fails where the request ends before it comes."""
        while True:
            found = [each for each in self.heard[number] if isinstance(each, kind)]
            if len(found) >= count:
                return found[count - 1]
            if self.broken is not None:
                raise self.broken
            assert not self.is_over, f"the connection is over; heard {self.heard[number]}"
            assert number in self.conversation.open, f"it ended: {self.heard[number]}"
            await self._news.wait()

    async def end(self, number: int) -> Any:
        """The last reply to a request, an ``Error`` too."""
        while number in self.conversation.open:
            if self.broken is not None:
                raise self.broken
            assert not self.is_over, f"the connection is over; heard {self.heard[number]}"
            await self._news.wait()
        return self.heard[number][-1]

    async def answer(self, request: wire.Request) -> Any:
        """Ask and await the last reply."""
        return await self.end(await self.ask(request))

    async def chat_to_end(self, text: str = "hello there", **more: Any) -> Any:
        """Ask a chat and await its last reply."""
        return await self.end(await self.chat(text, **more))

    async def cancel(self, number: int) -> Any:
        """Cancel a request and await its end; the answer to the cancel itself."""
        reply = await self.answer(wire.Cancel(id=0, target=number))
        await self.end(number)
        return reply

    async def status(self) -> wire.Status:
        """A snapshot."""
        found: wire.Status = await self.answer(wire.StatusAsk(id=0))
        return found

    def text(self, number: int) -> str:
        """The answer's text so far."""
        return "".join(each.text or "" for each in self.heard[number] if isinstance(each, wire.Delta))

    def kinds(self, number: int) -> list[str]:
        """Names of the replies, repetitions in a row told once."""
        names = [type(each).__name__ for each in self.heard[number]]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    async def over(self) -> None:
        """Wait until the daemon has closed the connection."""
        while not self.is_over:
            await self._news.wait()

    async def leave(self) -> None:
        """Close the connection."""
        await self.stream.aclose()


class SleepingMac:
    """Two clocks, of which one stands still while the machine sleeps."""

    def __init__(self) -> None:
        self.asleep = 0.0

    def __call__(self) -> Instant:
        now = anyio.current_time()
        return Instant(now + self.asleep, now)

    def watch(self) -> SleepWatch:
        return SleepWatch(self)


class Daemon:
    """A running daemon. ``rooms`` are its rooms, ``simulator`` its Ollama, ``steps`` what its scheduler did."""

    def __init__(self, simulator: Simulator, app: App, tasks: TaskGroup) -> None:
        self.simulator = simulator
        self.app = app
        self.control = app.control
        self.records: list[dict[str, Any]] = []
        self.stopped: list[float] = []
        self.door = Acceptor(
            app.verbs(), patience=lambda: app.config.timeouts.stall, attend=app.control.attend, owner=OWNER
        )
        self._tasks = tasks
        self.faults: list[Exception] = []
        """Faults of our own that were stopped, or that ended the owner; a test that wants them empties the list."""
        app.stop = self.stop
        app.control.supervisor.on_fault = self.fail
        app.control.on_event.append(self._hear)

    def report(self, where: str, error: Exception) -> None:
        """A long-lived task failed, and begins anew."""
        self.control.report(where, error)
        self.faults[-1] = error

    def fail(self, fault: OwnerFault) -> None:
        """What ``run.py`` does where the owner fails."""
        self.faults.append(fault)
        self._tasks.cancel_scope.cancel()

    def _hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        if kind == "log" and what == "a fault of innkeepd itself":
            self.faults.append(RuntimeError(f"{what}: {data}"))

    def connect(self, room: int = 65536) -> Client:
        """A new client."""
        return Client(self.wire(room), self._tasks)

    def wire(self, room: int = 65536) -> Wire:
        """A new connection's client side, for bytes of a test's own."""
        ours, theirs = wires(room)
        self._tasks.start_soon(self.door.welcome, theirs)
        return ours

    def stop(self, drain: float) -> None:
        """What ``run.py`` does when told to stop."""
        self.stopped.append(drain)
        self._tasks.start_soon(self._leave, drain)

    async def _leave(self, drain: float) -> None:
        await self.control.close(drain, last_words=1.0)

    def asked(self, path: str, model: str | None = None) -> list[Any]:
        """The requests that Ollama got on a path, about a model."""
        bodies = [each for each in self.simulator.requests if each.path == path]
        return [each for each in bodies if model is None or (each.body or {}).get("model") == model]

    def loads(self) -> list[str]:
        """The names that were loaded, in order."""
        return [load.name for load in self.simulator.loads]

    def is_quiet(self) -> bool:
        """Whether nobody waits or holds anything, and nothing is on its way."""
        scheduler = self.control.scheduler
        return not (
            self.control.handles() or len(scheduler.queue) or scheduler.leases.all() or scheduler.ledger.is_changing()
        )


def config(**tables: Any) -> Config:
    """The default configuration with some fields of some tables changed: ``config(timeouts={"stall": 5.0})``."""
    changed = Config()
    for name, fields in tables.items():
        table = getattr(changed, name)
        value = replace(table, **fields) if isinstance(fields, dict) and not isinstance(table, dict) else fields
        changed = replace(changed, **{name: value})
    return changed


@asynccontextmanager
async def open_daemon(
    said: Config | None = None,
    *,
    simulator: Simulator | None = None,
    records: MemoryHistory | None = None,
    backends: Mapping[str, Backend] | None = None,
    sleep: SleepingMac | None = None,
    journal: Callable[[float, Any, list[Any]], None] | None = None,
    memory: Any = None,
    transport: Any = None,
    runners: Any = None,
    surroundings: Any = None,
    system_events: Any = None,
) -> AsyncIterator[Daemon]:
    """A daemon at work. On leaving it everything is cancelled; nothing of its own may have failed."""
    simulator = simulator or Simulator()
    async with anyio.create_task_group() as tasks:
        lines: list[dict[str, Any]] = []
        app = App(
            said or Config(),
            tasks=tasks,
            backend=OllamaBackend(transport or MemoryTransport(simulator)),
            backends=backends or {},
            memory=memory or SimulatedMemory(simulator.machine),
            records=records or MemoryHistory(),
            awake=Awake(NoPower()),
            simulated=True,
            sleep_watch=sleep.watch() if sleep else None,
            runners=runners,
            surroundings=surroundings,
            system_events=system_events,
            journal=journal,
            log_request=lambda record: lines.append(to_builtins(record)),
        )
        daemon = Daemon(simulator, app, tasks)
        daemon.records = lines
        for name, task in app.long_lived().items():
            if task != app.serve_http:
                tasks.start_soon(supervise, name, task, daemon.report)
        yield daemon
        tasks.cancel_scope.cancel()
    if daemon.faults:
        raise daemon.faults[0]


async def lines_of(stream: Wire) -> list[wire.Reply]:
    """Everything that a connection says until it is closed, in the dialect of lines."""
    framer, found = Framer("lines"), []
    try:
        while True:
            found += [decode_reply(body, "lines") for body in framer.feed(await stream.receive())]
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return found


def ticket(daemon: Daemon, name: str, number: int = 1) -> ev.Ticket:
    """A wish for one model, past every client."""
    return ev.Ticket(f"t{number}", (daemon.control.weights_of(name),))


async def settled(place: LeaseHandle) -> ev.Grant | ev.Refuse:
    """What becomes of a place in the line."""
    while place.settled is None:
        await place.change()
    return place.settled
