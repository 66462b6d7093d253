"""Facts of a healthy 36 GB Mac for the doctor's tests, to be spoiled one by one."""

from typing import Any

from msgspec.structs import replace

from innkeepd.config.schema import Config
from innkeepd.machine.report import Seen, verdicts
from innkeepd.policy.memory.budget import GIB, MemoryPolicy, budget_of
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import mac_reading
from innkeepd.service.facts import Facts, Ollama, SocketFile
from innkeepd.service.launchctl import Job
from innkeepd.service.plist import LABEL
from innkeepd.service.probe import Answer
from innkeepd.service.status import View

SOCKET = "/Users/you/.innkeep/innkeepd.sock"
WELCOME = Answer("welcome", version="0.1.0", pid=7)
QUIET = {
    "hw_memsize": 36 * GIB,
    "free": 20 * GIB,
    "active": 6 * GIB,
    "inactive": 4 * GIB,
    "speculative": GIB,
    "wired": 4 * GIB,
}


def reading_of(**fields: Any) -> Any:
    more = {"purgeable": 0, "file_backed": 5 * GIB, "anonymous": 6 * GIB, "compressor_occupied": 0, "swap_used": 0}
    return mac_reading(QUIET | more | {"pressure_level": 1, "source": "recording"} | fields)


def facts_of(**changes: Any) -> Facts:
    """A healthy Mac, but for ``changes``: fields of ``Facts``, and of its ``ollama`` as ``ollama_NAME``."""
    config = changes.get("config", Config())
    policy = MemoryPolicy()
    reading = changes.get("reading", reading_of())
    budget = budget_of(reading, policy) if reading else None
    ollama = Ollama(
        "http://127.0.0.1:11434", reachable=True, version="0.17.4", pulled=list(KNOWN_MODELS), launcher="app"
    )
    ollama = replace(ollama, environment={"OLLAMA_KV_CACHE_TYPE": "f16"})
    of_ollama = {
        name.removeprefix("ollama_"): changes.pop(name) for name in list(changes) if name.startswith("ollama_")
    }
    ollama = replace(ollama, **of_ollama)
    chains = [name for role in config.roles.values() for name in role.chain]
    seen = Seen(ollama.pulled) if ollama.reachable else None
    facts = Facts(
        platform="darwin",
        uid=501,
        config=config,
        policy=policy,
        socket=SocketFile(SOCKET, True, True, 0o600, 501, 0o700, 501),
        answer=WELCOME,
        ollama=ollama,
        view=View(SOCKET, WELCOME, True, True, f"gui/501/{LABEL}", Job(state="running", pid=7)),
        reading=reading,
        budget=budget,
        verdicts=verdicts(reading.free_now, budget, policy, chains, seen=seen) if budget else [],
        disk_free=200 * GIB,
        direct=[],
    )
    return replace(facts, **changes)
