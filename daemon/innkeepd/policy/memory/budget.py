"""How many bytes models may take together, and how that number came about.

The budget does not depend on what other programs hold at the moment: a browser tab must not turn a model that fits
into one that never fits. What is free *now* enters in ``ollama_gate``, which predicts what Ollama admits, and through
pressure.
"""

from typing import Literal

from msgspec import Struct, field

from innkeepd.policy.memory.reading import Reading, least_total
from innkeepd.policy.model import GIB

MIB = 2**20
OFF_MAC_SHARE = 3 / 4
"""Of all memory where there is no Metal: as much as a large Mac grants, so that the same models fit on Linux."""

OLLAMA_SHARE = 0.8
"""Of what Ollama holds free, for a model that comes beside others (``server/sched.go``, 2026-08)."""
DEFAULT_MOST_LOADED = 3
"""How many models Ollama keeps loaded for each GPU where ``OLLAMA_MAX_LOADED_MODELS`` is not set (0.17.4, 0.33.0)."""


class MemoryPolicy(Struct, frozen=True, kw_only=True):
    """What the user decided about memory; sizes in bytes, names in any spelling, None: decided here.

    ``contexts``, ``weights`` and ``parallel`` are said of single models and win over what would be chosen. ``slots`` is
    what Ollama itself multiplies every KV cache by, where that is known: then ``parallel`` says nothing about bytes.
    """

    budget: int | None = None
    reserve: int = 4 * GIB
    gpu_limit: int | None = None
    heavy_limit: int = 1
    heavy_parameters: int = 20_000_000_000
    contexts: dict[str, int] = field(default_factory=dict)
    weights: dict[str, Literal["heavy", "light"]] = field(default_factory=dict)
    parallel: dict[str, int] = field(default_factory=dict)
    slots: int | None = None
    cache_type: str = "f16"


class Budget(Struct, frozen=True):
    """``bytes`` that models may take together: the smaller of ``limit`` and ``total`` - ``reserve``.

    ``limit`` is what may be used at most, ``gpu_limit`` Metal's limit (None off the Mac), ``arithmetic`` the sum in
    readable lines.
    """

    bytes: int
    limit: int
    reserve: int
    total: int
    gpu_limit: int | None
    gpu_limit_source: str
    arithmetic: tuple[str, ...]


def gib(size: int) -> str:
    """Bytes for people: "27.0 GiB", "379.0 MiB"."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 or not size else f"{size / MIB:.1f} MiB"


def metal_default(total: int) -> int:
    """Metal's limit where nobody told it: 2/3 of memory up to 32 GB, 3/4 from 36 GB.

    That is macOS 15 and older, as logged on 8 to 64 GB; macOS 26 grants more (36 GB: 28.1 instead of 27.0 GiB), never
    less.
    """
    return total * 2 // 3 if total < 36 * GIB else total * 3 // 4


def gpu_limit(reading: Reading, policy: MemoryPolicy, total: int) -> tuple[int | None, str]:
    """Metal's limit in bytes and who says so: the kernel's override, else the config, Ollama's log, macOS's default."""
    if reading.wired_limit_mb:
        return reading.wired_limit_mb * MIB, "iogpu.wired_limit_mb"
    if policy.gpu_limit is not None:
        return policy.gpu_limit, "memory.gpu_limit"
    if reading.gpu_limit is not None:
        return reading.gpu_limit, reading.gpu_limit_source
    if reading.platform != "macos":
        return None, ""
    share = "2/3" if total < 36 * GIB else "3/4"
    return metal_default(total), f"{share} of memory, what macOS 15 and older grant"


def budget_of(reading: Reading, policy: MemoryPolicy | None = None) -> Budget | None:
    """The budget on this machine; None where the reading tells no total and the user no budget."""
    policy = policy or MemoryPolicy()
    total = least_total(reading)
    if total is None:
        return _configured(policy, 0, None, "", ()) if policy.budget is not None else None
    lines = [f"memory: {gib(total)}" + ("" if reading.total else ", as the kernel's queues add up")]
    metal, source = gpu_limit(reading, policy, total)
    if metal is None:
        limit = int(total * OFF_MAC_SHARE)
        lines.append(f"limit: {gib(limit)} ({OFF_MAC_SHARE:.0%} of memory, there being no Metal)")
    else:
        limit = metal
        lines.append(f"Metal's limit: {gib(limit)} ({source})")
    if policy.budget is not None:
        return _configured(policy, total, metal, source, tuple(lines))
    # A small machine keeps half for the rest, or the reserve would leave nothing at all.
    reserve = min(policy.reserve, total // 2)
    rest = total - reserve
    lines.append(f"memory less the reserve: {gib(total)} - {gib(reserve)} = {gib(rest)}")
    lines.append(f"budget: the smaller of {gib(limit)} and {gib(rest)} = {gib(min(limit, rest))}")
    return Budget(min(limit, rest), limit, reserve, total, metal, source, tuple(lines))


def _configured(policy: MemoryPolicy, total: int, metal: int | None, source: str, lines: tuple[str, ...]) -> Budget:
    amount = policy.budget or 0
    lines = (*lines, f"budget: {gib(amount)} (memory.budget)")
    if metal is not None and amount > metal:
        lines = (*lines, f"warning: that is over Metal's limit of {gib(metal)}; loads beyond the limit fail")
    return Budget(amount, amount, policy.reserve, total, metal, source, lines)


def ollama_gate(gpu_limit: int | None, free: int | None, *, freed: int = 0, loaded: int = 0) -> int | None:
    """The largest prediction that Ollama admits beside others, bytes; None where memory could not be read.

    80 % of the smaller of Metal's limit less ``loaded`` (Ollama subtracts what its runners hold, as ``/api/ps`` tells)
    and free memory ``free`` (Ollama's formula) with ``freed`` bytes given back before.
    """
    if free is None:
        return None
    held = free + freed if gpu_limit is None else min(free + freed, gpu_limit - loaded)
    return int(OLLAMA_SHARE * max(held, 0))
