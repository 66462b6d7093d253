"""``innkeepd run``: the composition root. Configuration, lock, socket, ``App``, one task group, signals, exit status.

The socket listens first, so that the kernel queues clients that connect during the start; slow imports follow, and a
chat waits until ``/api/ps`` was read once.
"""

import argparse
import asyncio
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from innkeep import paths
from innkeep.errors import InnkeepError
from innkeepd import __version__
from innkeepd.app import App, open_app
from innkeepd.arguments import Parser
from innkeepd.config.load import find, load
from innkeepd.config.schema import Config
from innkeepd.errors import EX_CONFIG, EX_SOFTWARE, ConfigError, DaemonError
from innkeepd.lock import AlreadyRunning, Lock, claim, raise_descriptors, until_gone
from innkeepd.machine.loop_lag import MeteredLoop
from innkeepd.ownership import Ownership, lock_ollama, take_ownership
from innkeepd.residency.supervisor import OwnerFault
from innkeepd.server.http.closed import refuse
from innkeepd.server.socket.activation import ActivationFailed, inherited, is_reachable, is_supervised
from innkeepd.server.socket.bad_config import serve_bad_config
from innkeepd.server.socket.listener import bind, identity, listen, unbind
from innkeepd.supervision import described, supervise

LAST_WORDS = 1.0
"""Seconds for errors to reach their clients after the drain."""
COMPLAIN_EVERY = 10.0
"""Seconds between two lines in the log for the same complaint of the event loop."""
ENDED_WITHIN = 0.8
"""Seconds after a fault of the owner in which the process has ended, even where a disk or a thread hangs."""


def main(argv: Sequence[str]) -> int:
    """Serve until asked to stop; return the exit status."""
    options = _options(argv)
    config_file = Path(options.config).expanduser() if options.config else None
    supervised = is_supervised(os.environ)
    try:
        config = load(config_file, os.environ)
    except ConfigError as error:
        if not supervised:
            _complain(str(error))
            return EX_CONFIG
        config = None
    raise_descriptors()
    try:
        claim(paths.home())
        lock = Lock(paths.lock_path())
        handed_over = inherited(os.environ, platform=sys.platform)
        http = next((one for one in handed_over if one.family != AF_UNIX), None)
        listeners = _reachable([one for one in handed_over if one.family == AF_UNIX])
        own = None if listeners else bind(paths.socket_path())
        listeners = listeners if own is None else [own]
        bound = None if own is None else identity(paths.socket_path())
    except (DaemonError, InnkeepError, ActivationFailed) as error:
        _complain(str(error))
        return 1
    try:
        serve = partial(_serve, own=own is not None, http=http)
        return anyio.run(serve, options, config_file, config, listeners, backend_options={"loop_factory": MeteredLoop})
    finally:
        if bound is not None:
            unbind(paths.socket_path(), bound)
        lock.release()


def _reachable(handed_over: list[socket]) -> list[socket]:
    """The sockets that clients can reach.

    Where there is none, the caller makes its own, so that no client finds a socket file without a listener.
    ``innkeep service install`` or ``restart`` makes the service manager create its socket again.
    """
    good = [one for one in handed_over if is_reachable(one)]
    for one in handed_over:
        if one not in good:
            name = one.getsockname() or "without a name"
            _complain(
                f"the socket that was handed over ({name}) cannot be reached: its file was deleted or never made; "
                "innkeepd makes its own. `innkeep service restart` has it made anew"
            )
            one.close()
    return good


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="innkeepd run",
        description="Serve until SIGTERM, SIGINT or `innkeep shutdown`. SIGHUP re-reads the configuration.",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="the configuration, instead of $INNKEEP_CONFIG or ~/.innkeep/config.toml"
    )
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="bring a simulated Ollama on a simulated 36 GB Mac; every answer says so",
    )
    parser.add_argument(
        "--ollama",
        choices=("0.17", "0.33"),
        default="0.33",
        help="the version of Ollama that is simulated; the newest by default",
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="the simulated machine is N times as fast"
    )
    parser.add_argument(
        "--journal", type=_writable, metavar="FILE", help="write every event and action of the scheduler as JSON lines"
    )
    return parser.parse_args(argv)


