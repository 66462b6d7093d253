import pytest

from innkeepd.simulator.answer import LINES, SimAnswer, json_answer, whole

pytestmark = pytest.mark.anyio


async def test_a_whole_answer_tells_its_length():
    answer = json_answer({"a": "한"})
    assert answer.headers["content-length"] == str(len('{"a":"한"}'.encode()))
    assert await answer.read() == '{"a":"한"}'.encode()
    assert repr(answer) == "<SimAnswer 200 application/json; charset=utf-8>"
    empty = whole(b"", "text/plain", 204)
    assert (empty.status, await empty.read()) == (204, b"")


async def test_closing_an_answer_tells_the_engine_even_if_nothing_was_read():
    closed = []

    async def body():
        yield b"never"

    async def on_close():
        closed.append(True)

    await SimAnswer(200, {"content-type": LINES}, body(), on_close).aclose()
    assert closed == [True]
