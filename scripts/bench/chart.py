"""The growth of a request's cost with the queue, as an SVG."""

from math import log10

from growth import Level

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 320, 60, 46, 20, 48
COLOURS = {"cpu": "#1f6feb", "gap_p50": "#2da44e", "gap_p99": "#bf8700"}
NAMES = {"cpu": "CPU a request", "gap_p50": "one's end to the next one's start, p50", "gap_p99": "the same, p99"}


SMALL = 'font-size="12"'
TITLE = "milliseconds, while so many clients wait for one model that answers one at a time"


def chart(levels: list[Level]) -> str:
    """A line for each figure over the number of clients that wait, both axes in decades."""
    values = [getattr(level, name) for level in levels for name in COLOURS]
    low, high = 10 ** _floor(min(values)), 10 ** (_floor(max(values)) + 1)
    most = max(level.waiting for level in levels)
    last, span = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT

    def across(waiting: int) -> float:
        return LEFT + span * log10(waiting) / log10(most)

    def down(value: float) -> float:
        return last - (last - TOP) * log10(max(value, low) / low) / log10(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="16" font-size="13" fill="#24292f">{TITLE}</text>',
    ]
    value = low
    while value <= high * 1.001:
        y = down(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text {SMALL} x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#57606a">{value:g}</text>')
        value *= 10
    for level in levels:
        x = across(level.waiting)
        parts.append(
            f'<text {SMALL} x="{x:.1f}" y="{last + 18}" text-anchor="middle" fill="#57606a">{level.waiting:,}</text>'
        )
    for number, (name, colour) in enumerate(COLOURS.items()):
        points = " ".join(f"{across(level.waiting):.1f},{down(getattr(level, name)):.1f}" for level in levels)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for level in levels:
            x, y = across(level.waiting), down(getattr(level, name))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        left = LEFT + (0, 130, 400)[number]
        parts.append(f'<circle cx="{left + 4}" cy="30" r="4" fill="{colour}"/>')
        parts.append(f'<text {SMALL} x="{left + 14}" y="34" fill="#24292f">{NAMES[name]}</text>')
    parts.append(f'<text {SMALL} x="{LEFT}" y="{HEIGHT - 10}" fill="#57606a">clients that wait</text></svg>')
    return "\n".join(parts) + "\n"


def _floor(value: float) -> int:
    return int(log10(value) // 1)
