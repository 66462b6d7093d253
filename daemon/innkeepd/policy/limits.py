"""What the rules that hold allow, changed at most once a minute: power that flaps must not make models come and go."""

from collections.abc import Sequence

from msgspec import Struct

from innkeepd.policy.conditions import Conditions, Rule

CHANGE_EVERY = 60.0
"""Seconds between two changes of what the rules allow. Sleep that is coming is the exception: it does not wait."""


class Limits(Struct, frozen=True):
    """What is not allowed now, and the rules (by name) that say so.

    ``hold``: no local model in memory. ``light_only``: no heavy one. ``batch_only``: only requests of the class batch
    start on this machine. ``no_growth``: nothing is loaded; what is in memory goes on.
    """

    hold: bool = False
    light_only: bool = False
    batch_only: bool = False
    no_growth: bool = False
    rules: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules)


class LimitGauge:
    """The limits in force. ``feed`` takes the conditions at an instant; ``due`` says when a change put off may come."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.due: float | None = None
        self._changed = float("-inf")
        self._suspending = False

    def feed(self, rules: Sequence[Rule], conditions: Conditions, now: float) -> Limits:
        """The limits at ``now`` (seconds, monotonic, sleep included) under these rules.

        A change that follows another within ``CHANGE_EVERY`` is put off, and is made then if it still stands. The
        beginning and the end of a suspend are not put off: the system sleeps within 30 s of announcing it.
        """
        wanted = combined([rule for rule in rules if rule.holds(conditions)])
        is_suspend = conditions.suspending != self._suspending
        self._suspending = conditions.suspending
        self.due = None
        if wanted == self.limits:
            return self.limits
        if not is_suspend and now < self._changed + CHANGE_EVERY:
            self.due = self._changed + CHANGE_EVERY
            return self.limits
        self.limits, self._changed = wanted, now
        return self.limits

    def __repr__(self) -> str:
        return f"<LimitGauge {self.limits!r}, due {self.due}>"


def combined(rules: Sequence[Rule]) -> Limits:
    """The limits of several rules that hold at once: everything that any of them forbids."""
    actions = {rule.then for rule in rules}
    return Limits(
        hold="hold" in actions,
        light_only="light_only" in actions,
        batch_only="batch_only" in actions,
        no_growth="no_growth" in actions,
        rules=tuple(rule.name for rule in rules),
    )
