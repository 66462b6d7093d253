"""The state at an instant for readers, as Structs of the wire. Reading never changes anything."""

import os

from msgspec import convert, structs

from innkeep import wire
from innkeepd import __version__
from innkeepd.backends.ollama_proved import unproved
from innkeepd.config.schema import Config
from innkeepd.machine.runners import Runner
from innkeepd.policy.memory.admission import judge_load, missing
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.memory.reading import used_memory
from innkeepd.policy.model import Model
from innkeepd.policy.scheduling.residency import LEAST_GROWTH, LOADING, Residency
from innkeepd.residency.control import ResidencyControl
from innkeepd.residency.lease import LeaseHandle

MLX = "; MLX: Ollama does not obey num_ctx, and it grows with its conversations (the most seen so far counts)"


REASONED = 32
"""So many waiters have a reason in ``status``, the first ones: it takes 0.1 ms each, and nobody reads a thousand."""


def status(
    control: ResidencyControl,
    *,
    request: int,
    simulated: bool,
    selected: str | None,
    uptime: float,
    warnings: list[str],
) -> wire.Status:
    """Everything at this instant, as the answer to ``request``."""
    ledger, now = control.scheduler.ledger, control.now()
    places = [handle for handle in control.handles() if handle.settled is None]
    positions = control.scheduler.positions(now) if places else {}
    waiting = [_waiter(control, handle, now, positions.get(handle.ticket.id)) for handle in places]
    held = control.scheduler.held_until
    return wire.Status(
        id=request,
        protocol=wire.PROTOCOL,
        daemon=__version__,
        pid=os.getpid(),
        uptime=uptime,
        backend=_backend(control, simulated=simulated),
        memory=_memory(control),
        resident=[_resident(control, r) for r in ledger.residents.values() if r.is_resident],
        changing=[_changing(control, r, now) for r in ledger.residents.values() if not r.is_resident],
        waiting=waiting,
        oldest_wait=max((each.waited for each in waiting), default=None),
        selected=selected,
        held_until=None if held is None else control.wall(held),
        held_why="" if held is None else control.scheduler.state.held_why,
        pins=sorted(control.catalog.pins),
        counters=wire.Counters(**control.counts),
        awake=control.awake.reason,
        warnings=warnings,
        rules=control.usage.in_force() if control.scheduler.state.limits.why else [],
    )


def _backend(control: ResidencyControl, *, simulated: bool) -> wire.BackendState:
    seen = control.monitor.observation
    reachable, version = (seen.reachable, seen.version) if seen else (False, None)
    return wire.BackendState(control.backend.url, reachable, version, simulated)


def _memory(control: ResidencyControl) -> wire.MemoryState:
    ledger, reading = control.scheduler.ledger, control.monitor.reading
    left = max(0, ledger.budget - ledger.used())
    real = sum(each.footprint if each.process is None else each.process for each in ledger.residents.values())
    return wire.MemoryState(
        total=(reading.total if reading else None) or 0,
        budget=ledger.budget,
        available=left if ledger.free is None else min(ledger.free, left),
        pressure=control.monitor.gauge.level,
        source=reading.source if reading else "not read yet",
        promised=ledger.used(),
        real=real,
        used=used_memory(reading) if reading else None,
        wired=reading.wired if reading else None,
        compressed=reading.compressor_occupied if reading else None,
    )


def _waiter(control: ResidencyControl, handle: LeaseHandle, now: float, position: int | None) -> wire.Waiter:
    ticket, scheduler = handle.ticket, control.scheduler
    waiter = scheduler.queue.get(ticket.id)
    wanted = ticket.chain[0] if waiter is None else waiter.wants
    return wire.Waiter(
        id=ticket.id.partition(".")[0],
        model=control.name_of(wanted),
        priority=ticket.priority,
        waited=now - handle.asked,
        expected=None
        if scheduler.state.is_barred(wanted, ticket.priority, ticket.need)
        else scheduler.expected(ticket.id, now),
        position=position,
        client=handle.client,
        reason=scheduler.outlook(ticket.id, now).reason if 0 < (position or 0) <= REASONED else "",
    )


def _resident(control: ResidencyControl, resident: Residency) -> wire.Resident:
    return wire.Resident(
        name=control.name_of(resident.weights),
        weight="heavy" if resident.heavy else "light",
        footprint=resident.footprint,
        process=resident.process,
        grown=resident.grown,
        on_cpu=resident.on_cpu,
        context=resident.context or None,
        leases=control.scheduler.leases.count(resident.weights),
        pinned=resident.weights in control.scheduler.ledger.pins,
        owned=resident.owned,
        since=control.wall(resident.since),
        expires=_leaves(control, resident),
    )


def _leaves(control: ResidencyControl, resident: Residency) -> float | None:
    """When it leaves if nobody asks for it, by our idle time or by Ollama's, epoch seconds; None while it works."""
    if control.scheduler.state.is_busy(resident.weights):
        return None
    idle = control.scheduler.state.idle_at(resident)
    ends = [resident.expires, None if idle is None else control.wall(idle)]
    return min((end for end in ends if end is not None), default=None)


