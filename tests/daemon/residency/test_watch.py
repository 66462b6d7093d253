from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import httpx2
import pytest
from trio.testing import MockClock

from innkeepd.backends.backend import Running
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.residency.watch import ALIVE_WITHIN, ANSWER_WITHIN, AWAKE, IDLE, QUICK, VERSION_EVERY, Observation, Watch
from support.scripted import ScriptedTransport

pytestmark = pytest.mark.anyio

GONE = httpx2.ConnectError("connection refused")


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Daemon:
    """A watch on a scripted Ollama, with what it reported and when."""

    def __init__(self, ps="ps_after_unload", version="version"):
        self.transport = ScriptedTransport({"/api/ps": ps, "/api/version": version})
        self.reports = []
        self.watch = Watch(OllamaBackend(self.transport), lambda seen, _before: self.reports.append(seen))

    def says(self, ps):
        self.transport._script["/api/ps"] = ps

    @property
    def asked(self):
        return sum(path == "/api/ps" for _, path, _ in self.transport.asked)

    async def run(self, seconds):
        with anyio.move_on_after(seconds):
            await self.watch.run()


def told(daemon):
    start = daemon.reports[0].sent
    return [(round(each.sent - start, 3), each.reachable) for each in daemon.reports]


async def test_an_idle_house_wakes_every_thirty_seconds():
    daemon = Daemon()
    await daemon.run(3600)
    assert daemon.asked == 3600 / IDLE
    assert daemon.reports[0].running == []
    assert daemon.reports[0].version == "0.0.0"
    assert [path for _, path, _ in daemon.transport.asked].count("/api/version") == daemon.asked


async def test_something_loaded_or_somebody_connected_is_looked_at_every_ten_seconds():
    daemon = Daemon(ps="ps_mid")
    await daemon.run(100)
    assert daemon.asked == 100 / AWAKE
    assert daemon.reports[0].running[0] == Running(
        "mid:latest", 96774144, 4096, pytest.approx(1795431515.998), daemon.reports[0].running[0].digest, 0
    )
    daemon = Daemon()
    daemon.watch.attend(clients=1)
    await daemon.run(100)
    assert daemon.asked == 100 / AWAKE


async def test_open_requests_are_looked_after_every_two_seconds_and_wake_a_sleeping_watch():
    daemon = Daemon()
    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run, 25)
        await anyio.sleep(1)
        daemon.watch.attend(clients=1, requests=1)  # asked a second ago: not asked again for each request
        await anyio.sleep(8)
        daemon.watch.attend(clients=0)
        await anyio.sleep(11)
        daemon.watch.attend(clients=1, requests=1)  # asked long ago: asked at once
    assert [at for at, _ in told(daemon)] == [0, 2, 4, 6, 8, 10, 20, 22, 24]


async def test_a_hurry_asks_at_once_then_quickly_then_calms_down():
    daemon = Daemon()
    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run, 60)
        await anyio.sleep(5)
        daemon.watch.hurry(3)
    times = [at for at, _ in told(daemon)]
    gaps = [later - earlier for earlier, later in pairwise(times[1:])]
    assert times[1] == 5
    assert gaps == pytest.approx([QUICK[0], 0.375, 0.562, 0.844, QUICK[1], IDLE], abs=0.002)


async def test_calm_ends_a_hurry():
    daemon = Daemon()
    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run, 29)
        daemon.watch.hurry(600)
        await anyio.sleep(0.1)
        daemon.watch.calm()
    assert daemon.asked == 2


async def test_a_silent_ollama_is_told_once_and_again_when_it_is_back_with_its_version():
    daemon = Daemon()
    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run, 100)
        await anyio.sleep(40)
        daemon.says(GONE)
        await anyio.sleep(35)
        daemon.says("ps_mid")
        daemon.transport._script["/api/version"] = (200, b'{"version":"9.9"}')
    assert told(daemon)[:4] == [(0, True), (30, True), (60, False), (80, True)]
    why = f"{daemon.transport.url}: connection refused"
    down = f"Ollama does not answer: {why}. Start it with `ollama serve` or the Ollama app"
    assert daemon.reports[2] == Observation(daemon.reports[2].sent, None, "0.0.0", down)
    assert daemon.reports[3].version == "9.9"
    assert daemon.asked == 6


