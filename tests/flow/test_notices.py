"""Notices of a running daemon: raised by what happens, told in the status, as an event, and to a command."""

import anyio
import pytest
from msgspec.structs import replace

from innkeep import wire
from innkeepd import app as app_module
from innkeepd.policy.notices import GONE_AFTER, NEVER, STORM
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V33
from support.daemon import DEEPSEEK, LLAMA70, QWEN, config, open_daemon

pytestmark = pytest.mark.anyio


async def notices(client):
    return {notice.kind: notice for notice in (await client.status()).notices}


@pytest.fixture
def commands(monkeypatch):
    """Commands that were run, instead of running them."""
    ran = []

    async def run(command, data, environ, *, report):
        ran.append((list(command), environ["INNKEEP_NOTICE"]))
        report("it failed")

    monkeypatch.setattr(app_module, "run_command", run)
    return ran


async def test_a_quiet_daemon_has_none():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hello")
        assert await notices(client) == {}


async def test_a_storm_of_swaps_is_told_with_its_cause_once(commands):
    async with open_daemon(config(notify={"command": ("alert", "-x"), "desktop": True})) as daemon:
        client, watcher = daemon.connect(), daemon.connect()
        await client.answer(wire.Hello(id=0, protocol=1, client="opencode"))
        watching = await watcher.ask(wire.Watch(id=0, kinds=["log"]))
        for number in range(STORM + 3):
            await client.chat_to_end("hello", model=DEEPSEEK if number % 2 else QWEN)
        storm = (await notices(client))["swap_storm"]
        assert "caused by opencode" in storm.text
        events = [each for each in watcher.heard[watching] if isinstance(each, wire.Event)]
        assert [each.data["notice"] for each in events] == ["swap_storm"]
        assert commands == [(["alert", "-x"], "swap_storm")]  # Linux has no notification of macOS
        await anyio.sleep(700)
        assert await notices(client) == {}


async def test_a_model_that_never_fits_is_told_after_some_requests():
    async with open_daemon() as daemon:
        client = daemon.connect()
        for _ in range(NEVER):
            assert await notices(client) == {}
            assert (await client.chat_to_end("hello", model=LLAMA70)).code == "never_fits"
        assert (await notices(client))["never_fits"].subject == LLAMA70


async def test_an_ollama_that_is_gone_is_told_although_nobody_asks(commands):
    async with open_daemon(config(notify={"command": ("alert",)})) as daemon:
        client = daemon.connect()
        await client.status()
        daemon.simulator.down = True
        await anyio.sleep(200 + GONE_AFTER)
        assert commands == [(["alert"], "ollama_gone")]
        assert "ollama_gone" in await notices(client)
        daemon.simulator.down = False
        await anyio.sleep(200)
        assert await notices(client) == {}


async def test_critical_pressure_is_told():
    async with open_daemon() as daemon:
        client = daemon.connect()
        daemon.simulator.machine.pressure_level = 4
        await anyio.sleep(120)
        assert "memory_pressure" in await notices(client)


async def test_an_unproved_version_is_told():
    simulator = Simulator(ollama=replace(V33, version="0.99.0"))
    async with open_daemon(simulator=simulator) as daemon:
        await anyio.sleep(1)
        assert "0.99.0 was never tested" in (await notices(daemon.connect()))["unproved_version"].text
