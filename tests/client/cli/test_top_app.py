"""The program of ``innkeep top`` in Textual's own harness, at a scripted daemon."""

import threading

import anyio
import msgspec
import pytest

pytest.importorskip("textual", reason="the extra `top` is not installed")

from innkeep import wire
from innkeep.cli.top_app import AskDuration, Explain, TopApp
from innkeep.client import AsyncClient
from support.cli_daemon import UNTIL_CANCELLED, a_record, a_status

pytestmark = pytest.mark.anyio
LIMIT = 30.0


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Feed:
    """What the daemon says on the watch: more whenever a test has more to say."""

    def __init__(self, daemon):
        self.more = threading.Semaphore(0)
        self.replies = []
        daemon.script[wire.Watch] = self.watch
        daemon.script[wire.HistoryAsk] = self.history

    def watch(self, _request):
        yield a_status()
        while self.more.acquire(timeout=LIMIT):
            yield self.replies.pop(0)

    def history(self, request):
        found = [a_record(id="3f9a01"), a_record(id="77aa00")]
        chosen = [one for one in found if request.request in (None, one.id)]
        yield wire.History(id=0, records=chosen)

    def say(self, reply):
        self.replies.append(reply)
        self.more.release()


@pytest.fixture
def feed(daemon):
    feed = Feed(daemon)
    yield feed
    feed.say(wire.Error(id=0, code="cancelled", message="over"))


async def until(pilot, holds):
    with anyio.fail_after(LIMIT):
        while not holds():
            await pilot.pause()


def text(app):
    return "\n".join(app.board.render_line(row).text for row in range(app.size.height))


def open_app(daemon, **more):
    return TopApp(AsyncClient(daemon.path, name="innkeep top"), **more)


async def test_it_asks_once_and_then_only_listens(daemon, feed):
    app = open_app(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        feed.say(a_status(resident=[]))
        await until(pilot, lambda: "no model is in memory" in text(app))
        event = msgspec.to_builtins(a_record(id="feed0001"))
        feed.say(wire.Event(id=0, kind="request", at=1.0, what="answered", data=event))
        await until(pilot, lambda: "feed0001" in text(app))
        for _ in range(5):
            app.tick()
        asked = [type(each).__name__ for each in daemon.requests]
        assert sorted(asked) == ["HistoryAsk", "Watch"]
        assert daemon.last(wire.Watch).every is not None


async def test_only_lines_that_changed_are_drawn(daemon, feed):
    app = open_app(daemon, now=lambda: 1000.0)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        before = app.board.drawn
        app.draw()
        assert app.board.drawn == before
        feed.say(a_status(uptime=9999.0))
        await until(pilot, lambda: app.board.drawn > before)
        assert app.board.drawn == before + 1


async def test_keys_ask_the_daemon(daemon, feed):
    daemon.script[wire.Unload] = lambda ask: [wire.Unloaded(id=0, model=ask.model, took=1.0)]
    daemon.script[wire.Pin] = lambda ask: [wire.Pinned(id=0, model=ask.model)]
    daemon.script[wire.Hold] = lambda ask: [wire.Held(id=0, until=2e9)]
    daemon.script[wire.Resume] = lambda ask: [wire.Resumed(id=0)]
    app = open_app(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        await pilot.press("u")
        assert "choose a model in memory first" in text(app)
        await pilot.press("down", "down", "u")
        await until(pilot, lambda: "unloading llama3.1:8b: done" in text(app))
        assert daemon.last(wire.Unload).model == "llama3.1:8b"
        await pilot.press("up", "p")
        await until(pilot, lambda: "pinning qwen2.5-coder:32b: done" in text(app))
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, AskDuration))
        await pilot.press("enter")
        await until(pilot, lambda: "holding for 30 min: done" in text(app))
        assert daemon.last(wire.Hold).seconds == 1800.0
        feed.say(a_status(held_until=2e9, changing=[wire.Changing("deepseek-r1:32b", "loading", 1.0)]))
        await until(pilot, lambda: "deepseek-r1:32b" in text(app))
        await pilot.press("h")
        await until(pilot, lambda: "ending the hold: done" in text(app))
        await pilot.press("c")
        await until(pilot, lambda: "cancelling the load of deepseek-r1:32b: done" in text(app))
        assert daemon.last(wire.Unload).cancel_load
        await pilot.press("q")


async def test_explain_shows_the_chosen_request_over_the_rest(daemon, feed):
    app = open_app(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "77aa00" in text(app))
        await pilot.press("down", "down", "down", "down", "e")
        await until(pilot, lambda: isinstance(app.screen, Explain))
        assert daemon.last(wire.HistoryAsk).request == "77aa00"
        await pilot.press("u", "escape")
        assert not isinstance(app.screen, Explain)
        assert not any(isinstance(each, wire.Unload) for each in daemon.requests)


async def test_a_refusal_is_said_and_a_duration_that_is_none_too(daemon, feed):
    app = open_app(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        await pilot.press("c")
        assert "no model is loading" in text(app)
        await pilot.press("down", "p")
        await until(pilot, lambda: "no script for Pin" in text(app))
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, AskDuration))
        await pilot.press("x", "enter")
        await until(pilot, lambda: "invalid duration" in text(app))


async def test_read_only_changes_nothing(daemon, feed):
    app = open_app(daemon, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        for key in ("down", "u", "p", "h", "c"):
            await pilot.press(key)
        assert "read-only: keys change nothing" in text(app)
        await pilot.pause()
        assert {type(each) for each in daemon.requests} == {wire.HistoryAsk, wire.Watch}


async def test_a_daemon_that_went_away_is_said_and_tried_again(daemon, feed):
    app = open_app(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "qwen2.5-coder:32b" in text(app))
        daemon.script[wire.Watch] = lambda _: [a_status(resident=[]), UNTIL_CANCELLED]
        feed.say(wire.Error(id=0, code="shutting_down", message="innkeepd is stopping"))
        await until(pilot, lambda: "innkeepd is stopping" in text(app))
        await until(pilot, lambda: "no model is in memory" in text(app))
