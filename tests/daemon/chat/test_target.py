"""Where wishes are pointed to."""

import anyio
import pytest
from msgspec import structs

from innkeep import wire
from innkeepd.chat.demand import Demand
from innkeepd.chat.target import SESSIONS
from innkeepd.chat.types import ChatSpec
from innkeepd.config.schema import RoutingConfig
from innkeepd.policy.routing.correction import Correction
from innkeepd.simulator.catalog import SHELF
from innkeepd.simulator.engine import Simulator
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_the_way_of_a_wish():
    async with open_daemon() as daemon:
        await anyio.sleep(1)
        dispatcher = daemon.app.dispatcher
        named = dispatcher.selector.route(
            ChatSpec(model="deepseek-r1:32b", fallbacks=("llama3.1:8b", "deepseek-r1:32b"))
        )
        assert [each.name for each in named.candidates] == [DEEPSEEK, LLAMA8]
        assert (named.role, named.confidence) == ("reasoning", 1.0)
        assert dispatcher.selector.route(ChatSpec(model=LLAMA8)).role == "general"
        assert (
            dispatcher.selector.route(ChatSpec(role="coding", demand=Demand(turns=("why?",)))).reason
            == "the request names the role"
        )
        dispatcher.selector.select(LLAMA8)
        selected = dispatcher.selector.route(ChatSpec(demand=Demand(turns=("debug this function",))))
        assert [each.name for each in selected.candidates] == [LLAMA8, QWEN, DEEPSEEK, LLAMA70]
        assert f"{LLAMA8} is selected" in selected.reason


async def test_the_roles_of_few_sessions_are_remembered():
    async with open_daemon() as daemon:
        dispatcher = daemon.app.dispatcher
        dispatcher.selector.route(ChatSpec(demand=Demand(turns=("debug this function",)), session="first"))
        for number in range(SESSIONS):
            dispatcher.selector.route(ChatSpec(demand=Demand(turns=("hi",)), session=str(number)))
        assert len(dispatcher.selector._sessions) == SESSIONS
        assert "first" not in dispatcher.selector._sessions
        dispatcher.selector.route(ChatSpec(demand=Demand(turns=("hi",)), session="asked only"), remember=False)
        assert "asked only" not in dispatcher.selector._sessions


async def test_a_doubtful_prompt_stays_with_who_is_in_memory_and_a_clear_one_does_not():
    async with open_daemon() as daemon:
        client, selector = daemon.connect(), daemon.app.dispatcher.selector
        await client.answer(wire.Load(id=0, model=DEEPSEEK))
        errand = selector.route(ChatSpec(demand=Demand(turns=("### Task:\nGenerate 1-3 tags",)), session="s"))
        assert (errand.role, selector._sessions) == ("reasoning", {})
        assert "is in memory" in errand.reason
        assert selector.swap_of(errand) == ([], 0.0)
        clear = selector.route(ChatSpec(demand=Demand(turns=("Write a Python function that parses JSON",))))
        leaves, seconds = selector.swap_of(clear)
        assert (clear.role, leaves) == ("coding", [DEEPSEEK])
        assert 2 < seconds < 60
        assert "python" in selector.explain("Write a Python function", "coding")


async def test_what_feedback_taught_stays_in_use_when_the_configuration_is_read_again():
    async with open_daemon() as daemon:
        dispatcher = daemon.app.dispatcher
        spec = ChatSpec(demand=Demand(turns=("the quarterly gnomon report",)))
        plain = dispatcher.selector.route(spec)
        sketch = plain.seen.sketch
        learned = {str(number): (40.0, -40.0, -40.0) for number in sketch}
        dispatcher.feedback.correction = Correction(learned)
        taught = dispatcher.selector.route(spec)
        assert taught.shares["coding"] > plain.shares["coding"]
        daemon.app.reconfigure(structs.replace(daemon.app.config, routing=RoutingConfig(shadow=True)))
        assert dispatcher.selector.route(spec).shares == taught.shares


async def test_shadow_routing_counts_where_a_named_model_would_have_been_left():
    async with open_daemon(config(routing={"shadow": True})) as daemon:
        await anyio.sleep(1)
        client = daemon.connect()
        await client.chat_to_end("Write a Python function that parses JSON", model=LLAMA8)
        stats = await client.answer(wire.StatsAsk(id=0))
        assert stats.shadow
        assert stats.routing == [wire.ShadowCount(LLAMA8, "coding", QWEN, 1)]


async def test_without_a_default_model_whatever_is_pulled_answers():
    mine = structs.replace(next(model for model in SHELF if model.name == LLAMA8), name="mine:8b")
    far = structs.replace(mine, name="far:70b", remote_host="https://ollama.com:443", remote_model="far")
    simulator = Simulator(models=[mine, far])
    async with open_daemon(simulator=simulator) as daemon:
        await anyio.sleep(1)
        client = daemon.connect()
        assert (await client.chat_to_end("debug this function")).model == "mine:8b"
        (warning,) = (await client.status()).warnings
        assert warning.startswith("no model of the roles coding, reasoning, general is pulled: mine:8b answers")
