"""Structs of the wire as text for a person: pure, no terminal, no clock but the ``now`` that it is given."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from innkeep import wire
from innkeep.cli.table import columns
from innkeep.cli.units import clock, counted, gib, seconds, whole_seconds

Paint: TypeAlias = Callable[[str, str], str]
"""``paint(style, text)``; see ``terminal.STYLES``."""

PRESSURE_STYLES = {"normal": "green", "warning": "yellow", "critical": "red"}
FIT_WORDS = {
    "resident": "in memory",
    "fits": "fits",
    "tight": "tight",
    "after_eviction": "after eviction",
    "never": "never fits",
    "missing": "not pulled",
}
MEMORY_WORDS = {"normal": "normal", "warning": "short of memory", "critical": "critically short of memory"}


def plain(style: str, text: str) -> str:  # noqa: ARG001  # a Paint that paints nothing
    """The ``Paint`` of a pipe."""
    return text


# ---- status --------------------------------------------------------------------------------------------------------


def status_text(status: wire.Status, now: float, paint: Paint = plain, cells: int | None = None) -> str:
    """The whole snapshot: the daemon, its Ollama, memory, what is set, who is in memory, what changes, who waits."""
    blocks = [
        _house_lines(status, now, paint),
        _resident_lines(status, now, paint, cells),
        _changing_lines(status.changing),
        _waiting_lines(status.waiting, paint, cells),
        [_counters_line(status.counters)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _counters_line(counters: wire.Counters) -> str:
    named = [
        (counters.swaps, "swap"),
        (counters.loads, "load"),
        (counters.unloads, "unload"),
        (counters.fallbacks, "fallback"),
        (counters.refusals, "refusal"),
        (counters.foreign_loads, "foreign load"),
        (counters.reloads, "reload"),  # by Ollama itself, in the midst of requests
    ]
    parts = [counted(counters.requests, "request"), *(counted(number, noun) for number, noun in named if number)]
    return "since start: " + ", ".join(parts)


def _house_lines(status: wire.Status, now: float, paint: Paint) -> list[str]:
    backend, memory = status.backend, status.memory
    version = f" {backend.version}" if backend.version else ""
    reach = "" if backend.reachable else paint("red", ", unreachable")
    label = paint("yellow", ", simulated") if backend.simulated else ""
    sizes = f"{gib(memory.available)} free of {gib(memory.budget)} for models ({gib(memory.total)} in all)"
    state = paint(PRESSURE_STYLES.get(memory.pressure, "bold"), MEMORY_WORDS.get(memory.pressure, memory.pressure))
    lines = [
        f"innkeepd {status.daemon}  pid {status.pid}, up {seconds(status.uptime)}",
        f"ollama{version}  {backend.url}{reach}{label}",
        f"memory   {state}: {sizes}",
        *(paint("yellow", line) for line in _set_lines(status, now)),
    ]
    if status.awake:
        lines.append(f"awake    {status.awake}")
    return lines + [paint("yellow", f"warning: {warning}") for warning in status.warnings]


def _set_lines(status: wire.Status, now: float) -> list[str]:
    """What the user has set beside the configuration, each with the command that undoes it."""
    lines = selection_lines(status.selected, status.selected_roles)
    if status.held_until is not None:
        why = f' ("{status.held_why}")' if status.held_why else ""
        left = seconds(max(0.0, status.held_until - now))
        lines.append(f"on hold  until {clock(status.held_until)}, {left} more{why} (`innkeep resume` ends it)")
    lines += [f"rule     {rule}" for rule in status.rules]
    resident = {one.name for one in status.resident}
    lines += [
        f"pinned   {name}, not in memory (`innkeep unpin {name}` ends it)"
        for name in status.pins
        if name not in resident
    ]
    if status.awaits_restart:
        tables = ", ".join(f"[{name}]" for name in status.awaits_restart)
        lines.append(f"config   {tables} changed; takes effect at a restart (`innkeep restart`)")
    return lines


def selection_lines(selected: str | None, roles: Mapping[str, str]) -> list[str]:
    """What the user selected, each with the command that undoes it."""
    lines = [] if selected is None else [f"routing  all chats to {selected} (`innkeep models set auto` ends it)"]
    return lines + [
        f"routing  {role}: {model} first (`innkeep models set auto --role {role}` ends it)"
        for role, model in sorted(roles.items())
    ]


def _resident_lines(status: wire.Status, now: float, paint: Paint, cells: int | None) -> list[str]:
    rows = [
        [
            one.name,
            one.weight,
            gib(one.footprint),
            str(one.context or "-"),
            _business(one),
            _leaving(one, now) if status.backend.reachable else "unknown",
        ]
        for one in status.resident
    ]
    if not rows:
        return ["no model is in memory"]
    heads = ["IN MEMORY", "WEIGHT", "MEMORY", "CONTEXT", "STATE", "UNLOADS"]
    right = {"MEMORY", "CONTEXT"}
    return headed(columns(heads, rows, right=right, cells=cells, drop=("WEIGHT", "CONTEXT")), paint)


def _business(one: wire.Resident) -> str:
    words = [f"answering {one.leases}" if one.leases else "idle"]
    words += ["pinned"] if one.pinned else []
    words += [] if one.owned else ["loaded by another program"]
    return ", ".join(words)


def _leaving(one: wire.Resident, now: float) -> str:
    if one.pinned or one.expires is None:
        return "-"
    return f"in {seconds(max(0.0, one.expires - now))}"


def _changing_lines(changing: Iterable[wire.Changing]) -> list[str]:
    return [f"{one.what} {one.model}, {_progress(one.elapsed, one.expected)}" for one in changing]


def _progress(elapsed: float, expected: float | None) -> str:
    return whole_seconds(elapsed) + (f" of ~{whole_seconds(expected)}" if expected is not None else "")


def _waiting_lines(waiting: Iterable[wire.Waiter], paint: Paint, cells: int | None) -> list[str]:
    rows = [
        [
            one.id,
            one.model,
            one.client or "-",
            one.priority,
            seconds(one.waited),
            "-" if one.expected is None else f"~{whole_seconds(one.expected)}",
        ]
        for one in sorted(waiting, key=lambda one: one.position or 0)
    ]
    if not rows:
        return []
    heads = ["WAITS", "FOR", "CLIENT", "PRIORITY", "SINCE", "STILL"]
    if all(row[3] == "interactive" for row in rows):
        heads, rows = _without(heads, rows, "PRIORITY")
    return headed(columns(heads, rows, right={"SINCE", "STILL"}, cells=cells, drop=("PRIORITY", "WAITS")), paint)


def _without(heads: list[str], rows: list[list[str]], name: str) -> tuple[list[str], list[list[str]]]:
    at = heads.index(name)
    return [*heads[:at], *heads[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]


def headed(lines: list[str], paint: Paint) -> list[str]:
    """A table with its head dimmed."""
    return [paint("dim", lines[0]), *lines[1:]]


# ---- models and routes ---------------------------------------------------------------------------------------------


def models_text(models: wire.Models, paint: Paint = plain, cells: int | None = None, *, long: bool = False) -> str:
    """The table of models, with ``long`` the sum behind each verdict, and what the user selected."""
    heads = ["MODEL", "ROLES", "WEIGHT", "SIZE", "MEMORY", "FIT"]
    rows = [
        [
            ("* " if one.name == models.selected else "  ") + one.name,
            ",".join(one.roles) or "-",
            one.weight if one.fit != "missing" else "-",
            gib(one.size) if one.size else "-",
            gib(one.footprint) if one.footprint else "-",
            FIT_WORDS.get(one.fit, one.fit),
        ]
        for one in models.models
    ]
    if not rows:
        return "no model is pulled; `ollama pull llama3.1:8b` gets a small one"
    if long:
        heads.append("WHY")
        rows = [[*row, one.reason] for row, one in zip(rows, models.models, strict=True)]
    table = columns(heads, rows, right={"SIZE", "MEMORY"}, cells=cells, drop=("WEIGHT", "SIZE"))
    lines = selection_lines(models.selected, models.selected_roles)
    return "\n".join([*headed(table, paint), *(["", *lines] if lines else [])])


def selected_text(selected: wire.Selected) -> str:
    """What ``models set`` has changed, and what else stays set."""
    if selected.role is not None:
        changed = f"{selected.role}: {selected.model} first" if selected.model else f"{selected.role}: as configured"
    elif selected.model is None:
        changed = "routing: automatic"
    else:
        changed = f"all chats that name no model go to {selected.model}"
    rest = selection_lines(selected.selected, selected.selected_roles)
    own = selected.model or ""
    return "\n".join([changed, *(f"still set: {line[9:]}" for line in rest if not (own and own in line))])


def route_text(route: wire.RouteReply, paint: Paint = plain, *, verbose: bool = False) -> str:
    """Where a prompt would go, why, who is next and what it costs; with ``verbose`` also what spoke for it."""
    never = {option.name for option in route.options if option.fit == "never"}
    rest = [name for name in route.candidates if name != route.model and name not in never]
    lines = [
        f"{paint('bold', route.model)} as {route.role} (confidence {route.confidence:.2f})",
        f"because {route.reason}",
    ]
    lines += [f"then {', '.join(rest)}"] if rest else []
    lines += [f"never fits: {', '.join(name for name in route.candidates if name in never)}"] if never else []
    lines += [f"would unload {', '.join(route.leaves)} first"] if route.leaves else []
    lines += [f"in memory in ~{whole_seconds(route.expected)}"] if route.expected else []
    if not verbose:
        return "\n".join(lines)
    lines += ["roles: " + ", ".join(f"{role} {share:.2f}" for role, share in route.shares.items())]
    lines += [f"words: {', '.join(route.words)}"] if route.words else []
    options = [f"{option.name}: {FIT_WORDS.get(option.fit, option.fit)}, {option.reason}" for option in route.options]
    return "\n".join([*lines, *options])


# ---- one request under way -----------------------------------------------------------------------------------------


def routed_line(routed: wire.Routed) -> str:
    """``routed to coding (why): qwen2.5-coder:32b, then deepseek-r1:32b``."""
    rest = [name for name in routed.candidates if name != routed.model]
    then = f", then {', '.join(rest)}" if rest else ""
    return f"routed to {routed.role} ({routed.reason}): {routed.model}{then}"


def failed_over_line(started: wire.Started) -> str:
    """Another model answers than was meant; empty where none failed before, or the same one is tried again."""
    failed = started.after
    return (
        ""
        if failed is None or failed.model == started.model
        else f"{failed.model} failed ({failed.code}: {failed.message}); {started.model} answers"
    )


def done_line(done: wire.Done) -> str:
    """What an answer took: ``qwen2.5-coder:32b, coding; 412 tokens, 11.2/s; 51 s: waited 12 s, swap 4.0 s``.

    ``waited`` is what the line cost beside the swap.
    """
    times = done.timings
    pace = f", {times.tokens_per_second:.1f}/s" if times.tokens_per_second else ""
    waited = times.queued - times.swap
    words = [f"waited {seconds(waited)}"] if waited >= 0.1 else []
    words += [f"swap {seconds(times.swap)}"] if times.swap >= 0.1 else []
    role = f", {done.role}" if done.role else ""
    took = ": ".join([seconds(times.total), *([", ".join(words)] if words else [])])
    return f"{done.model}{role}; {counted(done.usage.completion_tokens, 'token')}{pace}; {took}"


def event_line(event: wire.Event, paint: Paint = plain) -> str:
    """One line of ``watch``: what is short of the event's data, nothing nested; ``--json`` has it all."""
    facts = [(key, value) for key, value in event.data.items() if key not in _UNTOLD and _is_short(value)]
    data = "  ".join(f"{key}={_value(value)}" for key, value in facts)
    return f"{paint('dim', clock(event.at))}  {event.kind:<9}  {event.what}" + (f"  {data}" if data else "")


_UNTOLD = {"asked_at", "kind", "confidence", "reason", "chain", "waits", "last", "door"}
"""Of a finished request's record, which is an event's data: `innkeep explain` tells these."""


def _is_short(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and not any(isinstance(one, dict | list) for one in value)
    return value is not None and value != "" and not isinstance(value, dict)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    return str(value)
