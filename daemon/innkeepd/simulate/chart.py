"""A finished run as a picture: which model held the memory, and who waited. Plain SVG: boxes, lines and words."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from innkeepd.simulate.replay import Outcome, Report

WIDTH, LEFT, RIGHT, LANE, AXIS = 1200, 150, 20, 30, 26
COLOURS = ("#3b6fb6", "#c4622d", "#4f8f4a", "#8a5aa8", "#b03a5b", "#6b6b2f")
CLASSES = {"interactive": "#c0392b", "agent": "#d68910", "batch": "#7f8c8d"}
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
"""Distances of the marks on the time axis, seconds."""


class _Picture:
    def __init__(self, report: Report, title: str) -> None:
        self._report = report
        self._title = title
        self._length = max(report.end, 1.0)
        self._models = list(dict.fromkeys(span.model for span in report.spans))
        self._lanes = 64
        self._waits = self._lanes + len(self._models) * LANE + 34
        count = max(1, len(report.outcomes))
        self._row = max(2.0, min(9.0, 520 / count))
        self._height = self._waits + self._row * count + AXIS + 8

    def parts(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self._height:.0f}" '
            f'viewBox="0 0 {WIDTH} {self._height:.0f}" font-family="sans-serif" font-size="12">'
        )
        yield '<rect width="100%" height="100%" fill="white"/>'
        yield _words(12, 20, self._title, size=15)
        yield from self._legend()
        yield from self._axis()
        yield from self._memory()
        yield from self._requests()
        yield "</svg>"

    def _x(self, at: float) -> float:
        return LEFT + at / self._length * (WIDTH - LEFT - RIGHT)

    def _colour(self, model: str | None) -> str:
        return COLOURS[self._models.index(model) % len(COLOURS)] if model in self._models else "#999999"

    def _legend(self) -> Iterator[str]:
        x = float(LEFT)
        entries = [("loading", "#444444", 0.35), ("in memory", "#444444", 0.8), ("unloading", "#444444", 0.15)]
        entries += [(f"{name} waits", colour, 1.0) for name, colour in CLASSES.items()]
        for text, colour, opacity in entries:
            yield _box(x, 34, 14, 10, colour, opacity=opacity)
            yield _words(x + 19, 43, text)
            x += 40 + 7 * len(text)

    def _axis(self) -> Iterator[str]:
        step = next((step for step in STEPS if self._length / step <= 16), STEPS[-1])
        bottom = self._height - AXIS
        for number in range(int(self._length // step) + 1):
            x = self._x(number * step)
            yield f'<line x1="{x:.1f}" y1="{self._lanes - 4}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#dddddd"/>'
            yield _words(x, bottom + 16, _clock(number * step), anchor="middle")

    def _memory(self) -> Iterator[str]:
        for number, model in enumerate(self._models):
            yield _words(LEFT - 8, self._lanes + number * LANE + 16, model, anchor="end")
        for span in self._report.spans:
            y = self._lanes + self._models.index(span.model) * LANE
            opacity = {"loading": 0.35, "resident": 0.8, "unloading": 0.15}[span.state]
            wide = self._x(span.end) - self._x(span.start)
            label = f"{span.model} {span.state}, {_clock(span.start)} to {_clock(span.end)}"
            yield _box(
                self._x(span.start), y, max(wide, 0.6), LANE - 8, self._colour(span.model), opacity=opacity, label=label
            )

    def _requests(self) -> Iterator[str]:
        yield _words(LEFT - 8, self._waits + 8, "requests:", anchor="end")
        yield _words(LEFT - 8, self._waits + 24, "thin waits,", anchor="end")
        yield _words(LEFT - 8, self._waits + 40, "thick is answered", anchor="end")
        for number, outcome in enumerate(sorted(self._report.outcomes, key=lambda one: one.asked)):
            yield from self._request(outcome, self._waits + number * self._row)

    def _request(self, outcome: Outcome, y: float) -> Iterator[str]:
        started = outcome.start if outcome.start is not None else outcome.end
        label = f"{outcome.id} ({outcome.priority}) came {_clock(outcome.asked)}"
        if started is None:
            yield _box(self._x(outcome.asked) - 2, y, 4, self._row * 0.85, "#000000", label=f"{label}, refused")
            return
        label += f", waited {started - outcome.asked:.0f} s"
        wait, thin = self._x(started) - self._x(outcome.asked), max(1.0, self._row * 0.3)
        yield _box(self._x(outcome.asked), y, wait, thin, CLASSES[outcome.priority], label=label)
        if outcome.start is not None and outcome.end is not None:
            wide = max(0.6, self._x(outcome.end) - self._x(outcome.start))
            yield _box(
                self._x(outcome.start), y, wide, self._row * 0.85, self._colour(outcome.model), opacity=0.9, label=label
            )


def draw(report: Report, title: str) -> str:
    """The picture as an SVG document: a lane a model above, a line a request below, time from left to right."""
    return "\n".join(_Picture(report, title).parts()) + "\n"


def _box(x: float, y: float, width: float, height: float, colour: str, *, opacity: float = 1.0, label: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    tip = f"<title>{escape(label)}</title>" if label else ""
    return f'<rect {place} fill="{colour}" fill-opacity="{opacity}">{tip}</rect>'


def _words(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor={quoteattr(anchor)} font-size="{size}">{escape(text)}</text>'


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
