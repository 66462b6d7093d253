import pytest

from innkeep import wire
from innkeep.cli.table import width
from innkeep.cli.waiting import loading_line, reading_line, waiting_line

QWEN, DEEPSEEK = "qwen2.5-coder:32b", "deepseek-r1:32b"


def a_wait(**changes):
    fields = {"model": QWEN, "position": 3, "ahead": 2, "resident": [DEEPSEEK], "expected": 28.0, "reason": "x"}
    return wire.Waiting(id=0, **fields | changes)


def test_how_long_comes_first_and_ticks():
    wait = a_wait(answering=[DEEPSEEK])
    assert waiting_line(wait, 0.0, 80) == f"~28 s  3rd in line for {QWEN} ({DEEPSEEK} is answering)"
    assert waiting_line(wait, 5.0, 80) == f"~23 s  3rd in line for {QWEN} ({DEEPSEEK} is answering)"
    assert waiting_line(wait, 99.0, 80).startswith("~1 s  ")


def test_a_wait_of_unknown_length_says_what_is_known():
    assert waiting_line(a_wait(expected=None), 2.0, 80, waited=5.0) == (
        f"7 s  3rd in line for {QWEN} ({DEEPSEEK} in memory)"
    )


@pytest.mark.parametrize("cells", [79, 60, 45, 38, 20, 5])
def test_a_line_fits_and_never_loses_how_long(cells):
    line = waiting_line(a_wait(answering=[DEEPSEEK, "llama3.1:8b"]), 0.0, cells)
    assert width(line) <= cells
    assert line.startswith("~28")


def test_a_hold_tells_its_end_its_reason_and_when_the_request_gives_up():
    wait = a_wait(until=2000.0, why="video call", refused_at=1060.0)
    line = waiting_line(wait, 0.0, 200, now=1000.0)
    assert '("video call"), gives up in 60 s; `innkeep resume` ends it' in line
    assert "gives up" not in waiting_line(a_wait(until=1050.0, refused_at=1060.0), 0.0, 200, now=1000.0)
    assert width(waiting_line(wait, 0.0, 40, now=1000.0)) <= 40


def test_a_load_tells_how_far_it_is_and_who_has_to_go():
    loading = wire.Loading(id=0, model=QWEN, unloading=[DEEPSEEK], elapsed=7.0, expected=12.0)
    assert loading_line(loading, 2.0, 80) == f"loading {QWEN}  9 s of ~12 s ({DEEPSEEK} is unloading)"
    assert loading_line(loading, 2.0, 50) == f"loading {QWEN}  9 s of ~12 s"


def test_reading_the_prompt_ticks_too():
    assert reading_line(QWEN, 3.0, 80) == f"{QWEN} is reading the prompt, 3 s"
    assert reading_line(QWEN, 3.0, 20) == "reading, 3 s"
