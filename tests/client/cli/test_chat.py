import json

import pytest

from innkeep import wire
from innkeep.cli import chat
from innkeep.cli.arguments import parser_of
from innkeep.cli.terminal import Terminal
from innkeep.errors import QueueFull
from support.cli_daemon import UNTIL_CANCELLED, Stream, an_answer, half_an_answer


@pytest.fixture
def talk(daemon, monkeypatch):
    """``talk("line", Exception, ..., options=[...])``: typed line by line at a terminal; its terminal."""

    def typed(*lines, options=(), tty=True):
        monkeypatch.setattr("sys.stdin", Stream(tty=tty))
        terminal = Terminal(Stream(tty=tty), Stream(tty=tty), {"TERM": "dumb"})
        coming = iter(lines)

        def read(_prompt):
            line = next(coming, EOFError)
            if isinstance(line, type):
                raise line
            return line

        args = parser_of("chat").parse_args(["--socket", str(daemon.path), *options])
        assert chat.run(args, terminal, read) == 0
        return terminal

    return typed


def test_every_turn_knows_the_ones_before(daemon, talk):
    daemon.script[wire.Chat] = an_answer("fine")
    terminal = talk("hello", "", "and \\", "now?", options=["--system", "short", "--role", "general"])
    assert terminal.out.getvalue() == "fine\nfine\n"
    assert daemon.last(wire.Chat).messages == [
        wire.Message("system", "short"),
        wire.Message("user", "hello"),
        wire.Message("assistant", "fine"),
        wire.Message("user", "and \nnow?"),
    ]
    assert daemon.last(wire.Chat).role == "general"


def test_a_conversation_is_one_session_of_its_own_or_the_one_that_is_named(daemon, talk):
    daemon.script[wire.Chat] = an_answer("fine")
    talk("hello", "again")
    talk("hello")
    talk("hello", options=["--session", "mine"])
    first, second, other, named = [each.session for each in daemon.requests if isinstance(each, wire.Chat)]
    assert first == second != other
    assert first
    assert named == "mine"


def test_commands_change_who_answers_the_next_turn(daemon, talk):
    daemon.script[wire.Chat] = an_answer("fine")
    terminal = talk("/model m", "hello", "/exit", "never read", options=["--model", "a", "--fallback", "b"])
    chat_asked = daemon.last(wire.Chat)
    assert (chat_asked.model, chat_asked.fallbacks) == ("m", None)
    assert sum(isinstance(one, wire.Chat) for one in daemon.requests) == 1
    assert "m from now on" in terminal.err.getvalue()


def test_ctrl_c_stops_the_answer_and_not_the_conversation(daemon, talk, monkeypatch):
    daemon.script[wire.Chat] = half_an_answer("on and on", UNTIL_CANCELLED)
    spoken = Terminal.write

    def interrupted(terminal, text):
        spoken(terminal, text)
        if text == "on and on":
            raise KeyboardInterrupt

    monkeypatch.setattr(Terminal, "write", interrupted)
    terminal = talk("hello", "/reset", KeyboardInterrupt)
    assert terminal.out.getvalue() == "on and on\n"
    assert "stopped\nforgotten\n" in terminal.err.getvalue()
    assert daemon.cancelled.wait(5)


def test_an_error_is_told_and_its_question_taken_back(daemon, talk):
    daemon.script[wire.Chat] = lambda ask: (
        [wire.Error(id=0, code="queue_full", message="512 wait", retryable=True)]
        if ask.messages[-1].content == "first"
        else an_answer("ok")(ask)
    )
    terminal = talk("first", "second")
    assert "innkeep: 512 wait; try again later\n" in terminal.err.getvalue()
    assert daemon.last(wire.Chat).messages == [wire.Message("user", "second")]


def test_an_error_in_a_pipe_ends_the_conversation(daemon, talk):
    daemon.script[wire.Chat] = lambda _: [wire.Error(id=0, code="queue_full", message="512 wait", retryable=True)]
    with pytest.raises(QueueFull):
        talk("first", "second", tty=False)
    assert len(daemon.requests) == 1


def test_lines_of_a_pipe_are_turns_and_json_is_every_reply(daemon, innkeep, monkeypatch):
    daemon.script[wire.Chat] = an_answer("fine")
    stdin = Stream(tty=False)
    stdin.write("one\ntwo\n")
    stdin.seek(0)
    monkeypatch.setattr("sys.stdin", stdin)
    ended = innkeep("chat", "--json")
    assert [json.loads(line)["type"] for line in ended.out.splitlines()] == ["routed", "started", "delta", "done"] * 2
    assert [one.content for one in daemon.last(wire.Chat).messages] == ["one", "fine", "two"]


def test_fallbacks_want_a_model(daemon, innkeep):
    assert innkeep("chat", "--fallback", "b").status == 2


def test_three_quotes_begin_and_end_a_text_of_several_lines(daemon, talk):
    daemon.script[wire.Chat] = an_answer("fine")
    talk('"""def f():', "    return 1 \\", "", 'f()"""', '"""one line"""')
    first, second = (one for one in daemon.requests if isinstance(one, wire.Chat))
    assert first.messages[-1].content == "def f():\n    return 1 \\\n\nf()"
    assert second.messages[-1].content == "one line"


def test_retry_asks_the_last_question_again_without_its_answer(daemon, talk):
    daemon.script[wire.Chat] = an_answer("fine")
    talk("hello", "/retry")
    assert daemon.last(wire.Chat).messages == [wire.Message("user", "hello")]


def test_an_overflow_says_how_to_go_on(daemon, talk):
    daemon.script[wire.Chat] = lambda _: [wire.Error(id=0, code="context_overflow", message="5000 tokens")]
    assert "; /reset forgets the conversation" in talk("hello").err.getvalue()
