"""Performs the scheduler's actions on memory: starts them, announces them, posts how they ended. Decides nothing."""

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from innkeepd.machine.power import Awake
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.catalog import Catalog
from innkeepd.residency.moves import Moves, Outcome
from innkeepd.supervision import described

UNLOADS_WITHIN = 30.0
"""Seconds for which an unload is watched closely."""


class Loader:
    """Performs loads, unloads and renewals as child tasks of ``tasks``.

    ``began`` is called with the seconds for which a change is to be watched closely, ``ended`` with its action and code
    once it is over, before its end is posted. ``size_of`` gives the bytes that a model is planned with; ``learned`` is
    called when the estimates changed.
    """

    def __init__(
        self,
        moves: Moves,
        catalog: Catalog,
        *,
        tasks: TaskGroup,
        awake: Awake,
        announcer: Announcer,
        post: Callable[[ev.Event], None],
        size_of: Callable[[str], int],
        began: Callable[[float], None],
        ended: Callable[[ev.Load | ev.Unload, str | None], None],
        learned: Callable[[], None],
    ) -> None:
        self.moves = moves
        self._catalog = catalog
        self._tasks = tasks
        self._awake = awake
        self._announcer = announcer
        self._post = post
        self._size_of = size_of
        self._began = began
        self._ended = ended
        self._learned = learned
        self._loads: dict[str, tuple[anyio.CancelScope, list[str]]] = {}

    def begin(self, action: ev.Load | ev.Unload | ev.Renew) -> None:
        """Start to perform an action; its end is posted, whatever happens."""
        self._tasks.start_soon(self._perform, action)

    def cancel(self, weights: str, *, by: str = "") -> bool:
        """Give up the load of a model, which then ends with the code ``cancelled``; False where none is under way."""
        load = self._loads.get(weights)
        if load is None:
            return False
        scope, cancelled_by = load
        cancelled_by.append(by)
        scope.cancel()
        return True

    async def _perform(self, action: ev.Load | ev.Unload | ev.Renew) -> None:
        """Whatever happens in there, the action comes to its end: the scheduler would wait for it for ever."""
        try:
            match action:
                case ev.Load():
                    end: ev.Event = await self._load(action)
                case ev.Unload():
                    end = await self._unload(action)
                case ev.Renew():
                    end = await self._renew(action)
        except Exception as error:  # noqa: BLE001
            self._announcer.report(f"{type(action).__name__.lower()} of a model", error)
            end = _failed(action, f"a fault of innkeepd itself: {described(error)}")
        self._post(end)

    async def _load(self, action: ev.Load) -> ev.LoadEnded:
        name = self._catalog.name_of(action.weights)
        self._announcer.counts["loads"] += 1
        self._announcer.tell("residency", "loading", {"model": name, "context": action.context})
        self._began(self._catalog.config.timeouts.load)
        with self._awake.during("load"):
            outcome = await self._bring_in(action, name)
        if outcome.code is None:
            self._catalog.estimates.learned_load(action.weights, outcome.seconds)
            if outcome.footprint is not None:
                self._catalog.learned_footprint(action.weights, action.context, outcome.footprint)
            self._has_learned()
        self._tell("loaded" if outcome.code is None else "load failed", name, outcome, code=outcome.code)
        self._ended(action, outcome.code)
        return ev.LoadEnded(action.op, outcome.code, outcome.message, outcome.footprint)

    async def _bring_in(self, action: ev.Load, name: str) -> Outcome:
        """Load until it is proved or cancelled; a cancelled load is proved to be gone before its end is told."""
        cancelled_by: list[str] = []
        with anyio.CancelScope() as scope:
            self._loads[action.weights] = scope, cancelled_by
            try:
                return await self.moves.bring_in(
                    action.weights,
                    name,
                    context=action.context,
                    keep_alive=self._catalog.keep_alive(),
                    expected=self._size_of(action.weights),
                )
            finally:
                del self._loads[action.weights]
        await self.moves.give_up(action.weights, name)
        by = f" by {cancelled_by[0]}" if cancelled_by[0] else ""
        return Outcome("cancelled", f"the load of {name} was cancelled{by}")

    async def _unload(self, action: ev.Unload) -> ev.UnloadEnded:
        name = self._catalog.name_of(action.weights)
        counts = self._announcer.counts
        counts["unloads"] += 1
        counts["swaps"] += action.reason == "eviction"
        counts["recycles"] += action.reason == "recycle"
        self._announcer.tell("residency", "unloading", {"model": name, "reason": action.reason})
        self._began(UNLOADS_WITHIN)
        outcome = await self.moves.take_out(action.weights, name)
        if outcome.code is None:
            self._catalog.estimates.learned_unload(action.weights, outcome.seconds)
            self._has_learned()
        self._tell("unloaded" if outcome.code is None else "unload failed", name, outcome)
        self._ended(action, outcome.code)
        return ev.UnloadEnded(action.op, outcome.code, outcome.message)

    async def _renew(self, action: ev.Renew) -> ev.RenewEnded:
        name, keep_alive = self._catalog.name_of(action.weights), self._catalog.keep_alive()
        await self.moves.renew(name, context=action.context, keep_alive=keep_alive)
        return ev.RenewEnded(action.op)

    def _has_learned(self) -> None:
        self._post(ev.Known(self._catalog.specs()))
        self._learned()

    def _tell(self, what: str, name: str, outcome: Outcome, **more: str | None) -> None:
        size = {} if outcome.footprint is None else {"footprint": outcome.footprint}
        data = {"model": name, **more, "message": outcome.message, "took": round(outcome.seconds, 3), **size}
        self._announcer.tell("residency", what, data)


def _failed(action: ev.Load | ev.Unload | ev.Renew, message: str) -> ev.Event:
    match action:
        case ev.Load(op):
            return ev.LoadEnded(op, "load_failed", message)
        case ev.Unload(op):
            return ev.UnloadEnded(op, "load_failed", message)
        case ev.Renew(op):
            return ev.RenewEnded(op)
