import json
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.ollama_wire import (
    MAX_LINE,
    AnswerLines,
    Details,
    Shown,
    Tag,
    Tags,
    epoch,
    error_text,
    error_words,
    model_of,
    parameters,
    weights_of,
)
from support.scripted import recorded

RECORDINGS = Path(__file__).parents[2] / "data" / "ollama-0.33"
STREAM = recorded("chat_unloaded_midstream")[1]


def plain(items):
    return [(each.code, each.message) if isinstance(each, BackendFault) else each for each in items]


def whole(data):
    lines = AnswerLines()
    return plain([*lines.feed(data), *([] if lines.over else lines.end())])


def test_a_recorded_answer_becomes_its_pieces_and_a_finish():
    *pieces, finish = whole(STREAM)
    assert "".join(piece.text for piece in pieces) == ">6*A\t"
    assert finish == Completion(
        "stop", 6, 21, pytest.approx(0.072231624), pytest.approx(1.624333828), pytest.approx(0.002788353)
    )


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_where_the_bytes_are_cut_changes_nothing(cuts):
    lines = AnswerLines()
    got = []
    edges = sorted({0, len(STREAM), *cuts})
    for start, end in pairwise(edges):
        got += lines.feed(STREAM[start:end])
    assert plain(got) == whole(STREAM)
    assert lines.over


def test_a_crash_in_mid_answer_comes_after_the_text_before_it():
    *pieces, fault = whole(recorded("chat_runner_killed_midstream")[1])
    assert len(pieces) == 6
    assert fault == ("backend_error", "an error was encountered while running the model: unexpected EOF")


def test_an_answer_without_its_last_record_was_cut_off():
    cut = STREAM[: STREAM.index(b'"done":true') - 40]
    *pieces, (code, message) = whole(cut)
    assert len(pieces) == 5
    assert code == "backend_error"
    assert "broke off" in message


def test_a_last_line_without_its_newline_counts():
    assert whole(STREAM.rstrip()) == whole(STREAM)


def test_a_line_that_is_no_answer_is_a_fault_in_its_place():
    good = STREAM[: STREAM.index(b"\n") + 1]
    assert whole(good + b"\n<html>\n" + good) == [
        Piece(">"),
        ("backend_error", "Ollama sent a line that is not one of its answers"),
    ]


def test_a_finish_among_broken_lines_still_ends_the_answer():
    assert isinstance(whole(b'{"done":true}\nnot json\n')[-1], Completion)


def test_nothing_comes_after_the_end():
    lines = AnswerLines()
    assert lines.feed(b'{"done":true}\n{"message":{"content":"late"},"done":false}\n') == [Completion("stop")]
    assert lines.feed(b'{"message":{"content":"later"},"done":false}\n') == []
    assert lines.end() == []


def test_a_line_without_end_is_given_up():
    lines = AnswerLines()
    assert lines.feed(b" " * MAX_LINE) == []
    assert plain(lines.feed(b" ")) == [("backend_error", "Ollama sent a line of over 16 MiB")]
    assert "rest=0" in repr(lines)


def test_thinking_text_and_tool_calls_of_one_line_are_pieces_of_their_own():
    call = {"function": {"name": "f", "arguments": {}}}
    line = {"message": {"role": "assistant", "content": "b", "thinking": "a", "tool_calls": [call]}, "done": False}
    assert AnswerLines().feed(json.dumps(line).encode() + b"\n") == [
        Piece(thinking="a"),
        Piece("b"),
        Piece(tool_calls=[call]),
    ]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data):
    assert isinstance(whole(data)[-1], tuple | Completion)


def shown(name="show_mid", **changed):
    return msgspec.structs.replace(msgspec.json.decode(recorded(name)[1], type=Shown), **changed)


def mid():
    return next(
        each for each in msgspec.json.decode(recorded("tags")[1], type=Tags).models if each.name == "mid:latest"
    )


def test_a_recorded_model_is_told_with_its_shape():
    model = model_of(mid(), shown())
    assert model.weights == "sha256-d255756af37e05bbd4ac6cc2c8b8fdd5fed04d4888d2e6977e87f14febe0382f"
    assert (model.name, model.size, model.parameters) == ("mid:latest", 63499493, 31736320)
    assert (model.layers, model.kv_heads, model.key_length, model.value_length) == (8, 4, 64, 64)
    assert (model.max_context, model.quantization, model.capabilities) == (4096, "F16", frozenset({"completion"}))


