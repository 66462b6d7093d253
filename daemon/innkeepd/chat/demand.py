"""What both doors read out of a request in the same way: the user's turns, its tokens, the capabilities it needs.

The same conversation therefore goes to the same model, whichever door it comes by.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from innkeepd.policy.errands import Shape, errand_of
from innkeepd.policy.fallback import estimate_tokens

LONGEST_NAME = 256
"""Characters of a model's, client's or session's name; all of them are kept in records and sent to watchers."""
_BYTES_PER_TOKEN = 4
"""Of a tool's JSON, which is ASCII for the most part."""
_SYSTEM = ("system", "developer")
_ENCODE = msgspec.json.Encoder().encode


class Said(NamedTuple):
    """One message as a door has read it; ``called``: the names of the tools that it calls."""

    role: str
    text: str
    called: tuple[str, ...] = ()


class Demand(msgspec.Struct, frozen=True):
    """What a conversation demands of a model.

    ``turns`` are the user's texts, oldest first; ``tokens`` about how many the model reads, tools among them; ``needs``
    capabilities as Ollama calls them; ``called`` the names of the tools called so far, oldest first; ``errand`` the
    kind of errand that a client runs for itself (``policy.errands``), "" for anything else.
    """

    turns: tuple[str, ...] = ()
    tokens: int = 0
    needs: frozenset[str] = frozenset()
    called: tuple[str, ...] = ()
    errand: str = ""


def understand(
    messages: Iterable[Said],
    *,
    tools: Any = None,
    images: object = None,
    think: object = None,
    limit: int | None = None,
    named: bool = False,
) -> Demand:
    """Read a conversation. ``think`` needs a model that can think unless it is None or false.

    ``limit``: tokens that the answer may have; ``named``: whether the request names its session. The format of the
    answer is not asked for: it neither costs tokens nor needs a capability.
    """
    said = list(messages)
    turns = turns_of(said)
    tokens = sum(estimate_tokens(each.text) for each in said)
    tokens += len(_ENCODE(tools)) // _BYTES_PER_TOKEN if tools else 0
    wanted = {"tools": bool(tools), "thinking": think not in (None, False), "vision": bool(images)}
    return Demand(
        turns=turns,
        tokens=tokens,
        needs=frozenset(name for name, is_wanted in wanted.items() if is_wanted),
        called=tuple(name for each in said for name in each.called),
        errand="" if images else _errand(said, turns, has_tools=bool(tools), limit=limit, named=named),
    )


def _errand(said: list[Said], turns: tuple[str, ...], *, has_tools: bool, limit: int | None, named: bool) -> str:
    system = "\n".join(each.text for each in said if each.role in _SYSTEM)
    count = sum(each.role not in _SYSTEM for each in said)
    return errand_of(Shape(system, turns[-1] if turns else "", count, has_tools, limit, named)) or ""


def turns_of(messages: Iterable[Said]) -> tuple[str, ...]:
    """The user's texts, oldest first.

    Neighbouring messages are one turn: OpenClaw lays its own context behind the words.
    """
    turns: list[str] = []
    continues = False
    for role, text, _ in messages:
        if role == "user" and text:
            turns[-1:] = [f"{turns[-1]}\n\n{text}"] if continues else [*turns[-1:], text]
        continues = role == "user" and (continues or bool(text))
    return tuple(turns)


def bounded(name: str) -> str:
    """``name``, of a long one its beginning and a digest: two different names stay different, and none becomes real."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"
