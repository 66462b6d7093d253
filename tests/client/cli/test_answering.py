import pytest

from innkeep import wire
from innkeep.cli.answering import AnswerPrinter
from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream, an_answer

CHAT = wire.Chat(id=1, messages=[wire.Message("user", "x")])


def a_printer(*, tty=True, shows_thinking=False):
    terminal = Terminal(Stream(tty=tty), Stream(tty=tty), {"NO_COLOR": "1"})
    return AnswerPrinter(terminal, Progress(terminal), shows_thinking=shows_thinking), terminal


def test_progress_is_told_step_by_step():
    printer, terminal = a_printer()
    printer.print_all(an_answer("ok")(CHAT))
    assert terminal.err.getvalue().splitlines() == [
        "asking qwen2.5-coder:32b (coding: the word code)",
        "qwen2.5-coder:32b reads the prompt",
    ]


def test_another_model_than_was_meant_is_told_even_in_a_pipe():
    printer, terminal = a_printer(tty=False)
    printer.take(wire.Started(id=1, model="b", attempt=2, after=wire.Failed("a", "load_failed", "no room")))
    assert terminal.err.getvalue() == "innkeep: a failed (load_failed: no room); b answers\n"


def test_thinking_is_shown_apart_from_the_answer():
    printer, terminal = a_printer(shows_thinking=True)
    thoughts = [wire.Delta(id=1, thinking="hm, "), wire.Delta(id=1, thinking="so")]
    printer.print_all([*thoughts, wire.Delta(id=1, text="42\n")])
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("42\n", "hm, so\n\n")


def test_thinking_that_nobody_wants_to_read_is_progress():
    printer, terminal = a_printer()
    printer.print_all([wire.Delta(id=1, thinking="hm"), wire.Delta(id=1, text="42")])
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("42\n", "thinking, 0 s\n")


def test_a_whole_answer_is_told_with_its_thinking():
    printer, terminal = a_printer(shows_thinking=True)
    (*_, done) = an_answer("42")(wire.Chat(id=1, messages=[], stream=False))
    printer.take(wire.Done(**{name: getattr(done, name) for name in done.__struct_fields__} | {"thinking": "hm"}))
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("42", "hm\n\n")


def test_tool_calls_are_mentioned():
    printer, terminal = a_printer()
    printer.take(wire.Delta(id=1, tool_calls=[{}, {}]))
    assert terminal.err.getvalue() == "innkeep: the model asks for 2 tool calls; --json shows them\n"


def test_an_answer_cut_at_the_limit_is_told_afterwards():
    printer, terminal = a_printer(tty=False)
    printer.print_all(an_answer("half", finish="length")(CHAT))
    printer.print_summary()
    assert terminal.err.getvalue().startswith("innkeep: the answer was cut at the model's limit of tokens;")


def test_what_breaks_off_leaves_the_screen_in_order():
    def replies():
        yield wire.Delta(id=1, text="half")
        raise KeyboardInterrupt

    printer, terminal = a_printer()
    with pytest.raises(KeyboardInterrupt):
        printer.print_all(replies())
    printer.print_summary()
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("half\n", "")
