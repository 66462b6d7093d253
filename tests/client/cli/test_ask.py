import base64
import json

import pytest

from innkeep import wire
from support.cli_daemon import HANG_UP, an_answer, half_an_answer

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_answer_streams_to_standard_output(daemon, innkeep):
    daemon.script[wire.Chat] = an_answer("하늘은 ", "파랗다.")
    ended = innkeep("ask", "왜", "파란가?")
    assert ended == (0, "하늘은 파랗다.\n", "")
    assert daemon.last(wire.Chat).messages == [wire.Message("user", "왜 파란가?")]


def test_every_option_reaches_the_daemon(daemon, innkeep, tmp_path):
    daemon.script[wire.Chat] = an_answer("ok")
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    words = "--model ollama/a --fallback b --fallback c --system short --session s --last --priority batch"
    ended = innkeep(
        "ask", "x", *words.split(), "--patience", "20s", "--deadline", "5m", "--no-think", "--image", str(picture)
    )
    assert ended.status == 0
    chat = daemon.last(wire.Chat)
    assert chat.messages == [
        wire.Message("system", "short"),
        wire.Message("user", "x", images=[base64.b64encode(PNG).decode()]),
    ]
    assert (chat.model, chat.fallbacks, chat.role, chat.session, chat.last) == ("a", ["b", "c"], None, "s", True)
    assert (chat.priority, chat.patience, chat.deadline, chat.think, chat.stream) == ("batch", 20.0, 300.0, False, True)


def test_a_role_is_passed_on(daemon, innkeep):
    daemon.script[wire.Chat] = an_answer("ok")
    innkeep("ask", "x", "--role", "reasoning")
    assert (daemon.last(wire.Chat).role, daemon.last(wire.Chat).think) == ("reasoning", None)


def test_without_streaming_the_answer_comes_whole(daemon, innkeep):
    daemon.script[wire.Chat] = an_answer("a", "b")
    assert innkeep("ask", "x", "--no-stream").out == "ab\n"
    assert not daemon.last(wire.Chat).stream


def test_json_is_every_reply_or_without_streaming_the_last(daemon, innkeep):
    daemon.script[wire.Chat] = an_answer("a", "b")
    lines = [json.loads(line) for line in innkeep("ask", "x", "--json").out.splitlines()]
    assert [line["type"] for line in lines] == ["routed", "started", "delta", "delta", "done"]
    (whole,) = innkeep("ask", "x", "--json", "--no-stream").out.splitlines()
    assert json.loads(whole)["text"] == "ab"


def test_waiting_and_loading_are_told_on_a_terminal(daemon, innkeep):
    before = [
        wire.Waiting(id=0, model="q", position=2, ahead=1, resident=["d"], expected=None, reason="d answers"),
        wire.Loading(id=0, model="q", unloading=["d"], elapsed=7.0, expected=12.0),
    ]
    daemon.script[wire.Chat] = an_answer("ok", before=before)
    ended = innkeep("ask", "x", tty=True)
    assert "0 s  2nd in line for q (d in memory)" in ended.err
    assert "loading q  7 s of ~12 s (d is unloading)" in ended.err
    assert ended.out == "ok\n"
    assert "(qwen2.5-coder:32b, coding; 1 token, 11.2/s; 14 s: waited 1.0 s, swap 11 s)" in ended.err


@pytest.mark.parametrize(
    ("code", "retryable", "status"), [("queue_full", True, 4), ("unknown_model", False, 1), ("never_fits", False, 1)]
)
def test_a_refusal_is_one_line_and_a_status(daemon, innkeep, code, retryable, status):
    daemon.script[wire.Chat] = lambda _: [wire.Error(id=0, code=code, message="no", retryable=retryable)]
    ended = innkeep("ask", "x")
    assert (ended.status, ended.out) == (status, "")
    assert ended.err.startswith("innkeep: no; ")
    assert ended.err.count("\n") == 1


def test_an_answer_that_breaks_off_is_told_to_be_incomplete(daemon, innkeep):
    stall = wire.Error(id=0, code="stalled", message="no token for 60 s", retryable=True, detail={"partial": True})
    daemon.script[wire.Chat] = half_an_answer("half an ans", stall)
    assert innkeep("ask", "x") == (
        4,
        "half an ans\n",
        "innkeep: no token for 60 s (the text above is incomplete)\n",
    )


def test_a_daemon_that_dies_in_mid_answer_is_one_line(daemon, innkeep):
    daemon.script[wire.Chat] = half_an_answer("half", HANG_UP)
    ended = innkeep("ask", "x")
    assert (ended.status, ended.out, ended.err.count("\n")) == (4, "half\n", 1)


def test_fallbacks_want_a_model(daemon, innkeep):
    assert innkeep("ask", "x", "--fallback", "b").err.startswith("innkeep: --fallback needs --model;")
    assert daemon.requests == []


def test_nothing_asked_is_a_usage_error(daemon, innkeep):
    ended = innkeep("ask")
    assert (ended.status, ended.err.startswith("innkeep: no question given;")) == (2, True)


def test_a_file_that_is_no_picture_is_refused(daemon, innkeep, tmp_path):
    text = tmp_path / "README.md"
    text.write_text("# no picture")
    ended = innkeep("ask", "x", "--image", str(text))
    assert (ended.status, "not a picture" in ended.err, daemon.requests) == (2, True, [])


def test_a_usage_error_under_json_is_an_object_too(innkeep):
    ended = innkeep("ask", "--nope", "--json")
    assert (ended.status, json.loads(ended.out)["code"]) == (2, "bad_request")
