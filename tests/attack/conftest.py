"""The attack: `make attack` runs all of it for up to 15 minutes, `make test` a short seed of each part."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.attack import LONG, SEED, Attack

_HERE = Path(__file__).parent
_ATTACKS = pytest.StashKey[list[Attack]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is an attack."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.attack)


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Iterator[Attack]:
    """This test's dice, time and counts."""
    one = Attack(request.node.name.removeprefix("test_"))
    request.config.stash.setdefault(_ATTACKS, []).append(one)
    began = time.monotonic()
    try:
        yield one
    finally:
        one.seconds = time.monotonic() - began


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of what was tried."""
    attacks = config.stash.get(_ATTACKS, [])
    if not attacks:
        return
    failed = {report.nodeid.rpartition("::test_")[2] for report in terminalreporter.stats.get("failed", [])}
    skipped = {report.nodeid.rpartition("::test_")[2] for report in terminalreporter.stats.get("skipped", [])}
    known = {report.nodeid.rpartition("::test_")[2] for report in terminalreporter.stats.get("xfailed", [])}
    say = terminalreporter.write_line
    terminalreporter.section(f"attack, {'long' if LONG else 'short'}; repeat it with ATTACK_SEED={SEED}")
    for one in attacks:
        state = (
            "FELL" if one.name in failed else "skip" if one.name in skipped else "OPEN" if one.name in known else "held"
        )
        counts = ", ".join(f"{number:,} {what}" for what, number in one.counts.items())
        say(f"{state} {one.seconds:6.1f} s  {one.name.replace('_', ' ')}: {counts}")
        for what, value in one.figures.items():
            say(f"                  {what}: {value}")
    seconds = sum(one.seconds for one in attacks)
    say(f"{len(attacks)} attacks, {len(failed)} fell, {len(known)} open and known, in {seconds:.0f} s")
