from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.inbound.http.stream import Renamed, Tail, error_in

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


def test_an_answer_in_one_piece_is_renamed_at_its_end():
    renamed = Renamed("innkeep-ctx/a:4096", "a")
    assert renamed.feed(b'{"id":1,"model":"innkeep-ctx/a:4096"') == b""
    assert renamed.end() == b'{"id":1,"model":"a"'


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
def test_an_error_record_is_found_and_what_came_before_it_is_kept(api, chunk, before, words):
    found = error_in(api, chunk)
    assert found is not None
    assert found[0] == before
    assert found[1].message == words


def test_an_error_in_the_models_own_words_is_none():
    assert error_in("native", b'{"message":{"content":"{\\"error\\":1}\\n{\\"error\\":2}"}}\n') is None


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
