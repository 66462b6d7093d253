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
    assert terminal.err.getvalue() == "\r\x1b[2mloading 1 s\x1b[0m\x1b[K\r\x1b[2mloading 2 s\x1b[0m\x1b[K\r\x1b[K"


def test_a_long_line_is_cut_to_the_terminal():
    terminal = a_terminal()
    Progress(terminal).show("한글은 두 칸을 차지한다, 그래서 짧게")
    assert "한글은 두 칸을 차…" in terminal.err.getvalue()


def test_a_shorter_line_is_drawn_where_the_whole_one_is_too_wide():
    terminal = a_terminal()
    Progress(terminal).show("waiting: 2nd in line; loading 1 s", shorter="loading 1 s")
    assert terminal.err.getvalue() == "\r\x1b[2mloading 1 s\x1b[0m\x1b[K"


def test_without_redraw_only_news_is_printed():
    terminal = a_terminal(NO_COLOR="1")
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
