"""Which role a prompt is for: coding, reasoning or general, and why.

    text -> head and tail -> less false friends -> evidence (keywords, words, shapes) -> a score a role -> the highest

A piece of evidence speaks for one role with a weight and a label. Of a role's evidence the loudest counts in full and each
further one a little less, so that a page of code words does not outweigh "translate this". A prompt without evidence is
general. Everything that could be replaced by a better classifier lies behind ``Router.route``.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from innkeepd.policy.route_shapes import FALSE_FRIENDS, SHAPES
from innkeepd.policy.route_words import WORDS, attached, stems

__all__ = ["Route", "Router"]

ROLES = ("coding", "reasoning", "general")
HEAD, TAIL = 2000, 1000
"""Characters that are read of a turn: what is wanted stands at its beginning or at its end."""

KEYWORD = 2.5
FADE = 0.6
"""How much less each further piece of evidence for the same role counts."""

PRIOR = {"general": 1.2}
EARLIER = (0.3, 0.15)
"""What the user turns before the last one count, the nearest first."""

SHORT = 40
"""A turn of so many characters and with evidence below ``FAINT`` is too short to tell: it keeps the session's role."""

FAINT = 1.0
_TOKEN = re.compile(r"[a-z][a-z0-9]*(?:-[a-z]+)*|[가-힣]+")


class Evidence(Struct, frozen=True):
    """What was seen, for whom it speaks and how loudly."""

    role: str
    weight: float
    label: str


class Route(Struct, frozen=True):
    """The answer: ``confidence`` from 0 to 1, ``reason`` one line that names the evidence, ``scores`` by role."""

    role: str
    confidence: float
    reason: str
    scores: dict[str, float]


class Router:
    """Judges by configured keywords and built-in evidence.

    ``keywords``: words by role; a word of one's own counts as much as the strongest built-in ones. English keywords match whole
    words and their inflections, Korean ones with particles. ``ignore``: phrases in which no word counts.
    """

    def __init__(self, keywords: Mapping[str, Sequence[str]], ignore: Iterable[str] = (), *, sticky: bool = True) -> None:
        self._sticky = sticky
        self._english: dict[str, str] = {}
        self._korean: dict[str, str] = {}
        self._phrases: list[tuple[str, str, re.Pattern[str]]] = []
        for role, words in keywords.items():
            for word in words:
                self._add(role, word.lower().strip())
        own = [re.escape(phrase.lower()) for phrase in ignore if phrase.strip()]
        self._ignored = re.compile("|".join((*own, *FALSE_FRIENDS)))

    def __repr__(self) -> str:
        return f"Router({len(self._english) + len(self._korean) + len(self._phrases)} keywords)"

    def route(self, turns: str | Sequence[str], *, previous: str | None = None) -> Route:
        """The role for the last of the user's ``turns`` (oldest first), where ``previous`` is the session's role so far."""
        texts = [turns] if isinstance(turns, str) else list(turns)
        last = texts[-1] if texts else ""
        found = self._evidence(last)
        if self._sticky and previous in ROLES and _is_short(last, found):
            return Route(previous, 0.5, f"too short to tell; stays {previous}", dict.fromkeys(ROLES, 0.0))
        scores = _scores(found)
        for share, text in zip(EARLIER, reversed(texts[:-1]), strict=False):
            for role, score in _scores(self._evidence(text)).items():
                scores[role] += share * score
        told = {role: score + PRIOR.get(role, 0.0) for role, score in scores.items()}
        role = max(ROLES, key=lambda name: (told[name], name == "general"))
        return Route(role, _confidence(told, role), _reason(role, found, scores[role]), told)

    def _add(self, role: str, word: str) -> None:
        if re.fullmatch(r"[가-힣]+", word):
            self._korean[word] = role
        elif re.fullmatch(r"[a-z]+", word):
            self._english[word] = role
        elif word:
            self._phrases.append((word, role, re.compile(rf"(?<!\w){re.escape(word)}(?![a-z0-9_])")))

    def _evidence(self, text: str) -> list[Evidence]:
        """Everything that speaks for a role, each label once a role."""
        read = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
        found: dict[tuple[str, str], Evidence] = {}
        plain = self._ignored.sub(" ", read.lower())
        for role, word in self._keywords(plain):
            found.setdefault((role, word), Evidence(role, KEYWORD, f"{word} (keyword)"))
        for token in dict.fromkeys(_TOKEN.findall(plain)):
            for stem in stems(token):
                if stem in WORDS:
                    role, weight = WORDS[stem]
                    found.setdefault((role, stem), Evidence(role, weight, stem))
                    break
        masked = self._ignored.sub(" ", read) if plain != read.lower() else read
        for shape in SHAPES:
            if shape.pattern.search(masked):
                found.setdefault((shape.role, shape.label), Evidence(shape.role, shape.weight, shape.label))
        return list(found.values())

    def _keywords(self, plain: str) -> Iterable[tuple[str, str]]:
        for token in dict.fromkeys(_TOKEN.findall(plain)):
            if token[0] >= "가":
                yield from ((role, word) for word, role in self._korean.items() if attached(token, word))
            else:
                yield from ((self._english[stem], stem) for stem in stems(token) if stem in self._english)
        yield from ((role, word) for word, role, pattern in self._phrases if pattern.search(plain))


def _is_short(text: str, found: list[Evidence]) -> bool:
    return len(text) <= SHORT and max(_scores(found).values()) < FAINT


def _scores(found: list[Evidence]) -> dict[str, float]:
    scores = dict.fromkeys(ROLES, 0.0)
    for role in ROLES:
        weights = sorted((one.weight for one in found if one.role == role), reverse=True)
        scores[role] = sum(weight * FADE**place for place, weight in enumerate(weights))
    return scores


def _confidence(scores: Mapping[str, float], role: str) -> float:
    """The role's share after a softmax: 1/3 where nothing tells, near 1 where everything speaks for one."""
    powers = {name: math.exp(score) for name, score in scores.items()}
    return round(powers[role] / sum(powers.values()), 3)


def _reason(role: str, found: list[Evidence], score: float) -> str:
    seen = sorted((one for one in found if one.role == role), key=lambda one: -one.weight)
    if seen:
        return ", ".join(one.label for one in seen[:4])
    return "earlier turns" if score else "nothing that speaks for another role"
