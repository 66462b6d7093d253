"""Collect the doctor's facts: everything that touches the machine is here, and nothing here judges.

Whatever can't be seen is left out of the facts: a doctor who falls ill himself helps nobody.
"""

import shutil
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec

from innkeep.wire import MemoryState
from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.backends.http import HttpClient
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.clients.scan import look as look_at_clients
from innkeepd.config.address import OLLAMA_PORT, is_loopback
from innkeepd.config.derived import memory_policy
from innkeepd.config.load import load
from innkeepd.config.schema import Config, OllamaConfig
from innkeepd.errors import ConfigError, DaemonError
from innkeepd.machine.memory import MemoryDoor, machine_memory
from innkeepd.machine.report import Seen, verdicts
from innkeepd.machine.runners import ProcessRunners, Runners
from innkeepd.policy.memory.budget import Budget, MemoryPolicy, budget_of, gib
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.model import Model, canonical
from innkeepd.service.cli import World, build, used
from innkeepd.service.facts import Facts, Ollama, Running, SocketFile
from innkeepd.service.installation import Installation, examine
from innkeepd.service.launchctl import Launchctl
from innkeepd.service.paths import Paths, locate
from innkeepd.service.probe import Kept, kept_by
from innkeepd.service.processes import Sightings, app_settings, beside, settings, strangers, walk
from innkeepd.service.status import View, look

PATIENCE = 10.0
"""Seconds that Ollama has for telling version, models and what is in memory."""

SETTINGS = (
    "LLAMA_ARG_CACHE_RAM",
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_GPU_OVERHEAD",
    "OLLAMA_HOST",
    "OLLAMA_KEEP_ALIVE",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_LOAD_TIMEOUT",
    "OLLAMA_MAX_LOADED_MODELS",
    "OLLAMA_MAX_QUEUE",
    "OLLAMA_MODELS",
    "OLLAMA_NUM_PARALLEL",
)
"""The only variables that are ever looked at."""

Connect = Callable[[Config], Backend]
T = TypeVar("T")


def connect(config: Config) -> Backend:
    """This machine's Ollama."""
    return OllamaBackend(HttpClient(config.ollama.url, connect_timeout=config.timeouts.connect))


def runners_of(url: str) -> Runners:
    """The runners of the Ollama at this address, and those that one left behind."""
    return ProcessRunners(url).look_now()


def collect(
    world: World,
    *,
    door: MemoryDoor | None = None,
    reach: Connect = connect,
    sightings: Callable[[str], Sightings] = walk,
    kept: Callable[[Path], Kept | None] = kept_by,
    runners: Callable[[str], Runners] = runners_of,
) -> Facts:
    """Look at this machine. Raises ``ServiceFault`` only where not even the paths can be found."""
    paths = locate(world.environ, uid=world.uid, platform=world.platform)
    told_us = kept(paths.socket)
    config, fault = configuration(world, told_us)
    policy = memory_policy(config)
    pretended = told_us.simulated if told_us else None
    seen = sightings(config.ollama.url)
    ollama = msgspec.structs.replace(anyio.run(ask_ollama, config, reach), is_simulated=pretended is not None)
    view, view_fault = _view(world, config)
    answer = view.answer if view else world.ask(paths.socket, 3.0)
    if pretended is None:
        reading = (door or machine_memory(world.platform)).read()
        budget = budget_of(reading, policy)
    else:
        reading, budget = simulated_memory(pretended, policy)
    local = is_loopback(config.ollama.url.split("://")[1].rsplit(":", 1)[0])
    launcher, environment = (
        settings(seen, paths.user_home, getenv=_session(world), names=SETTINGS) if local else ("unknown", None)
    )
    disk = _models_folder(paths, environment) if local else None
    seen_models = (
        Seen(_sized(ollama.pulled), [(one.name, one.size) for one in ollama.running]) if ollama.reachable else None
    )
    candidates = [name for role in config.roles.values() for name in role.chain if config.backend_of(name) is None]
    return Facts(
        platform=world.platform,
        uid=world.uid,
        config=config,
        config_fault=fault,
        policy=policy,
        socket=_socket(paths.socket),
        answer=answer,
        view=view,
        view_fault=view_fault,
        rival=_rival(world),
        ollama=msgspec.structs.replace(
            ollama, launcher=launcher, environment=environment, app_settings=app_settings(paths.user_home)
        ),
        reading=reading,
        budget=budget,
        verdicts=verdicts(reading.free_now, budget, policy, candidates, seen=seen_models) if budget else [],
        disk_free=shutil.disk_usage(disk).free if disk else None,
        disk_path=disk,
        direct=strangers(seen, config.ollama.url, answer.pid) if local else None,
        http_beside=beside(seen, config.http.port, answer.pid),
        http_holder=seen.listeners.get(config.http.port),
        port_11434=seen.listeners.get(OLLAMA_PORT),
        installation=_installation(world, paths, config),
        disabled=_is_disabled(world),
        descriptors=told_us.descriptors if told_us else 0,
        orphans=list(runners(config.ollama.url).orphans) if local else [],
        asking_ollama=_asking_ollama(world, paths, config) if local else [],
    )


def _asking_ollama(world: World, paths: Paths, config: Config) -> list[tuple[str, Path]]:
    """The clients whose files name the port of this machine's Ollama, with the file."""
    port = urlsplit(config.ollama.url).port or 0
    seen = look_at_clients(world.environ, paths.user_home, world.platform, (port,))
    return [(one.client, file) for one in seen for file in one.naming[port]]


