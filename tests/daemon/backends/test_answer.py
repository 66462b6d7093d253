from collections import deque

import pytest

from innkeepd.backends.answer import AnswerStream, ForwardedAnswer
from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.http import TooLarge, Unreachable
from support.remote import RemoteAnswer

pytestmark = pytest.mark.anyio


class Words:
    """A dialect in which each byte is a word, ``!`` a fault and ``.`` the end."""

    over = False

    def feed(self, chunk):
        return [item for byte in chunk.decode() for item in self._item(byte)]

    def end(self):
        return self._item("!")

    def _item(self, byte):
        if self.over:
            return []
        self.over = byte in "!."
        return [
            BackendFault("backend_error", "!") if byte == "!" else Completion("stop") if byte == "." else Piece(byte)
        ]


def reply(*chunks):
    return AnswerStream(RemoteAnswer(200, {}, list(chunks), 0).chunks(), Words())


async def taken(items):
    got = deque()
    with pytest.raises(BackendFault) as caught:
        async for item in items:
            got.append(item)
    return list(got), caught.value.code


async def test_pieces_come_one_by_one_and_stop_after_the_last():
    assert [each async for each in reply(b"ab", b"", b"c.de")] == [
        Piece("a"),
        Piece("b"),
        Piece("c"),
        Completion("stop"),
    ]


async def test_a_fault_is_raised_in_its_place():
    assert await taken(reply(b"ab!c")) == ([Piece("a"), Piece("b")], "backend_error")


async def test_a_body_that_ends_too_soon_is_the_dialects_to_judge():
    assert await taken(reply(b"a")) == ([Piece("a")], "backend_error")


async def test_a_broken_connection_is_a_fault_while_forwarding():
    answer = ForwardedAnswer(RemoteAnswer(200, {"a": "b"}, [b"x", Unreachable("broke"), Unreachable("broke")], 0))
    assert (answer.status, answer.headers) == (200, {"a": "b"})
    assert await taken(answer.chunks()) == ([b"x"], "backend_unreachable")
    with pytest.raises(BackendFault, match="broke"):
        await answer.read()


async def test_an_answer_that_is_too_large_is_the_requests_fault_and_says_what_to_do():
    class Large:
        status, headers = 200, {}

        async def read(self):
            raise TooLarge(16 * 2**20)

    with pytest.raises(BackendFault, match=r"over 16 MiB.*send fewer texts") as told:
        await ForwardedAnswer(Large()).read()
    assert told.value.code == "bad_request"
