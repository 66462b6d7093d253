"""``innkeepd memory``: what the machine's memory looks like, what models may take of it, and which of them fit.

Works with the daemon and Ollama down, and on somebody else's recording (``--from``), so that a bug report can be
answered without a Mac. Facts, formulas and the budget's arithmetic are printed together: whoever doubts a refusal can
add it up.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.errors import DaemonError
from innkeepd.machine.memory import MemoryDoor, machine_memory
from innkeepd.machine.recorded import RecordedMemory
from innkeepd.policy.memory.admission import SizedModel, judge, missing
from innkeepd.policy.memory.budget import DEFAULT_MOST_LOADED, Budget, MemoryPolicy, budget_of, gib
from innkeepd.policy.memory.context import Learned, asks, choose_contexts, is_heavy, takes
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading, formulas
from innkeepd.policy.model import Model, canonical

QUANTITIES = (
    "total",
    "page_size",
    "free",
    "active",
    "inactive",
    "speculative",
    "wired",
    "purgeable",
    "file_backed",
    "anonymous",
    "compressor_stored",
    "compressor_occupied",
    "swap_used",
    "swap_total",
    "swapins",
    "swapouts",
    "available",
)
"""The fields of ``Reading`` that are bytes."""

CANDIDATES = tuple(model.name for model in KNOWN_MODELS)
"""The default chains."""

_FORMULAS = {
    "ollama_free": "free as Ollama counts it",
    "activity_monitor_used": "used as Activity Monitor counts it",
    "psutil_available": "available as psutil counts it",
    "memory_pressure_percent": "percent as memory_pressure prints it",
}


class Seen(Struct, frozen=True):
    """What an Ollama that answers tells: every pulled model, and (name, bytes) of those in memory, the idlest first."""

    pulled: Sequence[Model]
    running: Sequence[tuple[str, int]] = ()


def memory_report(
    *,
    as_json: bool = False,
    recording: Path | None = None,
    policy: MemoryPolicy | None = None,
    candidates: Sequence[str] = CANDIDATES,
    seen: Seen | None = None,
    learned: Learned | None = None,
    door: MemoryDoor | None = None,
    write: Callable[[str], object] | None = None,
    complain: Callable[[str], object] | None = None,
) -> int:
    """Print the report and return the exit code: 0, or 2 where the recording can't be used (one line says why).

    ``candidates`` are the names of the roles' chains; ``seen`` None: Ollama is down. A recording is judged without
    what this machine's Ollama holds. ``door`` None: this machine; ``write`` and ``complain`` None: standard output
    and error.
    """
    try:
        source = RecordedMemory(recording) if recording is not None else door or machine_memory()
        reading = source.read()
        found = describe(reading, policy or MemoryPolicy(), candidates, None if recording else seen, learned)
        if recording is not None and found["budget"] is None:
            raise DaemonError(f"{recording} tells no size of memory: sysctl.txt needs a line hw.memsize: BYTES")
    except DaemonError as fault:
        (complain or sys.stderr.write)(f"innkeepd: {fault.message}\n")
        return 2
    (write or sys.stdout.write)(_as_json(found) if as_json else as_text(found))
    return 0


def describe(
    reading: Reading,
    policy: MemoryPolicy,
    candidates: Sequence[str],
    seen: Seen | None = None,
    learned: Learned | None = None,
) -> dict[str, Any]:
    """The report as one JSON object: every quantity in bytes by its name (None: not told), formulas, budget, models."""
    budget = budget_of(reading, policy)
    return {name: getattr(reading, name) for name in QUANTITIES} | {
        "pressure": reading.pressure,
        "pressure_level": reading.pressure_level,
        "memorystatus_level": reading.memorystatus_level,
        "hw.memsize": reading.hw_memsize,
        "iogpu.wired_limit_mb": reading.wired_limit_mb,
        "platform": reading.platform,
        "source": reading.source,
        "formulas": formulas(reading),
        "budget": None if budget is None else msgspec.to_builtins(budget),
        "models": []
        if budget is None
        else verdicts(reading.free_now, budget, policy, candidates, seen=seen, learned=learned),
        "ollama": "answers" if seen is not None else "not asked",
        "warnings": list(reading.warnings),
        "unknown": list(reading.unknown),
    }


def verdicts(
    free: int | None,
    budget: Budget,
    policy: MemoryPolicy,
    candidates: Sequence[str],
    *,
    seen: Seen | None = None,
    learned: Learned | None = None,
) -> list[dict[str, Any]]:
    """One verdict for each candidate, and for each further model that is pulled; ``free`` is ``Reading.free_now``."""
    listed = KNOWN_MODELS if seen is None else seen.pulled
    pulled = {canonical(model.name): model for model in listed if not model.host}
    cloud = {canonical(model.name): model.host for model in listed if model.host}
    wanted = [canonical(name) for name in candidates]
    known = [pulled[name] for name in dict.fromkeys(wanted) if name in pulled]
    limit = budget.gpu_limit
    contexts = choose_contexts(known, budget.bytes, policy, learned, gpu_limit=limit)
    residents = _residents(pulled, budget, policy, seen)
    lines: list[dict[str, Any]] = []
    for name in dict.fromkeys((*wanted, *pulled, *cloud)):
        model = pulled.get(name)
        if name in cloud:
            lines.append({"name": name, "footprint": 0, "context": None, "weight": None, "fit": "fits"})
            lines[-1] |= {"reason": f"a cloud model: prompts go to {cloud[name]}, no memory of this machine"}
            continue
        if model is None:
            verdict = missing(name, budget.bytes)
            unknown = seen is None and verdict.fit == "missing"
            reason = f"{name} is not known while Ollama is down" if unknown else verdict.reason
            lines.append({"name": name, "footprint": None, "context": None, "weight": None})
            lines[-1] |= {"fit": verdict.fit, "reason": reason}
            continue
        if (context := contexts.get(model.weights)) is None:
            beside = choose_contexts([*known, model], budget.bytes, policy, gpu_limit=limit)
            context = beside[model.weights]
        heavy = is_heavy(model, budget.bytes, policy)
        size = takes(model, context, policy, learned)
        guest = SizedModel(name, model.weights, size, heavy, asks(model, context, policy))
        most = DEFAULT_MOST_LOADED
        verdict = judge(guest, residents, budget, free, heavy_limit=policy.heavy_limit, most_loaded=most)
        weight = "heavy" if heavy else "light"
        lines.append({"name": name, "footprint": guest.footprint, "context": context, "weight": weight})
        lines[-1] |= {"fit": verdict.fit, "reason": verdict.reason}
    return lines


def as_text(found: Mapping[str, Any]) -> str:
    """The report for people: sizes in GiB with one decimal."""
    lines = [f"memory ({found['source']}), pressure {found['pressure']}"]
    lines += [
        f"  {name.replace('_', ' '):<36} {_size(found[name]):>10}" for name in QUANTITIES if found[name] is not None
    ]
    percent = found["formulas"]["memory_pressure_percent"]
    lines += [
        f"  {text:<36} {_size(found['formulas'][name]):>10}"
        for name, text in _FORMULAS.items()
        if name != "memory_pressure_percent" and found["formulas"][name] is not None
    ]
    if percent is not None:
        lines.append(f"  {_FORMULAS['memory_pressure_percent']:<36} {percent:>8} %")
    lines += [f"  warning: {text}" for text in found["warnings"]]
    budget = found["budget"]
    lines += [
        "",
        "budget",
        *(f"  {line}" for line in (budget["arithmetic"] if budget else ["unknown: no size of memory"])),
    ]
    lines += ["", "models" if found["ollama"] == "answers" else "models (Ollama not asked; built-in sizes)"]
    lines += [f"  {line['name']:<28} {line['fit']:<15} {line['reason']}" for line in found["models"]]
    if found["unknown"]:
        lines += ["", f"lines not understood: {len(found['unknown'])}", *(f"  {line}" for line in found["unknown"])]
    return "\n".join(lines) + "\n"


def _as_json(found: Mapping[str, Any]) -> str:
    return msgspec.json.encode(found).decode() + "\n"


def _residents(
    pulled: Mapping[str, Model], budget: Budget, policy: MemoryPolicy, seen: Seen | None
) -> list[SizedModel]:
    guests = []
    for name, size in seen.running if seen is not None else ():
        model = pulled.get(canonical(name))
        heavy = is_heavy(model, budget.bytes, policy) if model is not None else size > budget.bytes / 2
        guests.append(SizedModel(canonical(name), model.weights if model is not None else canonical(name), size, heavy))
    return guests


def _size(size: int) -> str:
    return f"{size} B" if size < 2**20 else gib(size)
