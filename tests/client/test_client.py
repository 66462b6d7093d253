"""The async client against a scripted daemon on a real socket, on asyncio and on trio."""

from contextlib import aclosing

import anyio
import msgspec
import pytest

from innkeep import errors, wire
from innkeep.client import AsyncClient
from support.peer import BEFORE_TEXT, DELTA, ENDS, EXAMPLES, VERBS, answering, daemon, hanging_up_after, silent_after

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.mark.parametrize("verb", VERBS)
async def test_each_verb_sends_its_request_and_gives_its_reply(path, verb):
    args, settings, request = VERBS[verb]
    with daemon(path, answering()) as told:
        async with AsyncClient(path) as client:
            reply = await getattr(client, verb)(*args, **settings)
        assert reply == msgspec.structs.replace(EXAMPLES[ENDS[type(request)]], id=1)
        assert told.get() == request


async def test_a_chat_is_its_pieces_and_its_replies(path):
    with daemon(path, answering("빛이 ", "흩어져서", "")) as told:
        async with AsyncClient(path) as client:
            answer = client.chat("왜?", model="m", options={"seed": 1})
            assert [piece async for piece in answer] == ["빛이 ", "흩어져서"]
            assert (answer.text, answer.done is None) == ("빛이 흩어져서", False)
            kinds = [type(one) async for one in client.chat("hi").replies()]
            assert kinds[0] is wire.Routed
            assert kinds[-1] is wire.Done
            assert await client.chat("hi", stream=False).read() == "빛이 흩어져서"
        assert told.get() == wire.Chat(id=1, messages=[wire.Message("user", "왜?")], model="m", options={"seed": 1})


async def test_many_requests_are_open_at_once(path):
    texts = []

    async def ask():
        texts.append(await client.chat("hi").read())

    with daemon(path, answering("a", "b")):
        async with AsyncClient(path) as client, anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
    assert texts == ["ab"] * 20


async def test_connections_are_used_again(path):
    with daemon(path, answering()) as told:
        async with AsyncClient(path) as client:
            for _ in range(3):
                await client.status()
        assert [told.get().id for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("leave", ["with", "aclose", "client", "generator", "cancelled"])
async def test_leaving_early_sends_cancel(path, leave):
    with daemon(path, silent_after(*BEFORE_TEXT, DELTA)) as told:
        client = AsyncClient(path)
        answer = client.chat("hi")
        if leave == "cancelled":
            with anyio.CancelScope() as scope:
                async for _ in answer:
                    scope.cancel()
        elif leave == "generator":
            async with aclosing(client.stream(wire.Chat(id=0, messages=[wire.Message("user", "hi")]))) as replies:
                async for reply in replies:
                    if isinstance(reply, wire.Delta):
                        break
        else:
            async with answer if leave == "with" else client:
                await anext(answer)
                if leave == "aclose":
                    await answer.aclose()
        told.get()
        cancel = await anyio.to_thread.run_sync(lambda: told.get(timeout=10))
        assert cancel == wire.Cancel(id=2, target=1)
        await answer.aclose()
        await client.aclose()


async def test_a_watch_gives_a_snapshot_then_events(path):
    with daemon(path, answering()) as told:
        async with AsyncClient(path) as client, aclosing(client.watch(["memory"])) as replies:
            assert [type(await anext(replies)), type(await anext(replies))] == [wire.Status, wire.Event]
            assert repr(client) == f"<AsyncClient {path}: 1 requests open>"
        assert told.get().kinds == ["memory"]


async def test_an_error_is_raised_as_its_class(path):
    with daemon(path, hanging_up_after(wire.Error(id=0, code="never_fits", message="too big"))):
        async with AsyncClient(path) as client:
            with pytest.raises(errors.NeverFits, match="too big"):
                await client.load("m")


async def test_no_daemon_is_one_line_that_says_what_to_do(path):
    with pytest.raises(errors.ConnectionFailed, match=r"innkeepd is not running at .*: start it with"):
        await AsyncClient(path).status()


async def test_a_request_that_has_not_begun_is_sent_again_once(path):
    with daemon(path, hanging_up_after(), answering()) as told:
        async with AsyncClient(path) as client:
            assert (await client.status()).pid == 4711
        assert [told.get().id, told.get().id] == [1, 1]
    with daemon(path, hanging_up_after()) as told:
        async with AsyncClient(path) as client:
            with pytest.raises(errors.ConnectionLost):
                await client.status()
        assert [told.get().id, told.get().id, told.empty()] == [1, 1, True]


@pytest.mark.parametrize(("replies", "partial"), [(BEFORE_TEXT, False), ([*BEFORE_TEXT, DELTA], True)])
async def test_a_chat_that_has_begun_is_lost_with_its_connection(path, replies, partial):
    with daemon(path, hanging_up_after(*replies)):
        async with AsyncClient(path) as client:
            with pytest.raises(errors.ConnectionLost) as caught:
                await client.chat("hi").read()
    assert caught.value.partial == partial


@pytest.mark.parametrize(("replies", "error"), [((), errors.ConnectionFailed), (BEFORE_TEXT, errors.ConnectionLost)])
async def test_silence_is_an_error_after_the_timeout(path, replies, error):
    with daemon(path, silent_after(*replies)):
        async with AsyncClient(path, timeout=0.05) as client:
            with pytest.raises(error, match=r"said nothing for 0\.05 s") as caught:
                await client.chat("hi").read()
    assert type(caught.value) is error


@pytest.mark.parametrize("replies", [(), BEFORE_TEXT])
async def test_a_request_whose_client_is_closed_elsewhere_is_cancelled_and_not_sent_again(path, replies):
    async def ask():
        with pytest.raises(errors.RequestCancelled, match="the client was closed"):
            await client.chat("hi").read()

    with daemon(path, silent_after(*replies)):
        async with AsyncClient(path) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while not client._busy:
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            await client.aclose()


async def test_a_daemon_that_breaks_the_protocol_is_left(path):
    with daemon(path, hanging_up_after(EXAMPLES[wire.Done])):
        async with AsyncClient(path) as client:
            with pytest.raises(errors.ProtocolViolation, match="the daemon sent `done`"):
                await client.chat("hi").read()
            assert repr(client) == f"<AsyncClient {path}: 0 requests open>"
