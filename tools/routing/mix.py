"""Makes unlabelled prompts of what ``generate.py`` made: other words in a prompt's frame, halves of two, words alone.

They carry what the teacher knows of words that no template uses. The words come from the encoder's own vocabulary.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence

from generate import HANGUL, Prompt

ENGLISH_WORD, KOREAN_WORD = re.compile(r"▁[A-Za-z][a-z]{2,14}"), re.compile(r"▁[가-힣]{2,8}")
_SENTENCE = re.compile(r"(?<=[.?!\n]) ")


def words_of(pieces: Iterable[str]) -> tuple[list[str], list[str]]:
    """The whole English-looking and the whole Korean words of a vocabulary."""
    every = list(pieces)
    return (
        [piece[1:] for piece in every if ENGLISH_WORD.fullmatch(piece)],
        [piece[1:] for piece in every if KOREAN_WORD.fullmatch(piece)],
    )


def mixed(prompts: Sequence[Prompt], pieces: Iterable[str], count: int, seed: int) -> Iterator[str]:
    """``count`` different texts; the same arguments give the same texts."""
    english, korean = words_of(pieces)
    by_language = {lang: [prompt.text for prompt in prompts if prompt.lang == lang] for lang in ("en", "ko")}
    rng = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        lang, other = rng.choice((("ko", "en"), ("en", "ko"), ("ko", "en")))
        text = _one(rng, by_language[lang], by_language[other], korean if lang == "ko" else english)
        if text not in seen:
            seen.add(text)
            yield text


def _one(rng: random.Random, texts: list[str], foreign: list[str], words: list[str]) -> str:
    roll = rng.random()
    if roll < 0.2:
        return " ".join(rng.choice(words) for _ in range(rng.choice((1, 1, 2, 2, 3, 5))))
    text = rng.choice(texts)
    if roll < 0.72:
        share = rng.choice((0.15, 0.3, 0.5))
        parts = re.split(r"(\s+)", text)
        return "".join(_swap(rng, part, words) if rng.random() < share else part for part in parts)
    if roll < 0.9:
        first, second = _SENTENCE.split(text), _SENTENCE.split(rng.choice(texts))
        halves = rng.sample(first, max(1, len(first) // 2)), rng.sample(second, max(1, len(second) // 2))
        return " ".join([*halves[0], *halves[1]])
    return f"{text[: rng.randrange(10, 120)]} {rng.choice(foreign)[: rng.randrange(10, 120)]}"


def _swap(rng: random.Random, part: str, words: list[str]) -> str:
    """Another word with the ending of the one it replaces; what is no word stays."""
    if HANGUL.search(part):
        return rng.choice(words) + (part[-1] if rng.random() < 0.5 and len(part) > 2 else "")
    if re.fullmatch(r"[A-Za-z',.?!]+", part):
        return rng.choice(words) + (part[-1] if part[-1] in ",.?!" else "")
    return part
