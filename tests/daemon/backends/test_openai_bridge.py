import json

import pytest

from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.openai_bridge import NativeAnswer, Records, ask_of, read, texts_of, vectors_body

pytestmark = pytest.mark.anyio

CALL = {"function": {"name": "f", "arguments": {}}}


class Items:
    """Pieces from a list."""

    def __init__(self, *items):
        self._left = list(items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


def test_a_chat_is_read_with_its_options_and_what_is_laid_over():
    ask = ask_of("/api/chat", {"model": "m", "messages": [{"role": "user"}], "options": {"seed": 1}, "think": False})
    assert (ask.model, ask.messages, ask.options, ask.extra) == ("m", [{"role": "user"}], {"seed": 1}, {"think": False})
    assert ask_of("/api/chat", {}).messages == []


def test_a_completion_is_a_chat_of_one_turn():
    asked = {"model": "m", "prompt": "hi", "images": ["x"], "format": "json"}
    assert ask_of("/api/generate", asked).messages == [{"role": "user", "content": "hi", "images": ["x"]}]


@pytest.mark.parametrize("body", [b"[]", b"{"])
def test_a_body_that_is_no_object_is_a_bad_request(body):
    with pytest.raises(BackendFault) as caught:
        read(body)
    assert caught.value.code == "bad_request"
    assert read(None) == {}


def test_texts_and_vectors_of_both_endpoints():
    assert [texts_of(body) for body in ({"input": ["a", "b"]}, {"input": "a"}, {"prompt": "p"})] == [
        ["a", "b"],
        ["a"],
        ["p"],
    ]
    assert json.loads(vectors_body("/api/embeddings", "m", [])) == {"embedding": []}


async def test_a_streamed_chat_is_a_record_a_piece():
    items = Items(Piece(thinking="hm"), Piece("hi"), Piece(tool_calls=[CALL]), Completion("length", 3, 2))
    answer = NativeAnswer(items=items, records=Records("/api/chat", "m"))
    *lines, last = [json.loads(line) for line in (await answer.read()).splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "", "thinking": "hm"},
        {"role": "assistant", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
    ]
    assert (last["done"], last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == (True, "length", 3, 2)
    assert last["created_at"].endswith("Z")


async def test_a_whole_answer_is_one_record():
    items = Items(Piece(thinking="h"), Piece("a"), Piece("b"), Piece(tool_calls=[CALL]), Completion("stop", 1, 2))
    reported = json.loads(await Records("/api/chat", "m").whole(items))
    assert reported["message"] == {"role": "assistant", "content": "ab", "thinking": "h", "tool_calls": [CALL]}
    assert reported["done"] is True
    reported = json.loads(await Records("/api/generate", "m").whole(Items(Piece("a"), Piece(thinking="t"))))
    assert (reported["response"], reported["thinking"]) == ("a", "t")
