"""The verbs that look at the house or change it: a method each; ``verbs`` tells which is which."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import anyio
from msgspec import structs

from innkeep import wire
from innkeepd import __version__
from innkeepd.chat.commands import ModelCommands
from innkeepd.chat.demand import Said, bounded, understand
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.chat.feedback import TrainingResult
from innkeepd.chat.types import ChatSpec, RequestFailed
from innkeepd.config.schema import Config
from innkeepd.lock import descriptors
from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.machine.loop_lag import loop_lag
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.policy.notices import Notice
from innkeepd.residency import snapshot
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.socket.chat_verbs import ChatVerbs, said, teller
from innkeepd.server.socket.session import Session, Verb
from innkeepd.store.filters import RecordFilter
from innkeepd.store.settings import State
from innkeepd.store.timeline import Timeline
from innkeepd.store.usage import usage

MOST_UNSENT = 4 * 2**20
"""Bytes that a connection may leave unread before its watches end."""
WATCHERS = 1024
"""Watches at a time, of all connections: every event is encoded for each."""
LEAST_EVERY = 0.1
"""Seconds between two snapshots of one watch, at least."""
UNSENT_OF_ALL = 64 * MOST_UNSENT
"""Bytes of events that all watchers together may leave unread."""
MOST_RECORDS = 1000
"""Decision records in one answer."""
MOST_COUNTED = 100_000
"""Decision records that sums go over, at most."""
MOST_REASON = 200
"""Characters kept of a hold's reason."""


