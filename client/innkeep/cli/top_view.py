"""The screen of ``innkeep top`` as lines of styled text: pure; it fits any size from 80x24 on, and smaller ones too."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from innkeep import wire
from innkeep.cli.table import cut, pad, width
from innkeep.cli.top_state import RowKey, TopState
from innkeep.cli.units import GIB, clock, counted, gib, seconds, whole_seconds

Segment: TypeAlias = tuple[str, str]
"""Text and its style: words of ``terminal.STYLES``, ``reverse`` for the cursor's row, or nothing."""
Line: TypeAlias = tuple[Segment, ...]

KEYS = "↑↓ choose  u unload  p pin  h hold  c cancel load  e explain  q quit"
KEYS_READ_ONLY = "↑↓ choose  e explain  q quit  (read-only)"
_PRESSURES = {"normal": "green", "warning": "yellow", "critical": "red"}
_LEVELS = {"normal": 0, "warning": 1, "critical": 2}
_BAR = 10
_MEMORY_BAR = 22


class Marks(NamedTuple):
    """The characters of bars and sparklines."""

    real: str
    promised: str
    empty: str
    levels: str
    up_down: str


BLOCKS = Marks("█", "▒", "░", "▁▂▃▄▅▆▇█", "↑↓")
ASCII = Marks("#", "+", "-", "_.-=*#", "up/down")