def _speed(text: str) -> float:
    """Parse an argument that is a factor. Raises ``ArgumentTypeError`` with a sentence."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no factor; give a number above 0, at most 10000")
    return value


def _writable(text: str) -> Path:
    path = Path(text).expanduser()
    try:
        path.open("ab").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {path}: {error.strerror}") from None
    return path


def _complain(text: str) -> None:
    print(f"innkeepd: {text}", file=sys.stderr)  # noqa: T201


async def _serve(
    options: argparse.Namespace,
    config_file: Path | None,
    config: Config | None,
    listeners: list[socket],
    *,
    own: bool,
    http: socket | None = None,
) -> int:
    if config is None:
        config = await _mended(config_file, listeners, http)
        if config is None:
            return 0
    async with AsyncExitStack() as stack:
        backend_url = await stack.enter_async_context(_simulated(options)) if options.simulate else None
        ownership: Ownership | None = None
        if backend_url is None:
            try:
                ownership = await _own_ollama(config, stack)
            except AlreadyRunning as error:
                _complain(str(error))
                return 1
        if backend_url is not None:
            config = replace(config, ollama=replace(config.ollama, url=backend_url.url))
        async with anyio.create_task_group() as tasks:
            app = await stack.enter_async_context(
                open_app(config, tasks, simulator=backend_url, journal=options.journal, home=paths.home())
            )
            app.http_listener = http
            daemon = Daemon(app, tasks, config_file, pinned_url=backend_url.url if backend_url else None)
            asyncio.get_running_loop().set_exception_handler(daemon.hear_the_loop)
            for listener in listeners:
                tasks.start_soon(supervise, "the control socket", partial(daemon.listen, listener), daemon.report)
            tasks.start_soon(daemon.obey_signals)
            if ownership is not None:
                tasks.start_soon(supervise, "the ownership of Ollama", ownership.keep, daemon.report)
            if own:  # launchd and systemd hold the socket, and would start us in vain
                tasks.start_soon(supervise, "the look at the home folder", daemon.watch_home, daemon.report)
            await daemon.work()
    return daemon.status


async def _own_ollama(config: Config, stack: AsyncExitStack) -> Ownership | None:
    """Be the only daemon of this machine that manages this Ollama; None where another user's could not be seen.

    Raises ``AlreadyRunning``.
    """
    try:
        stack.callback(lock_ollama(config.ollama.url, Path.home() / ".innkeep" / "locks").release)
    except AlreadyRunning:
        raise
    except DaemonError as error:
        _complain(f"whether another daemon of yours owns the Ollama at {config.ollama.url} is not known: {error}")
    try:
        ownership = await take_ownership(config.ollama.url)
    except AlreadyRunning:
        raise
    except DaemonError as error:
        _complain(f"whether another user's daemon owns the Ollama at {config.ollama.url} is not known: {error}")
        return None
    stack.callback(ownership.release)
    return ownership


async def _mended(config_file: Path | None, listeners: list[socket], http: socket | None) -> Config | None:
    """Under launchd a wrong configuration does not exit (it would be restarted for ever): the socket says why."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:
            if http is not None:
                tasks.start_soon(refuse, http, "innkeep's configuration is broken: `innkeep config check`")
            config = await serve_bad_config(
                listeners, lambda: load(config_file, os.environ), find(config_file, os.environ)[0], signals
            )
            tasks.cancel_scope.cancel()
        return config


@asynccontextmanager
async def _simulated(options: argparse.Namespace) -> AsyncIterator[Any]:
    from innkeepd.simulator.engine import Simulator  # noqa: PLC0415
    from innkeepd.simulator.release import NEWEST, RELEASES  # noqa: PLC0415
    from innkeepd.simulator.server import serve  # noqa: PLC0415

    release = RELEASES[options.ollama]
    simulator = Simulator(ollama=release, speed=options.speed, new_kinds=release is NEWEST)
    async with serve(simulator) as url:
        yield _Simulated(url, simulator)


class _Simulated:
    """A simulator and where it answers."""

    def __init__(self, url: str, simulator: Any) -> None:
        self.url = url
        self.simulator = simulator