class AdminVerbs:
    """Everything but ``chat`` and ``embed``. ``stop`` is called with the drain's seconds."""

    def __init__(
        self,
        control: ResidencyControl,
        dispatcher: Dispatcher,
        state: State,
        *,
        simulated: bool,
        stop: Callable[[float], None],
        notices: Callable[[], list[Notice]] = list,
        timeline: Timeline,
    ) -> None:
        self._control = control
        self._dispatcher = dispatcher
        self._state = state
        self._simulated = simulated
        self._stop = stop
        self._notices = notices
        self._timeline = timeline
        self._began = control.now()
        self._watchers = 0
        self._talk = ChatVerbs(dispatcher)
        self._commands = ModelCommands(dispatcher)
        self.notes: list[str] = []
        """What a person should know for as long as this daemon lives."""
        self.awaits_restart: list[str] = []
        """Tables of the configuration that have changed and take effect after a restart."""

    @property
    def _config(self) -> Config:
        return self._dispatcher.config

    # ---- looks ----

    async def hello(self, session: Session, asked: wire.Hello) -> None:
        """Introductions."""
        if asked.protocol > wire.PROTOCOL:
            text = f"this innkeepd speaks protocol {wire.PROTOCOL}, not {asked.protocol}; update innkeep's daemon"
            raise RequestFailed("unsupported_protocol", text, {"protocol": wire.PROTOCOL})
        session.client = bounded(asked.client)
        session.send(wire.Welcome(id=asked.id, protocol=wire.PROTOCOL, daemon=__version__, pid=os.getpid()))

    async def status(self, session: Session, asked: wire.StatusAsk) -> None:
        """One snapshot."""
        session.send(self._status(asked.id))

    def _status(self, identity: int) -> wire.Status:
        selector = self._dispatcher.selector
        found = snapshot.status(
            self._control,
            request=identity,
            simulated=self._simulated,
            selected=selector.selected,
            uptime=self._control.now() - self._began,
            warnings=self._warnings(),
        )
        file, http = self._config.file, self._config.http
        return structs.replace(
            found,
            selected_roles=selector.selected_roles,
            awaits_restart=self.awaits_restart,
            config_file=str(file) if file else "",
            http=f"{http.host}:{http.port}" if http.enabled else "",
            notices=[wire.Notice(each.kind, each.text, each.since, each.subject) for each in self._notices()],
            loop_lag=loop_lag(),
            descriptors=descriptors(),
            tasks=len(asyncio.all_tasks()) if asyncio_loop() is not None else 0,
        )

    def _warnings(self) -> list[str]:
        own = [*self.notes, *self._state.warnings(), *self._dispatcher.selector.warnings()]
        return [*own, *snapshot.warnings(self._control)]

    async def watch(self, session: Session, asked: wire.Watch) -> None:
        """A snapshot, then every event, until it is cancelled or its peer has left too much unread."""
        scope = anyio.CancelScope()

        def receive(kind: str, what: str, data: dict[str, Any]) -> None:
            if scope.cancel_called:
                return
            if session.unsent > min(MOST_UNSENT, UNSENT_OF_ALL // self._watchers):
                scope.cancel()
            elif asked.kinds is None or kind in asked.kinds:
                at = self._control.wall(self._control.now())
                session.send(wire.Event(id=asked.id, kind=cast("wire.EventKind", kind), at=at, what=what, data=data))

        if self._watchers >= WATCHERS:
            raise RequestFailed("queue_full", f"{WATCHERS} watchers are open; end some of them")
        session.send(self._status(asked.id))
        self._control.on_event.append(receive)
        self._watchers += 1
        try:
            with scope:
                await self._send_snapshots(session, asked)
        finally:
            self._watchers -= 1
            self._control.on_event.remove(receive)
        raise RequestFailed("queue_full", f"more than {MOST_UNSENT:,} bytes of events were left unread; watch again")

    async def _send_snapshots(self, session: Session, asked: wire.Watch) -> None:
        """Send a snapshot after each change where the watch wants them, until cancelled; a slow reader gets fewer."""
        while asked.every is not None:
            await self._control.changed()
            await anyio.sleep(max(LEAST_EVERY, asked.every))
            async with session.looking_up:
                await session.room()
                session.send(self._status(asked.id))
        await anyio.sleep_forever()

    async def models(self, session: Session, asked: wire.ModelsAsk) -> None:
        """Every model, after a fresh look at what is pulled."""
        await self._control.pulled.refresh()
        await self._control.monitor.ready.wait()
        found = snapshot.models(self._control, self._config)
        selector = self._dispatcher.selector
        session.send(
            wire.Models(
                id=asked.id, models=found, selected=selector.selected, selected_roles=dict(selector.selected_roles)
            )
        )

    async def route(self, session: Session, asked: wire.RouteAsk) -> None:
        """Where a prompt would go; nothing is loaded."""
        messages = map(said, asked.messages or ()) if asked.text is None else (Said("user", asked.text),)
        size = sum(len(message.content) for message in asked.messages or ()) + len(asked.text or "")
        demand = await off_loop(size > SMALL, partial(understand, messages))
        selector = self._dispatcher.selector
        way = await selector.routed(ChatSpec(demand=demand, session=asked.session), remember=False)
        names = [candidate.name for candidate in way.candidates]
        known = {each.name: each for each in snapshot.models(self._control, self._config)}
        model, (_, seconds) = selector.would_take(way), selector.swap_of(way)
        session.send(
            wire.RouteReply(
                id=asked.id,
                role=way.role,
                confidence=way.confidence,
                model=model,
                candidates=names,
                reason=way.reason,
                words=selector.explain(demand.turns[-1] if demand.turns else "", way.role),
                shares=way.shares,
                options=[
                    wire.RouteOption(name, known[name].fit, known[name].reason) for name in names if name in known
                ],
                leaves=known[model].leaves if model in known else [],
                expected=round(seconds, 1),
            )
        )

    async def stats(self, session: Session, asked: wire.StatsAsk) -> None:
        """What shadow routing counted since the start, and the sums of a span of time."""
        totals = None if asked.since is None else await self._totals(asked.since)
        counts = self._dispatcher.selector.shadow.counts
        rows = [wire.ShadowCount(*seen, chats) for seen, chats in counts.most_common()]
        session.send(wire.Stats(id=asked.id, shadow=self._config.routing.shadow, routing=rows, totals=totals))

    async def _totals(self, since: float) -> wire.Totals:
        records = await self._state.select(RecordFilter(since=since), MOST_COUNTED)
        return await anyio.to_thread.run_sync(
            usage, records, self._timeline.since(since), self._control.is_heavy, since
        )

    async def history(self, session: Session, asked: wire.HistoryAsk) -> None:
        """Decision records."""
        # Looked up only once there is room: a thousand unread answers must not wait in memory.
        async with session.looking_up:
            await session.room()
            limit = min(asked.limit, MOST_RECORDS)
            wanted = RecordFilter(asked.since, asked.model, asked.role, asked.outcome, asked.slower)
            if asked.request:
                found = await self._state.find(asked.request[:256])
            else:
                found = await (self._state.recent(limit) if wanted.is_empty else self._state.select(wanted, limit))
        session.send(wire.History(id=asked.id, records=found))

    # ---- changes ----

    async def cancel(self, session: Session, asked: wire.Cancel) -> None:
        """End an open request of the same connection."""
        session.send(wire.Cancelled(id=asked.id, target=asked.target, found=session.cancel(asked.target)))

    async def select(self, session: Session, asked: wire.Select) -> None:
        """Send chats to one model, or no longer."""
        name = None if asked.model is None else (await self._commands.find(asked.model)).name
        selector = self._dispatcher.selector
        selector.select(name, asked.role)
        self._state.put_selection(selector.selected, selector.selected_roles)
        warning = await self._state.written()
        session.send(
            wire.Selected(
                id=asked.id,
                model=name,
                role=asked.role,
                warning=warning,
                selected=selector.selected,
                selected_roles=dict(selector.selected_roles),
            )
        )

    async def load(self, session: Session, asked: wire.Load) -> None:
        """Bring a model into memory."""
        began = anyio.current_time()
        spec = ChatSpec(
            kind="load", model=bounded(asked.model), client=session.client, insist=True, priority=asked.priority
        )
        async with self._dispatcher.begin(spec) as request:
            await self._commands.load(request, teller(session, asked.id, waiting=False))
            session.send(
                wire.Loaded(id=asked.id, model=request.model or asked.model, took=anyio.current_time() - began)
            )

    async def unload(self, session: Session, asked: wire.Unload) -> None:
        """Take a model, or all of them, out of memory."""
        began = anyio.current_time()
        if asked.cancel_load and asked.model:
            name: str | None = await self._commands.cancel_load(asked.model, by=session.client)
        else:
            name = await self._commands.unload(None if asked.all else asked.model or "")
        session.send(wire.Unloaded(id=asked.id, model=name, took=anyio.current_time() - began))

    async def pin(self, session: Session, asked: wire.Pin) -> None:
        """Keep a model in memory."""
        name = (await self._commands.find(asked.model)).name
        self._control.pin(name)
        self._state.put_pins(self._control.catalog.pins)
        warning = await self._state.written()
        session.send(wire.Pinned(id=asked.id, model=name, warning=warning))

    async def unpin(self, session: Session, asked: wire.Unpin) -> None:
        """No longer. A pinned model that is not pulled any more can be unpinned; a name that is neither is a slip."""
        candidate = self._control.catalog.candidate(bounded(asked.model))
        name = candidate.name
        known = name in self._control.catalog.pins or self._control.catalog.is_known(candidate)
        if not known and await self._control.pulled.refresh():
            name = (await self._commands.find(name)).name
        self._control.pin(name, pinned=False)
        self._state.put_pins(self._control.catalog.pins)
        warning = await self._state.written()
        session.send(wire.Unpinned(id=asked.id, model=name, warning=warning))

    async def hold(self, session: Session, asked: wire.Hold) -> None:
        """Give the memory back for a while."""
        why = " ".join(asked.why.split())[:MOST_REASON]

        def keep(until: float) -> None:
            self._state.put_hold(self._control.wall(until), why)

        until = await self._control.hold(asked.seconds, drain=self._config.timeouts.drain, why=why, begun=keep)
        warning = await self._state.written()
        session.send(wire.Held(id=asked.id, until=self._control.wall(until), why=why, warning=warning))

    async def resume(self, session: Session, asked: wire.Resume) -> None:
        """End a hold."""
        was_held = self._control.resume()
        self._state.put_hold(None)
        warning = await self._state.written()
        session.send(wire.Resumed(id=asked.id, was_held=was_held, warning=warning))

    async def feedback(self, session: Session, asked: wire.Feedback) -> None:
        """Keep what the role should have been."""
        found = await self._state.find(asked.request)
        if not found:
            raise RequestFailed("bad_request", f"no request {asked.request} is in the history", {"field": "request"})
        self._state.put_feedback(found[0].id, asked.role)
        teaches = self._dispatcher.feedback.teach(found[0].id, asked.role)
        warning = await self._state.written()
        session.send(wire.Noted(id=asked.id, request=found[0].id, warning=warning, teaches=teaches))

    async def routing(self, session: Session, asked: wire.RoutingAsk) -> None:
        """Show, fit or undo what feedback taught the router; the next chat is routed by it."""
        feedback = self._dispatcher.feedback
        done = TrainingResult(changed=False, message="")
        if asked.action == "train":
            done = await feedback.train()
        elif asked.action == "undo":
            done = feedback.undo()
        warning = await self._state.written() if done.changed else None
        before, after = (
            None if each is None else wire.RoutingMeasure(each.right, each.total, round(each.loss, 4))
            for each in (done.before, done.after)
        )
        session.send(
            wire.Routing(
                id=asked.id,
                examples=feedback.counts,
                in_use=feedback.correction is not None,
                changed=done.changed,
                message=done.message,
                before=before,
                after=after,
                warning=warning,
            )
        )

    async def shutdown(self, session: Session, asked: wire.Shutdown) -> None:
        """Drain and leave."""
        drain = self._config.timeouts.drain if asked.drain is None else asked.drain
        session.send(wire.Stopping(id=asked.id, drain=drain))
        # With nothing to drain the daemon is gone before the next turn of the event loop; a cancel comes too late.
        with anyio.move_on_after(1.0, shield=True):
            await session.drained()
        self._stop(drain)

    def verbs(self) -> dict[type, Verb]:
        """Which method answers which request."""
        return {
            wire.Hello: self.hello,
            wire.Chat: self._talk.chat,
            wire.Embed: self._talk.embed,
            wire.RouteAsk: self.route,
            wire.Cancel: self.cancel,
            wire.StatusAsk: self.status,
            wire.Watch: self.watch,
            wire.ModelsAsk: self.models,
            wire.Select: self.select,
            wire.Load: self.load,
            wire.Unload: self.unload,
            wire.Pin: self.pin,
            wire.Unpin: self.unpin,
            wire.Hold: self.hold,
            wire.Resume: self.resume,
            wire.HistoryAsk: self.history,
            wire.StatsAsk: self.stats,
            wire.RoutingAsk: self.routing,
            wire.Feedback: self.feedback,
            wire.Shutdown: self.shutdown,
        }
