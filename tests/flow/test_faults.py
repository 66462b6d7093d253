"""A fault of our own, raised at every place where any task of the daemon waits: it serves afterwards.

The places are found by walking the daemon's tasks while it lives through a scenario, so a task that is added later is
tried too. What is raised in the owner's step has another end: ``on_fault``, and no event is taken after it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, get_args

import anyio
import pytest
import trio
from msgspec.structs import fields

from innkeep import wire
from innkeepd.backends.openai import OpenAIBackend
from innkeepd.config.schema import BackendConfig
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler
from innkeepd.residency.supervisor import OwnerFault
from support.daemon import DEEPSEEK, LLAMA8, QWEN, Daemon, config, open_daemon
from support.places import Injected, waits_at
from support.remote import RemoteEngine

pytestmark = pytest.mark.anyio
FAR = BackendConfig(name="far", url="http://cluster.test:8000", models=("m",))


class Walk(trio.abc.Instrument):
    """Notes every place at which the daemon's tasks wait; raises once at ``target``, as the wait ends."""

    def __init__(self, target: tuple[str, ...] | None = None) -> None:
        self.places: dict[tuple[str, ...], None] = {}
        self.raised = self.is_over = False
        self._target = target

    def before_task_step(self, task: Any) -> None:
        place = waits_at(task.coro)
        if place and not self.is_over and task.coro.cr_code.co_filename.find("/tests/") < 0:
            self.places[place] = None
            if place == self._target and not self.raised:
                self.raised = True
                task._next_send_fn, task._next_send = task.coro.throw, Injected("a fault")


async def live(daemon: Daemon) -> None:
    """A short life with everything in it; what a fault spoils here is no matter."""
    async with anyio.create_task_group() as tasks:
        watcher = daemon.connect()
        await watcher.ask(wire.Watch(id=0))

        async def ask(request: wire.Request) -> None:
            with suppress(AssertionError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await daemon.connect().answer(request)

        for number, model in enumerate((QWEN, DEEPSEEK, LLAMA8, "far/m", QWEN)):
            request = wire.Chat(id=0, messages=[wire.Message("user", "hi")], model=model, stream=number % 2 == 0)
            tasks.start_soon(ask, request)
        await anyio.sleep(3)
        for request in (wire.Pin(id=0, model=LLAMA8), wire.ModelsAsk(id=0), wire.HistoryAsk(id=0)):
            tasks.start_soon(ask, request)
        await anyio.sleep(200)
        for request in (wire.Unload(id=0, all=True), wire.Hold(id=0, seconds=60.0), wire.Resume(id=0)):
            await ask(request)
        await anyio.sleep(400)


@asynccontextmanager
async def scenario() -> AsyncIterator[Daemon]:
    engine = RemoteEngine()
    engine.status = 500
    async with open_daemon(config(backends=(FAR,)), backends={"far": OpenAIBackend(engine)}) as daemon:
        yield daemon


async def walked(target: tuple[str, ...] | None = None) -> Walk:
    """Live with a fault at ``target``; a chat is answered afterwards, and nothing is left over."""
    walk = Walk(target)
    trio.lowlevel.add_instrument(walk)
    async with scenario() as daemon:
        await live(daemon)
        walk.is_over = True
        owner = [fault for fault in daemon.faults if isinstance(fault, OwnerFault)]
        assert owner == []
        with anyio.fail_after(600):
            assert isinstance(await daemon.connect().chat_to_end("hi", model=LLAMA8), wire.Done)
        await anyio.sleep(700)
        assert daemon.is_quiet()
        daemon.faults.clear()
    return walk


async def test_a_fault_at_any_place_where_a_task_waits_leaves_the_daemon_serving():
    places = list((await walked()).places)
    assert len(places) > 30
    unreached, broken = [], []
    for place in places:
        try:
            walk = await walked(place)
        except Exception as error:  # noqa: BLE001 - every place is tried
            broken.append((place, error))
            continue
        if not walk.raised:
            unreached.append(place)
    assert broken == []
    assert len(unreached) < len(places) / 10, unreached


def sample(kind: Any) -> ev.Event:
    """An event of this kind, whatever it says."""
    values = {str: "x", int: 1, float: 1.0, ev.Ticket: ev.Ticket("x", ("x",))}
    needed = [each for each in fields(kind) if each.required]
    event: ev.Event = kind(**{each.name: values.get(each.type, ()) for each in needed})
    return event


@pytest.mark.parametrize("kind", get_args(ev.Event), ids=lambda kind: kind.__name__)
async def test_a_fault_in_the_owners_step_ends_it_whatever_the_event(monkeypatch, kind):
    step = Scheduler.step

    def broken(self: Scheduler, event: ev.Event, now: float) -> list[ev.Action]:
        if isinstance(event, kind):
            raise Injected("a fault")
        return step(self, event, now)

    faults: list[Exception] = []
    with suppress(OwnerFault):
        async with scenario() as daemon:
            faults = daemon.faults
            monkeypatch.setattr(Scheduler, "step", broken)
            await live(daemon)
            daemon.control.post(sample(kind))  # where the short life had none of them
    assert [type(fault) for fault in faults] == [OwnerFault]
    assert f"{kind.__name__}(" in str(faults[0])
    assert isinstance(faults[0].__cause__, Injected)
