"""The user's feedback on routing: the examples that are kept, and the correction that is fitted to them.

    note (each routed chat, in memory) -> teach (feedback, --role; kept) -> train (measured, refused if worse) -> undo

Examples are kept as hashed features, never as text, beside the decision records. Nothing leaves the machine.
"""

from collections import OrderedDict
from typing import TypeVar

import anyio.to_thread
import msgspec
from msgspec import Struct

from innkeepd.policy.routing.correction import (
    FEWEST,
    FEWEST_HELD_BACK,
    Correction,
    Example,
    Measure,
    Refit,
    refit,
)
from innkeepd.policy.routing.features import VERSION
from innkeepd.policy.routing.router import ROLES
from innkeepd.store.records import Records

__all__ = ["RoutingFeedback", "TrainingResult"]

RECENT = 256
"""Requests whose hashed features are held in memory, so that feedback can name them."""
MOST = 100
"""Examples that are kept of a role; a new one replaces the oldest."""
KEYS = f"routing.v{VERSION}"
"""Prefix of the stored keys: numbers of another version of the features name other features and are not read."""

T = TypeVar("T")


class TrainingResult(Struct, frozen=True):
    """What a training or its undoing did. ``before`` and ``after``: measured on the held-back examples."""

    changed: bool
    message: str
    before: Measure | None = None
    after: Measure | None = None


class RoutingFeedback:
    """The examples and the correction in use. Every change is written to ``records`` at once."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._recent: OrderedDict[str, Example] = OrderedDict()
        self._kept: dict[str, list[Example | None]] = {role: [] for role in ROLES}
        for role, slots in self._kept.items():
            for number in range(MOST):
                each = self._read(f"{role}.{number}", Example)
                slots.append(each if each is not None and each.role == role else None)
        self._next = {role: self._read(f"{role}.next", int) or 0 for role in ROLES}
        self.correction = self._read("correction", Correction)

    def __repr__(self) -> str:
        state = "corrected" if self.correction else "as delivered"
        return f"<RoutingFeedback: {len(self.examples)} examples, {state}>"

    @property
    def examples(self) -> list[Example]:
        """All examples that are kept, role by role."""
        return [each for slots in self._kept.values() for each in slots if each is not None]

    @property
    def counts(self) -> dict[str, int]:
        """How many examples are kept of each role."""
        return {role: sum(each is not None for each in slots) for role, slots in self._kept.items()}

    def note(self, request: str, seen: Example | None, *, chosen: bool) -> None:
        """Remember a routed request. ``chosen``: the user named its role, which makes it an example at once."""
        if seen is None:
            return
        self._recent[request] = seen
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if chosen:
            self.teach(request, seen.role)

    def teach(self, request: str, role: str) -> bool:
        """Keep that ``request`` should have had ``role``. False where its features are no longer in memory."""
        seen = self._recent.get(request)
        if seen is None:
            return False
        for other, slots in self._kept.items():
            for number, each in enumerate(slots):
                if each is not None and each.sketch == seen.sketch:
                    self._put(other, number, None)
        number = self._next[role] % MOST
        self._put(role, number, msgspec.structs.replace(seen, role=role))
        self._next[role] = number + 1
        self._write(f"{role}.next", number + 1)
        return True

    async def train(self) -> TrainingResult:
        """Fit a correction in a worker thread; use it only if it is better on the held-back examples."""
        current = self.correction or Correction()
        found: Refit | None = await anyio.to_thread.run_sync(refit, self.examples, current)
        if found is None:
            held_back = sum(each.is_held_back for each in self.examples)
            text = (
                f"{len(self.examples)} examples, {held_back} of them held back by chance, are too few: "
                f"at least {FEWEST} and {FEWEST_HELD_BACK} are needed; give more with `innkeep feedback`"
            )
            return TrainingResult(changed=False, message=text)
        if not found.is_better:
            text = "not better on the held-back examples; the router stays as it is"
            return TrainingResult(changed=False, message=text, before=found.before, after=found.after)
        self._write("previous", msgspec.to_builtins(current))
        self._use(found.correction)
        text = f"fitted to {found.fitted} examples; in use now; `innkeep routing undo` takes it back"
        return TrainingResult(changed=True, message=text, before=found.before, after=found.after)

    def undo(self) -> TrainingResult:
        """Restore the correction that was in use before the last training. Works once for each training."""
        previous = self._read("previous", Correction)
        if previous is None:
            return TrainingResult(changed=False, message="nothing was trained that could be undone")
        self._write("previous", None)
        self._use(previous if previous.weights else None)
        return TrainingResult(changed=True, message="the router is as it was before the last training")

    def _use(self, correction: Correction | None) -> None:
        self.correction = correction
        self._write("correction", None if correction is None else msgspec.to_builtins(correction))

    def _put(self, role: str, number: int, example: Example | None) -> None:
        self._kept[role][number] = example
        self._write(f"{role}.{number}", None if example is None else msgspec.to_builtins(example))

    def _write(self, name: str, value: object) -> None:
        self._records.put(f"{KEYS}.{name}", value)

    def _read(self, name: str, kind: type[T]) -> T | None:
        """A stored value; None where there is none or its shape is not ours: the file may be damaged or edited."""
        try:
            return msgspec.convert(self._records.get(f"{KEYS}.{name}"), kind)
        except msgspec.ValidationError:
            return None
