"""Structs of the wire as text for a person: pure, no terminal, no clock but the ``now`` that it is given."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from innkeep import wire
from innkeep.cli.table import columns, pad
from innkeep.cli.units import clock, counted, gib, seconds, whole_seconds
from innkeep.language import _, later, translated

Paint: TypeAlias = Callable[[str, str], str]
"""``paint(style, text)``; see ``terminal.STYLES``."""

PRESSURE_STYLES = {"normal": "green", "warning": "yellow", "critical": "red"}
FIT_WORDS = {
    "resident": later("in memory"),
    "fits": later("fits"),
    "tight": later("tight"),
    "after_eviction": later("after eviction"),
    "never": later("never fits"),
    "missing": later("not pulled"),
}
MEMORY_WORDS = {
    "normal": later("normal"),
    "warning": later("short of memory"),
    "critical": later("critically short of memory"),
}


HEADS = (
    later("IN MEMORY"), later("WEIGHT"), later("MEMORY"), later("CONTEXT"), later("STATE"), later("UNLOADS"),
    later("WAITS"), later("FOR"), later("CLIENT"), later("PRIORITY"), later("SINCE"), later("STILL"), later("MODEL"),
    later("ROLES"), later("SIZE"), later("FIT"), later("WHY"), later("ID"), later("ASKED"), later("KIND"),
    later("CLASS"), later("ROLE"), later("WAITED"), later("TOTAL"), later("TOKENS"), later("OUTCOME"),
)  # fmt: skip
"""Heads of tables: ``columns`` translates them."""

VALUES = (
    later("heavy"), later("light"), later("loading"), later("unloading"), later("interactive"), later("agent"),
    later("batch"), later("chat"), later("embed"), later("load"), later("answered"), later("failed"),
    later("cancelled"), later("passed_over"),
)  # fmt: skip
"""Values of the wire that are shown as words."""


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
    return _("since start: ") + ", ".join(parts)


def _house_lines(status: wire.Status, now: float, paint: Paint) -> list[str]:
    backend, memory = status.backend, status.memory
    version = f" {backend.version}" if backend.version else ""
    reach = "" if backend.reachable else paint("red", _(", unreachable"))
    label = paint("yellow", _(", simulated")) if backend.simulated else ""
    sizes = _(
        "{available} free of {budget} for models ({total} in all)",
        available=gib(memory.available),
        budget=gib(memory.budget),
        total=gib(memory.total),
    )
    state = paint(PRESSURE_STYLES.get(memory.pressure, "bold"), _(MEMORY_WORDS.get(memory.pressure, memory.pressure)))
    lines = [
        _(
            "innkeepd {daemon}  pid {pid}, up {uptime}",
            daemon=status.daemon,
            pid=status.pid,
            uptime=seconds(status.uptime),
        ),
        f"ollama{version}  {backend.url}{reach}{label}",
        labelled(_("memory"), f"{state}: {sizes}"),
        *(paint("yellow", line) for line in _set_lines(status, now)),
    ]
    if status.awake:
        lines.append(labelled(_("awake"), translated(status.awake)))
    texts = [one.text for one in status.notices if one.text not in status.warnings]
    lines += [paint("yellow", _("notice:  {text}", text=translated(text))) for text in texts]
    return lines + [paint("yellow", _("warning: {text}", text=translated(warning))) for warning in status.warnings]


def _set_lines(status: wire.Status, now: float) -> list[str]:
    """What the user has set beside the configuration, each with the command that undoes it."""
    lines = selection_lines(status.selected, status.selected_roles)
    if status.held_until is not None:
        why = f' ("{status.held_why}")' if status.held_why else ""
        left = seconds(max(0.0, status.held_until - now))
        text = _(
            "until {time}, {left} more{why} (`innkeep resume` ends it)",
            time=clock(status.held_until),
            left=left,
            why=why,
        )
        lines.append(labelled(_("on hold"), text))
    lines += [labelled(_("rule"), rule) for rule in status.rules]
    resident = {one.name for one in status.resident}
    lines += [
        labelled(_("pinned"), _("{name}, not in memory (`innkeep unpin {name}` ends it)", name=name))
        for name in status.pins
        if name not in resident
    ]
    if status.awaits_restart:
        tables = ", ".join(f"[{name}]" for name in status.awaits_restart)
        text = _("{tables} changed; takes effect at a restart (`innkeep restart`)", tables=tables)
        lines.append(labelled(_("config"), text))
    return lines


def labelled(label: str, text: str) -> str:
    """``memory   normal``: a line of the snapshot's head."""
    return f"{pad(label, 7)}  {text}"


