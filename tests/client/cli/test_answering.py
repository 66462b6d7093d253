import pytest

from innkeep import wire
from innkeep.cli.answering import AnswerPrinter
from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream, an_answer

CHAT = wire.Chat(id=1, messages=[wire.Message("user", "x")])


def a_printer(*, tty=True, shows_thinking=False):
    terminal = Terminal(Stream(tty=tty), Stream(tty=tty), {"TERM": "dumb"})
    return AnswerPrinter(terminal, Progress(terminal), shows_thinking=shows_thinking), terminal


def test_progress_is_told_step_by_step():
    printer, terminal = a_printer()
    printer.print_all(an_answer("ok")(CHAT))
    assert terminal.err.getvalue().splitlines() == [
        "routed to coding (the word code): qwen2.5-coder:32b",
        "qwen2.5-coder:32b is reading the prompt, 0 s",
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
    assert terminal.err.getvalue().startswith("innkeep: answer truncated at the token limit;")


def test_what_breaks_off_leaves_the_screen_in_order():
    def replies():
        yield wire.Delta(id=1, text="half")
        raise KeyboardInterrupt

    printer, terminal = a_printer()
    with pytest.raises(KeyboardInterrupt):
        printer.print_all(replies())
    printer.print_summary()
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("half\n", "")


def test_verbose_keeps_a_line_for_each_step_even_in_a_pipe():
    terminal = Terminal(Stream(tty=False), Stream(tty=False), {})
    printer = AnswerPrinter(terminal, Progress(terminal), verbose=True)
    wait = wire.Waiting(id=0, model="q", position=1, ahead=0, resident=["d"], expected=9.0, reason="", answering=["d"])
    load = wire.Loading(id=0, model="q", unloading=["d"], elapsed=0.0, expected=4.0)
    later = wire.Loading(id=0, model="q", unloading=["d"], elapsed=1.0, expected=4.0)
    printer.print_all(an_answer("ok", before=[wait, load, later])(CHAT))
    printer.print_summary()
    assert terminal.err.getvalue().splitlines() == [
        "routed to coding (the word code): qwen2.5-coder:32b",
        "~9 s  1st in line for q (d is answering)",
        "loading q  0 s of ~4 s (d is unloading)",
        "qwen2.5-coder:32b has the request",
        "(qwen2.5-coder:32b, coding; 1 token, 11.2/s; 14 s: waited 1.0 s, swap 11 s)",
    ]


def test_quiet_says_nothing_beside_the_answer():
    terminal = Terminal(Stream(tty=True), Stream(tty=True), {})
    printer = AnswerPrinter(terminal, Progress(terminal, silent=True), quiet=True)
    printer.print_all(an_answer("ok", finish="length")(CHAT))
    printer.print_summary()
    assert (terminal.out.getvalue(), terminal.err.getvalue()) == ("ok\n", "")
