"""The evidence that hand-written rules find in a text: keywords, words and shapes, each with a role and a weight.

The largest weight of a role counts in full and each further one less, so that a page of code words does not outweigh
"translate this". Phrases in which a word means something else are removed first.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from innkeepd.policy.routing.classifier import ROLES
from innkeepd.policy.routing.shapes import FALSE_FRIENDS, SHAPES, is_word_problem, part_of
from innkeepd.policy.routing.words import WORDS, stems

__all__ = ["SEEDS", "Evidence", "Rules", "added_up"]

HEAD, TAIL = 450, 250
"""Characters that are read of a turn: the request stands at its beginning or at its end."""

SEEDS = frozenset(
    [
        "코드",
        "함수",
        "버그",
        "리팩토링",
        "code",
        "function",
        "bug",
        "debug",
        "refactor",
        "왜",
        "분석",
        "비교",
        "논리",
        "why",
        "analyze",
        "compare",
        "logic",
    ]
)
"""The keywords of the default configuration: evidence like other words. Keywords that a user chose decide."""

KEYWORD, OWN = 2.5, 8.0
FADE = 0.6
"""Factor of each further piece of evidence for the same role."""

DOMAIN = 0.3
"""What a point for coding subtracts from reasoning: "why" in front of a stack trace is a question about software."""

_TOKEN = re.compile(r"[a-z][a-z0-9]*(?:-[a-z]+)*|[가-힣]+")
_PLAIN = re.compile(r"[가-힣]+|[a-z][a-z0-9]*")


class Evidence(Struct, frozen=True):
    """A label, the role that it speaks for and its weight; ``own``: a keyword that the user configured."""

    role: str
    weight: float
    label: str
    own: bool = False


class Rules:
    """Finds evidence. English keywords match whole words and their inflections, Korean ones with particles."""

    def __init__(
        self, keywords: Mapping[str, Sequence[str]], ignore: Iterable[str] = (), seeds: Collection[str] = SEEDS
    ) -> None:
        self._seeds = seeds
        self._words: dict[str, str] = {}
        self._phrases: list[tuple[str, str, re.Pattern[str]]] = []
        for role, words in keywords.items():
            for word in words:
                self._add(role, word.lower().strip())
        own = [re.escape(phrase.lower()) for phrase in ignore if phrase.strip()]
        self._ignored = [part_of(pattern) for pattern in (*own, *FALSE_FRIENDS)]

    def __len__(self) -> int:
        return len(self._words) + len(self._phrases)

    def evidence(self, text: str) -> list[Evidence]:
        """All evidence in ``text``, each label once a role."""
        read = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
        plain = read.lower()
        for part in self._ignored:
            if part.may_be_in(plain):
                plain = part.pattern.sub(" ", plain)
        found: dict[tuple[str, str], Evidence] = {}
        for one in self._words_of(plain):
            found.setdefault((one.role, one.label), one)
        if is_word_problem(plain):
            found["reasoning", "numbers"] = Evidence("reasoning", 3.5, "numbers and a question")
        for shape in SHAPES:
            if (shape.role, shape.label) not in found and shape.is_in(read if shape.exact else plain):
                found[shape.role, shape.label] = Evidence(shape.role, shape.weight, shape.label)
        return list(found.values())

    def _add(self, role: str, word: str) -> None:
        if _PLAIN.fullmatch(word):
            self._words[word] = role
        elif word:
            self._phrases.append((word, role, re.compile(rf"(?<!\w){re.escape(word)}(?![a-z0-9_])")))

    def _words_of(self, plain: str) -> Iterator[Evidence]:
        for token in dict.fromkeys(_TOKEN.findall(plain)):
            for stem in stems(token):
                if stem in self._words:
                    yield self._keyword(self._words[stem], stem)
                    break
                if stem in WORDS:
                    role, weight = WORDS[stem]
                    yield Evidence(role, weight, stem)
                    break
        for word, role, pattern in self._phrases:
            if pattern.search(plain):
                yield self._keyword(role, word)

    def _keyword(self, role: str, word: str) -> Evidence:
        own = word not in self._seeds
        return Evidence(role, OWN if own else KEYWORD, f"{word} (keyword)", own)


def added_up(found: Iterable[Evidence]) -> dict[str, float]:
    """Scores by role, each at least 0."""
    every = list(found)
    scores = dict.fromkeys(ROLES, 0.0)
    for role in ROLES:
        weights = sorted((one.weight for one in every if one.role == role), reverse=True)
        scores[role] = sum(weight * FADE**place for place, weight in enumerate(weights))
    scores["reasoning"] = max(0.0, scores["reasoning"] - DOMAIN * scores["coding"])
    return scores
