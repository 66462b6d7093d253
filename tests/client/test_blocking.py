"""The blocking client against a scripted daemon on a real socket."""

import subprocess
import sys
import threading

import msgspec
import pytest

from innkeep import errors, wire
from innkeep.blocking import Client
from support.peer import BEFORE_TEXT, DELTA, ENDS, EXAMPLES, VERBS, answering, daemon, hanging_up_after, silent_after


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_sends_its_request_and_gives_its_reply(path, verb):
    args, settings, request = VERBS[verb]
    with daemon(path, answering()) as told, Client(path) as client:
        reply = getattr(client, verb)(*args, **settings)
        assert reply == msgspec.structs.replace(EXAMPLES[ENDS[type(request)]], id=1)
        assert told.get() == request


def test_every_request_has_its_verb():
    assert {type(request) for _, _, request in VERBS.values()} == set(ENDS)


def test_a_chat_is_its_pieces(path):
    with daemon(path, answering("빛이 ", "흩어져서", "")), Client(path) as client:
        answer = client.chat("왜?")
        assert [*answer] == ["빛이 ", "흩어져서"]
        assert answer.text == "빛이 흩어져서"
        assert answer.routed is not None
        assert answer.done is not None
        assert repr(answer) == "<Answer done, 7 characters>"


def test_a_chat_is_all_its_replies_too(path):
    with daemon(path, answering("a")), Client(path) as client:
        kinds = [type(one) for one in client.chat("hi").replies()]
    assert kinds == [type(one) for one in [*BEFORE_TEXT, DELTA, DELTA, EXAMPLES[wire.Done]]]


def test_an_answer_that_is_not_streamed_is_one_piece(path):
    with daemon(path, answering("a", "b")) as told, Client(path) as client:
        assert [*client.chat("hi", stream=False)] == ["ab"]
        assert client.chat("hi", stream=False).read() == "ab"
        assert not told.get().stream


def test_every_setting_of_a_chat_is_sent(path):
    settings = {
        "model": "m",
        "fallbacks": ["n"],
        "role": "coding",
        "options": {"seed": 1},
        "tools": [{"type": "function"}],
        "format": {"type": "object"},
        "think": "low",
        "priority": "batch",
        "patience": 1.0,
        "deadline": 2.0,
        "session": "s",
        "last": True,
    }
    with daemon(path, answering("a")) as told, Client(path) as client:
        client.chat([{"role": "system", "content": "x"}, wire.Message("user", "hi")], **settings).read()
        messages = [wire.Message("system", "x"), wire.Message("user", "hi")]
        assert told.get() == wire.Chat(id=1, messages=messages, **settings)


def test_requests_interleave_on_one_thread_and_connections_are_used_again(path):
    with daemon(path, answering("a", "b")) as told, Client(path) as client:
        pieces = iter(client.chat("hi"))
        assert next(pieces) == "a"
        assert client.status().pid == 4711
        assert repr(client) == f"<Client {path}: 1 requests open>"
        assert [*pieces] == ["b"]
        client.status()
        client.status()
        assert [told.get().id for _ in range(4)] == [1, 1, 2, 3]


