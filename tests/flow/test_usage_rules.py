"""The rules of ``[[when]]`` in the whole daemon, and what happens around sleep."""

from itertools import pairwise

import anyio
import pytest

from innkeep import wire
from innkeepd.config.schema import Config, WhenConfig
from support.daemon import LLAMA8, QWEN, SleepingMac, config, mock_clock, open_daemon
from support.surroundings import ScriptedEvents, ScriptedSurroundings

pytestmark = pytest.mark.anyio
CALL = WhenConfig(name="call", then="hold", camera=True)
UNPLUGGED = WhenConfig(name="unplugged", then="light_only", on_battery=True)


@pytest.fixture
def anyio_backend():
    return mock_clock()


def ruled(*rules: WhenConfig) -> Config:
    return config(when=rules)


async def test_a_rules_hold_empties_memory_in_drain_and_five_seconds_and_cuts_nobody_off():
    mac = ScriptedSurroundings(camera=False)
    async with open_daemon(ruled(CALL), surroundings=mac) as daemon:
        client = daemon.connect()
        await client.chat_to_end(model=LLAMA8)
        running = await client.chat(model=QWEN)
        await client.until(running, wire.Delta)
        mac.change(camera=True)
        began = anyio.current_time()
        await anyio.sleep(10.1)
        status = await client.status()
        assert status.rules == ["call (camera): hold"]
        late = await client.chat(model=LLAMA8)
        done = await client.end(running)
        assert isinstance(done, wire.Done)
        ended = anyio.current_time()
        while daemon.control.scheduler.ledger.residents:
            await daemon.control.changed()
        assert anyio.current_time() - max(ended, began + 10.1) <= 5.0
        assert anyio.current_time() - began <= daemon.app.config.timeouts.drain + 5.0
        assert daemon.loads() == [LLAMA8, QWEN]
        mac.change(camera=False)
        answered = await client.end(late)
        assert isinstance(answered, wire.Done), "who waited is served when the rule no longer holds"
        assert (await client.status()).rules == []


async def test_who_waits_too_long_for_a_rule_is_told_which():
    async with open_daemon(ruled(CALL), surroundings=ScriptedSurroundings(camera=True)) as daemon:
        client = daemon.connect()
        await anyio.sleep(1)
        error = await client.chat_to_end(model=LLAMA8)
        assert (error.code, "call (camera): hold" in error.message) == ("on_hold", True)


async def test_on_battery_a_chat_takes_the_light_model_of_its_chain():
    mac = ScriptedSurroundings(on_battery=True)
    async with open_daemon(ruled(UNPLUGGED), surroundings=mac) as daemon:
        client = daemon.connect()
        await anyio.sleep(1)
        assert (await client.chat_to_end("refactor this function")).model == LLAMA8
        assert mac.asked[0] == {"on_battery"}


async def test_a_plug_that_flaps_changes_what_is_allowed_once_a_minute():
    mac, changes = ScriptedSurroundings(on_battery=False), []
    async with open_daemon(ruled(UNPLUGGED), surroundings=mac) as daemon:
        daemon.control.on_event.append(
            lambda _kind, what, _data: changes.append(anyio.current_time()) if what == "rules changed" else None
        )
        for _ in range(200):
            mac.change(on_battery=not mac.conditions.on_battery)
            await anyio.sleep(7)
        assert len(changes) > 5
        assert all(later - earlier >= 60.0 for earlier, later in pairwise(changes))


async def test_resume_lifts_the_rules_until_they_change():
    mac = ScriptedSurroundings(camera=True)
    async with open_daemon(ruled(CALL), surroundings=mac) as daemon:
        client = daemon.connect()
        await anyio.sleep(1)
        assert (await client.status()).rules
        await client.answer(wire.Resume(id=0))
        assert (await client.status()).rules == []
        assert isinstance(await client.chat_to_end(model=LLAMA8), wire.Done)
        mac.change(camera=False)
        await anyio.sleep(130)
        mac.change(camera=True)
        await anyio.sleep(11)
        assert (await client.status()).rules == ["call (camera): hold"]


