"""What both doors read out of a request in the same way: the user's turns, the capabilities it needs, bounded names.

The same request goes to the same model through either door.
"""

from collections.abc import Iterable
from hashlib import sha256

LONGEST_NAME = 256
"""Characters of a model's, client's or session's name; all of them are kept in records and sent to watchers."""


def turns_of(said: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The user's texts out of (role, text), oldest first.

    Neighbouring messages are one turn: OpenClaw lays its own context behind the words.
    """
    turns: list[str] = []
    goes_on = False
    for role, text in said:
        if role == "user" and text:
            turns[-1:] = [f"{turns[-1]}\n\n{text}"] if goes_on else [*turns[-1:], text]
        goes_on = role == "user" and (goes_on or bool(text))
    return tuple(turns)


def needs_of(*, tools: object, think: object, images: object) -> frozenset[str]:
    """Capabilities, as Ollama calls them, that a model must have for such a request."""
    wanted = {"tools": bool(tools), "thinking": think not in (None, False), "vision": bool(images)}
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def bounded(name: str) -> str:
    """``name``, of a long one its beginning and a digest: two different names stay different, and none becomes real."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"