async def test_an_answer_that_does_not_come_counts_as_none():
    daemon = Daemon()

    async def never():
        await anyio.sleep_forever()

    daemon.watch._backend.running = daemon.watch._backend.version = never
    seen = await daemon.watch.observe_now()
    assert seen == Observation(daemon.reports[0].sent, None, None, "no answer in 5 s")
    assert (seen.reachable, anyio.current_time()) == (False, ANSWER_WITHIN + ALIVE_WITHIN)


async def test_an_ollama_that_tells_its_version_lives_though_ps_is_blocked():
    daemon = Daemon(ps="ps_mid")
    await daemon.watch.observe_now()

    async def never():
        await anyio.sleep_forever()

    running, daemon.watch._backend.running = daemon.watch._backend.running, never
    for _ in range(3):
        await daemon.watch.observe_now()
    daemon.watch._backend.running = running
    await daemon.watch.observe_now()
    assert [(each.reachable, each.is_blocked) for each in daemon.reports] == [
        (True, False),
        (True, True),
        (True, False),
    ]


async def test_another_version_is_noticed_at_the_next_look():
    """Ollama's app replaces itself; so does a downgrade."""
    daemon = Daemon()
    said = ["0.17.4"]

    async def version():
        return said[-1]

    daemon.watch._backend.version = version
    await daemon.watch.observe_now()
    said.append("0.33.0")
    await anyio.sleep(VERSION_EVERY / 2)
    assert (await daemon.watch.observe_now()).version == "0.17.4"
    await anyio.sleep(VERSION_EVERY / 2)
    assert (await daemon.watch.observe_now()).version == "0.33.0"


async def test_a_failed_answer_or_a_model_that_left_has_the_version_read_at_once():
    daemon = Daemon(ps="ps_mid")

    def asked():
        return [path for _, path, _ in daemon.transport.asked].count("/api/version")

    await daemon.watch.observe_now()
    await daemon.watch.observe_now()
    assert asked() == 1
    daemon.watch.hurry()
    await daemon.watch.observe_now()
    assert asked() == 2
    daemon.says("ps_after_unload")
    await daemon.watch.observe_now()
    assert asked() == 3
    daemon.says(GONE)
    await daemon.watch.observe_now()
    daemon.says("ps_after_unload")
    await daemon.watch.observe_now()
    assert asked() == 4


async def test_its_repr_shows_pace_and_last_answer():
    daemon = Daemon()
    assert repr(daemon.watch) == "<Watch every 30 s, last None>"


def delayed(request, seconds):
    """A transport's ``request`` whose answers of ``/api/ps`` take so long."""

    @asynccontextmanager
    async def late(method, path, body=None, headers=None):
        async with request(method, path, body, headers) as answer:
            await anyio.sleep(seconds if path == "/api/ps" else 0)
            yield answer

    return late


async def test_a_burst_asks_once_and_shares_the_answer():
    daemon = Daemon()
    daemon.transport.request = delayed(daemon.transport.request, 3.0)
    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(daemon.watch.observe_now)
    assert daemon.asked == 1
    assert len(daemon.reports) == 1


async def test_where_whoever_asked_leaves_the_next_one_asks():
    daemon = Daemon()
    daemon.transport.request = delayed(daemon.transport.request, 3.0)
    seen = []

    async def hasty():
        with anyio.move_on_after(1):
            await daemon.watch.observe_now()

    async def patient():
        seen.append(await daemon.watch.observe_now())

    async with anyio.create_task_group() as group:
        group.start_soon(hasty)
        await anyio.sleep(0.5)
        group.start_soon(patient)
        group.start_soon(patient)
    assert (len(seen), seen[0].running, daemon.asked) == (2, [], 2)


async def test_a_connection_that_ollama_closed_has_the_version_read_at_once():
    """Another version may have taken its place between two looks."""
    daemon = Daemon()

    def asked():
        return [path for _, path, _ in daemon.transport.asked].count("/api/version")

    await daemon.watch.observe_now()
    daemon.transport.losses += 1
    assert daemon.watch.is_stale
    await daemon.watch.observe_now()
    assert asked() == 2
    assert not daemon.watch.is_stale
