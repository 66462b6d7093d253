"""What every endpoint of the simulated Ollama works on: the disk, the machine, the runners, and what happened."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import anyio

from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import GIB, NEW_KINDS, SHELF, Catalog, Pulled, tagged
from innkeepd.simulator.faults import Fault, Faults, Refusal
from innkeepd.simulator.journal import Journal, Loaded, Reloaded, Seen, Unloaded
from innkeepd.simulator.launch import Launch, launch_for
from innkeepd.simulator.machine import Machine
from innkeepd.simulator.release import NEWEST, Release
from innkeepd.simulator.runners import Runners
from innkeepd.simulator.wall import LoopClock, Wall

CLOUD_HOST = "https://ollama.com:443"
NAME = re.compile(r"[\w.:/@-]+")


class State:
    """An Ollama on a 36 GB Mac. ``speed`` divides every duration of the engine, not the keep-alives.

    ``ollama``: its version. ``cache_ram``: bytes of other conversations that each runner keeps, None for the version's
    own; the machine's memory shows them where ``cache_in_memory``. ``offline``: other hosts cannot be reached.
    ``new_kinds``: an MLX and a cloud model are pulled, too.
    """

    def __init__(
        self,
        *,
        ollama: Release = NEWEST,
        speed: float = 1.0,
        models: Iterable[Pulled] | None = None,
        total: int = 36 * GIB,
        metal: int = 27 * GIB,
        others: int = 6 * GIB,
        parallel: int = 1,
        max_queue: int = 512,
        heavy_parameters: int = 20_000_000_000,
        seed: int = 0,
        cache_ram: int | None = None,
        cache_in_memory: bool = False,
        offline: bool = False,
        new_kinds: bool = False,
    ) -> None:
        self.release = ollama
        self.speed = speed
        self.seed = seed
        self.offline = offline
        self.no_cloud = False
        self.catalog = Catalog((*SHELF, *NEW_KINDS) if models is None and new_kinds else models)
        clock = LoopClock()
        self.machine = Machine(total=total, metal=metal, others=others, clock=clock)
        self.faults = Faults()
        self.journal = Journal()
        self.wall = Wall(clock)
        self.down = False
        self.runners = Runners(
            self.machine, self.faults, self.journal, release=ollama, speed=speed, parallel=parallel,
            max_queue=max_queue, heavy_parameters=heavy_parameters,
            cache_ram=ollama.cache_ram if cache_ram is None else cache_ram, cache_in_memory=cache_in_memory,
            clock=clock,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Simulator {'down' if self.down else 'up'} ollama={self.release.name} speed={self.speed:g}>"

    # For tests and demos

    @property
    def requests(self) -> list[Seen]:
        """Every request that came, the latest last."""
        return list(self.journal.requests)

    @property
    def loads(self) -> list[Loaded]:
        """Every load that began."""
        return list(self.journal.loads)

    @property
    def reloads(self) -> list[Reloaded]:
        """Every runner that left because a request wanted it with another launch attribute."""
        return list(self.journal.reloads)

    @property
    def reload_reasons(self) -> Counter[str]:
        """Reloads by launch attribute."""
        return self.journal.reload_reasons

    @property
    def unloads(self) -> list[Unloaded]:
        """Every runner that left ``/api/ps``."""
        self.runners.settle()
        return list(self.journal.unloads)

    @property
    def violations(self) -> list[str]:
        """Requests that innkeep must never send."""
        return self.journal.violations

    @property
    def resident(self) -> list[str]:
        """The names of the runners now, those that load included."""
        return [runner.model.name for runner in self.runners.standing()]

    @property
    def heavy(self) -> frozenset[str]:
        """The heavy models in memory now, loading and unloading ones included."""
        self.runners.settle()
        return self.journal.residents[-1].heavy if self.journal.residents else frozenset()

    def fail(self, how: str, model: str | None = None, **more: Any) -> None:
        """Let the next requests (``times``) fail; ``faults.py`` describes ``how`` and ``more``."""
        found = self.catalog.find(model) if model else None
        self.faults.add(Fault(how, found.name if found else model, **more))

    def stop(self) -> None:
        """The server goes away with everything in its memory."""
        self.down = True
        self.runners.stop()

    def kill(self) -> None:
        """The server gets SIGKILL: its runners keep running with their memory, listed nowhere."""
        self.down = True
        self.runners.stop(killed=True)

    def start(self) -> None:
        """The server is back, empty."""
        self.down = False

    # What every endpoint asks

    def find(self, name: str, *, missing: str = "model '{name}' not found") -> Pulled:
        """The pulled model of a name; ``missing``: the text of the error. Raises ``Refusal``."""
        if not NAME.fullmatch(name):
            raise Refusal(400, "invalid model name")
        model = self.catalog.find(name)
        if model is not None:
            return model
        if self.release.knows_cloud_names and tagged(name).rpartition(":")[2].endswith("cloud"):
            if self.no_cloud:
                raise Refusal(403, "ollama cloud is disabled: remote model is unavailable")
            self.journal.sent_away.append(Seen(anyio.current_time(), "POST", CLOUD_HOST, {"model": name}))
            raise Refusal(502, self.unreachable_host(CLOUD_HOST, "/api/chat"))
        raise Refusal(404, missing.format(name=name))

    def unreachable_host(self, host: str, path: str) -> str:
        """Go's error text for a host without an address."""
        address = host.partition("://")[2].partition(":")[0]
        return f'Post "{host}{path}?ts={int(self.wall.epoch())}": dial tcp: lookup {address}: no such host'

    def launch(self, model: Pulled, asked: Asked) -> Launch:
        """The attributes that a request wants of its runner.

        ``num_ctx``: its own, else the model's, else by Metal's memory; at most the model's length.
        """
        default = 262_144 if self.machine.metal >= 47 * GIB else 32_768 if self.machine.metal >= 23 * GIB else 4096
        return launch_for(model, asked.options, asked.shift, default=default, attributes=self.release.launch)
