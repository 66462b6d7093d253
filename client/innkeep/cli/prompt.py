"""What is asked: words of the command line, files and standard input, joined into one message."""

import base64
import os
import select
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from innkeep.cli.outcome import UsageError
from innkeep.cli.terminal import Terminal
from innkeep.language import _

_MAX_BYTES = 12_000_000
"""A frame holds 16,777,215 bytes; images grow by a third in base64."""

_HINT_AFTER = 2.0
"""Seconds of a silent pipe after which a person is told what is being waited for."""


def prompt_text(words: Sequence[str], files: Sequence[str], terminal: Terminal, stdin: TextIO | None = None) -> str:
    """TEXT, then each file under its name, then standard input; a single part stands alone, without a name.

    Standard input is read where it is a pipe or a file, or for ``-f -``. ``UsageError`` where nothing is asked or a
    part can't be read.
    """
    stdin = stdin or sys.stdin
    if list(words) == ["-"]:  # as many programs take it: the question is piped in
        words, files = [], [*files, "-"]
    text = " ".join(words).strip()
    named = [(name, _file_text(name)) for name in files if name != "-"]
    piped = _piped_text(stdin, terminal) if "-" in files or is_piped(stdin) else ""
    parts = [text] if text else []
    alone = len(named) + bool(text) + bool(piped.strip()) == 1
    parts += [content if alone else f"--- {name} ---\n{content}" for name, content in named]
    parts += [piped] if piped.strip() else []
    prompt = "\n\n".join(part.strip("\n") for part in parts).strip()
    if not prompt:
        raise UsageError(_('no question given; pass text, `-f FILE`, or a pipe: innkeep ask "why is the sky blue?"'))
    _refuse_oversize(_("the prompt"), len(prompt.encode(errors="replace")))
    _refuse_bad_text(prompt)
    return prompt


def is_piped(stdin: TextIO) -> bool:
    """Whether standard input is a pipe, a file or a socket with something in it; a terminal or /dev/null is not."""
    try:
        mode = os.fstat(stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _piped_text(stdin: TextIO, terminal: Terminal) -> str:
    if terminal.shows_err and not stdin.isatty():
        ready, *_others = select.select([stdin.fileno()], [], [], _HINT_AFTER)
        if not ready:
            terminal.note(_("innkeep: waiting for standard input; add `< /dev/null` if there is none"))
    return _decoded(_("standard input"), stdin.buffer.read(_MAX_BYTES + 1))


def _file_text(name: str) -> str:
    return _decoded(name, _file_bytes(name))


def _file_bytes(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            _("{name}: {strerror}; name a file that can be read", name=name, strerror=error.strerror or error)
        ) from None
    _refuse_oversize(name, len(content))
    return content


def _decoded(name: str, content: bytes) -> str:
    _refuse_oversize(name, len(content))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            _(
                "{name}: not UTF-8 at byte {start}; convert it, or use --image for a picture",
                name=name,
                start=error.start,
            )
        ) from None


def _refuse_oversize(name: str, size: int) -> None:
    if size > _MAX_BYTES:
        raise UsageError(
            _("{name}: larger than {MAX_BYTES} MB; send a part of it", name=name, MAX_BYTES=_MAX_BYTES // 10**6)
        )


def _refuse_bad_text(prompt: str) -> None:
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise UsageError(_("the text on the command line is not UTF-8; put it into a file and use -f")) from None


def images_of(names: Sequence[str]) -> list[str]:
    """Files as the base64 strings that a message carries; ``UsageError`` for one that is no picture."""
    contents = [_file_bytes(name) for name in names]
    for name, content in zip(names, contents, strict=True):
        if not is_picture(content):
            raise UsageError(
                _("{name}: not a picture (PNG, JPEG, GIF, WebP, BMP, TIFF, HEIC); use -f for a text file", name=name)
            )
    _refuse_oversize(_("the images together"), sum(map(len, contents)))
    return [base64.b64encode(content).decode() for content in contents]


def is_picture(content: bytes) -> bool:
    """Whether the first bytes are those of a common image format."""
    if content[:4] == b"RIFF":
        return content[8:12] == b"WEBP"
    if content[4:8] == b"ftyp":
        return content[8:12] in _HEIF_BRANDS
    return content.startswith(_SIGNATURES)


_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"hevc")