async def test_without_rules_nothing_is_read_and_new_rules_are_read_at_once():
    mac = ScriptedSurroundings(camera=True)
    async with open_daemon(Config(), surroundings=mac) as daemon:
        await anyio.sleep(3600)
        assert mac.asked == []
        daemon.app.reconfigure(ruled(CALL))
        await anyio.sleep(0.1)
        assert mac.asked == [{"camera"}]
        daemon.app.reconfigure(Config())
        await anyio.sleep(61)
        assert (await daemon.connect().status()).rules == []


async def test_before_sleep_a_short_answer_ends_and_a_long_one_is_told_then_the_system_may_sleep():
    events, mac = ScriptedEvents(), SleepingMac()
    async with open_daemon(system_events=events, sleep=mac) as daemon:
        client = daemon.connect()
        await client.chat_to_end(model=LLAMA8)
        short = await client.chat(model=LLAMA8)
        await client.until(short, wire.Delta)
        events.announce("will_sleep")
        await anyio.sleep(0.1)
        waiting = await client.chat(model=LLAMA8)
        assert isinstance(await client.end(short), wire.Done)
        with anyio.fail_after(1):
            await events.allowed.wait()
        assert [one.name for one in (await client.status()).resident] == [LLAMA8], "without a rule it stays"
        mac.asleep += 8 * 3600
        events.announce("woke")
        reply = await client.end(waiting)
        assert isinstance(reply, wire.Done) or reply.code == "on_hold"


async def test_an_answer_that_does_not_end_before_sleep_is_ended_with_the_reason():
    events = ScriptedEvents()
    async with open_daemon(system_events=events) as daemon:
        client = daemon.connect()
        daemon.simulator.fail("stall", QWEN, after=4)
        long = await client.chat(model=QWEN)
        await client.until(long, wire.Delta)
        events.announce("will_sleep")
        began = anyio.current_time()
        error = await client.end(long)
        assert (error.code, error.detail["partial"], "going to sleep" in error.message) == ("on_hold", True, True)
        await events.allowed.wait()
        assert anyio.current_time() - began < 30.0, "the system waits no longer"


async def test_sleep_that_is_called_off_cuts_no_answer_off():
    events = ScriptedEvents()
    async with open_daemon(system_events=events) as daemon:
        client = daemon.connect()
        daemon.simulator.fail("slow", QWEN, factor=20.0)
        long = await client.chat("hello [simulate tokens 60]", model=QWEN)
        await client.until(long, wire.Delta)
        events.announce("will_sleep")
        await anyio.sleep(1)
        events.announce("woke")  # kIOMessageSystemWillNotSleep
        began = anyio.current_time()
        done = await client.end(long)
        assert isinstance(done, wire.Done), done
        assert anyio.current_time() - began > 25.0, "it must outlast what running answers have before a sleep"


async def test_a_rule_for_sleep_empties_the_memory_before_it():
    events = ScriptedEvents()
    rule = WhenConfig(name="sleep", then="hold", suspend=True)
    async with open_daemon(ruled(rule), system_events=events, surroundings=ScriptedSurroundings()) as daemon:
        client = daemon.connect()
        await client.chat_to_end(model=LLAMA8)
        events.announce("will_sleep")
        await events.allowed.wait()
        assert (await client.status()).resident == []
        events.announce("woke")
        assert isinstance(await client.chat_to_end(model=LLAMA8), wire.Done)


async def test_after_waking_everything_is_looked_at_anew():
    events, surroundings = ScriptedEvents(), ScriptedSurroundings(camera=False)
    async with open_daemon(ruled(CALL), system_events=events, surroundings=surroundings) as daemon:
        await anyio.sleep(1)
        ps, readings = len(daemon.asked("/api/ps")), len(surroundings.asked)
        tags = len(daemon.asked("/api/tags"))
        events.announce("will_sleep")
        await anyio.sleep(0.01)
        events.announce("woke")
        await anyio.sleep(0.2)
        assert len(daemon.asked("/api/ps")) > ps
        assert len(daemon.asked("/api/tags")) > tags
        assert len(surroundings.asked) > readings


async def test_pressure_that_the_system_announces_is_read_at_once():
    events = ScriptedEvents()
    async with open_daemon(system_events=events) as daemon:
        await anyio.sleep(1)
        before = daemon.control.monitor.reading
        events.announce("pressure")
        await anyio.sleep(0.001)
        assert daemon.control.monitor.reading is not before
