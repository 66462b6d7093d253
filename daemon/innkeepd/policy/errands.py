"""Errands: requests that a client makes for itself, recognised by their shape.

A title for the list of conversations, tags, follow-up suggestions, a commit message, a probe whether anybody answers:
no person waits for a good answer, and on a big model each costs a swap or the prompt of the conversation.

The rules are data. Each looks at the beginning of the system prompt or of the last user turn, and both of its patterns
must be found there. ``evidence`` names the recordings that a rule was written from. A request that no rule knows is
none: a real question must never be taken for an errand.
"""

import re
from typing import Literal

from msgspec import Struct

__all__ = ["RULES", "Rule", "Shape", "errand_of"]

HEAD = 600
"""Characters of the system prompt, or of the last user turn, in which the task itself is looked for."""
BODY = 2000
"""Characters in which the second pattern is looked for: what marks the text as a program's own."""
BARE = 24
"""Characters of a whole conversation that may be a probe: ``quota``, ``ping``, ``test``."""

_MAKE = (
    r"\b(?:generat|creat|writ|suggest|produc|provid|output|craft|summari[sz]|choos|extract|pick|predict|propos|giv|nam|"
    r"mak|repl|respond|return|analy[sz]|determin|assign|com(?:e|ing)(?: up)? with)\w*"
)
_TALK = r"\b(?:conversation|chat|thread|session|dialog(?:ue)?|discussion|exchange|message)s?\b"
_TITLE = r"\b(?:titles?|name|headline)\b"
_THIS = r"\b(?:this|the|our|your|following|chatbot|programmer|ai)\b"
_OF_A_TALK = (
    rf"{_TITLE}[^\n.]{{0,80}}{_THIS}[^\n.]{{0,30}}{_TALK}"
    rf"|{_THIS} {_TALK} a [^\n.]{{0,30}}{_TITLE}|{_TALK} (?:into|as) an? [^\n.]{{0,30}}{_TITLE}"
)
"""A title of the conversation itself; one of a text about conversations is somebody's question."""
_IN_A_TURN = (
    rf"{_TITLE}[^\n.]{{0,80}}\b(?:this|following)\b[^\n.]{{0,20}}(?:{_TALK}|\buser query\b)"
    rf"|{_TITLE}[^\n.]{{0,80}}\b(?:the|our|your)\b (?:\w+ )?(?:conversation|chat)\b(?! ?(?:room|app|bot))"
    rf"|{_TITLE}[^\n.]{{0,60}}\b(?:conversation|chat) that (?:start|begin)|\bconversation title\b"
    rf"|\b(?:this|our) {_TALK} a [^\n.]{{0,30}}{_TITLE}"
)
"""The same in narrower words: a person may well ask for the title of a session or a discussion."""
_OF_TALKS = rf"{_OF_A_TALK}|{_TITLE} for (?:new |ai )?{_TALK}|{_TALK} {_TITLE}"
_FORM = (
    r"\bonly (?:the|a|an|with|valid|return|output|respond|reply|one|json)\b|\bnothing else\b"
    r"|\bjust (?:the|provide|return)"
    r"|\b(?:no|without)(?: any| using)? (?:quot|punctuation|explanation|lead-in|preamble|markdown|emoji)"
    r"|\bjson\b|\b(?:concise|short|brief)\b[^\n.]{0,12}\btitle\b"
    r"|\b(?:\d+|two|three|four|five|six|seven|eight|ten)(?:\s?(?:-|–|to|or)\s?(?:\d+|[a-z]{3,5}))?[ -]?"
    r"(?:broad |key |short )?(?:words?|characters?|tags?|chars)\b|:\s*(?:\n|\"|\Z)"
    r"|<(?:session|chat_history|conversation|messages)>|^#+ ?(?:task|guidelines|output|rules)\b"
)
"""What marks an instruction as a program's: the form of an answer that a program reads."""
_SHORT = (
    r"(?:under|within|below|at most|maximum(?: of)?|max\.?|in|than) "
    r"(?:\d\d? (?:characters|chars)|1?\d words|(?:three|four|five|six|seven|eight|ten) words)"
)


class Rule(Struct, frozen=True):
    """``kind`` as records name it; ``place`` is where both patterns are looked for, ``task`` near its beginning.

    ``tools``: whether the request may offer tools; a conversation's own turns do, errands hardly ever.
    """

    kind: str
    place: Literal["system", "turn"]
    task: re.Pattern[str]
    mark: re.Pattern[str]
    evidence: str
    tools: bool = False


