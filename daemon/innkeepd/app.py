"""Wiring: which object of a running daemon gets which. Flow tests build the same ``App`` around fakes."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from innkeep import paths, wire
from innkeepd import log
from innkeepd.backends.backend import Backend
from innkeepd.backends.http import HttpClient
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.backends.openai import OpenAIBackend
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.config.address import is_loopback
from innkeepd.config.schema import BackendConfig, Config
from innkeepd.machine.memory import MemoryDoor, machine_memory
from innkeepd.machine.notify import desktop_command, run_command
from innkeepd.machine.power import Awake, power_door
from innkeepd.machine.runners import ProcessRunners, RunnersDoor
from innkeepd.machine.sleep import SleepWatch
from innkeepd.machine.surroundings import SurroundingsDoor, machine_surroundings
from innkeepd.machine.system_events import EventsDoor, system_events
from innkeepd.policy.memory.estimate import Estimates
from innkeepd.policy.notices import Notice
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.catalog import Catalog
from innkeepd.residency.control import ResidencyControl
from innkeepd.residency.health import HealthChecks
from innkeepd.residency.notices import NoticeWatch
from innkeepd.server.socket.admin_verbs import AdminVerbs
from innkeepd.server.socket.session import Verb
from innkeepd.store.records import History, Records
from innkeepd.store.settings import State
from innkeepd.store.spans import Spans, provider_for
from innkeepd.store.timeline import Timeline

RESTART_ONLY = ("ollama", "http", "history", "backends", "telemetry")
"""Tables whose change takes effect after a restart."""


OPEN_EVERY = 15.0
"""Seconds between two tries to open an HTTP port that another program has."""
LONGEST_HOLD = 31_536_000.0
"""Seconds of a hold that is believed when it is read back, a year: the file may be damaged."""
KEEP_EVERY = 5.0
"""Seconds between two writes of what was learned."""


class App:
    """All objects of a daemon. ``stop`` is set by the caller that runs it."""

    def __init__(
        self,
        config: Config,
        *,
        tasks: TaskGroup,
        backend: Backend,
        backends: Mapping[str, Backend],
        memory: MemoryDoor,
        records: Records,
        awake: Awake,
        simulated: bool = False,
        sleep_watch: SleepWatch | None = None,
        runners: RunnersDoor | None = None,
        surroundings: SurroundingsDoor | None = None,
        system_events: EventsDoor | None = None,
        journal: Callable[[float, Any, list[Any]], None] | None = None,
        log_request: Callable[[wire.DecisionRecord], None] = lambda _record: None,
    ) -> None:
        self.config = config
        self.state = State(records)
        self.simulated = simulated
        self.http_listener: socket | None = None
        """The HTTP port's socket where the service manager has opened it."""
        self.stop: Callable[[float], None] = lambda _drain: None
        self.backend = backend
        self.backends = backends
        catalog = Catalog(config)
        catalog.estimates = Estimates.from_dict(self.state.learned())
        self.control = ResidencyControl(
            catalog,
            backend,
            memory,
            tasks=tasks,
            awake=awake,
            sleep_watch=sleep_watch,
            journal=journal,
            learned=self._learned,
            runners=runners,
            surroundings=surroundings,
            system_events=system_events,
        )
        self.timeline = Timeline(records, lambda: self.control.wall(self.control.now()))
        self.control.on_event.append(self.timeline.hear)
        self._kept = anyio.Event()
        self.control.catalog.pins = self.state.pins()
        self._restore_hold()
        self.dispatcher = Dispatcher(self.control, config, backends, records, log=log_request)
        self._tasks = tasks
        self.notices = NoticeWatch(self.control, self._notify, self._judge_later)
        self.elsewhere = HealthChecks(self.control, backends, warn=lambda text: self.log().warning(text))
        self.dispatcher.selector.selected, self.dispatcher.selector.selected_roles = self.state.selection()
        self._admin = AdminVerbs(
            self.control,
            self.dispatcher,
            self.state,
            simulated=simulated,
            stop=self.leave,
            notices=self.notices.active,
            timeline=self.timeline,
        )

    def _restore_hold(self) -> None:
        """A hold survives a restart: the memory stays the user's until the time is up."""
        kept = self.state.hold()
        left = 0.0 if kept is None else kept[0] - self.control.wall(self.control.now())
        if kept is not None and 0.0 < left <= LONGEST_HOLD:
            self.control.post(ev.HoldBegan(self.control.now() + left, kept[1]))

    def _judge_later(self, wait: float) -> None:
        self._tasks.start_soon(self._judge_notices, wait)

    async def _judge_notices(self, wait: float) -> None:
        await anyio.sleep(wait)
        self.notices.judge()

    def _notify(self, notice: Notice) -> None:
        """Run what the configuration names for a notice that was raised."""
        said = self.config.notify
        data = msgspec.json.encode(notice)
        environ = {"INNKEEP_NOTICE": notice.kind, "INNKEEP_TEXT": notice.text}
        commands = [said.command, desktop_command(notice.text) if said.desktop else None]

        def report(why: str) -> None:
            self.log().warning("a notice could not be passed on", why=why, notice=notice.kind)

        for command in filter(None, commands):
            self._tasks.start_soon(partial(run_command, command, data, environ, report=report))

    def _learned(self) -> None:
        self._kept.set()

    async def keep_learned(self) -> None:
        """Write down what was learned, now and then: it changes with every answer."""
        try:
            while True:
                await self._kept.wait()
                self._kept = anyio.Event()
                await anyio.sleep(KEEP_EVERY)
                self.state.put_learned(self.control.catalog.estimates.to_dict())
                self.control.know_again()
        finally:
            self.state.put_learned(self.control.catalog.estimates.to_dict())

    def long_lived(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs for as long as the daemon does, by what a log calls it; each is to be supervised."""
        return {
            "the owner's looks": self.control.run,
            "the keeping of what was learned": self.keep_learned,
            "the look after engines elsewhere": self.elsewhere.run,
            "the HTTP port": self.serve_http,
            "the export of spans": self.export_spans,
        }

    def leave(self, drain: float) -> None:
        """Stop the daemon; answers may go on for ``drain`` seconds."""
        self.stop(drain)

    def verbs(self) -> dict[type, Verb]:
        """What the control socket answers."""
        return self._admin.verbs()

    async def warm_up(self) -> None:
        """Import what is slow, off the event loop."""
        await anyio.to_thread.run_sync(self._open_log)
        for backend in (self.backend, *self.backends.values()):
            await backend.open()

    def _open_log(self) -> None:
        """Open the log file; where that fails, log to stderr alone. No answer depends on it."""
        try:
            log.configure(self.config.log, foreground=sys.stderr.isatty(), folder=paths.log_folder())
        except OSError as error:
            nowhere = msgspec.structs.replace(self.config.log, path=os.devnull)
            log.configure(nowhere, foreground=True, folder=paths.log_folder())
            log.get().warning("the log's file cannot be written", why=str(error))

    def log(self) -> Any:
        """The daemon's logger."""
        return log.get()

    async def serve_http(self) -> None:
        """The port for existing tools, where it is wanted: tried again where another program has it for now."""
        if not (self.config.http.enabled and find_spec("innkeepd.server.http")):
            await self._refuse_http("the HTTP port is switched off in the configuration")
            return
        from innkeepd.server.http.server import must_stay_closed, serve_http  # noqa: PLC0415
        from innkeepd.server.http.ui.dashboard import Dashboard  # noqa: PLC0415

        listener = self.http_listener
        if listener is not None and listener.getsockname()[1] != self.config.http.port:
            await self._refuse_http(f"innkeep's HTTP port is {self.config.http.port} now; `innkeep service install`")
            return
        dashboard = Dashboard(self.control, self._admin, self.state, self.timeline)
        notes, noted = self._admin.notes, ""

        def opened() -> None:
            if noted in notes:
                notes.remove(noted)
                self.log().info("the HTTP port is open now")

        while True:
            closed = await serve_http(
                self.config.http,
                self.dispatcher,
                self.control,
                warn=self.log().warning,
                opened=opened,
                dashboard=dashboard,
                listener=listener,
            )
            if closed not in notes:
                self.log().warning(closed)
                notes[:] = [*(note for note in notes if note != noted), closed]
            noted = closed
            if must_stay_closed(self.config.http) is not None:
                return
            await anyio.sleep(OPEN_EVERY)

    async def export_spans(self) -> None:
        """Send a span a request to the configured collector, for as long as the daemon runs."""
        if not self.config.telemetry.otlp:
            return
        try:
            provider = await anyio.to_thread.run_sync(provider_for, self.config.telemetry.otlp)
        except ImportError:
            note = "telemetry.otlp needs OpenTelemetry: pip install 'innkeep[otel]'"
            self._admin.notes.append(note)
            self.log().warning(note)
            return
        spans = Spans(provider, lambda: self.control.wall(self.control.now()))
        self.control.on_event.append(spans.hear)
        try:
            await anyio.sleep_forever()
        finally:
            self.control.on_event.remove(spans.hear)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(spans.close)

    async def _refuse_http(self, why: str) -> None:
        """Answer at a port that the service manager holds and that is not served."""
        if self.http_listener is not None:
            from innkeepd.server.http.closed import refuse  # noqa: PLC0415

            await refuse(self.http_listener, why)

    def reconfigure(self, config: Config) -> list[str]:
        """Take a new configuration; returns the tables and keys that wait for a restart."""
        old = self.config
        late = [name for name in RESTART_ONLY if getattr(config, name) != getattr(old, name)]
        kept: dict[str, Any] = {name: getattr(old, name) for name in RESTART_ONLY}
        if config.timeouts.connect != old.timeouts.connect:
            late.append("timeouts.connect")
            kept["timeouts"] = msgspec.structs.replace(config.timeouts, connect=old.timeouts.connect)
        names = {name for role in config.roles.values() for name in role.chain}
        if any(config.backend_of(name) and not old.backend_of(name) for name in names):
            late.append("roles")  # they name an engine that is not asked yet
            kept["roles"] = old.roles
        config = msgspec.structs.replace(config, **kept)
        self._admin.awaits_restart[:] = late
        changed_log = config.log != self.config.log
        self.config = config
        self.control.catalog.configure(config)
        self.control.configure()
        self.dispatcher.configure(config)
        if changed_log:
            self._open_log()
        return late


def log_request(record: wire.DecisionRecord) -> None:
    """Log the canonical line of a request, from its decision record."""
    timings = record.timings
    log.request_line(
        id=record.id,
        role=record.role,
        model=record.model,
        outcome=record.code or record.outcome,
        waited=timings.queued,
        swap=timings.swap,
        first_token=timings.first_token,
        seconds=timings.total,
        tokens=record.completion_tokens,
        client=record.client,
    )


@asynccontextmanager
async def open_app(
    config: Config, tasks: TaskGroup, *, simulator: Any, journal: Path | None, home: Path
) -> AsyncIterator[App]:
    """Build the ``App`` for a real or a simulated Ollama."""
    ollama = OllamaBackend(HttpClient(config.ollama.url, connect_timeout=config.timeouts.connect))
    backends = {said.name: backend_elsewhere(said) for said in config.backends}
    memory = machine_memory() if simulator is None else _simulated_memory(simulator.simulator)
    records = History.open(
        _history_path(config, home),
        limit=config.history.limit,
        days=config.history.days,
        warn=lambda text: log.get().warning(text),
    )
    rooms = App(
        config,
        tasks=tasks,
        backend=ollama,
        backends=backends,
        memory=memory,
        records=records,
        awake=Awake(power_door()),
        simulated=simulator is not None,
        sleep_watch=SleepWatch(),
        surroundings=machine_surroundings(),
        system_events=system_events(),
        runners=ProcessRunners(config.ollama.url) if simulator is None and _is_here(config.ollama.url) else None,
        journal=_journal(journal),
        log_request=log_request,
    )
    try:
        yield rooms
    finally:
        with anyio.CancelScope(shield=True):
            for backend in (ollama, *backends.values()):
                await backend.aclose()
            records.close()


def _is_here(url: str) -> bool:
    """Whether Ollama runs on this machine, so that its processes can be seen."""
    return is_loopback(url.split("://")[1].rsplit(":", 1)[0])


def backend_elsewhere(said: BackendConfig) -> Backend:
    """The engine of a ``[[backends]]`` table; nothing is sent yet."""
    http = HttpClient(said.url, connect_timeout=said.timeouts.connect, token=said.token)
    return OllamaBackend(http, elsewhere=True) if said.api == "ollama" else OpenAIBackend(http)


def _history_path(config: Config, home: Path) -> Path:
    return Path(config.history.path).expanduser() if config.history.path else home / "state.sqlite3"


def _simulated_memory(simulator: Any) -> MemoryDoor:
    from innkeepd.machine.recorded import SimulatedMemory  # noqa: PLC0415

    return SimulatedMemory(simulator.machine)


def _journal(path: Path | None) -> Callable[[float, Any, list[Any]], None] | None:
    """Writes (instant, event, actions) as JSON lines, for bug reports and to be replayed."""
    if path is None:
        return None
    file = path.open("ab", buffering=0)

    def write(now: float, event: Any, actions: list[Any]) -> None:
        file.write(msgspec.json.encode([now, event, actions]) + b"\n")

    return write