def test_without_its_show_a_model_is_what_tags_tells():
    model = model_of(mid(), None)
    assert (model.weights, model.parameters, model.layers) == (model.digest, 31_740_000, 0)
    assert model_of(Tag("bare"), None).weights == "bare:latest"


def test_heads_that_differ_by_layer_count_with_their_mean():
    info = {
        "general.architecture": "x",
        "x.attention.head_count": 8,
        "x.attention.head_count_kv": [0, 4, 4, 1],
        "x.attention.key_length": 128,
    }
    model = model_of(mid(), shown(model_info=info, capabilities=None))
    assert (model.kv_heads, model.key_length, model.value_length) == (3, 128, 0)
    assert model.capabilities == frozenset()  # unknown, not none


def test_a_cloud_model_and_an_mlx_one_are_told_by_tags():
    lines = json.loads((RECORDINGS / "tags.json").read_text())["response"]["lines"]
    tags = msgspec.json.decode("".join(line for _, line in lines), type=Tags).models
    models = {model.name: model for model in (model_of(tag, None) for tag in tags)}
    far = models.pop("far-away:latest")
    assert (far.host, far.size, far.is_mlx) == ("https://ollama.com:11434", 0, False)
    assert {(model.host, model.is_mlx) for model in models.values()} == {("", False)}
    assert models["emb:latest"].capabilities == {"embedding"}
    assert model_of(Tag("mlx", details=Details(format="safetensors")), None).is_mlx


def test_a_model_of_unknown_shape_keeps_zeroes():
    model = model_of(mid(), shown(model_info=None))
    assert (model.layers, model.kv_heads, model.max_context, model.parameters) == (0, 0, 0, 31_740_000)


@pytest.mark.parametrize(
    ("modelfile", "weights"),
    [
        ("FROM /blobs/sha256-" + "a" * 64 + "\nFROM /blobs/sha256-" + "b" * 64, "sha256-" + "a" * 64),
        ("# FROM sha256-" + "c" * 64 + "\nFROM C:\\models\\blobs\\sha256-" + "A" * 64, "sha256-" + "a" * 64),
        ("FROM @sha256:" + "a" * 64, "sha256-" + "a" * 64),
        ("FROM llama3.1:8b\n", "digest"),
        ("", "digest"),
    ],
)
def test_the_weights_are_the_first_blob_that_a_modelfile_names(modelfile, weights):
    assert weights_of(Shown(modelfile), "digest") == weights


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32.8B", 32_800_000_000),
        ("189.31M", 189_310_000),
        ("108K", 108_000),
        ("1.1T", 1_100_000_000_000),
        ("7b", 7_000_000_000),
        ("12", 12),
        ("", 0),
        ("many", 0),
    ],
)
def test_parameter_sizes_are_read(text, number):
    assert parameters(text) == number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23T10:59:37.808157848Z", 1795431577.808157),
        ("2026-11-23T19:59:37.808157848+09:00", 1795431577.808157),
        ("2026-11-23T05:59:37-05:00", 1795431577.0),
        ("2319-03-05T10:40:57.719587243Z", 11018803257.719587),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("", None),
        ("soon", None),
    ],
)
def test_times_are_read_with_nanoseconds_and_any_offset(text, seconds):
    assert epoch(text) == (None if seconds is None else pytest.approx(seconds))


def test_error_words_come_on_one_line_from_any_shape():
    assert error_text(recorded("chat_missing")[1]) == "model 'nope' not found"
    assert error_text(recorded("v1_chat_missing")[1]) == "model 'nope' not found"
    assert error_text(b"<html>\n bad gateway") == "<html>  bad gateway"
    assert error_text(b"") == "no words"
    assert error_text(b"[1]") == "[1]"
    assert error_words({"type": "odd"}) == "{'type': 'odd'}"
    assert len(error_words("x" * 5000)) == 1000


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [('stop "x"\nnum_predict                    40\ntemperature 1', 40), ("num_predict -1", 0), ("", 0)],
)
def test_a_models_own_answer_limit_is_read_from_its_parameters(parameters, limit):
    assert model_of(mid(), shown(parameters=parameters)).answer_limit == limit