def _sized(pulled: list[Model]) -> list[Model]:
    """Every model whose size is known: what is pulled, and of the rest what innkeep knows by itself.

    So a model that never fits is told before anybody downloads it.
    """
    names = {canonical(model.name) for model in pulled}
    return [*pulled, *(model for model in KNOWN_MODELS if canonical(model.name) not in names)]


def simulated_memory(seen_models: MemoryState, policy: MemoryPolicy) -> tuple[Reading, Budget]:
    """The memory of the machine that the daemon simulates: this one's says nothing about it."""
    level = {"normal": 1, "warning": 2, "critical": 4}[seen_models.pressure]
    reading = Reading(
        platform="simulated",
        source=seen_models.source,
        total=seen_models.total,
        available=seen_models.available,
        pressure_level=level,
    )
    sum_ = f"budget: {gib(seen_models.budget)}, as the daemon tells it of the machine that it simulates"
    return reading, Budget(seen_models.budget, seen_models.budget, policy.reserve, seen_models.total, None, "", (sum_,))


def configuration(world: World, running: Kept | None) -> tuple[Config, str]:
    """The configuration of the ``running`` daemon, from its own file; without one, what a daemon would read here.

    This shell's OLLAMA_HOST says nothing about a running daemon: it often points at innkeep itself. A broken file gives
    the defaults and the fault, with the addresses that the running daemon goes on with.
    """
    environ = world.environ
    if running is not None:
        environ = {name: value for name, value in environ.items() if name != "OLLAMA_HOST"}
    try:
        file = Path(running.config_file) if running is not None and running.config_file else None
        config, fault = load(file, environ), ""
    except ConfigError as error:
        config, fault = Config(), str(error)
    if running is None:
        return config, fault
    http = config.http
    if running.http is not None:
        host, _, port = running.http.rpartition(":")
        http = msgspec.structs.replace(http, enabled=bool(running.http))
        if running.http:
            http = msgspec.structs.replace(http, host=host, port=int(port))
    return msgspec.structs.replace(config, ollama=OllamaConfig(url=running.url), http=http), fault


async def ask_ollama(config: Config, reach: Connect) -> Ollama:
    """Version, pulled models and what is in memory, asked of Ollama within ``PATIENCE``; never raises."""
    backend = reach(config)
    ollama = Ollama(config.ollama.url, reachable=False, fault=f"no answer in {PATIENCE:.0f} s")
    try:
        with anyio.move_on_after(PATIENCE):
            async with backend.forward("GET", "/api/version") as answer:
                is_us = any(name.startswith("x-innkeep") for name in answer.headers)
            version = await backend.version()
            ollama = Ollama(config.ollama.url, reachable=True, version=version, is_us=is_us)
            pulled = await _or_none(backend.pulled) or []
            running = [Running(one.name, one.size, one.context) for one in await _or_none(backend.running) or []]
            ollama = Ollama(backend.url, reachable=True, version=version, is_us=is_us, pulled=pulled, running=running)
    except BackendFault as fault:
        ollama = Ollama(config.ollama.url, reachable=False, fault=fault.message)
    finally:
        with anyio.CancelScope(shield=True):
            await backend.aclose()
    return ollama


async def _or_none(question: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await question()
    except BackendFault:
        return None


def _view(world: World, config: Config) -> tuple[View | None, str]:
    try:
        return look(build(world, config), world.ask), ""
    except DaemonError as fault:
        return None, str(fault)


def _session(world: World) -> Callable[[str], str | None]:
    """How to ask for a variable of the login session: launchd's on macOS, nobody's elsewhere."""
    desktop = Launchctl(f"gui/{world.uid}", world.run)

    def getenv(name: str) -> str | None:
        try:
            return desktop.getenv(name) if world.platform == "darwin" else None
        except DaemonError:
            return None

    return getenv


def _installation(world: World, paths: Paths, config: Config) -> Installation | None:
    found = examine(paths.program, used(paths, config), paths.user_home, world.run)
    if world.platform == "darwin":
        return found
    return msgspec.structs.replace(found, fragile="", protected=[], translated=False)  # those are a Mac's troubles


def _is_disabled(world: World) -> bool:
    if world.platform != "darwin":
        return False
    try:
        return bool(Launchctl(f"gui/{world.uid}", world.run).is_disabled())
    except DaemonError:
        return False


def _rival(world: World) -> str | None:
    """Homebrew's own job for innkeep, beside ours."""
    if world.platform != "darwin":
        return None
    try:
        brew = Launchctl(f"gui/{world.uid}", world.run, "homebrew.mxcl.innkeep")
        return brew.target if brew.job() is not None else None
    except DaemonError:
        return None


def _socket(path: Path) -> SocketFile:
    try:
        folder, file = path.parent.stat(), path.lstat()
    except OSError:
        return SocketFile(str(path), exists=False)
    return SocketFile(
        str(path),
        exists=True,
        is_socket=stat.S_ISSOCK(file.st_mode),
        mode=stat.S_IMODE(file.st_mode),
        owner=file.st_uid,
        folder_mode=stat.S_IMODE(folder.st_mode),
        folder_owner=folder.st_uid,
    )


def _models_folder(paths: Paths, environment: dict[str, str] | None) -> Path | None:
    """Where Ollama keeps models, or the nearest folder above that exists."""
    folder = Path((environment or {}).get("OLLAMA_MODELS") or paths.user_home / ".ollama" / "models")
    return next((one for one in (folder, *folder.parents) if one.is_dir()), None)
