from collections import deque

import pytest

from innkeepd.backends.answer import AnswerStream
from innkeepd.backends.backend import BackendFault, Completion, Piece

pytestmark = pytest.mark.anyio


class Chunks:
    """A body as it comes."""

    def __init__(self, chunks):
        self._left = deque(chunks)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._left:
            raise StopAsyncIteration
        return self._left.popleft()


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
    return AnswerStream(Chunks(chunks), Words())


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