def _changing(control: ResidencyControl, resident: Residency, now: float) -> wire.Changing:
    loading = resident.state == LOADING
    spec = control.scheduler.ledger.specs.get(resident.weights)
    return wire.Changing(
        model=control.name_of(resident.weights),
        what="loading" if loading else "unloading",
        elapsed=now - resident.since,
        expected=None if spec is None else spec.load_s if loading else spec.unload_s,
    )


def models(control: ResidencyControl, config: Config) -> list[wire.ModelState]:
    """Every model that is pulled or that a role names, with its verdict now."""
    pulled = control.catalog.models
    named = dict.fromkeys(name for role in config.roles.values() for name in role.chain)
    named |= dict.fromkeys(f"{backend.name}/{model}" for backend in config.backends for model in backend.models)
    names = [*named, *(name for name in pulled if name not in named)]
    first = {name: [role for role, said in config.roles.items() if said.chain[:1] == (name,)] for name in names}
    found = [_model(control, config, name, pulled.get(name)) for name in names]
    return [structs.replace(each, first_for=first[each.name]) if first[each.name] else each for each in found]


def warnings(control: ResidencyControl) -> list[str]:
    """What a person should know of Ollama, its runners and the engines elsewhere, a sentence each."""
    seen = control.monitor.observation
    texts = [unproved(seen.version if seen else None), control.monitor.blocked_by()]
    split = [_split(control, r) for r in control.scheduler.ledger.residents.values()]
    orphans = [left_behind(runner) for runner in control.monitor.weights.runners.orphans]
    slots = control.catalog.slot_warnings()
    return [*(text for text in (*texts, *split) if text), *orphans, *slots, *engines_away(control)]


def left_behind(runner: Runner) -> str:
    """A sentence about a runner whose Ollama is gone."""
    size = "" if runner.total is None else f" and holds {gib(runner.total)}"
    return f"{runner.name} (pid {runner.pid}) was left over from an Ollama that was killed{size}: kill {runner.pid}"


def _split(control: ResidencyControl, resident: Residency) -> str | None:
    """A sentence about one of which a part runs on the CPU of a machine that has a GPU."""
    if (resident.on_cpu or 0) < LEAST_GROWTH:
        return None
    name, size = control.name_of(resident.weights), gib(resident.on_cpu or 0)
    return f"{name} runs partly on the CPU ({size} of it did not fit the GPU): it answers slowly"


def engines_away(control: ResidencyControl) -> list[str]:
    """What a person should know of models elsewhere that failed and are left alone for now."""
    found = [_elsewhere(control, name) for name in control.scheduler.cooling]
    return [reason for fit, reason in found if fit == "missing"]


def _elsewhere(control: ResidencyControl, name: str) -> tuple[wire.Fit, str]:
    """Whether a model elsewhere is used now, and why."""
    cooling, now = control.scheduler.cooling.get(name), control.now()
    if cooling is None or cooling.until <= now or not control.scheduler.ledger.is_remote(name):
        return "fits", "runs elsewhere: takes no memory of this machine"
    return "missing", f"{control.name_of(name)} is not used for {cooling.until - now:.0f} s: {cooling.message}"


def _roles(config: Config, name: str) -> list[str]:
    return [role for role, said in config.roles.items() if name in said.chain]


def _model(control: ResidencyControl, config: Config, name: str, model: Model | None) -> wire.ModelState:
    roles = _roles(config, name)
    if config.backend_of(name) is not None:
        return _without_memory(name, roles, *_elsewhere(control, name))
    budget, ledger = control.catalog.budget, control.scheduler.ledger
    if model is not None and model.host:
        return _without_memory(name, roles, *_cloud(control, model), parameters=model.parameters)
    if model is None or budget is None:
        fault = (
            control.monitor.observation.fault if control.monitor.observation and not control.catalog.models else None
        )
        verdict = missing(name, None if budget is None else budget.bytes)
        if fault:
            return _without_memory(name, roles, "missing", f"can't be told: {fault}")
        return _without_memory(name, roles, verdict.fit, verdict.reason)
    spec = ledger.specs.get(model.weights)
    if spec is None:
        return _without_memory(name, roles, "missing", f"{name} has not been examined yet")
    verdict = judge_load(ledger, model.weights, budget)
    return wire.ModelState(
        name=name,
        roles=roles,
        size=model.size,
        parameters=model.parameters,
        quantization=model.quantization,
        weight="heavy" if spec.heavy else "light",
        footprint=ledger.bytes_for(model.weights, spec.context),
        fit=verdict.fit,
        leaves=[control.name_of(weights) for weights in verdict.evict],
        reason=verdict.reason + (MLX if model.is_mlx else ""),
        context=spec.context,
        estimates=convert(control.catalog.estimates.view(model.weights), wire.Estimates | None),
    )


def _without_memory(name: str, roles: list[str], fit: wire.Fit, reason: str, *, parameters: int = 0) -> wire.ModelState:
    """A model that takes no memory of this machine, or of which nothing is known."""
    return wire.ModelState(
        name=name,
        size=0,
        parameters=parameters,
        quantization="",
        roles=roles,
        weight="light",
        footprint=0,
        fit=fit,
        reason=reason,
    )


def _cloud(control: ResidencyControl, model: Model) -> tuple[wire.Fit, str]:
    fit, reason = _elsewhere(control, model.weights)
    if fit == "missing":
        return fit, reason
    text = f"a cloud model: prompts go to {model.host}; it takes no memory of this machine and is never loaded here"
    return "fits", text