def test_threads_may_share_a_client(path):
    texts = []
    with daemon(path, answering("a", "b")), Client(path) as client:
        threads = [threading.Thread(target=lambda: texts.append(client.chat("hi").read())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == ["ab"] * 8


@pytest.mark.parametrize("leave", ["with", "close", "break", "client", "generator"])
def test_leaving_early_sends_cancel(path, leave):
    with daemon(path, silent_after(*BEFORE_TEXT, DELTA)) as told:
        client = Client(path)
        if leave == "break":
            for _ in client.chat("hi"):
                break
        elif leave == "generator":
            replies = client.stream(wire.Chat(id=0, messages=[wire.Message("user", "hi")]))
            assert [type(next(replies)) for _ in range(5)][-1] is wire.Delta
            replies.close()
        else:
            answer = client.chat("hi")
            with answer if leave == "with" else client:
                for _ in answer:
                    if leave == "close":
                        answer.close()
                    break
        told.get()
        assert told.get(timeout=10) == wire.Cancel(id=2, target=1)
        client.close()


def test_a_watch_gives_a_snapshot_then_events(path):
    with daemon(path, answering()) as told, Client(path) as client:
        replies = client.watch(["memory"])
        assert [type(next(replies)), type(next(replies))] == [wire.Status, wire.Event]
        replies.close()
        assert told.get().kinds == ["memory"]
        assert told.get(timeout=10).target == 1


def test_an_error_is_raised_as_its_class(path):
    error = wire.Error(id=0, code="never_fits", message="too big", detail={"attempts": []})
    with daemon(path, hanging_up_after(error)), Client(path) as client:
        with pytest.raises(errors.NeverFits, match="too big") as caught:
            client.load("m")
        assert (caught.value.request_id, caught.value.detail) == (1, {"attempts": []})


def test_no_daemon_is_one_line_that_says_what_to_do(path):
    with pytest.raises(errors.ConnectionFailed) as caught:
        Client(path).status()
    line = f"innkeepd is not running at {path}: start it with `innkeep service start` or `innkeepd run`"
    assert (str(caught.value), caught.value.code) == (line, "connection_failed")


def test_a_request_that_has_not_begun_is_sent_again(path):
    with daemon(path, hanging_up_after(), answering()) as told, Client(path) as client:
        assert client.status().pid == 4711
        assert [told.get().id, told.get().id] == [1, 1]


def test_a_connection_that_went_stale_is_no_error(path):
    with daemon(path, hanging_up_after(EXAMPLES[wire.Status]), answering()), Client(path) as client:
        assert [client.status().pid, client.status().pid] == [4711, 4711]


def test_it_is_sent_again_only_once(path):
    with daemon(path, hanging_up_after()) as told, Client(path) as client:
        with pytest.raises(errors.ConnectionLost) as caught:
            client.status()
        assert not caught.value.partial
        assert [told.get().id, told.get().id, told.empty()] == [1, 1, True]


@pytest.mark.parametrize(("replies", "partial"), [(BEFORE_TEXT, False), ([*BEFORE_TEXT, DELTA], True)])
def test_a_chat_that_has_begun_is_lost_with_its_connection(path, replies, partial):
    with daemon(path, hanging_up_after(*replies)), Client(path) as client:
        answer = client.chat("hi")
        with pytest.raises(errors.ConnectionLost) as caught:
            answer.read()
        assert (caught.value.partial, answer.text) == (partial, "half" if partial else "")


@pytest.mark.parametrize(("replies", "error"), [((), errors.ConnectionFailed), (BEFORE_TEXT, errors.ConnectionLost)])
def test_silence_is_an_error_after_the_timeout(path, replies, error):
    with daemon(path, silent_after(*replies)), Client(path, timeout=0.05) as client:
        with pytest.raises(error, match=r"said nothing for 0\.05 s") as caught:
            client.chat("hi").read()
        assert type(caught.value) is error


def test_a_daemon_that_breaks_the_protocol_is_left(path):
    with daemon(path, hanging_up_after(EXAMPLES[wire.Done])), Client(path) as client:
        with pytest.raises(errors.ProtocolViolation, match="the daemon sent `done`"):
            client.chat("hi").read()
        assert repr(client) == f"<Client {path}: 0 requests open>"


def test_replies_may_come_in_pieces(path):
    body = msgspec.msgpack.encode(msgspec.structs.replace(EXAMPLES[wire.Pinned], id=1))

    def slowly(peer):
        peer.hear()
        for byte in len(body).to_bytes(4, "big") + body:
            peer.raw(bytes([byte]))

    with daemon(path, slowly), Client(path) as client:
        assert client.pin("m").model == "llama3.1:8b"


def test_a_client_may_be_used_again_after_its_close(path):
    with daemon(path, answering()):
        client = Client(path)
        client.status()
        client.close()
        assert client.status().pid == 4711
        client.close()


@pytest.mark.parametrize("replies", [(), BEFORE_TEXT])
def test_a_request_whose_client_is_closed_by_another_thread_is_cancelled_and_not_sent_again(path, replies):
    caught = []

    def ask():
        try:
            client.chat("hi").read()
        except errors.InnkeepError as error:
            caught.append(error)

    with daemon(path, silent_after(*replies)) as told:
        client = Client(path)
        thread = threading.Thread(target=ask)
        thread.start()
        told.get(timeout=10)
        client.close()
        thread.join(10)
    assert [type(one) for one in caught] == [errors.RequestCancelled]


def test_it_needs_neither_anyio_nor_asyncio_nor_pathlib():
    code = (
        "import sys; before = {*sys.modules}; from innkeep import Client; Client('x'); "
        "print({'anyio', 'asyncio', 'pathlib', 'logging', 'ssl'} & {*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
