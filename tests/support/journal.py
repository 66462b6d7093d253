"""What ``innkeepd run --journal FILE`` wrote, decoded, and played once more through the scheduler."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings

_LINE = msgspec.json.Decoder(tuple[float, ev.Event, list[ev.Action]])


class Step(NamedTuple):
    """One line: what happened when, and what was done about it."""

    now: float
    event: ev.Event
    actions: list[ev.Action]


def read_journal(path: Path) -> list[Step]:
    """Every step; a last line that a kill cut short is left out."""
    return [Step(*_LINE.decode(line)) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def played_again(steps: list[Step], rules: SchedulerSettings) -> list[list[ev.Action]]:
    """The actions of a new scheduler on the same events at the same instants."""
    scheduler = Scheduler(rules)
    return [list(scheduler.step(step.event, step.now)) for step in steps]


def unloads(steps: list[Step], reason: str = "eviction") -> list[ev.Unload]:
    """The unloads that were begun for this reason."""
    return [a for step in steps for a in step.actions if isinstance(a, ev.Unload) and a.reason == reason]
