"""The rules of ``[[when]]`` at work, and what happens before the machine sleeps and after it has woken.

Conditions are read every ``LOOK_EVERY`` seconds, and not at all without rules. What the rules forbid goes to the
scheduler as one event (``Limited``); running answers are never cut off by a rule. Sleep that is announced is different:
it comes within 30 s, so an answer that has not ended by then is ended with a sentence that says why.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup
from msgspec import structs

from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.machine.surroundings import SurroundingsDoor
from innkeepd.machine.system_events import EventsDoor, SystemEvent
from innkeepd.policy.conditions import Conditions, Rule
from innkeepd.policy.limits import LimitGauge, Limits
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.clock import Clock
from innkeepd.residency.lease import LeaseHandle

LOOK_EVERY = 10.0
"""Seconds between two readings of the conditions."""
SLEEP_DRAIN = 20.0
"""Seconds that running answers have before the machine sleeps; the system waits 30 s for us."""
SLEEP_UNLOAD = 5.0
"""Seconds that a rule's hold then has to empty the memory."""
WAITING = 16
"""Events of the system that may wait to be taken; further ones are dropped, and polling notices what they told."""
GOING_TO_SLEEP = "the machine is going to sleep; ask again once it is awake"


class UsageRules:
    """Reads conditions, posts limits, and follows the system into sleep.

    ``rules`` are those in force, ``granted`` the requests that are being answered, ``changed`` waits for the next
    change of anything, ``holds_memory`` tells whether a model of ours is in memory, ``wake`` looks at everything anew,
    ``measure`` reads memory.
    """

    def __init__(
        self,
        door: SurroundingsDoor,
        events: EventsDoor,
        clock: Clock,
        *,
        rules: Callable[[], tuple[Rule, ...]],
        post: Callable[[ev.Event], None],
        announcer: Announcer,
        granted: Callable[[], list[LeaseHandle]],
        changed: Callable[[], Awaitable[None]],
        holds_memory: Callable[[], bool],
        wake: Callable[[], None],
        measure: Callable[[], None],
        tasks: TaskGroup,
    ) -> None:
        self._door = door
        self._events = events
        self._clock = clock
        self._rules = rules
        self._post = post
        self._announcer = announcer
        self._granted = granted
        self._changed = changed
        self._holds_memory = holds_memory
        self._wake = wake
        self._measure = measure
        self._tasks = tasks
        self._gauge = LimitGauge()
        self._posted = ev.Limited()
        self._suspending = False
        self._nudged = anyio.Event()

    def __repr__(self) -> str:
        return f"<UsageRules {self._gauge!r}>"

    def in_force(self) -> list[str]:
        """The rules that forbid something now, in words; [] where the user has lifted them."""
        names = self._gauge.limits.rules
        return [rule.described() for rule in self._rules() if rule.name in names]

    def nudge(self) -> None:
        """Read the conditions now: the configuration changed, or the machine has slept."""
        self._nudged.set()

    # ---- rules ----

    async def run(self) -> None:
        """Keep what the rules forbid true until cancelled."""
        while True:
            self._nudged = anyio.Event()
            await self.look()
            with anyio.move_on_after(self._pause()):
                await self._nudged.wait()

    async def look(self) -> None:
        """Read the conditions that the rules name, and post what is forbidden now where that changed."""
        rules = self._rules()
        wanted = set().union(*(rule.named() for rule in rules)) if rules else set()
        conditions = await self._door.read(wanted) if rules else Conditions()
        self._apply(rules, conditions)

    def _apply(self, rules: tuple[Rule, ...], conditions: Conditions) -> None:
        seen = structs.replace(conditions, suspending=self._suspending)
        before = self._gauge.limits
        limits = self._gauge.feed(rules, seen, self._clock.now())
        if limits != before:
            self._announcer.tell("residency", "rules changed", {"rules": list(limits.rules)})
        self._post_limits()

    def _post_limits(self) -> None:
        wanted = self._limited(self._gauge.limits)
        if wanted != self._posted:
            self._posted = wanted
            self._post(wanted)

    def _limited(self, limits: Limits) -> ev.Limited:
        described = [rule.described() for rule in self._rules() if rule.name in limits.rules]
        return ev.Limited(
            hold=limits.hold,
            light_only=limits.light_only,
            batch_only=limits.batch_only,
            no_growth=limits.no_growth,
            frozen=self._suspending and not limits.hold,  # a hold begins nothing either, and unloads
            why="; ".join(described),
        )

    def _pause(self) -> float:
        if not self._rules():
            return float("inf")
        due = self._gauge.due
        return LOOK_EVERY if due is None else min(LOOK_EVERY, max(0.0, due - self._clock.now()))

    # ---- sleep ----

    async def follow(self) -> None:
        """Listen to what the system announces until cancelled; its callbacks come on threads of their own."""
        send, receive = anyio.create_memory_object_stream[SystemEvent](WAITING)
        loop = asyncio_loop()

        def take(event: SystemEvent) -> None:
            with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
                send.send_nowait(event)

        def heard(event: SystemEvent) -> None:
            with suppress(RuntimeError):  # the loop is closed
                take(event) if loop is None else loop.call_soon_threadsafe(take, event)

        self._events.listen(heard)
        async with send, receive:
            async for event in receive:
                if event == "pressure":
                    self._measure()
                elif event == "will_sleep":
                    self._tasks.start_soon(self._before_sleep)
                else:
                    self.woke()

    async def _before_sleep(self) -> None:
        """Answers end or are told; then the system may sleep."""
        self._suspending = True
        try:
            await self.look()
            with anyio.move_on_after(SLEEP_DRAIN):
                while self._suspending and self._granted():
                    await self._changed()
            if self._suspending:  # a sleep that was called off cuts nobody off
                for handle in self._granted():
                    handle.revoke("on_hold", GOING_TO_SLEEP)
            with anyio.move_on_after(SLEEP_UNLOAD):
                while self._suspending and (self._granted() or (self._posted.hold and self._holds_memory())):
                    await self._changed()
        finally:
            self._events.allow_sleep()

    def woke(self) -> None:
        """The machine is awake, or does not sleep after all: look at everything anew."""
        self.slept()
        self._wake()

    def slept(self) -> None:
        """The clock noticed a sleep, which the system need not have announced."""
        self._suspending = False
        self._post_limits()
        self.nudge()