class Shape(Struct, frozen=True):
    """What is looked at. ``turn`` is the last user turn, ``limit`` the tokens that the answer may have.

    ``named``: whether the request says which session it belongs to; ``count`` is the number of messages that are not
    the system's.
    """

    system: str = ""
    turn: str = ""
    count: int = 1
    tools: bool = False
    limit: int | None = None
    named: bool = False


def _found(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.MULTILINE)


_ANY = _found("")

_SUMMARY = _found(rf"\bsummari[sz]\w*[^\n]{{0,60}}{_TALK}[^\n]{{0,60}}{_SHORT}")

RULES: tuple[Rule, ...] = (
    Rule(
        "title",
        "system",
        _found(rf"{_OF_TALKS}|{_TITLE} (?:generator|generation)\b"),
        _found(rf"{_MAKE}|\btitle generator\b|\breply\b"),
        "claude-code 002, opencode 001",
    ),
    Rule(
        "title",
        "turn",
        _found(
            rf"{_MAKE}[^\n]{{0,90}}(?:{_IN_A_TURN})|{_MAKE}[^\n]{{0,60}}{_TITLE} summari[sz]ing\b[^\n]{{0,30}}{_TALK}"
        ),
        _found(_FORM),
        "open-webui 007",
    ),
    Rule("title", "system", _SUMMARY, _ANY, "Claude Code before 2.0, as other programs describe it; not recorded"),
    Rule("title", "turn", _SUMMARY, _ANY, "the same in a turn; not recorded"),
    Rule(
        "tags",
        "turn",
        _found(
            rf"{_MAKE}[^\n]{{0,60}}\b(?:tags?|keywords|labels|categories)\b[^\n]{{0,90}}"
            rf"(?:{_THIS}[^\n.]{{0,30}}{_TALK}|\bmain themes\b)"
        ),
        _found(_FORM),
        "open-webui 008",
    ),
    Rule(
        "follow_ups",
        "turn",
        _found(
            rf"{_MAKE}[^\n]{{0,60}}\b(?:follow[- ]?ups?|messages|questions|prompts|replies)\b[^\n]{{0,80}}"
            r"\b(?:users?|they|ask|send)\b"
        ),
        _found(rf"<chat_history>|^#+ ?(?:chat history|guidelines)|(?=[\s\S]*\bjson\b)[\s\S]*{_TALK}"),
        "open-webui 006",
    ),
    Rule(
        "helper",
        "turn",
        _found(r"\A\W*task:?\s+(?!respond\b|answer\b)\w"),
        _found(r"<chat_history>|^#+ ?chat history"),
        "open-webui 006-008: its tasks share one frame; the frame of an answer from documents begins with Respond",
    ),
    Rule(
        "topic",
        "system",
        _found(r"\bisNewTopic\b|\bnew (?:conversation )?topic\b|\btopic (?:change|switch|shift|detection)"),
        _ANY,
        "Claude Code before 2.0, as the issue names it; not recorded",
    ),
    Rule(
        "commit",
        "system",
        _found(rf"{_MAKE}[^\n]{{0,80}}\bcommit messages?\b"),
        _found(r"\bdiffs?\b|\bchanges\b|\bstaged\b"),
        "aider's weak model, as clients.md E describes it",
    ),
    Rule(
        "memory",
        "system",
        _found(r"\bmemory[- ](?:extract\w*|agent)\b|\bextract\w*[^\n]{0,60}\bmemor(?:y|ies)\b"),
        _ANY,
        "qwen-code's memory extraction, as clients.md E describes it; not recorded",
        tools=True,
    ),
)


def errand_of(shape: Shape) -> str | None:
    """The kind of errand that a request is; None for a request of a person or an agent."""
    if _is_probe(shape):
        return "probe"
    places = {"system": shape.system.lstrip(), "turn": shape.turn.lstrip(" \n\t\"'")}
    return next((rule.kind for rule in RULES if _holds(rule, places[rule.place], shape)), None)


def _holds(rule: Rule, text: str, shape: Shape) -> bool:
    if not text or (shape.tools and not rule.tools):
        return False
    return rule.task.search(text[:HEAD]) is not None and rule.mark.search(text[:BODY]) is not None


def _is_probe(shape: Shape) -> bool:
    """One token of an answer to one message without a system prompt, of a few characters or of a client's session.

    Source: Claude Code 2.1.197 (026-040), which counts the tokens of parts of its prompt so. A multiple-choice test
    that asks for one token names no session and is longer.
    """
    if shape.limit != 1 or shape.count != 1 or shape.system:
        return False
    return shape.named or len(shape.turn) <= BARE
