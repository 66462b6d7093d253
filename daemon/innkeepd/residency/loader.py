"""Performs what the scheduler decided about memory, tells about it, and posts how it ended."""

from typing import TYPE_CHECKING

from anyio.abc import TaskGroup

from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.moves import Moves
from innkeepd.supervision import described

if TYPE_CHECKING:
    from innkeepd.residency.supervisor import Supervisor

RENEW_BEFORE = 900.0
"""A stay that is to go on is renewed when it has less than this many seconds left."""


class Loader:
    """Carries models in and out for the keeper. Decides nothing."""

    def __init__(self, keeper: "Supervisor", moves: Moves, tasks: TaskGroup) -> None:
        self.moves = moves
        self._keeper = keeper
        self._tasks = tasks
        self._moving: dict[str, float] = {}
        self._swaps: dict[str, float] = {}
        self._renewing: set[str] = set()

    def __repr__(self) -> str:
        return f"<Porter, carrying {sorted(self._moving)}>"

    def begin(self, action: ev.Load | ev.Unload) -> None:
        """Start to perform an action; its end is posted, whatever happens."""
        self._moving[action.weights] = self._keeper.now()
        for_whom = action.wanted_by if isinstance(action, ev.Unload) else action.weights
        if for_whom is not None:
            self._swaps.setdefault(for_whom, self._keeper.now())
        self._tasks.start_soon(self._perform, action)

    async def _perform(self, action: ev.Load | ev.Unload) -> None:
        """Whatever happens in there, the move comes to its end: the scheduler would wait for it for ever."""
        try:
            await (self._load(action) if isinstance(action, ev.Load) else self._unload(action))
        except Exception as error:  # noqa: BLE001
            self._moving.pop(action.weights, None)
            self._swaps.pop(action.weights, None)
            self._keeper.report(f"{type(action).__name__.lower()} of a model", error)
            ended = ev.LoadEnded if isinstance(action, ev.Load) else ev.UnloadEnded
            self._keeper.post(ended(action.op, "load_failed", f"a fault of innkeepd itself: {described(error)}"))

    async def _load(self, action: ev.Load) -> None:
        name = self._keeper.name_of(action.weights)
        self._keeper.counts.loads += 1
        self._keeper.tell("residency", "loading", {"model": name, "context": action.context})
        self._keeper.senses.watch.hurry(self._keeper.catalog.config.timeouts.load)
        with self._keeper.awake.during("load"):
            outcome = await self.moves.bring_in(
                action.weights,
                name,
                context=action.context,
                keep_alive=self._keeper.keep_alive(),
                expected=self._keeper.scheduler.house.size(action.weights),
            )
        self._keeper.senses.watch.calm()
        if outcome.code is None:
            self._keeper.catalog.estimates.learned_load(action.weights, outcome.seconds)
            if outcome.footprint is not None:
                self._keeper.catalog.learned_footprint(action.weights, action.context, outcome.footprint)
            self._keeper.has_learned()
        elif outcome.code == "model_missing":
            self._keeper.senses.look_anew()
        self._keeper.tell(
            "residency",
            "loaded" if outcome.code is None else "load failed",
            {"model": name, "code": outcome.code, "message": outcome.message, "took": round(outcome.seconds, 3)},
        )
        self._keeper.senses.measure()
        self._moving.pop(action.weights, None)
        self._swaps.pop(action.weights, None)
        self._keeper.post(ev.LoadEnded(action.op, outcome.code, outcome.message, outcome.footprint))
        self._keeper.senses.want_weigh(at_once=True)

    async def _unload(self, action: ev.Unload) -> None:
        name = self._keeper.name_of(action.weights)
        self._keeper.counts.unloads += 1
        self._keeper.counts.swaps += action.reason == "eviction"
        self._keeper.counts.recycles += action.reason == "recycle"
        self._keeper.tell("residency", "unloading", {"model": name, "reason": action.reason})
        self._keeper.senses.watch.hurry(30.0)
        outcome = await self.moves.take_out(action.weights, name)
        self._keeper.senses.watch.calm()
        if outcome.code is None:
            self._keeper.catalog.estimates.learned_unload(action.weights, outcome.seconds)
            self._keeper.has_learned()
        self._keeper.tell(
            "residency",
            "unloaded" if outcome.code is None else "unload failed",
            {"model": name, "message": outcome.message, "took": round(outcome.seconds, 3)},
        )
        self._keeper.senses.measure()
        self._moving.pop(action.weights, None)
        self._keeper.post(ev.UnloadEnded(action.op, outcome.code, outcome.message))
        self._forget_swap(action.wanted_by)

    def _forget_swap(self, weights: str | None) -> None:
        """Whoever wanted the room may have left, so that no load follows: the next swap counts from its own start."""
        residents = self._keeper.scheduler.house.residents.values()
        if weights not in self._moving and not any(r.wanted_by == weights and not r.is_resident for r in residents):
            self._swaps.pop(weights or "", None)

    # ---- looks ----

    def moving_since(self, weights: str) -> float | None:
        """When the load or unload of these weights began."""
        return self._moving.get(weights)

    def swapping_since(self, weights: str) -> float | None:
        """When the first unload for the sake of these weights began, or their load where nobody had to leave."""
        return self._swaps.get(weights)

    # ---- those that stay ----

    def renew_stays(self) -> None:
        """Move the end of those that are to stay: the pinned, and all where nothing is unloaded for idleness."""
        forever = self._keeper.catalog.config.residency.idle_unload is None
        soon = self._keeper.wall(self._keeper.now()) + RENEW_BEFORE
        for resident in self._keeper.scheduler.house.residents.values():
            stays = forever or resident.weights in self._keeper.scheduler.house.pins
            ends = resident.expires is not None and resident.expires < soon
            is_free = (
                not self._keeper.scheduler.leases.count(resident.weights) and resident.weights not in self._renewing
            )
            if stays and ends and resident.is_resident and is_free:
                self._renewing.add(resident.weights)
                self._tasks.start_soon(self._stay, resident.weights, resident.context)

    async def _stay(self, weights: str, context: int) -> None:
        """Renew under a lease, so that nobody unloads in between."""
        ticket = ev.Ticket(f"renew {weights}", (weights,), "batch")
        try:
            async with self._keeper.line(ticket) as place:
                if isinstance(place.settled, ev.Grant):
                    await self.moves.renew(
                        self._keeper.name_of(weights), context=context, keep_alive=self._keeper.keep_alive()
                    )
        except Exception as error:  # noqa: BLE001 - one stay is not renewed
            self._keeper.report("the renewal of a stay", error)
        finally:
            self._renewing.discard(weights)