def _innermost(error: BaseException) -> str:
    """The file of the line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


class Daemon:
    """The running daemon."""

    def __init__(self, app: App, tasks: TaskGroup, config_file: Path | None, *, pinned_url: str | None) -> None:
        self._app = app
        self._tasks = tasks
        self._config_file = config_file
        self._pinned_url = pinned_url
        self._leaving = False
        self.status = 0
        """The exit status."""
        self._complaints: dict[str, tuple[float, int]] = {}
        app.stop = self.stop
        app.control.supervisor.on_fault = self.fail

    async def listen(self, listener: socket) -> None:
        """Serve one control socket."""
        app = self._app

        def patience() -> float:
            return app.config.timeouts.stall

        # A copy: the inherited socket stays open whatever ends this task, so no client is refused.
        copy = listener.dup()
        await listen(
            copy,
            app.verbs(),
            patience=patience,
            attend=app.control.attend,
            warn=lambda text: app.log().error(text),
        )

    def hear_the_loop(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What the event loop complains about goes to the log.

        A wait for a socket may be cancelled in the very turn in which the socket is ready; anyio does not expect that,
        and nothing is lost by it. The loop repeats some complaints a hundred times a turn (no descriptor is left).
        """
        error, why = context.get("exception"), str(context.get("message"))
        if isinstance(error, asyncio.InvalidStateError) and "anyio" in _innermost(error):
            return
        now = asyncio.get_running_loop().time()
        since, unsaid = self._complaints.get(why, (-math.inf, 0))
        if now - since < COMPLAIN_EVERY:
            self._complaints[why] = since, unsaid + 1
            return
        self._complaints[why] = now, 0
        fault = "" if error is None else described(error)
        self._app.log().error("a fault of innkeepd itself", why=why, error=fault, unsaid=unsaid)

    async def work(self) -> None:
        """Start everything besides the control socket; slow imports happen after the socket listens."""
        await anyio.lowlevel.checkpoint()
        await self._app.warm_up()
        self._app.control.on_event.append(self._note)
        for name, task in self._app.long_lived().items():
            self._tasks.start_soon(supervise, name, task, self.report)
        self._app.log().info("started", version=__version__, pid=os.getpid(), ollama=self._app.config.ollama.url)

    def _note(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Log every event that watchers receive; requests have a line of their own."""
        if kind != "request":
            log = self._app.log()
            (log.warning if kind == "log" else log.info)(what, kind=kind, **data)

    async def obey_signals(self) -> None:
        """SIGTERM and SIGINT drain and stop, a second one stops at once; SIGHUP re-reads the configuration.

        The receiver outlives a fault of ours: without it a signal ends the process at once, SIGHUP too.
        """
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            await supervise("the signals", partial(self._obey, signals), self.report)

    async def _obey(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            if number == signal.SIGHUP:
                self._reload()
            else:
                self.stop(0.0 if self._leaving else self._app.config.timeouts.drain)

    async def watch_home(self) -> None:
        """Stop when the home folder is removed: no client can reach this daemon, and another could start beside it."""
        await until_gone(paths.home())
        self.status = 1
        _complain(f"the home folder {paths.home()} was deleted or replaced: this daemon cannot be reached and ends")
        self.stop(self._app.config.timeouts.drain)

    def stop(self, drain: float) -> None:
        """Leave once running answers have ended, at most ``drain`` seconds from now."""
        self._leaving = True
        self._tasks.start_soon(self._leave, drain)

    async def _leave(self, drain: float) -> None:
        try:
            self._app.log().info("stopping", drain=drain)
            await self._app.control.close(drain, last_words=LAST_WORDS)
        finally:
            self._tasks.cancel_scope.cancel()

    def report(self, where: str, error: Exception) -> None:
        """Log a contained fault and report it to watchers."""
        self._app.control.report(where, error)

    def fail(self, fault: OwnerFault) -> None:
        """The owner's own fault ends the process at once, and within a second whatever hangs: it is started again."""
        self.status = EX_SOFTWARE
        last_resort = threading.Timer(ENDED_WITHIN, os._exit, (EX_SOFTWARE,))
        last_resort.daemon = True
        last_resort.start()
        self._tasks.cancel_scope.cancel()
        trace = "".join(traceback.format_exception(fault))
        _complain(f"a fault of innkeepd itself at {fault.event}; state: {fault.state}\n{trace}")
        self._app.log().critical(
            "a fault of innkeepd itself: the owner of the memory stops, to be started again",
            while_taking=fault.event,
            state=fault.state,
            error=trace,
        )

    def _reload(self) -> None:
        try:
            config = load(self._config_file, os.environ)
        except ConfigError as error:
            self._app.log().error("the configuration stays as it was", why=str(error))
            self._app.state.note(f"the configuration stays as it was: {error}")
            return
        self._app.state.note(None)
        if self._pinned_url is not None:
            config = replace(config, ollama=replace(config.ollama, url=self._pinned_url))
        for what in self._app.reconfigure(config):
            self._app.log().warning("takes effect after a restart", table=what)
        self._app.log().info("configuration read again")
