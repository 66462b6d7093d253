"""Ratios of a run, compared with those kept in the repository: a guard for people, not a test of CI."""

from pathlib import Path

import msgspec
from growth import Level
from side_by_side import Figures

KEPT = Path(__file__).with_name("ratios.json")
RECORDED = Path(__file__).with_name("recorded.json")
"""llama-swap's figures over a direct client's, measured once with the same kind of server."""
BAND = 2.0
"""A ratio may be so many times the kept one: that far do such figures shake."""


def ratios_of(figures: dict[str, Figures], levels: list[Level]) -> dict[str, float]:
    """What is comparable between runs: each figure over the direct client's of the same run, costs over one waiting."""
    found: dict[str, float] = {}
    direct = figures.get("direct")
    for name, each in figures.items():
        if direct is None or each is direct:
            continue
        found[f"{name}: first token p50"] = each.first_p50 / direct.first_p50
        found[f"{name}: first token p99"] = each.first_p99 / direct.first_p99
        found[f"{name}: requests a second"] = direct.requests / each.requests
        found[f"{name}: tokens a second"] = direct.tokens / each.tokens
    for level in levels[1:]:
        found[f"{level.waiting} waiting: CPU a request"] = level.cpu / levels[0].cpu
    return {name: round(ratio, 2) for name, ratio in found.items()}


def keep(ratios: dict[str, float]) -> None:
    """Keep a run's ratios in the repository; a peer's belong to nobody else's machine."""
    own = {name: ratio for name, ratio in ratios.items() if not name.startswith("peer")}
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(own)) + b"\n")


def worse(ratios: dict[str, float]) -> list[str]:
    """The ratios that left the band, a sentence each."""
    kept = msgspec.json.decode(KEPT.read_bytes(), type=dict[str, float])
    return [
        f"{name}: {ratios[name]:.2f}, {ratios[name] / before:.1f} times the {before:.2f} that is kept"
        for name, before in kept.items()
        if name in ratios and ratios[name] > before * BAND
    ]


def recorded() -> dict[str, float]:
    """llama-swap's recorded ratios."""
    return msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, float])
