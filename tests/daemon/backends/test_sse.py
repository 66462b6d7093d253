from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.backends.sse import MAX_EVENT, Event, EventStream, TooLong

STREAM = b"\xef\xbb\xbf: hello\ndata: one\n\nevent: error\r\ndata:two\r\ndata:  three\r\n\r\n"
STREAM += b"id: 7\rdata\r\rretry: 5\n\ndata: end\n\n"
EVENTS = [Event(b"one"), Event(b"two\n three", "error"), Event(b""), Event(b"end")]


def whole(*chunks):
    stream = EventStream()
    return [each for chunk in chunks for each in stream.feed(chunk)] + stream.end()


def test_comments_names_and_lines_of_every_kind_become_events():
    assert whole(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_where_the_bytes_are_cut_changes_nothing(cuts):
    edges = sorted({0, len(STREAM), *cuts})
    assert whole(*(STREAM[start:end] for start, end in pairwise(edges))) == EVENTS


def test_byte_by_byte_with_empty_chunks_between():
    chunks = [part for number in range(len(STREAM)) for part in (STREAM[number : number + 1], b"")]
    assert whole(*chunks) == EVENTS


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.integers(1, 7),
)
def test_any_text_comes_back_whatever_ends_its_lines(lines, ending, size):
    body = "".join(f"data: {line}{ending}" for line in lines).encode() + ending.encode()
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert whole(*chunks) == [Event("\n".join(lines).encode())]


def test_an_event_is_told_as_soon_as_its_empty_line_has_come():
    stream = EventStream()
    assert stream.feed(b"data: now\r\n\r") == [Event(b"now")]
    assert stream.feed(b"\ndata: next\n\n") == [Event(b"next")]


def test_an_event_whose_empty_line_never_comes_still_counts():
    assert whole(b"data: [DONE]") == [Event(b"[DONE]")]
    assert whole(b"data: [DONE]\n") == [Event(b"[DONE]")]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 70_000, b"data: " + b"x" * 70_000 + b"\n"])
def test_an_event_without_an_end_is_refused_before_it_fills_memory(line):
    stream = EventStream()
    with pytest.raises(TooLong):
        for _ in range(MAX_EVENT // 70_000 + 2):
            stream.feed(line)
    assert "EventStream" in repr(stream)