def selection_lines(selected: str | None, roles: Mapping[str, str]) -> list[str]:
    """What the user selected, each with the command that undoes it."""
    return [labelled(_("routing"), text) for _model, text in _selections(selected, roles)]


def _selections(selected: str | None, roles: Mapping[str, str]) -> list[tuple[str, str]]:
    """The selected models, each with a sentence."""
    found = (
        [(selected, _("all chats to {model} (`innkeep models set auto` ends it)", model=selected))] if selected else []
    )
    return found + [
        (model, _("{role}: {model} first (`innkeep models set auto --role {role}` ends it)", role=role, model=model))
        for role, model in sorted(roles.items())
    ]


def _resident_lines(status: wire.Status, now: float, paint: Paint, cells: int | None) -> list[str]:
    rows = [
        [
            one.name,
            _(one.weight),
            gib(one.footprint),
            str(one.context or "-"),
            _business(one),
            _leaving(one, now) if status.backend.reachable else _("unknown"),
        ]
        for one in status.resident
    ]
    if not rows:
        return [_("no model is in memory")]
    heads = ["IN MEMORY", "WEIGHT", "MEMORY", "CONTEXT", "STATE", "UNLOADS"]
    right = {"MEMORY", "CONTEXT"}
    return headed(columns(heads, rows, right=right, cells=cells, drop=("WEIGHT", "CONTEXT")), paint)


def _business(one: wire.Resident) -> str:
    words = [_("answering {leases}", leases=one.leases) if one.leases else _("idle")]
    words += [_("pinned")] if one.pinned else []
    words += [] if one.owned else [_("loaded by another program")]
    return ", ".join(words)


def _leaving(one: wire.Resident, now: float) -> str:
    if one.pinned or one.expires is None:
        return "-"
    return _("in {time}", time=seconds(max(0.0, one.expires - now)))


def _changing_lines(changing: Iterable[wire.Changing]) -> list[str]:
    return [f"{_(one.what)} {one.model}, {_progress(one.elapsed, one.expected)}" for one in changing]


def _progress(elapsed: float, expected: float | None) -> str:
    return whole_seconds(elapsed) + (
        _(" of ~{expected}", expected=whole_seconds(expected)) if expected is not None else ""
    )


def _waiting_lines(waiting: Iterable[wire.Waiter], paint: Paint, cells: int | None) -> list[str]:
    rows = [
        [
            one.id,
            one.model,
            one.client or "-",
            _(one.priority),
            seconds(one.waited),
            "-" if one.expected is None else f"~{whole_seconds(one.expected)}",
        ]
        for one in sorted(waiting, key=lambda one: one.position or 0)
    ]
    if not rows:
        return []
    heads = ["WAITS", "FOR", "CLIENT", "PRIORITY", "SINCE", "STILL"]
    if all(row[3] == _("interactive") for row in rows):
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
            _(one.weight) if one.fit != "missing" else "-",
            gib(one.size) if one.size else "-",
            gib(one.footprint) if one.footprint else "-",
            _(FIT_WORDS.get(one.fit, one.fit)),
        ]
        for one in models.models
    ]
    if not rows:
        return _("no model is pulled; `innkeep init` says which ones fit this machine")
    if long:
        heads.append("WHY")
        rows = [[*row, translated(one.reason)] for row, one in zip(rows, models.models, strict=True)]
    table = columns(heads, rows, right={"SIZE", "MEMORY"}, cells=cells, drop=("WEIGHT", "SIZE"))
    lines = selection_lines(models.selected, models.selected_roles)
    return "\n".join([*headed(table, paint), *(["", *lines] if lines else [])])


