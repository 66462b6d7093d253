import pytest

from innkeep import wire
from innkeepd.chat.types import Progress
from innkeepd.server.socket.chat_verbs import spec_of, teller
from support.daemon import LLAMA8, QWEN, mock_clock, open_daemon


@pytest.fixture
def anyio_backend():
    return mock_clock()


def test_a_chat_becomes_a_wish_of_the_users_turns():
    messages = [wire.Message("system", "be brief"), wire.Message("user", "one"), wire.Message("assistant", "two"),
                wire.Message("user", "three")]  # fmt: skip
    chat = wire.Chat(id=1, messages=messages, model="m", fallbacks=["n"], priority="batch", patience=1.0, deadline=2.0,
                     session="s", last=True)  # fmt: skip
    spec = spec_of(chat, "me")
    assert spec.demand.turns == ("one", "three")
    assert (spec.model, spec.fallbacks, spec.priority, spec.session, spec.last) == ("m", ("n",), "batch", "s", True)
    assert (spec.patience, spec.deadline, spec.client) == (1.0, 2.0, "me")
    assert spec.demand.tokens >= 4


class Ear:
    def __init__(self):
        self.heard = []

    def send(self, reply, *, soon=True):
        self.heard.append(reply)


@pytest.mark.parametrize(
    ("name", "model", "role"),
    [("auto", None, None), ("coding", None, "coding"), ("auto:latest", None, None), ("tiny", "tiny", None)],
)
def test_names_that_stand_for_the_routing_are_no_models(name, model, role):
    spec = spec_of(wire.Chat(id=1, messages=[wire.Message("user", "a")], model=name), "")
    assert (spec.model, spec.role) == (model, role)


@pytest.mark.anyio
async def test_who_waits_is_told_and_who_wants_a_load_hears_of_loads_only():
    waiting = Progress("waiting", "m", resident=("n",), position=1, ahead=0, reason="x")
    loading = Progress("loading", "m", unloading=("n",), elapsed=1.23456)
    chat, load = Ear(), Ear()
    for told in (waiting, loading):
        await teller(chat, 7)(told)
        await teller(load, 8, waiting=False)(told)
    assert [type(each) for each in chat.heard] == [wire.Waiting, wire.Loading]
    assert [type(each) for each in load.heard] == [wire.Loading]
    assert chat.heard[1].elapsed == 1.235


@pytest.mark.anyio
async def test_tool_calls_are_told_as_pieces_or_kept_for_the_whole_answer():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.chat("ask weather now", model=LLAMA8, tools=tools)
        await client.end(number)
        calls = [each for reply in client.heard[number] for each in getattr(reply, "tool_calls", None) or []]
        assert calls[0]["function"]["name"] == "weather"
        done = await client.chat_to_end("ask weather now", model=LLAMA8, tools=tools, stream=False)
        assert done.tool_calls[0]["function"]["name"] == "weather"
        assert done.text == ""


@pytest.mark.anyio
async def test_an_answer_that_ends_without_its_end_is_a_fault(monkeypatch):
    class Short:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

        def __aiter__(self):
            return self

        async def __anext__(self):
            raise StopAsyncIteration

    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.answer(wire.Load(id=0, model=QWEN))
        monkeypatch.setattr(daemon.control.backend, "chat", lambda _ask: Short())
        error = await client.chat_to_end("hi", model=QWEN)
        assert (error.code, error.message) == ("backend_error", "the answer ended without its end")
