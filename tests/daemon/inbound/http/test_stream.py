from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.inbound.http.stream import LONGEST_ERROR, Errors, Renamed, Tail

LINES = b'{"model":"a:1","n":{"model":"a:1"}}\n{"model":"a:1","content":"\\"model\\":\\"a:1\\""}\n{"model":"b"}\n'


@given(st.lists(st.integers(0, len(LINES)), max_size=8))
def test_each_record_is_renamed_once_however_it_is_cut(cuts):
    renamed = Renamed("a:1", "auto")
    places = [0, *sorted(cuts), len(LINES)]
    out = b"".join(renamed.feed(LINES[a:b]) for a, b in pairwise(places)) + renamed.end()
    first, second, third = out.splitlines()
    assert first == b'{"model":"auto","n":{"model":"a:1"}}'
    assert second == b'{"model":"auto","content":"\\"model\\":\\"a:1\\""}'
    assert third == b'{"model":"b"}'


def test_an_answer_in_one_piece_is_renamed_as_it_comes():
    renamed = Renamed("innkeep-ctx/a:4096", "a")
    assert renamed.feed(b'{"id":1,"mod') == b'{"id":1,'
    assert renamed.feed(b'el":"innkeep-ctx/a:4096"') == b'"model":"a"'
    assert renamed.feed(b',"mod') == b',"mod'
    assert renamed.end() == b""


def test_a_name_that_ends_in_the_middle_is_left_as_it_is():
    renamed = Renamed("a", "b")
    assert renamed.feed(b'{"model":"') + renamed.end() == b'{"model":"'


def test_renaming_keeps_no_more_of_a_long_line_than_the_names_length():
    """With all of it kept and searched again at each part, 20 MB took seconds of the event loop."""
    renamed, part = Renamed("a:1", "auto"), b'"mod' * 16_000
    kept = 0
    for _ in range(50):
        assert len(renamed.feed(part)) <= len(part) + 12
        kept = max(kept, len(renamed._rest))
    assert kept < len(b'"model":"a:1"')
    assert renamed.feed(b'el":"a:1"}\n').endswith(b'"model":"auto"}\n')


@pytest.mark.parametrize(
    ("api", "chunk", "before", "words"),
    [
        ("native", b'{"error":"it died"}\n', b"", "it died"),
        ("native", b'{"done":false}\n{"error":"it died"}\n', b'{"done":false}\n', "it died"),
        ("openai", b'data: {"error":{"message":"it died"}}\n\n', b"", "it died"),
        ("messages", b'event: error\ndata: {"type":"error","error":{"message":"it died"}}\n\n', b"", "it died"),
        (
            "responses",
            b'event: response.failed\ndata: {"response":{"error":{"message":"it died"}}}\n\n',
            b"",
            "it died",
        ),
    ],
)
@given(data=st.data())
def test_an_error_record_is_found_however_it_is_cut(api, chunk, before, words, data):
    cuts = data.draw(st.lists(st.integers(0, len(chunk)), max_size=4))
    errors, passed, found = Errors(api), b"", None
    for a, b in pairwise([0, *sorted(cuts), len(chunk)]):
        if found is None:
            part, found = errors.feed(chunk[a:b])
            passed += part
    if found is None:
        part, found = errors.end()
        passed += part
    assert passed == before
    assert found is not None
    assert found.message == words


OTHERS = (
    ("native", b'{"message":{"content":"{\\"error\\":1}\\n{\\"error\\":2}"}}\n{"er'),
    ("native", b'x{"error":"it is in the middle of a line"}\n{"error"'),
    ("openai", b'data: {"errors":1}\n\ndata: {"erro'),
    ("messages", b"event: errand\n\nevent: e"),
)


@given(st.sampled_from(OTHERS), st.lists(st.integers(0, 60), max_size=5))
def test_what_is_no_error_record_is_passed_on_whole_however_it_is_cut(case, cuts):
    api, text = case
    errors, passed = Errors(api), b""
    for a, b in pairwise([0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]):
        part, found = errors.feed(text[a:b])
        passed += part
        assert found is None
    part, found = errors.end()
    assert found is None
    assert passed + part == text


def test_an_error_without_an_end_is_not_waited_for_beyond_a_bound():
    errors = Errors("native")
    assert errors.feed(b'{"error":"') == (b"", None)
    fault = errors.feed(b"x" * LONGEST_ERROR)[1]
    assert fault is not None


def test_whole_lines_are_passed_on_at_once():
    errors = Errors("native")
    assert errors.feed(b'{"a":1}\n') == (b'{"a":1}\n', None)
    assert errors.feed(b"{") == (b"", None)
    assert errors.feed(b'"b":1') == (b'{"b":1', None)


def test_the_tail_tells_whether_it_is_whole_and_what_it_took():
    tail = Tail()
    tail.feed(b'{"x":1}\n')
    assert not tail.is_whole("native")
    tail.feed(
        b'{"done":true,"done_reason":"length","context":[' + b"1," * 3000 + b'1],"total_duration":9,'
        b'"prompt_eval_count":11,"prompt_eval_duration":2000000000,"eval_count":7,"eval_duration":500000000}\n'
    )
    assert tail.is_whole("native")
    result = tail.result()
    assert (result.prompt_tokens, result.completion_tokens) == (11, 7)
    assert (result.prefill_seconds, result.decode_seconds) == (2.0, 0.5)


def test_openais_usage_counts_too():
    tail = Tail()
    tail.feed(b'data: {"choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n')
    tail.feed(b"data: [DONE]\n\n")
    assert tail.is_whole("openai")
    assert (tail.result().prompt_tokens, tail.result().completion_tokens) == (3, 5)
    assert tail.result().finish_reason == "length"
