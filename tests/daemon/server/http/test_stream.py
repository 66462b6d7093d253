import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from innkeepd.backends.backend import Completion
from innkeepd.server.http.stream import LONGEST_ERROR, Errors, Renamed, Scanner

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


DATA = Path(__file__).parents[3] / "data"
APIS = {"v1_chat": "openai", "v1_comp": "openai", "v1_resp": "responses", "v1_mess": "messages"}
LONG = (
    b'event: response.created\ndata: {"response":{"usage":null}}\n\n'
    b'event: response.completed\ndata: {"response":{"output":[{"text":"'
    + b'word \\"input_tokens\\":9 \\nevent: x ' * 300
    + b'"}],"usage":{"input_tokens":21,"output_tokens":5,"total_tokens":26}}}\n\n'
)


def scanned(api, parts, *, streams):
    scanner = Scanner(api, streams=streams)
    for part in parts:
        scanner.feed(part)
    return scanner.is_whole, scanner.result()


def recorded(folder, name):
    said = json.loads((DATA / folder / f"{name}.json").read_text())
    body = "".join(f"{line}\n" for _, line in said["response"]["lines"]).encode()
    return APIS.get(name[:7], "native"), body, said["request"]["body"]


def test_the_figures_of_a_record_of_any_length_are_found():
    record = (
        b'{"done":true,"done_reason":"length","context":[' + b"1," * 3000 + b'1],"total_duration":9,"load_duration":'
        b'250000000,"prompt_eval_count":11,"prompt_eval_duration":2000000000,"eval_count":7,"eval_duration":500000000}\n'
    )
    assert scanned("native", [b'{"x":1}\n'], streams=True)[0] is False
    assert scanned("native", [record], streams=True) == (True, Completion("length", 11, 7, 2.0, 0.5, 0.25))


@pytest.mark.parametrize("folder", ["ollama", "ollama-0.33"])
@pytest.mark.parametrize("name", ["v1_responses", "v1_chat", "v1_messages", "chat_nostream", "generate_stream"])
def test_a_recorded_answer_is_whole_with_its_tokens(folder, name):
    if not (DATA / folder / f"{name}.json").exists():
        pytest.skip("not recorded of this version")
    api, body, asked = recorded(folder, name)
    streams = asked.get("stream", api == "native") is True
    is_whole, result = scanned(api, [body], streams=streams)
    assert is_whole
    assert result.prompt_tokens > 0
    assert result.completion_tokens > 0


BROKEN = [
    *("chat_token_repeat_nostream", "chat_token_repeat_stream", "chat_runner_error_lost_nostream"),
    *("chat_runner_error_lost_stream", "generate_runner_error_lost_nostream", "chat_gpu_oom_midstream_nostream"),
    *("v1_chat_token_repeat", "v1_chat_token_repeat_stream", "v1_chat_gpu_oom_midstream"),
    *(f"{door}_runner_error_lost_{how}" for door in ("v1_chat", "v1_completions") for how in ("stream", "nostream")),
    *(f"{door}_runner_error_lost_{how}" for door in ("v1_messages", "v1_responses") for how in ("stream", "nostream")),
    *("v1_chat_runner_killed_midstream", "v1_messages_runner_killed_midstream", "v1_responses_runner_killed_midstream"),
]


@pytest.mark.parametrize("name", BROKEN)
def test_a_recorded_answer_that_broke_is_not_whole(name):
    api, body, asked = recorded("ollama-0.33", name)
    assert scanned(api, [body], streams=asked.get("stream", api == "native") is True)[0] is False


@given(st.lists(st.integers(0, len(LONG)), max_size=12))
@example(list(range(len(LONG))))
def test_an_answer_is_judged_alike_however_it_is_cut(cuts):
    parts = [LONG[a:b] for a, b in pairwise([0, *sorted(cuts), len(LONG)])]
    assert scanned("responses", parts, streams=True) == (True, Completion("stop", 21, 5))


def test_an_end_in_the_models_own_words_is_none():
    words = b'{"message":{"content":"{\\"done\\":true,\\"done_reason\\":1}"},"done":false}\n'
    assert scanned("native", [words], streams=True)[0] is False
    assert scanned("openai", [b'data: {"content":"\\ndata: [DONE]"}\n\n'], streams=True)[0] is False


def test_openais_usage_counts_too():
    parts = [
        b'data: {"choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n',
        b"data: [DONE]\n\n",
    ]
    assert scanned("openai", parts, streams=True) == (True, Completion("length", 3, 5))


def test_json_with_spaces_is_read_too():
    """Engines in Python write it so."""
    body = b'{"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}'
    assert scanned("openai", [body], streams=False) == (True, Completion("stop", 3, 5))
