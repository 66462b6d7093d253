"""Everything the scheduler knows: the memory ledger, leases, the queue, what is cooling, whether memory is on hold.

Facts and questions about them; nothing here decides. ``transitions`` changes the facts, ``scheduler`` decides.
"""

from copy import copy

from innkeepd.policy.scheduling.events import Limited, Priority
from innkeepd.policy.scheduling.group import Group, Waiter
from innkeepd.policy.scheduling.lease import Leases
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.policy.scheduling.queue import Queue, Rank, in_order
from innkeepd.policy.scheduling.residency import Cooling, Residency
from innkeepd.policy.scheduling.settings import SchedulerSettings

RENEW_BEFORE = 900.0
"""A stay that is to go on is renewed when it has less than this many seconds left."""
RENEW_EVERY = 60.0
"""Seconds between two renewals of one model at least: a renewal may fail, or not be seen yet."""


class SchedulerState:
    """The facts. Instants are seconds on the scheduler's clock; models are named by weights."""

    def __init__(self, rules: SchedulerSettings) -> None:
        self.rules = rules
        self.ledger = MemoryLedger(heavy_limit=rules.heavy_limit)
        self.queue = Queue(rules.turn, rules.batch_turn)
        self.leases = Leases()
        self.cooling: dict[str, Cooling] = {}
        self.held_until: float | None = None
        self.held_since = 0.0
        self.held_why = ""
        self.limits = Limited()
        """What rules allow (``[[when]]``); a hold of the user's stands beside them."""
        self.gone: dict[str, float] = {}
        """When each model left memory by our doing: an older answer of ``/api/ps`` may still show it."""
        self.is_closing = False
        self.over_since: float | None = None
        """Since when the growth of loaded models has been over the budget."""
        self.recycled: dict[str, float] = {}
        """When each model was last unloaded to be loaded anew."""
        self.coming_back: dict[str, int] = {}
        """Models that are unloaded to be loaded anew, and the context that they had."""
        self.swaps: dict[str, float] = {}
        """By the model that is to come, when the first unload for its sake began, or its load where nobody leaves."""
        self.epoch: float | None = None
        """Instant 0 in seconds since the epoch, by the last look at Ollama; None before it."""

    def configure(self, rules: SchedulerSettings) -> None:
        """Take new settings."""
        self.rules = rules
        self.ledger.heavy_limit = rules.heavy_limit
        self.queue.configure(rules.turn, rules.batch_turn)

    def twin(self) -> "SchedulerState":
        """Return a copy that shares nothing that changes."""
        twin = copy(self)
        twin.ledger, twin.queue, twin.leases = self.ledger.twin(), self.queue.twin(), self.leases.twin()
        twin.cooling, twin.gone = dict(self.cooling), dict(self.gone)
        twin.recycled, twin.coming_back, twin.swaps = dict(self.recycled), dict(self.coming_back), dict(self.swaps)
        return twin

    @property
    def is_on_hold(self) -> bool:
        """Whether the user or a rule wants the memory."""
        return self.held_until is not None or self.limits.hold

    def is_barred(self, weights: str, priority: Priority, need: int) -> bool:
        """Whether a hold or a rule forbids to use these weights for such a request; other machines go on."""
        if self.ledger.is_remote(weights):
            return False
        limits = self.limits
        return (
            self.is_on_hold
            or limits.frozen
            or (limits.light_only and self.ledger.is_heavy(weights))
            or (limits.batch_only and priority != "batch")
            or (limits.no_growth and not self.ledger.has(weights, need))
        )

    def is_group_barred(self, group: Group) -> bool:
        """Whether a hold or a rule forbids what its members want."""
        return self.is_barred(group.wants, group.key.priority, group.key.need)

    def barred_by(self) -> str:
        """Why, in the words of ``quoted``: the user's reason where a hold of theirs is on, else the rules' names."""
        return self.held_why if self.held_until is not None else self.limits.why

    def has(self, group: Group) -> bool:
        """Whether what its members want can work now."""
        return self.ledger.has(group.wants, group.key.need)

    def is_ready(self, weights: str, need: int, now: float) -> bool:
        """Whether it can work now; a remote model that has just failed is left alone for a while."""
        cooling = self.cooling.get(weights)
        is_cooling = self.ledger.is_remote(weights) and cooling is not None and cooling.until > now
        return self.ledger.has(weights, need) and not is_cooling

    def is_busy(self, weights: str) -> bool:
        """Whether it answers somebody (of ours) or is being renewed now."""
        resident = self.ledger.residents.get(weights)
        return self.leases.count(weights) > 0 or (resident is not None and resident.renewing > 0)

    def has_slot(self, weights: str) -> bool:
        """Whether it may answer one more at once."""
        return self.answering(weights) < self.ledger.slots(weights)

    def answering(self, weights: str) -> int:
        """How many requests it answers now; a remote engine counts all its models together."""
        engine = self.ledger.engine(weights)
        if not engine:
            return self.leases.count(weights)
        return sum(self.leases.count(spec.weights) for spec in self.ledger.specs.values() if spec.engine == engine)

    def waiting_for(self, resident: Residency) -> list[Group]:
        """The groups whose members this resident would serve as it stands; an errand has no claim on a heavy one."""
        return [
            g
            for g in self.queue.groups()
            if g.wants == resident.weights
            and g.key.need <= resident.context
            and not self.is_group_barred(g)
            and not (g.key.errand and resident.heavy)
        ]

    def contenders(self, resident: Residency) -> list[Waiter]:
        """Of those whom this resident would serve: the first of each group, and whoever stands in its gate."""
        groups = self.waiting_for(resident)
        gate = [waiter for ticket in resident.gate if (waiter := self.queue.get(ticket)) is not None]
        return [group.first for group in groups] + [w for w in gate if self.queue.group_of(w.ticket.id) in groups]

    def context_for(self, weights: str) -> int:
        """The context to load with: its own, or what the most demanding waiter needs."""
        needs = [group.key.need for group in self.queue.groups() if group.wants == weights]
        return self.ledger.context_for(weights, max(needs, default=0))

    def idle_at(self, resident: Residency) -> float | None:
        """When it has been idle for long enough to go, if nobody asks for it meanwhile; None: never."""
        if self.rules.idle_unload is None or resident.weights in self.ledger.pins:
            return None
        return max(resident.used + self.rules.idle_unload, resident.session_until)

    def renew_at(self, resident: Residency) -> float | None:
        """When Ollama is to be told anew to keep it; None: it may leave by itself, or Ollama keeps it for ever."""
        is_to_stay = self.rules.idle_unload is None or resident.weights in self.ledger.pins
        if not is_to_stay or resident.expires is None or self.epoch is None or resident.leaving:
            return None
        return max(resident.expires - self.epoch - RENEW_BEFORE, resident.renewed + RENEW_EVERY)

    def swapping_since(self, weights: str) -> float | None:
        """When the swap for these weights began, or the load or unload of them; None where nothing is under way."""
        resident = self.ledger.residents.get(weights)
        unloading = resident.since if resident is not None and not resident.is_resident else None
        return self.swaps.get(weights, unloading)

    def bears_hold_until(self, waiter: Waiter) -> float:
        """Until when it bears the hold that is on: its patience, else ``hold_wait``, from the later beginning."""
        patience = self.rules.hold_wait if waiter.ticket.patience is None else waiter.ticket.patience
        return max(waiter.asked, self.held_since) + patience

    def dues(self, now: float) -> dict[tuple[str, Priority], float]:
        """When each queue is due; a queue that is being served ages from now."""
        return self.queue.dues(self.leases.serves, now)

    def ranked(self, now: float) -> list[tuple[Rank, Group]]:
        """Every group with its rank in the one order; with ``order = "fifo"`` all have the same."""
        if self.rules.order == "fifo":
            return [((0, 0.0), group) for group in self.queue.groups()]
        return self.queue.ranked(self.dues(now), now)

    def ordered(self, now: float) -> list[Waiter]:
        """Every waiter in the one order."""
        return in_order(self.ranked(now))
