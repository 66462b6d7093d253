from pathlib import Path

import pytest

from innkeepd.service.logs import follow, last_lines, readable
from support.service import CountingClock


class Script(CountingClock):
    """A clock whose pauses are moments at which something happens to the file."""

    def __init__(self, *steps) -> None:
        super().__init__()
        self.steps = list(steps)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.steps.pop(0)()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            '{"timestamp":"2026-11-24T10:00:00Z","level":"info","event":"chat","model":"a:8b","waited":1.5,"w":"a b"}',
            '2026-11-24T10:00:00Z info chat model=a:8b waited=1.5 w="a b"',
        ),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("17", "17"),
        ('{"event":"코드","role":""}', '코드 role=""'),
    ],
)
def test_a_line_of_the_log_is_made_readable(line: str, text: str):
    assert readable(line) == text


def test_following_starts_with_what_comes_next_and_waits_for_whole_lines(short_path: Path):
    path = short_path / "log"
    path.write_text("old\n")

    def add(text: str):
        def write() -> None:
            with path.open("a") as file:
                file.write(text)

        return write

    lines = follow(path, Script(add("ne"), add("w\nsecond\n")))
    assert [next(lines), next(lines)] == ["new", "second"]


def test_following_goes_on_in_the_new_file_after_a_rotation(short_path: Path):
    path = short_path / "log"
    path.write_text("old\n")

    def rotate():
        path.rename(short_path / "log.1")
        path.write_text("first of the new one\n")

    def nothing():
        pass

    assert next(follow(path, Script(nothing, rotate))) == "first of the new one"


def test_following_survives_truncation_and_a_name_that_is_gone_for_a_moment(short_path: Path):
    path = short_path / "log"
    path.write_text("something long\n")

    def truncate():
        path.write_text("short\n")

    lines = follow(path, Script(truncate, path.unlink, lambda: path.write_text("again\n")))
    assert [next(lines), next(lines)] == ["short", "again"]


def test_a_log_that_is_not_there_yet_is_awaited(short_path: Path):
    path = short_path / "log"
    assert last_lines(path, 5) == []
    assert next(follow(path, Script(lambda: path.write_text("hello\n")))) == "hello"
