"""Failures on demand, each with the exact text of a real Ollama.

A fault is injected at a request, a load, an answer or an unload. It fails ``times`` requests of its
model (or of any).
"""

import math
import re

from msgspec import Struct

REFUSE = frozenset({"refuse"})
DOOR = REFUSE | frozenset({"queue_full"})
LOAD = frozenset({"out_of_memory", "load_failure", "load_killed", "load_hang", "slow_load"})
FROZEN = frozenset({"frozen"})
"""An idle runner that no longer answers, as after SIGSTOP."""
ANSWER = frozenset(
    {"runner_dies_before", "metal_out_of_memory", "metal_lost", "lost", "hang", "crash", "stall", "cut", "slow"}
)
"""``lost``: llama-server ends its stream with an error, which Ollama drops; ``metal_lost``: that error is the GPU's
lack of memory, and the runner goes on failing until it is unloaded."""
UNLOAD = frozenset({"unload_stuck"})
KINDS = DOOR | LOAD | FROZEN | ANSWER | UNLOAD


class Refusal(Exception):
    """The request ends with this status and Ollama's text; ``content_type`` where it is not the usual one."""

    def __init__(self, status: int, text: str, content_type: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.content_type = content_type


class Disconnected(Exception):
    """The connection ends without an answer, or in the middle of one."""


class Fault(Struct):
    """One injected failure.

    ``after``: pieces sent before it; ``seconds``: how long it lasts; ``factor``: how many times slower.
    """

    how: str
    model: str | None = None
    times: float = 1
    after: int = 3
    seconds: float = math.inf
    factor: float = 8.0


class Faults:
    """The failures that wait for their moment, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait. Raises ``ValueError`` for one that does not exist."""
        if fault.how not in KINDS:
            raise ValueError(f"no such failure: {fault.how!r}; there are {', '.join(sorted(KINDS))}")
        self.waiting.append(fault)

    def clear(self) -> None:
        """Nothing fails any more."""
        self.waiting.clear()

    def take(self, kinds: frozenset[str], name: str | None) -> Fault | None:
        """The oldest fault of these kinds for this model, one of its times used up."""
        for fault in self.waiting:
            if fault.how in kinds and fault.model in (None, name):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None


ORDER = re.compile(r"\[simulate (?P<how>[a-z_]+)(?: after (?P<after>\d+))?\]")


def in_prompt(text: str) -> Fault | None:
    """The failure that a prompt asks for itself: ``[simulate crash after 5]``; those of an answer only."""
    order = ORDER.search(text)
    if order is None or order["how"] not in ANSWER:
        return None
    return Fault(order["how"], after=int(order["after"] or 3))
