"""The parts of the journey that stand alone; ``tests/flow`` walks all of it."""

import pytest

from innkeepd.backends.backend import BackendFault
from innkeepd.chat.dispatch import _is_news, _rest
from innkeepd.chat.types import ChatSpec, Progress, RequestFailed
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.catalog import Candidate
from support.daemon import LLAMA8, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


def test_what_is_left_to_try_are_those_behind_and_those_that_were_only_slow():
    a, b, c, d = (Candidate(name, name) for name in "abcd")
    passed = (ev.Passed("a", "never_fits", ""), ev.Passed("b", "patience", ""))
    assert _rest([a, b, c, d], c, ev.Grant("t", "c", 0, passed)) == [b, d]


def test_a_change_is_news_and_a_countdown_is_not():
    waiting = Progress("waiting", "m", position=2, ahead=1, expected=30.0, reason="x")
    assert not _is_news(waiting, Progress("waiting", "m", position=2, ahead=1, expected=12.0, reason="x"))
    assert _is_news(waiting, Progress("waiting", "m", position=1, ahead=0, expected=12.0, reason="x"))
    held = Progress("waiting", "m", until=1e9)
    assert not _is_news(held, Progress("waiting", "m", until=1e9 + 0.001))  # the wall's clock was corrected
    assert _is_news(held, Progress("waiting", "m", until=1e9 + 60))
    assert _is_news(held, Progress("waiting", "m"))
    loading = Progress("loading", "m", elapsed=1.0)
    assert _is_news(waiting, loading)
    assert not _is_news(loading, Progress("loading", "m", elapsed=1.5))
    assert _is_news(loading, Progress("loading", "m", elapsed=2.0))
    assert _is_news(loading, Progress("loading", "m", elapsed=1.1, unloading=("n",)))


async def test_a_lease_is_given_back_once_however_the_work_ends():
    async with open_daemon(config(timeouts={"first_token": 30.0})) as daemon:
        dispatcher = daemon.app.dispatcher

        async def fails(_lease):
            raise BackendFault("bad_request", "no")

        async def breaks(_lease):
            raise RuntimeError("a bug")

        async def tell(_told):
            pass

        for work, error in ((fails, RequestFailed), (breaks, RuntimeError)):
            with pytest.raises(error):
                async with dispatcher.begin(ChatSpec(model=LLAMA8)) as request:
                    await dispatcher.serve(request, work, tell)
            assert daemon.is_quiet()
            assert not daemon.control.awake._work
        assert [record["code"] for record in daemon.records] == ["bad_request", "internal"]


async def test_an_error_while_telling_who_waits_gives_the_place_back():
    async with open_daemon() as daemon:
        dispatcher = daemon.app.dispatcher

        async def tell(_told):
            raise RuntimeError("the client's fault")

        with pytest.raises(RuntimeError):
            async with dispatcher.begin(ChatSpec(model=LLAMA8)) as request:
                await dispatcher.serve(request, None, tell)
        assert daemon.control.handles() == []
