import os
from pathlib import Path

import pytest

from innkeep.cli.outcome import UsageError
from innkeep.cli.prompt import images_of, is_piped, prompt_text
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream


@pytest.fixture
def terminal():
    return Terminal(Stream(tty=False), Stream(tty=True), {})


@pytest.fixture
def piped():
    """``piped(b"...")`` is a standard input with that in it."""
    opened = []

    def pipe(content):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        opened.append(os.fdopen(reading, encoding="utf-8"))
        return opened[-1]

    yield pipe
    for stream in opened:
        stream.close()


@pytest.fixture
def nothing():
    with Path(os.devnull).open() as stream:
        yield stream


def test_words_alone_are_the_prompt(terminal, nothing):
    assert prompt_text(["왜", "파란가?"], [], terminal, nothing) == "왜 파란가?"


def test_what_is_piped_in_comes_after_the_words(terminal, piped):
    assert prompt_text(["review"], [], terminal, piped(b"+ a line\n")) == "review\n\n+ a line"


def test_what_is_piped_in_alone_is_the_prompt(terminal, piped):
    assert prompt_text([], [], terminal, piped("\ufeff하늘\n".encode())) == "하늘"


def test_an_empty_pipe_adds_nothing(terminal, piped):
    assert prompt_text(["hi"], [], terminal, piped(b"")) == "hi"


def test_a_file_alone_has_no_name_and_beside_others_it_has(terminal, nothing, tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("first\n")
    two.write_text("second\n")
    assert prompt_text([], [str(one)], terminal, nothing) == "first"
    assert prompt_text(["compare"], [str(one), str(two)], terminal, nothing) == (
        f"compare\n\n--- {one} ---\nfirst\n\n--- {two} ---\nsecond"
    )


def test_a_dash_is_standard_input_once(terminal, piped):
    assert prompt_text(["x"], ["-"], terminal, piped(b"in")) == "x\n\nin"


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"\xff\xfe", "not UTF-8 at byte 0; convert it"), (b"a" * 12_000_001, "larger than 12 MB; send a part")],
)
def test_a_file_that_is_no_text_or_too_much_is_refused_by_name(terminal, nothing, tmp_path, content, fault):
    file = tmp_path / "x.bin"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=f"x\\.bin: {fault}"):
        prompt_text([], [str(file)], terminal, nothing)


def test_a_missing_file_is_refused_by_name(terminal, nothing, tmp_path):
    with pytest.raises(UsageError, match=r"nope\.txt: No such file or directory; name a file"):
        prompt_text([], [str(tmp_path / "nope.txt")], terminal, nothing)


def test_words_that_are_not_utf8_are_refused(terminal, nothing):
    with pytest.raises(UsageError, match="not UTF-8; put it into a file"):
        prompt_text(["\udcff"], [], terminal, nothing)


def test_a_silent_pipe_is_explained_to_a_person(terminal, monkeypatch, piped):
    monkeypatch.setattr("innkeep.cli.prompt._HINT_AFTER", 0.0)
    monkeypatch.setattr("select.select", lambda *_: ([], [], []))
    prompt_text([], [], terminal, piped(b"late"))
    assert terminal.err.getvalue() == "innkeep: waiting for standard input; add `< /dev/null` if there is none\n"


def test_a_stream_without_a_file_is_not_piped(nothing):
    assert not is_piped(Stream(tty=False))
    assert not is_piped(nothing)


def test_images_are_base64_and_bounded_together(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"GIF89a" + b"a" * 7_000_000)
    assert images_of([]) == []
    with pytest.raises(UsageError, match="the images together: larger than 12 MB"):
        images_of([str(picture), str(picture)])
