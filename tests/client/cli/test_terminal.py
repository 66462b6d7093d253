import io

import pytest

from innkeep.cli.terminal import Terminal, terminal_width
from support.cli_daemon import Stream


def a_terminal(*, tty=True, **environ):
    return Terminal(Stream(tty=tty), Stream(tty=tty), environ)


def test_colours_need_a_terminal():
    assert a_terminal().paint("red", "x") == "\x1b[31mx\x1b[0m"
    assert a_terminal(tty=False).paint("red", "x") == "x"


@pytest.mark.parametrize(("environ", "live"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)])
def test_no_color_takes_colours_away_and_a_dumb_terminal_the_redraw_too(environ, live):
    terminal = a_terminal(**environ)
    assert (terminal.coloured, terminal.dims, terminal.live) == (False, False, live)


def test_tables_are_as_wide_as_the_terminal_and_in_a_pipe_as_they_need():
    assert a_terminal(COLUMNS="80").table_width() == 80
    assert a_terminal(COLUMNS="80").table_width(long=True) is None
    assert a_terminal(tty=False, COLUMNS="80").table_width() is None


def test_an_empty_no_color_means_nothing():
    assert a_terminal(NO_COLOR="").coloured


def test_a_models_text_cannot_steer_the_terminal_but_a_pipe_gets_it_as_it_is():
    shown, piped = a_terminal(), a_terminal(tty=False)
    for terminal in (shown, piped):
        terminal.write("a\x1b[2Jb\tc\n\x07")
    assert shown.out.getvalue() == "a[2Jb\tc\n"
    assert piped.out.getvalue() == "a\x1b[2Jb\tc\n\x07"


def test_json_is_one_line_and_korean_stays_readable():
    terminal = a_terminal(tty=False)
    terminal.print_json({"text": "하늘\n"})
    assert terminal.out.getvalue() == '{"text":"하늘\\n"}\n'


def test_thinking_is_dimmed_on_a_terminal_only():
    shown, piped = a_terminal(), a_terminal(tty=False)
    for terminal in (shown, piped):
        terminal.print_dim("hm")
    assert (shown.err.getvalue(), piped.err.getvalue()) == ("\x1b[2mhm\x1b[0m", "hm")


def test_complaints_name_the_command():
    terminal = a_terminal()
    terminal.print_error("no")
    assert terminal.err.getvalue() == "innkeep: no\n"


def test_width_is_told_by_the_environment_or_eighty():
    assert terminal_width(io.StringIO(), {"COLUMNS": "33"}) == 33
    assert terminal_width(io.StringIO(), {"COLUMNS": "none"}) == 80
    assert a_terminal(COLUMNS="44").width() == 44


def test_its_repr_says_what_it_can_show():
    assert repr(a_terminal(tty=False)) == "<Terminal out=False err=False coloured=False live=False>"
