import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.openai_wire import TOO_LONG, AnswerEvents, Embedded, code_of, fault_of
from innkeepd.backends.sse import MAX_EVENT
from support.remote import answer, delta, event, usage

CALLS = [
    delta(role="assistant", content=None, reasoning_content="let me see"),
    b": keep-alive\n\n",
    delta(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "time", "arguments": ""}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '{"zone": "Asia'}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '/Seoul"}'}}]),
    delta(tool_calls=[{"index": 1, "id": "call_2", "function": {"name": "now"}}]),
    delta(finish="tool_calls"),
    usage(12, 9),
    event("[DONE]"),
]
TOLD = [
    Piece(tool_calls=[
        {"id": "call_1", "function": {"index": 0, "name": "time", "arguments": {"zone": "Asia/Seoul"}}},
        {"id": "call_2", "function": {"index": 1, "name": "now", "arguments": {}}},
    ]),
    Completion("stop", 12, 9),
]  # fmt: skip


def plain(items):
    return [(each.code, each.message) if isinstance(each, BackendFault) else each for each in items]


def whole(*chunks, **how):
    events = AnswerEvents(**how)
    items = [item for chunk in chunks for item in events.feed(chunk)] + events.end()
    assert events.over
    return plain(items)


def test_words_thinking_and_counts_become_pieces_and_a_finish():
    chunks = [delta(reasoning="hm"), *answer("hello ", "you")]
    assert whole(*chunks) == [Piece(thinking="hm"), Piece("hello "), Piece("you"), Completion("stop", 5, 2)]


def test_calls_come_whole_at_the_end_and_a_sign_of_life_meanwhile():
    assert whole(*CALLS) == [Piece(thinking="let me see"), *[Piece("")] * 4, *TOLD]


@given(st.lists(st.integers(0, len(b"".join(CALLS))), max_size=20))
def test_where_the_bytes_are_cut_changes_nothing(cuts):
    stream = b"".join(CALLS)
    edges = sorted({0, len(stream), *cuts})
    assert whole(*(stream[start:end] for start, end in pairwise(edges))) == whole(stream)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_it(noise):
    *_, last = whole(*CALLS[:2], b"data: " + noise + b"\n\n")
    assert isinstance(last, tuple | Completion)


def test_who_asked_for_no_thinking_is_told_none_but_that_it_goes_on():
    assert whole(delta(reasoning="hm"), *answer("yes"), silent=True) == [
        Piece(""),
        Piece("yes"),
        Completion("stop", 5, 1),
    ]


def test_nothing_comes_after_the_end():
    events = AnswerEvents()
    assert len(events.feed(b"".join([*answer("a"), *answer("b")]))) == 2
    assert (events.feed(b"data: more\n\n"), events.end(), events.over) == ([], [], True)
    assert "over=True" in repr(events)


def test_a_stream_without_done_ends_by_its_finish_reason():
    assert whole(delta(content="a"), delta(finish="length")) == [Piece("a"), Completion("length")]


def test_done_without_a_finish_reason_is_an_end():
    assert whole(delta(content="a"), event("[DONE]")) == [Piece("a"), Completion("stop")]


def test_an_answer_without_its_end_was_cut_off():
    *pieces, (code, message) = whole(*answer("a", "b")[:2])
    assert (pieces, code) == ([Piece("a")], "backend_error")
    assert "broke off" in message


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"error": {"message": "CUDA out of memory", "code": 500}}, "out_of_memory", "CUDA out of memory"),
        ({"error": "the runner died"}, "backend_error", "the runner died"),
        ({"error": {"message": "busy", "code": "429"}}, "queue_full", "busy"),
        ({"error": {"message": "odd", "code": "model_not_found"}}, "backend_error", "odd"),
        ({"object": "error", "message": "maximum context length is 4096", "code": 400}, "context_overflow", None),
        ({"error": {"message": "key sk-1 is wrong"}}, "backend_error", "key *** is wrong"),
    ],
)
def test_an_error_in_mid_stream_comes_after_the_words_before_it(data, code, words):
    first, (found, message) = whole(delta(content="a"), event(data), *answer("b"), secret="sk-1")
    assert (first, found) == (Piece("a"), code)
    assert message == (words or data["message"])


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (b'event: error\ndata: {"message": "gone"}\n\n', "gone"),
        (b"event: error\ndata: the replica died\n\n", "the replica died"),
        (b"data: <html>\n\n", "no part of a chat's answer"),
        (b'data: {"choices": 7}\n\n', "no part of a chat's answer"),
    ],
)
def test_events_that_are_no_chunks_are_faults(chunk, words):
    ((code, message),) = whole(chunk)
    assert code == "backend_error"
    assert words in message


@pytest.mark.parametrize("arguments", ["{", "[1]", '"text"'])
def test_arguments_that_are_no_object_are_a_fault(arguments):
    chunk = delta(finish="tool_calls", tool_calls=[{"function": {"name": "f", "arguments": arguments}}])
    ((_, (code, message)),) = [whole(chunk)]
    assert code == "backend_error"
    assert "no JSON object" in message


def test_arguments_that_are_an_object_already_and_a_call_without_a_function():
    one = delta(tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}])
    two = delta(finish="tool_calls", tool_calls=[{"index": 0}])
    assert whole(one, two)[2] == Piece(tool_calls=[{"function": {"index": 0, "name": "f", "arguments": {"a": 1}}}])


def test_a_server_that_does_not_stream_answers_in_one_piece():
    message = {"role": "assistant", "content": "hello", "refusal": None}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    data = json.dumps(body).encode()
    assert whole(data[:9], data[9:], streamed=False) == [Piece("hello"), Completion("stop", 3, 0)]
    assert whole(b'{"error": "no"}', streamed=False) == [("backend_error", "no")]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_part_without_an_end_is_refused(streamed):
    assert whole(b"data: " + b"x" * (MAX_EVENT + 1), streamed=streamed) == [("backend_error", TOO_LONG)]


def test_vectors_come_in_the_order_of_the_texts():
    reported = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    assert Embedded([]).vectors() == []
    assert msgspec.convert({"data": reported}, Embedded).vectors() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (404, "The model `x` does not exist.", "unknown_model"),
        (400, "/chat/completions: Invalid model name passed in model=x", "unknown_model"),
        (400, "This model's maximum context length is 4096 tokens", "context_overflow"),
        (400, "top_k: extra fields not permitted", "unsupported"),
        (422, "unprocessable", "unsupported"),
        (429, "slow down", "queue_full"),
        (503, "no replica", "queue_full"),
        (500, "Internal Server Error", "backend_error"),
    ],
)
def test_errors_are_known_by_status_and_words(status, words, code):
    assert code_of(status, words) == code
    fault = fault_of(status, json.dumps({"error": {"message": words}}).encode(), "http://c")
    assert (fault.code, fault.message, fault.status) == (code, words, status)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_named_but_never_told(status):
    fault = fault_of(status, b'{"error": "Received=sk-1"}', "http://c", secret="sk-1")
    assert fault.code == "backend_error"
    assert "token_file" in fault.message
    assert "sk-1" not in fault.message


def test_a_page_that_is_not_there_asks_for_the_address():
    fault = fault_of(404, b"Not Found sk-1", "http://c", secret="sk-1")
    assert (fault.code, "is this the API's address? It said: Not Found ***" in fault.message) == ("backend_error", True)
