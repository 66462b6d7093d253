"""The parts of the journey that stand alone; ``tests/flow`` walks all of it."""

import anyio
import pytest

from innkeepd.catalog import Candidate
from innkeepd.chat import SESSIONS, Failure, Lease, Pace, Told, Wish, _is_news, _rest
from innkeepd.outbound.backend import BackendFault
from innkeepd.policy import events as ev
from support.house import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_pace_ends_an_answer_that_does_not_begin():
    pace, began = Pace(10.0, 5.0), anyio.current_time()
    with pace.scope:
        await anyio.sleep_forever()
    assert anyio.current_time() - began == pytest.approx(10.0)
    assert (pace.fault("m").code, pace.fault("m").message) == ("first_token_timeout", "m gave no token within 10 s")


async def test_a_pace_ends_an_answer_that_stalls_at_most_a_twentieth_late():
    pace = Pace(10.0, 5.0)
    with pace.scope:
        for _ in range(20):
            await anyio.sleep(4.9)
            pace.went_on()
        last = anyio.current_time()
        await anyio.sleep_forever()
    assert 5.0 <= anyio.current_time() - last <= 5.25
    assert pace.first_token == pytest.approx(4.9)
    assert pace.fault("m").code == "stalled"


async def test_a_pace_does_not_count_while_the_client_reads_slowly_and_a_whole_answer_may_take_longer():
    pace = Pace(10.0, 5.0)
    with pace.scope:
        pace.went_on()
        pace.pause()
        await anyio.sleep(1000)
        pace.went_on()
        await anyio.sleep(4)
    assert not pace.scope.cancelled_caught
    whole = Pace(10.0, 5.0)
    whole.whole(100.0)
    with whole.scope:
        await anyio.sleep(100)
    assert not whole.scope.cancelled_caught


def test_a_lease_names_the_model_as_its_engine_does():
    lease = Lease(Candidate("far/m:1b", "far/m:1b", "far"), None, None, 0.0, 1, None)
    assert lease.model == "m:1b"
    assert Lease(Candidate("m:1b", "w"), None, None, 0.0, 1, None).model == "m:1b"


def test_what_is_left_to_try_are_those_behind_and_those_that_were_only_slow():
    a, b, c, d = (Candidate(name, name) for name in "abcd")
    passed = (ev.Passed("a", "never_fits", ""), ev.Passed("b", "patience", ""))
    assert _rest([a, b, c, d], c, ev.Grant("t", "c", 0, passed)) == [b, d]


def test_a_change_is_news_and_a_countdown_is_not():
    waiting = Told("waiting", "m", position=2, ahead=1, expected=30.0, reason="x")
    assert not _is_news(waiting, Told("waiting", "m", position=2, ahead=1, expected=12.0, reason="x"))
    assert _is_news(waiting, Told("waiting", "m", position=1, ahead=0, expected=12.0, reason="x"))
    loading = Told("loading", "m", elapsed=1.0)
    assert _is_news(waiting, loading)
    assert not _is_news(loading, Told("loading", "m", elapsed=1.5))
    assert _is_news(loading, Told("loading", "m", elapsed=2.0))
    assert _is_news(loading, Told("loading", "m", elapsed=1.1, unloading=("n",)))


async def test_the_way_of_a_wish():
    async with open_house() as house:
        await anyio.sleep(1)
        journey = house.rooms.journey
        named = journey.route(Wish(model="deepseek-r1:32b", fallbacks=("llama3.1:8b", "deepseek-r1:32b")))
        assert [each.name for each in named.candidates] == [DEEPSEEK, LLAMA8]
        assert (named.role, named.confidence) == ("reasoning", 1.0)
        assert journey.route(Wish(model=LLAMA8)).role == "general"
        assert journey.route(Wish(role="coding", turns=("why?",))).reason == "the request names the role"
        journey.select(LLAMA8)
        selected = journey.route(Wish(turns=("debug this function",)))
        assert [each.name for each in selected.candidates] == [LLAMA8, QWEN, DEEPSEEK, LLAMA70]
        assert f"{LLAMA8} is selected" in selected.reason


async def test_the_roles_of_few_sessions_are_remembered():
    async with open_house() as house:
        journey = house.rooms.journey
        journey.route(Wish(turns=("debug this function",), session="first"))
        for number in range(SESSIONS):
            journey.route(Wish(turns=("hi",), session=str(number)))
        assert len(journey._sessions) == SESSIONS
        assert "first" not in journey._sessions
        journey.route(Wish(turns=("hi",), session="asked only"), remember=False)
        assert "asked only" not in journey._sessions


async def test_a_lease_is_given_back_once_however_the_work_ends():
    async with open_house(config(timeouts={"first_token": 30.0})) as house:
        journey = house.rooms.journey

        async def fails(_lease):
            raise BackendFault("bad_request", "no")

        async def breaks(_lease):
            raise RuntimeError("a bug")

        async def tell(_told):
            pass

        for work, error in ((fails, Failure), (breaks, RuntimeError)):
            with pytest.raises(error):
                async with journey.begin(Wish(model=LLAMA8)) as request:
                    await journey.serve(request, work, tell)
            assert house.is_quiet()
            assert not house.keeper.awake._work
        assert [record["code"] for record in house.records] == ["bad_request", "internal"]


async def test_an_error_while_telling_who_waits_gives_the_place_back():
    async with open_house() as house:
        journey = house.rooms.journey

        async def tell(_told):
            raise RuntimeError("the client's fault")

        with pytest.raises(RuntimeError):
            async with journey.begin(Wish(model=LLAMA8)) as request:
                await journey.serve(request, None, tell)
        assert house.keeper.places() == []