def selected_text(selected: wire.Selected) -> str:
    """What ``models set`` has changed, and what else stays set."""
    if selected.role is not None:
        changed = (
            _("{role}: {model} first", role=selected.role, model=selected.model)
            if selected.model
            else _("{role}: as configured", role=selected.role)
        )
    elif selected.model is None:
        changed = _("routing: automatic")
    else:
        changed = _("all chats that name no model go to {model}", model=selected.model)
    rest = _selections(selected.selected, selected.selected_roles)
    return "\n".join([changed, *(_("still set: {text}", text=text) for name, text in rest if name != selected.model)])


def route_text(route: wire.RouteReply, paint: Paint = plain, *, verbose: bool = False) -> str:
    """Where a prompt would go, why, who is next and what it costs; with ``verbose`` also what spoke for it."""
    never = {option.name for option in route.options if option.fit == "never"}
    rest = [name for name in route.candidates if name != route.model and name not in never]
    lines = [
        _(
            "{model} as {role} (confidence {confidence:.2f})",
            model=paint("bold", route.model),
            role=route.role,
            confidence=route.confidence,
        ),
        _("because {reason}", reason=translated(route.reason)),
    ]
    lines += [_("then {rest}", rest=", ".join(rest))] if rest else []
    lines += (
        [_("never fits: {names}", names=", ".join(name for name in route.candidates if name in never))] if never else []
    )
    lines += [_("would unload {leaves} first", leaves=", ".join(route.leaves))] if route.leaves else []
    lines += [_("in memory in ~{expected}", expected=whole_seconds(route.expected))] if route.expected else []
    if not verbose:
        return "\n".join(lines)
    lines += [_("roles: {shares}", shares=", ".join(f"{role} {share:.2f}" for role, share in route.shares.items()))]
    lines += [_("words: {words}", words=", ".join(route.words))] if route.words else []
    options = [
        f"{option.name}: {_(FIT_WORDS.get(option.fit, option.fit))}, {translated(option.reason)}"
        for option in route.options
    ]
    return "\n".join([*lines, *options])


# ---- one request under way -----------------------------------------------------------------------------------------


def routed_line(routed: wire.Routed) -> str:
    """``routed to coding (why): qwen2.5-coder:32b, then deepseek-r1:32b``."""
    rest = [name for name in routed.candidates if name != routed.model]
    then = _(", then {rest}", rest=", ".join(rest)) if rest else ""
    return _(
        "routed to {role} ({reason}): {model}{then}",
        role=routed.role,
        reason=translated(routed.reason),
        model=routed.model,
        then=then,
    )


def failed_over_line(started: wire.Started) -> str:
    """Another model answers than was meant; empty where none failed before, or the same one is tried again."""
    failed = started.after
    return (
        ""
        if failed is None or failed.model == started.model
        else _(
            "{model} failed ({code}: {message}); {other} answers",
            model=failed.model,
            code=failed.code,
            message=translated(failed.message),
            other=started.model,
        )
    )


def done_line(done: wire.Done) -> str:
    """What an answer took: ``qwen2.5-coder:32b, coding; 412 tokens, 11.2/s; 51 s: waited 12 s, swap 4.0 s``.

    ``waited`` is what the line cost beside the swap.
    """
    times = done.timings
    pace = f", {times.tokens_per_second:.1f}/s" if times.tokens_per_second else ""
    waited = times.queued - times.swap
    words = [_("waited {waited}", waited=seconds(waited))] if waited >= 0.1 else []
    words += [_("swap {swap}", swap=seconds(times.swap))] if times.swap >= 0.1 else []
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
