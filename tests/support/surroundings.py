"""A machine whose conditions and announcements are scripted."""

from collections.abc import Callable, Iterable
from typing import Any

import anyio
from msgspec import structs

from innkeepd.machine.system_events import SystemEvent
from innkeepd.policy.conditions import Conditions


class ScriptedSurroundings:
    """``change`` sets conditions; ``asked`` are the fields that were wanted, reading by reading."""

    def __init__(self, **conditions: Any) -> None:
        self.conditions = Conditions(**conditions)
        self.asked: list[set[str]] = []

    def change(self, **conditions: Any) -> None:
        self.conditions = structs.replace(self.conditions, **conditions)

    async def read(self, wanted: Iterable[str]) -> Conditions:
        self.asked.append(set(wanted))
        return self.conditions


class ScriptedEvents:
    """``announce`` is the system's word; ``allowed`` is set once we let it sleep."""

    def __init__(self) -> None:
        self.announce: Callable[[SystemEvent], None] = lambda _event: None
        self.allowed = anyio.Event()

    def listen(self, heard: Callable[[SystemEvent], None]) -> None:
        self.announce = heard

    def allow_sleep(self) -> None:
        self.allowed.set()
