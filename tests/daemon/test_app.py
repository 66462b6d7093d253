import anyio
import pytest

from innkeep import wire
from innkeepd import app
from innkeepd.store.records import MemoryHistory
from support.house import LLAMA8, config, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_what_was_learned_is_written_now_and_then_and_at_the_end():
    records = MemoryHistory()
    async with open_house(records=records) as house:
        guest = house.connect()
        await guest.told("hi", model=LLAMA8)
        assert records.get("learned") is None or anyio.current_time() > app.KEEP_EVERY
        await anyio.sleep(app.KEEP_EVERY + 1)
        first = records.get("learned")
        assert first
        await guest.told("hi", model=LLAMA8)
    assert records.get("learned") != first


async def test_tables_that_wait_for_a_restart_are_named_and_stay_as_they_were():
    async with open_house() as house:
        new = config(ollama={"url": "http://127.0.0.1:9"}, history={"limit": 7}, timeouts={"stall": 9.0})
        assert house.rooms.reconfigure(new) == ["ollama", "history"]
        assert house.rooms.config.ollama.url != "http://127.0.0.1:9"
        assert house.rooms.journey.config.timeouts.stall == 9.0


async def test_a_new_log_table_opens_the_log_anew(monkeypatch):
    opened = []
    monkeypatch.setattr(app.log, "configure", lambda said, **_: opened.append(said.level))
    async with open_house() as house:
        house.rooms.reconfigure(config(timeouts={"stall": 9.0}))
        assert opened == []
        house.rooms.reconfigure(config(log={"level": "debug"}))
        assert opened == ["debug"]


async def test_a_log_that_cannot_be_opened_goes_to_stderr(monkeypatch):
    opened = []

    def configure(said, *, foreground, folder):
        opened.append((said.path, foreground))
        if not said.path:
            raise OSError("no room")

    monkeypatch.setattr(app.log, "configure", configure)
    async with open_house() as house:
        house.rooms._open_log()
    assert opened[-1] == ("/dev/null", True)


async def test_a_port_that_stays_closed_is_told_by_status_and_tried_again_until_it_opens(monkeypatch):
    tries = []

    async def taken(*_args, opened, **_more):
        tries.append(anyio.current_time())
        if len(tries) == 3:
            opened()
            await anyio.sleep_forever()
        return "the HTTP port stays closed: taken"

    monkeypatch.setattr("innkeepd.server.http.server.serve_http", taken)
    async with open_house(config(http={"enabled": True})) as house, anyio.create_task_group() as tasks:
        tasks.start_soon(house.rooms.serve_http)
        client = house.connect()
        await anyio.sleep(app.OPEN_EVERY * 1.5)
        assert (await client.status()).warnings == ["the HTTP port stays closed: taken"]
        await anyio.sleep(app.OPEN_EVERY)
        assert (await client.status()).warnings == []
        assert len(tries) == 3
        tasks.cancel_scope.cancel()


async def test_a_port_that_may_not_open_is_not_tried_again():
    async with open_house(config(http={"enabled": True, "host": "0.0.0.0"})) as house:
        with anyio.fail_after(1):
            await house.rooms.serve_http()
        assert "token is not set" in (await house.connect().status()).warnings[0]


def test_the_canonical_line_is_made_of_the_record(monkeypatch):
    told = {}
    monkeypatch.setattr(app.log, "request_line", lambda **fields: told.update(fields))
    timings = wire.Timings(queued=1.0, swap=0.5, total=2.0)
    record = wire.DecisionRecord(id="x", code="stalled", outcome="failed", timings=timings, completion_tokens=3)
    app.log_request(record)
    assert (told["outcome"], told["waited"], told["seconds"], told["tokens"]) == ("stalled", 1.0, 2.0, 3)
