from threading import Event

from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream


def a_terminal(*, tty=True, **environ):
    return Terminal(Stream(tty=tty), Stream(tty=tty), {"COLUMNS": "20"} | environ)


def test_a_line_is_redrawn_in_place_and_wiped_at_the_end():
    terminal = a_terminal()
    with Progress(terminal) as progress:
        progress.show("loading 1 s")
        progress.show("loading 2 s")
    assert terminal.err.getvalue() == "\x1b[2mloading 1 s\x1b[0m\r\x1b[J\x1b[2mloading 2 s\x1b[0m\r\x1b[J"


def test_a_line_that_depends_on_the_time_ticks_without_news():
    terminal, now = a_terminal(NO_COLOR="1"), [100.0]
    progress = Progress(terminal, clock=lambda: now[0])
    progress.show(lambda since, cells: f"{since:.0f} s of {cells}")
    now[0] = 103.0
    progress.redraw()
    progress.clear()
    progress.redraw()
    assert terminal.err.getvalue() == "0 s of 19\r\x1b[J3 s of 19\r\x1b[J"


def test_the_ticker_redraws_on_its_own_and_ends_with_the_block():
    terminal, ticked = a_terminal(), Event()

    def line(since, _):
        if since:
            ticked.set()
        return "x"

    with Progress(terminal) as progress:
        progress.show(line)
        assert ticked.wait(10)
    drawn = terminal.err.getvalue()
    progress.redraw()
    assert terminal.err.getvalue() == drawn


def test_rows_of_a_window_that_became_narrower_are_wiped_too():
    terminal = a_terminal()
    progress = Progress(terminal)
    progress.show("123456789 123456789")
    terminal.environ = {"COLUMNS": "10"}
    progress.clear()
    assert terminal.err.getvalue().endswith("\r\x1b[1A\x1b[J")


def test_a_long_line_is_cut_to_the_terminal():
    terminal = a_terminal()
    Progress(terminal).show("한글은 두 칸을 차지한다, 그래서 짧게")
    assert "한글은 두 칸을 차…" in terminal.err.getvalue()


def test_without_redraw_only_news_is_printed():
    terminal = a_terminal(TERM="dumb")
    with Progress(terminal) as progress:
        progress.show("loading 1 s", topic="load")
        progress.show("loading 2 s", topic="load")
        progress.show("started")
    assert terminal.err.getvalue() == "loading 1 s\nstarted\n"


def test_nothing_is_drawn_where_nobody_looks():
    piped, silent = a_terminal(tty=False), a_terminal()
    with Progress(piped) as one, Progress(silent, silent=True) as other:
        one.show("x")
        other.show("x")
    assert piped.err.getvalue() == silent.err.getvalue() == ""
