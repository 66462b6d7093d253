"""Which role a prompt is for: coding, reasoning or general, and why.

    text -> head and tail -> less false friends -> evidence (keywords, words, shapes) -> scores -> the highest

A piece of evidence speaks for one role with a weight and a label. Of a role's evidence the loudest counts in full and
each further one a little less, so that a page of code words does not outweigh "translate this". No evidence: general.
What a better classifier would replace lies behind ``Router.route``.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from innkeepd.policy.route_shapes import FALSE_FRIENDS, SHAPES, is_word_problem
from innkeepd.policy.route_words import WORDS, stems

__all__ = ["Route", "Router"]

ROLES = ("coding", "reasoning", "general")
HEAD, TAIL = 1500, 500
"""Characters that are read of a turn: what is wanted stands at its beginning or at its end."""

KEYWORD = 2.5
FADE = 0.6
"""How much less each further piece of evidence for the same role counts."""

DOMAIN = 0.3
"""What each point for coding takes from reasoning: "why" in front of a stack trace is a question about software."""

PRIOR = {"general": 0.55}
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

    ``keywords``: words by role; each counts as much as the strongest built-in ones. English keywords match whole words
    and their inflections, Korean ones with particles. ``ignore``: phrases in which no word counts.
    """

    def __init__(
        self, keywords: Mapping[str, Sequence[str]], ignore: Iterable[str] = (), *, sticky: bool = True
    ) -> None:
        self._sticky = sticky
        self._words: dict[str, str] = {}
        self._phrases: list[tuple[str, str, re.Pattern[str]]] = []
        for role, words in keywords.items():
            for word in words:
                self._add(role, word.lower().strip())
        own = [re.escape(phrase.lower()) for phrase in ignore if phrase.strip()]
        self._ignored = re.compile("|".join((*own, *FALSE_FRIENDS)))

    def __repr__(self) -> str:
        return f"Router({len(self._words) + len(self._phrases)} keywords)"

    def route(self, turns: str | Sequence[str], *, previous: str | None = None) -> Route:
        """The role for the last of the user's ``turns`` (oldest first); ``previous`` is the session's role so far."""
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
        if re.fullmatch(r"[가-힣]+|[a-z][a-z0-9]*", word):
            self._words[word] = role
        elif word:
            self._phrases.append((word, role, re.compile(rf"(?<!\w){re.escape(word)}(?![a-z0-9_])")))

    def _evidence(self, text: str) -> list[Evidence]:
        """Everything that speaks for a role, each label once a role."""
        read = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
        plain = self._ignored.sub(" ", read.lower())
        found: dict[tuple[str, str], Evidence] = {}
        for one in self._words_of(plain):
            found.setdefault((one.role, one.label), one)
        if is_word_problem(plain):
            found["reasoning", "numbers"] = Evidence("reasoning", 3.5, "numbers and a question")
        for shape in SHAPES:
            if (shape.role, shape.label) not in found and shape.pattern.search(read if shape.exact else plain):
                found[shape.role, shape.label] = Evidence(shape.role, shape.weight, shape.label)
        return list(found.values())

    def _words_of(self, plain: str) -> Iterator[Evidence]:
        for token in dict.fromkeys(_TOKEN.findall(plain)):
            for stem in stems(token):
                if stem in self._words:
                    yield Evidence(self._words[stem], KEYWORD, f"{stem} (keyword)")
                    break
                if stem in WORDS:
                    role, weight = WORDS[stem]
                    yield Evidence(role, weight, stem)
                    break
        for word, role, pattern in self._phrases:
            if pattern.search(plain):
                yield Evidence(role, KEYWORD, f"{word} (keyword)")


def _is_short(text: str, found: list[Evidence]) -> bool:
    return len(text) <= SHORT and max(_scores(found).values()) < FAINT


def _scores(found: list[Evidence]) -> dict[str, float]:
    scores = dict.fromkeys(ROLES, 0.0)
    for role in ROLES:
        weights = sorted((one.weight for one in found if one.role == role), reverse=True)
        scores[role] = sum(weight * FADE**place for place, weight in enumerate(weights))
    scores["reasoning"] = max(0.0, scores["reasoning"] - DOMAIN * scores["coding"])
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
