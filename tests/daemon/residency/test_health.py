import anyio
import pytest

from innkeepd.backends.openai import OpenAIBackend
from innkeepd.config.schema import BackendConfig
from innkeepd.residency.health import ASK_EVERY, HealthChecks, spellings
from support.daemon import config, mock_clock, open_daemon
from support.remote import RemoteEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def warnings(engine, *models, seconds=1.0):
    """What is warned of, and which models are cooling, after so many seconds."""
    said = config(backends=(BackendConfig(name="far", url=engine.url, models=models),))
    told = []
    async with open_daemon(said) as daemon, anyio.create_task_group() as tasks:
        tasks.start_soon(HealthChecks(daemon.control, {"far": OpenAIBackend(engine)}, warn=told.append).run)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return told, dict(daemon.control.scheduler.cooling)


async def test_an_engine_that_works_is_asked_once_and_left_alone():
    engine = RemoteEngine()
    assert await warnings(engine, "llama3.3", seconds=600) == ([], {})
    assert [path for _, path, _, _ in engine.asked] == ["/v1/models"]


async def test_a_name_that_it_does_not_serve_is_told_with_those_that_it_does():
    engine = RemoteEngine()
    told, cooling = await warnings(engine, "llama3.3:latest", "lama3.3")
    assert told == [f"{engine.url} does not list far/lama3.3; it has llama3.3"]
    assert cooling == {}


@pytest.mark.parametrize("page", [(404, b"Not Found"), (401, b"no"), (200, b"<html>"), (200, b'{"data":[]}')])
async def test_no_list_proves_nothing(page):
    engine = RemoteEngine()
    engine.pages["/v1/models"] = page
    assert await warnings(engine, "llama3.3") == ([], {})


@pytest.mark.parametrize(("down", "words"), [(0.0, "connection refused"), (60.0, "no answer in 10 s")])
async def test_one_out_of_reach_cools_with_all_its_models_and_is_asked_again(down, words):
    engine = RemoteEngine()
    engine.down = down
    told, cooling = await warnings(engine, "a", "b", seconds=ASK_EVERY * 3)
    assert told == []
    assert {name: words in why.message for name, why in cooling.items()} == {"far/a": True, "far/b": True}
    assert len(engine.asked) >= 2


async def test_one_out_of_reach_whose_models_nobody_named_is_nobodys_worry():
    engine = RemoteEngine()
    engine.down = 0.0
    assert await warnings(engine) == ([], {})


async def test_where_there_are_none_nothing_is_done():
    async with open_daemon() as daemon:
        with anyio.fail_after(1):
            await HealthChecks(daemon.control, {}, warn=print).run()


def test_the_tag_latest_may_be_said_or_not():
    assert spellings("a") == {"a", "a:latest"}
    assert spellings("a:latest") >= {"a", "a:latest"}
