"""What ``init``, ``fit`` and ``pull`` have to know: the configuration, what is pulled, and the memory budget.

A running daemon is asked first, because its configuration and its Ollama are the ones that count, and because it may
simulate a machine.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import anyio
from msgspec import Struct, structs

from innkeep.language import _
from innkeepd.config.derived import memory_policy
from innkeepd.config.load import find
from innkeepd.config.schema import Config
from innkeepd.errors import EX_CONFIG, ConfigError, DaemonError
from innkeepd.machine.memory import MemoryDoor, machine_memory
from innkeepd.machine.report import Seen, verdicts
from innkeepd.policy.memory.budget import Budget, MemoryPolicy, budget_of
from innkeepd.policy.model import Model, canonical
from innkeepd.service.cli import World
from innkeepd.service.collect import Connect, ask_ollama, configuration, connect, simulated_memory
from innkeepd.service.facts import Ollama
from innkeepd.service.paths import locate
from innkeepd.service.probe import Kept, kept_by


class Situation(Struct, frozen=True):
    """``free``: bytes free now, None where unknown; ``file``: the configuration that roles belong into.

    ``pid``: the running daemon that was configured by that file, None where there is none.
    """

    config: Config
    policy: MemoryPolicy
    budget: Budget
    free: int | None
    ollama: Ollama
    file: Path
    pid: int | None = None

    @property
    def has_roles(self) -> bool:
        """Whether the configuration names models of its own."""
        return any(key.startswith("roles.") for key in self.config.sources)

    @property
    def has_defaults(self) -> bool:
        """Whether any model of the roles is pulled."""
        pulled = {canonical(model.name) for model in self.ollama.pulled}
        return any(canonical(name) in pulled for role in self.config.roles.values() for name in role.chain)

    def judge(self, model: Model) -> dict[str, object]:
        """The verdict on one model, pulled or not: ``fit``, ``reason``, ``footprint``, ``context``, ``weight``."""
        name = canonical(model.name)
        others = [each for each in self.ollama.pulled if canonical(each.name) != name]
        running = [(one.name, one.size) for one in self.ollama.running]
        seen = Seen([*others, model], running)
        lines = verdicts(self.free, self.budget, self.policy, [name], seen=seen)
        return next(line for line in lines if line["name"] == name)


def fail(text: str, status: int) -> int:
    """Print one line that says what is wrong; return the exit status."""
    sys.stderr.write(f"innkeep: {text}\n")
    return status


def failed(fault: DaemonError) -> int:
    """Print a fault; return its exit status."""
    return fail(str(fault), EX_CONFIG if isinstance(fault, ConfigError) else 1)


def no_answer(url: str) -> str:
    """What to say where Ollama is down."""
    return _("no answer from Ollama at {url}; start it with `ollama serve` or the Ollama app", url=url)


def look(
    world: World,
    *,
    door: MemoryDoor | None = None,
    reach: Connect = connect,
    kept: Callable[[Path], Kept | None] = kept_by,
) -> Situation:
    """Ask the daemon, Ollama and this machine.

    Raises ``ConfigError`` for a broken configuration and ``DaemonError`` where the memory can't be read.
    """
    paths = locate(world.environ, uid=world.uid, platform=world.platform)
    running = kept(paths.socket)
    config, fault = configuration(world, running)
    if fault:
        raise ConfigError(fault)
    policy = memory_policy(config)
    ollama = anyio.run(ask_ollama, config, reach)
    if running is not None and running.simulated is not None:
        reading, budget = simulated_memory(running.simulated, policy)
        ollama = structs.replace(ollama, is_simulated=True)
        free = reading.available
    else:
        reading = (door or machine_memory(world.platform)).read()
        found = budget_of(reading, policy)
        if found is None:
            raise DaemonError("the memory of this machine can't be read; set [memory] budget in config.toml")
        budget, free = found, reading.free_now
    file = find(None, world.environ)[0]
    answer = world.ask(paths.socket, 2.0) if running is not None else None
    is_its_file = running is not None and running.config_file in ("", str(file), None)
    return Situation(config, policy, budget, free, ollama, file, answer.pid if answer and is_its_file else None)