def screen(state: TopState, now: float, columns: int, rows: int, marks: Marks = BLOCKS) -> list[Line]:
    """Every line of the screen, exactly ``rows`` of them, none wider than ``columns`` cells."""
    if state.status is None:
        text = state.message or "connecting to innkeepd"
        return _filled([((text, ""),)], columns, rows, _keys(state, marks))
    status = state.status
    cells = 24 if columns < 100 else 40  # of a model's name
    sparks = _sparklines(state, status, marks, max(8, (columns - 46) // 4))
    head = [_title(status), *_memory(status, marks), sparks, *_notes(state, status, now)]
    left = max(0, rows - len(head) - 4)
    models, queue = _model_rows(state, status, now, marks, cells), _queue_rows(state, now, cells)
    models_shown = min(len(models), max(2, left // 3)) if models else 1
    queue_shown = min(len(queue), max(2, left // 3)) if queue else 1
    requests_shown = max(0, left - models_shown - queue_shown)
    requests = [_request_row(one) for one in state.requests]
    body = [
        *_section(
            f"{'MODELS':<{cells}} {'':<{_BAR}} PROMISED   REAL  STATE",
            models,
            models_shown,
            state,
            "no model is in memory",
        ),
        *_section(
            f"{'QUEUE':<{cells}} CLASS        WAITED   STILL  WAITS FOR", queue, queue_shown, state, "no request waits"
        ),
        *_section(_REQUEST_HEAD, requests, requests_shown, state, "no request has ended yet"),
    ]
    return _filled([*head, *body], columns, rows, _keys(state, marks))


# ---- the head ------------------------------------------------------------------------------------------------------


def _title(status: wire.Status) -> Line:
    backend, counts = status.backend, status.counters
    ollama = f"ollama {backend.version or ''}".strip() + (
        ", simulated" if backend.simulated and "simulated" not in (backend.version or "") else ""
    )
    reach: Segment = (ollama, "") if backend.reachable else (f"{ollama} does not answer", "red")
    figures = ", ".join(
        counted(number, noun)
        for number, noun in ((counts.requests, "request"), (counts.swaps, "swap"), (counts.fallbacks, "fallback"))
    )
    return (("innkeep top  ", "bold"), reach, (f"  up {seconds(status.uptime)}  {figures}", ""))


def _memory(status: wire.Status, marks: Marks) -> list[Line]:
    memory = status.memory
    bars = [("promised", memory.promised, marks.promised), ("real", memory.real, marks.real)]
    pressure = _PRESSURES.get(memory.pressure, "bold")
    more: tuple[Line, ...] = (
        ((f"  {gib(memory.available)} free for models", ""),),
        (("  pressure ", ""), (memory.pressure, pressure)),
    )
    lines: list[Line] = []
    for (word, size, mark), tail in zip(bars, more, strict=True):
        style = "red" if size > memory.budget else "cyan"
        figures = f" {size / GIB:5.1f} of {gib(memory.budget)}"
        lines.append(
            (
                (f"{word:<9}", ""),
                (_bar(size, memory.budget, _MEMORY_BAR, mark, marks.empty), style),
                (figures, ""),
                *tail,
            )
        )
    return lines


def _sparklines(state: TopState, status: wire.Status, marks: Marks, cells: int) -> Line:
    memory, samples, total = status.memory, list(state.samples), status.memory.total
    parts: list[Segment] = []
    figures: tuple[tuple[str, int | None, list[int | None]], ...] = (
        ("used", memory.used, [one.used for one in samples]),
        ("wired", memory.wired, [one.wired for one in samples]),
        ("comp", memory.compressed, [one.compressed for one in samples]),
    )
    for word, value, history in figures:
        drawn = _spark([None if one is None or not total else one / total for one in history], marks, cells)
        parts += [(f"{word} ", "dim"), (drawn, "cyan"), (f" {'-' if value is None else f'{value / GIB:.1f}'}  ", "")]
    levels: list[float | None] = [_LEVELS.get(one.pressure, 0) / 2 for one in samples]
    return (*parts, ("press ", "dim"), (_spark(levels, marks, cells), _PRESSURES.get(memory.pressure, "bold")))


def _notes(state: TopState, status: wire.Status, now: float) -> list[Line]:
    """What became of the last key, and what is not as usual: two lines at most."""
    notes: list[Line] = [((state.message, "bold"),)] if state.message else []
    if status.held_until is not None:
        why = f' ("{status.held_why}")' if status.held_why else ""
        notes.append(((f"on hold for {seconds(max(0.0, status.held_until - now))}{why}", "yellow"),))
    texts = dict.fromkeys([*(one.text for one in status.notices), *status.warnings])
    notes += [((text, "yellow"),) for text in texts]
    return notes[:2]


# ---- the sections --------------------------------------------------------------------------------------------------

Row: TypeAlias = tuple[RowKey, Line]

_REQUEST_HEAD = f"{'ID':<8} {'ASKED':<8} {'ROLE':<9} {'MODEL':<20} {'WAIT':>6} {'FIRST':>6} {'TOK/S':>5}  OUTCOME"


def _section(head: str, rows: list[Row], shown: int, state: TopState, nothing: str) -> list[Line]:
    """A heading, and as many rows as there is room for around the cursor; the heading counts the others."""
    at = next((number for number, (key, _) in enumerate(rows) if key == state.cursor), 0)
    first = max(0, min(at - shown + 1, len(rows) - shown))
    visible = rows[first : first + shown]
    hidden = len(rows) - len(visible)
    label = f"{head.partition(' ')[0]} +{hidden}" if hidden else ""
    lines: list[Line] = [((label + head[len(label) :], "dim"),)]
    lines += [_marked(line) if key == state.cursor else line for key, line in visible]
    return [*lines, ((nothing, "dim"),)] if not rows and shown else lines


def _marked(line: Line) -> Line:
    return tuple((text, "reverse") for text, _ in line)


def _model_rows(state: TopState, status: wire.Status, now: float, marks: Marks, cells: int) -> list[Row]:
    rows: list[Row] = []
    for one in status.resident:
        held = one.footprint if one.process is None else one.process
        bar = _two_bars(held, one.footprint, status.memory.budget, marks)
        real = "-" if one.process is None else f"{one.process / GIB:.1f}"
        figures = f" {one.footprint / GIB:8.1f} {real:>6}  "
        line = ((_name(one.name, cells), ""), (" ", ""), (bar, "cyan"), (figures, ""), (_state(one, now), _style(one)))
        rows.append((RowKey("model", one.name), line))
    passed = now - state.received
    for change in status.changing:
        elapsed = change.elapsed + passed
        style = "green" if change.what == "loading" else "yellow"
        if change.expected:
            share = min(1.0, elapsed / change.expected)
            bar = _bar(share, 1.0, _BAR, marks.real, marks.empty)
            text = f"{change.what} {whole_seconds(elapsed)} of ~{whole_seconds(change.expected)}, {share:.0%}"
        else:
            bar, text = marks.empty * _BAR, f"{change.what} {whole_seconds(elapsed)}"
        rows.append(
            (RowKey("change", change.model), ((_name(change.model, cells), ""), (f" {bar} ", style), (text, style)))
        )
    return rows


def _state(one: wire.Resident, now: float) -> str:
    words = [f"answers {one.leases}" if one.leases else "idle"]
    if not one.leases and not one.pinned and one.expires is not None:
        words.append(f"unloads in {_countdown(one.expires - now)}")
    words += ["pinned"] if one.pinned else []
    words += [] if one.owned else ["loaded by another program"]
    words += [f"{gib(one.on_cpu)} on the CPU"] if one.on_cpu else []
    return ", ".join(words)


def _style(one: wire.Resident) -> str:
    return "green" if one.leases else ""


def _countdown(left: float) -> str:
    """``4:07``, ``1:02:03``: what a clock shows that counts down."""
    whole = max(0, round(left))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _queue_rows(state: TopState, now: float, cells: int) -> list[Row]:
    passed = now - state.received
    rows: list[Row] = []
    for one in state.waiting():
        still = "-" if one.expected is None else f"~{whole_seconds(max(0.0, one.expected - passed))}"
        reason = one.reason.partition("; ")[2] or one.reason  # the position is the row's own place
        by = f" ({one.client})" if one.client else ""
        figures = f" {one.priority:<11} {whole_seconds(one.waited + passed):>7} {still:>7}  {_printable(reason + by)}"
        rows.append((RowKey("waiter", one.id), ((_name(one.model, cells), ""), (figures, ""))))
    return rows


def _request_row(record: wire.DecisionRecord) -> Row:
    times = record.timings
    first = "-" if times.first_token is None else _short(times.first_token)
    rate = f"{times.tokens_per_second:.1f}" if times.tokens_per_second else "-"
    outcome = record.code or record.outcome
    asked = clock(record.asked_at)[-8:] if record.asked_at else "-"
    role, model = pad(cut(_printable(record.role or record.kind), 9), 9), _name(record.model or "-", 20)
    text = f"{record.id[:8]:<8} {asked:<8} {role} {model} {_short(times.queued):>6} {first:>6} {rate:>5}  "
    style = "" if record.outcome == "answered" else "red"
    return RowKey("request", record.id), ((text, ""), (_printable(outcome), style))


def _short(value: float) -> str:
    return f"{value:.1f}s" if value < 99.95 else f"{value:.0f}s"


def _name(name: str, cells: int) -> str:
    return pad(cut(_printable(name), cells), cells)


def _printable(text: str) -> str:
    """Without control characters: clients chose some of these words, and a terminal would obey them."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


# ---- bars ----------------------------------------------------------------------------------------------------------


def _bar(value: float, whole: float, cells: int, full: str, empty: str) -> str:
    filled = 0 if whole <= 0 else max(0, min(cells, round(cells * value / whole)))
    return full * filled + empty * (cells - filled)


def _two_bars(real: int, promised: int, budget: int, marks: Marks) -> str:
    """What is held in full marks, what is promised beyond it in lighter ones, against the budget."""
    count: Callable[[int], int] = lambda size: max(0, min(_BAR, round(_BAR * size / budget))) if budget else 0  # noqa: E731
    held, counted_for = count(real), count(max(real, promised))
    return marks.real * held + marks.promised * (counted_for - held) + marks.empty * (_BAR - counted_for)


def _spark(shares: Sequence[float | None], marks: Marks, cells: int) -> str:
    """The newest ``cells`` of some shares of a whole, a character each; the oldest is on the left."""
    top = len(marks.levels) - 1
    drawn = [" " if share is None else marks.levels[max(0, min(top, round(top * share)))] for share in shares[-cells:]]
    return "".join(drawn).rjust(cells)


# ---- the whole screen ----------------------------------------------------------------------------------------------


def _keys(state: TopState, marks: Marks) -> str:
    return (KEYS_READ_ONLY if state.read_only else KEYS).replace("↑↓", marks.up_down)


def _filled(lines: list[Line], columns: int, rows: int, keys: str) -> list[Line]:
    """Exactly ``rows`` lines with the keys as the last, each cut to the width."""
    body = lines[: max(0, rows - 1)]
    body += [((" ", ""),)] * (rows - 1 - len(body))
    return [_cut_line(line, columns) for line in (*body, ((keys, "dim"),))][:rows]


def _cut_line(line: Line, columns: int) -> Line:
    kept: list[Segment] = []
    left = columns
    for text, style in line:
        piece = cut(text, left)
        kept.append((piece, style))
        left -= width(piece)
        if piece != text or left <= 0:
            break
    return tuple(kept)
