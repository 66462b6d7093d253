import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.backends.ollama_wire import error_text, error_words
from innkeepd.policy.error_texts import ERROR_TEXTS, classify, is_damaged, is_known, unquoted
from innkeepd.policy.fallback import NEXT

RECORDINGS = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (404, "model 'nope' not found", "unknown_model"),
        (404, 'model "x" not found, try pulling it first', "unknown_model"),
        (404, "The model `gpt-9` does not exist", "unknown_model"),
        (404, "404 page not found", "backend_error"),
        (400, "invalid character 'b' looking for beginning of object key string", "bad_request"),
        (400, "model is required", "bad_request"),
        (400, "the input length exceeds the context length", "context_overflow"),
        (400, "the request exceeds the available context size, try increasing it", "context_overflow"),
        (400, "This model's maximum context length is 4096 tokens", "context_overflow"),
        (400, '"mid" does not support thinking', "unsupported"),
        (400, "example.invalid/library/mid:latest does not support tools", "unsupported"),
        (400, 'think value "high" is not supported for this model', "unsupported"),
        (500, "this model is missing data required for image input", "unsupported"),
        (500, "model requires more system memory (122.1 GiB) than is available (22.8 GiB)", "out_of_memory"),
        (500, "unable to load full model on GPU", "out_of_memory"),
        (500, "memory layout cannot be allocated", "out_of_memory"),
        (500, "failed to allocate memory for model", "out_of_memory"),
        (
            500,
            "model failed to load, this may be due to resource limitations or an internal error, check logs",
            "out_of_memory",
        ),
        (500, "llama runner process has terminated: cudaMalloc failed: out of memory", "out_of_memory"),
        (500, "command buffer 0 failed: kIOGPUCommandBufferCallbackErrorOutOfMemory", "out_of_memory"),
        (None, "error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)", "out_of_memory"),
        (
            500,
            "llama runner process has terminated: error loading model: missing tensor 'blk.1.ffn_down.weight'",
            "load_failed",
        ),
        (500, "error starting runner: fork/exec: resource temporarily unavailable", "load_failed"),
        (500, "timed out waiting for llama runner to start - progress 0.42", "load_failed"),
        (
            500,
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error",
            "backend_error",
        ),
        (None, "an error was encountered while running the model: unexpected EOF", "backend_error"),
        (None, "the input length exceeds the context length", "context_overflow"),
        (500, "something new", "backend_error"),
        (401, "unauthorized", "backend_error"),
        (503, "server busy, please try again.  maximum pending requests exceeded", "queue_full"),
        (503, "Loading model", "queue_full"),
        (429, "slow down", "queue_full"),
        (None, "server busy, please try again.  maximum pending requests exceeded", "queue_full"),
        (499, "request canceled", "cancelled"),
        (500, "context canceled", "cancelled"),
        (413, "request entity too large", "bad_request"),
        # Ollama since 0.30 (recorded, else read in its source)
        (400, "the prompt is longer than the context length currently available to the model", "context_overflow"),
        (400, "request (3516 tokens) exceeds the available context size (512 tokens)", "context_overflow"),
        (500, "llama-server process has terminated: signal: killed", "load_failed"),
        (500, "llama-server process has terminated: exit status 127", "load_failed"),
        (500, "llama-server process no longer running: 1", "load_failed"),
        (500, "timed out waiting for llama-server to start - progress 0.5", "load_failed"),
        (500, "llama-server process has terminated: x: failed to allocate buffer for kv cache", "out_of_memory"),
        (500, "failed to allocate Metal buffer of size 1", "out_of_memory"),
        (500, "not enough memory", "out_of_memory"),
        (500, "out of device memory", "out_of_memory"),
        (500, "llama-server reported out-of-memory during startup: x", "out_of_memory"),
        (500, "Compute error.", "out_of_memory"),
        (500, "model requires 30.1 GiB but only 20 GiB are available (after 1 GiB overhead)", "out_of_memory"),
        (500, "mlx runner failed: exit status 1", "load_failed"),
        (500, 'tensor "blk.1.ffn_down.weight" offset+size (16286528) exceeds file size (16011680)', "load_failed"),
        (500, "invalid file magic", "load_failed"),
        (500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object', "bad_request"),
        (500, 'option "num_ctx" must be of type integer', "bad_request"),
        (501, "This server does not support embeddings. Start it with `--embeddings`", "unsupported"),
        (502, 'Post "x": dial tcp: lookup somewhere: no such host', "backend_unreachable"),
        (500, "dial tcp 127.0.0.1:4: connect: connection refused", "backend_error"),
    ],
)
def test_each_known_text_has_its_code(status, text, code):
    assert classify(status, text) == code


@given(st.none() | st.integers(100, 599), st.text())
def test_any_answer_has_a_code_that_the_table_or_a_stop_covers(status, text):
    known = NEXT | {"context_overflow", "cancelled", "bad_request"}
    assert classify(status, text) in known


def _recorded_errors() -> list[tuple[str, int, str]]:
    found = []
    for path in sorted(RECORDINGS.glob("ollama*/*.json")):
        response = json.loads(path.read_text()).get("response") or {}
        if not isinstance(response, dict):
            continue
        for _, line in response.get("lines", []):
            text = line.removeprefix("data: ")
            if '"error"' in text[:12] or response["status"] >= 400:
                status = response["status"] if response["status"] >= 400 else None
                found.append((path.name, status, error_text(text.encode())))
    return found


@pytest.mark.parametrize(("name", "status", "text"), _recorded_errors())
def test_every_recorded_error_text_is_in_the_table(name, status, text):
    assert is_known(status, text), (name, text)
    assert not text.startswith("{")


def test_a_new_text_is_not_known():
    assert not is_known(500, "the flux capacitor is empty")
    assert is_known(503, "the flux capacitor is empty")


def test_no_row_is_hidden_behind_an_earlier_one_of_the_same_words():
    assert len({row.words for row in ERROR_TEXTS}) == len(ERROR_TEXTS)


def test_json_inside_the_text_is_unwrapped_and_the_lines_behind_it_stay():
    text = '{"error":{"code":500,"message":"Compute error.","type":"server_error"}}\nerror: Insufficient Memory (8)'
    assert error_words(text) == "Compute error. error: Insufficient Memory (8)"
    assert error_words('{"error":"plain"}') == "plain"
    assert error_words("{not json") == "{not json"
    assert error_words('{"other": 1}') == '{"other": 1}'


def test_words_quoted_from_a_refused_request_do_not_look_like_a_lack_of_memory():
    assert classify(400, "invalid value 'out of memory' for format") == "bad_request"


def test_a_damaged_model_is_told_from_one_that_lacks_a_capability():
    assert is_damaged('"garbled" does not support chat')
    assert is_damaged('"garbled" does not support generate')
    assert not is_damaged('"words" does not support thinking')


def test_a_reported_text_holds_nothing_that_was_quoted():
    assert unquoted("error parsing tool call: raw='my secret', err=x") == "error parsing tool call:"
    assert unquoted('unexpected token "secret"') == "unexpected token"
    assert len(unquoted("a" * 999)) == 120
