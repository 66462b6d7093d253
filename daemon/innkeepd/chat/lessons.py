"""What the user taught the router: examples from feedback and chosen roles, and the correction fitted to them.

    note (every routed chat, in memory) -> teach (feedback, --role; kept) -> train (measured, refused if worse) -> undo

Kept as hashed features only, beside the decision records; nothing leaves the machine.
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
from innkeepd.policy.routing.router import ROLES
from innkeepd.store.records import Records

__all__ = ["Lesson", "Lessons"]

RECENT = 256
"""Requests whose hashed features are held in memory, so that feedback can name them."""
MOST = 100
"""Examples that are kept of a role; the oldest give way."""

T = TypeVar("T")


class Lesson(Struct, frozen=True):
    """What a training or its undoing did. ``before`` and ``after``: measured on the held-back examples."""

    changed: bool
    message: str
    before: Measure | None = None
    after: Measure | None = None


class Lessons:
    """Examples and the correction in force; written through to ``records`` at once."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._recent: OrderedDict[str, Example] = OrderedDict()
        self._kept: dict[str, list[Example | None]] = {role: [] for role in ROLES}
        for role, slots in self._kept.items():
            for number in range(MOST):
                each = self._read(f"routing.{role}.{number}", Example)
                slots.append(each if each is not None and each.role == role else None)
        self._at = {role: self._read(f"routing.{role}.next", int) or 0 for role in ROLES}
        self.correction = self._read("routing.correction", Correction)

    def __repr__(self) -> str:
        return f"<Lessons: {len(self.examples)} examples, {'corrected' if self.correction else 'as delivered'}>"

    @property
    def examples(self) -> list[Example]:
        """Everything that is kept, role by role."""
        return [each for slots in self._kept.values() for each in slots if each is not None]

    @property
    def counts(self) -> dict[str, int]:
        """How many examples are kept of each role."""
        return {role: sum(each is not None for each in slots) for role, slots in self._kept.items()}

    def note(self, request: str, seen: Example | None, *, chosen: bool) -> None:
        """A request was routed. ``chosen``: its role was named by the user, which teaches at once."""
        if seen is None:
            return
        self._recent[request] = seen
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if chosen:
            self.teach(request, seen.role)

    def teach(self, request: str, role: str) -> bool:
        """Keep that ``request`` should have had ``role``; False where its features are no longer in memory."""
        seen = self._recent.get(request)
        if seen is None:
            return False
        for other, slots in self._kept.items():
            for number, each in enumerate(slots):
                if each is not None and each.sketch == seen.sketch:
                    self._put(other, number, None)
        number = self._at[role] % MOST
        self._put(role, number, msgspec.structs.replace(seen, role=role))
        self._at[role] = number + 1
        self._records.put(f"routing.{role}.next", number + 1)
        return True

    async def train(self) -> Lesson:
        """Fit a correction in a worker thread; take it into use only where it is better on the held-back examples."""
        current = self.correction or Correction()
        found: Refit | None = await anyio.to_thread.run_sync(refit, self.examples, current)
        if found is None:
            held_back = sum(each.is_held_back for each in self.examples)
            text = (
                f"{len(self.examples)} examples, {held_back} of them held back by chance, are too few: "
                f"at least {FEWEST} and {FEWEST_HELD_BACK} are needed; give more with `innkeep feedback`"
            )
            return Lesson(changed=False, message=text)
        if not found.is_better:
            text = "not better on the held-back examples; the router stays as it is"
            return Lesson(changed=False, message=text, before=found.before, after=found.after)
        self._records.put("routing.previous", msgspec.to_builtins(current))
        self._use(found.correction)
        text = f"fitted to {found.fitted} examples; in use now; `innkeep routing undo` takes it back"
        return Lesson(changed=True, message=text, before=found.before, after=found.after)

    def undo(self) -> Lesson:
        """Put the correction before the last training back, once."""
        previous = self._read("routing.previous", Correction)
        if previous is None:
            return Lesson(changed=False, message="nothing was trained that could be undone")
        self._records.put("routing.previous", None)
        self._use(previous if previous.weights else None)
        return Lesson(changed=True, message="the router is as it was before the last training")

    def _use(self, correction: Correction | None) -> None:
        self.correction = correction
        self._records.put("routing.correction", None if correction is None else msgspec.to_builtins(correction))

    def _put(self, role: str, number: int, example: Example | None) -> None:
        self._kept[role][number] = example
        self._records.put(f"routing.{role}.{number}", None if example is None else msgspec.to_builtins(example))

    def _read(self, key: str, kind: type[T]) -> T | None:
        """A fact; None where there is none or its shape is not ours: a file may be damaged or edited."""
        try:
            return msgspec.convert(self._records.get(key), kind)
        except msgspec.ValidationError:
            return None
