"""Structs of the wire as text for a person: pure, no terminal, no clock but the ``now`` that it is given."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from innkeep import wire
from innkeep.cli.table import columns
from innkeep.cli.units import clock, counted, gb, gib, ordinal, seconds, whole_seconds

Paint: TypeAlias = Callable[[str, str], str]
"""``paint(style, text)``; see ``terminal.STYLES``."""

PRESSURE_STYLES = {"normal": "green", "warning": "yellow", "critical": "red"}
FIT_WORDS = {
    "resident": "in memory",
    "fits": "fits",
    "tight": "tight",
    "after_eviction": "after eviction",
    "never": "never fits",
    "missing": "missing",
}
MEMORY_WORDS = {"normal": "normal", "warning": "short of memory", "critical": "critically short of memory"}


def plain(style: str, text: str) -> str:  # noqa: ARG001  # a Paint that paints nothing
    """The ``Paint`` of a pipe."""
    return text


# ---- status --------------------------------------------------------------------------------------------------------


def status_text(status: wire.Status, now: float, paint: Paint = plain) -> str:
    """The whole snapshot: the daemon, its Ollama, memory, who is in it, what changes, who waits."""
    blocks = [
        _house_lines(status, now, paint),
        _resident_lines(status.resident, now, paint),
        _changing_lines(status.changing),
        _waiting_lines(status.waiting, paint),
        [_counters_line(status.counters)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _counters_line(counters: wire.Counters) -> str:
    named = [
        (counters.requests, "request"),
        (counters.swaps, "swap"),
        (counters.loads, "load"),
        (counters.unloads, "unload"),
        (counters.fallbacks, "fallback"),
        (counters.refusals, "refusal"),
        (counters.foreign_loads, "foreign load"),
    ]
    named += [(counters.reloads, "reload")] if counters.reloads else []  # by Ollama itself, in the midst of requests
    return "since start: " + ", ".join(counted(number, noun) for number, noun in named)


def _house_lines(status: wire.Status, now: float, paint: Paint) -> list[str]:
    backend, memory = status.backend, status.memory
    version = f" {backend.version}" if backend.version else ""
    reach = "" if backend.reachable else paint("red", ", unreachable")
    label = paint("yellow", ", simulated") if backend.simulated else ""
    state = paint(PRESSURE_STYLES.get(memory.pressure, "bold"), MEMORY_WORDS.get(memory.pressure, memory.pressure))
    lines = [
        f"innkeepd {status.daemon}  pid {status.pid}, up {seconds(status.uptime)}",
        f"ollama{version}  {backend.url}{reach}{label}",
        f"memory  {state}: {gib(memory.available)} available of {gib(memory.budget)} for models, {_of_all(memory)}",
        f"chats  {_selection(status.selected)}",
    ]
    if status.held_until is not None:
        left = seconds(max(0.0, status.held_until - now))
        lines.append(paint("yellow", f"on hold until {clock(status.held_until)}, {left} more: nothing is loaded"))
    if status.awake:
        lines.append(f"awake  {status.awake}")
    return lines + [paint("yellow", f"warning: {warning}") for warning in status.warnings]


def _of_all(memory: wire.MemoryState) -> str:
    return f"{gib(memory.total)} in all (says {memory.source})"


def _selection(selected: str | None) -> str:
    return "routed by what they ask" if selected is None else f"all to {selected} (`innkeep models set auto` ends that)"


def _resident_lines(resident: Iterable[wire.Resident], now: float, paint: Paint) -> list[str]:
    rows = [
        [one.name, one.weight, gib(one.footprint), str(one.context or "-"), _business(one), _leaving(one, now)]
        for one in resident
    ]
    if not rows:
        return ["nothing is in memory"]
    return headed(
        columns(["IN MEMORY", "WEIGHT", "MEMORY", "CONTEXT", "STATE", "LEAVES"], rows, right={"MEMORY", "CONTEXT"}),
        paint,
    )


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


def _waiting_lines(waiting: Iterable[wire.Waiter], paint: Paint) -> list[str]:
    rows = [[one.id, one.model, one.priority, seconds(one.waited)] for one in waiting]
    return headed(columns(["WAITS", "FOR", "PRIORITY", "SINCE"], rows, right={"SINCE"}), paint) if rows else []


def headed(lines: list[str], paint: Paint) -> list[str]:
    """A table with its head dimmed."""
    return [paint("dim", lines[0]), *lines[1:]]


# ---- models and routes ---------------------------------------------------------------------------------------------


def models_text(models: wire.Models, paint: Paint = plain) -> str:
    """The table of models, and who answers."""
    heads = ["MODEL", "ROLES", "WEIGHT", "SIZE", "MEMORY", "FIT", "WHY"]
    rows = [
        [
            ("* " if one.name == models.selected else "  ") + one.name,
            ",".join(one.roles) or "-",
            one.weight,
            gb(one.size) if one.size else "-",
            gib(one.footprint) if one.footprint else "-",
            FIT_WORDS.get(one.fit, one.fit),
            one.reason,
        ]
        for one in models.models
    ]
    if not rows:
        return "no model is pulled; `ollama pull llama3.1:8b` gets a small one"
    lines = headed(columns(heads, rows, right={"SIZE", "MEMORY"}), paint)
    return "\n".join([*lines, "", f"chats: {_selection(models.selected)}"])


def selected_text(selected: wire.Selected) -> str:
    """What ``models set`` has changed."""
    if selected.role is not None:
        primary = selected.model or "the configured model"
        return f"{selected.role}: {primary} is asked first"
    if selected.model is None:
        return "chats are routed by what they ask"
    return f"every chat that names no model goes to {selected.model}"


def route_text(route: wire.RouteReply, paint: Paint = plain) -> str:
    """Where a prompt would go, why, and who is next."""
    rest = [name for name in route.candidates if name != route.model]
    lines = [
        f"{paint('bold', route.model)} as {route.role} (confidence {route.confidence:.2f})",
        f"because {route.reason}",
    ]
    lines += [f"then {', '.join(rest)}"] if rest else []
    if route.shares:
        lines.append("roles: " + ", ".join(f"{role} {share:.2f}" for role, share in route.shares.items()))
    lines += [f"words: {', '.join(route.words)}"] if route.words else []
    lines += [f"  {option.name}: {option.fit}, {option.reason}" for option in route.options]
    lines += [f"would unload {', '.join(route.leaves)} first"] if route.leaves else []
    lines += [f"in memory in about {seconds(route.expected)}"] if route.expected else []
    return "\n".join(lines)


# ---- one request under way -----------------------------------------------------------------------------------------


def progress_line(waiting: wire.Waiting | None, loading: wire.Loading | None) -> str:
    """``waiting: 2nd in line behind 1 other; unloading A, loading B 7 s of about 12 s``, or one of the two."""
    if loading is None:
        return waiting_words(waiting) if waiting is not None else ""
    place = f"{place_words(waiting)}; " if waiting is not None and waiting.ahead else ""
    return place + loading_words(loading)


def place_words(waiting: wire.Waiting) -> str:
    """``waiting: 2nd in line behind 1 other``."""
    behind = f" behind {counted(waiting.ahead, 'other')}" if waiting.ahead else ""
    return f"waiting: {ordinal(waiting.position)} in line{behind}"


def waiting_words(waiting: wire.Waiting) -> str:
    """What a chat waits for, in words."""
    words = [f"{place_words(waiting)} for {waiting.model}"]
    words += [f"{' and '.join(waiting.resident)} in memory"] if waiting.resident else []
    said = f"{ordinal(waiting.position)} in line"  # the daemon's reason tells it too
    reason = "; ".join(part for part in waiting.reason.split("; ") if part != said)
    words += [reason] if reason else []
    words += [f"about {whole_seconds(waiting.expected)}"] if waiting.expected is not None else []
    words += [f"until {clock(waiting.until)} at most"] if waiting.until is not None else []
    return ", ".join(words)


def loading_words(loading: wire.Loading) -> str:
    """A swap under way, in words."""
    out = f"unloading {', '.join(loading.unloading)}, " if loading.unloading else ""
    return f"{out}loading {loading.model} {_progress(loading.elapsed, loading.expected)}"


def _progress(elapsed: float, expected: float | None) -> str:
    return whole_seconds(elapsed) + (f" of about {whole_seconds(expected)}" if expected is not None else "")


def failed_over_line(started: wire.Started) -> str:
    """Another model answers than was meant; empty where none failed before, or the same one is tried again."""
    failed = started.after
    return (
        ""
        if failed is None or failed.model == started.model
        else f"{failed.model} failed ({failed.code}: {failed.message}); {started.model} answers"
    )


def done_line(done: wire.Done) -> str:
    """What an answer took: ``qwen2.5-coder:32b (coding), 412 tokens at 11.2/s, waited 12 s, 51 s in all``."""
    times = done.timings
    pace = f" at {times.tokens_per_second:.1f}/s" if times.tokens_per_second else ""
    words = [f"{done.model} ({done.role})", counted(done.usage.completion_tokens, "token") + pace]
    words += [f"waited {seconds(times.queued)}"] if times.queued >= 0.1 else []
    return ", ".join([*words, f"{seconds(times.total)} in all"])


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
