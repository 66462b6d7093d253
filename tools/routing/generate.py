r"""Makes labelled prompts from the grammar: ``python tools/routing/generate.py --count 30000 --seed 14 > made.jsonl``.

A grammar file holds templates, a line each; ``{slot}`` is replaced by a choice of the slot file, ``[[a|b]]`` by one of
its alternatives, ``\n`` by a line break. Whoever writes a template decides its role: the file's name, or the word
before the colon in ``tricky.txt``. The same arguments give the same bytes. All of it was written for this project.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GRAMMAR = Path(__file__).parent / "grammar"
CHOICE = re.compile(r"\[\[((?:[^\[\]]|\[(?!\[)|\](?!\]))*?)\]\]")
SLOT = re.compile(r"\{([\w가-힣]+)\}")
GREETINGS = ["Hi,", "Hey,", "Hello!", "Quick question:", "So", "ok"]
CONTEXT_ALREADY = re.compile(r"[`<{\[#=]|\w+Error|Traceback|def |from |at |SELECT")
"""Beginnings in front of which nobody tells of himself."""
HANGUL = re.compile(r"[가-힣]")
PARTICLES = {("을", "를"), ("은", "는"), ("이", "가"), ("와", "과"), ("이야", "야")}


class Template(NamedTuple):
    """One line of the grammar: its role, the file it stands in and its text."""

    role: str
    origin: str
    text: str


class Prompt(NamedTuple):
    """One made prompt; ``group`` names its template, so that no template is on both sides of a split."""

    text: str
    role: str
    lang: str
    group: str


def read_slots(grammar: Path = GRAMMAR) -> dict[str, list[str]]:
    """Slot name -> choices, of every ``*.slots.txt``."""
    slots = {}
    for path in sorted(grammar.glob("*.slots.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("@"):
                name, _, choices = line[1:].partition(":")
                slots[name] = [choice.strip() for choice in choices.split("|")]
    return slots


def read_templates(grammar: Path = GRAMMAR) -> list[Template]:
    """Every template of every grammar file."""
    found = []
    for path in sorted(grammar.glob("*.txt")):
        if path.name.endswith(".slots.txt"):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("- "):
                found.append(Template(path.name.split(".")[-2], path.stem, line[2:]))
            elif line and not line.startswith("#"):
                role, _, text = line.partition(": ")
                found.append(Template(role, path.stem, text))
    return found


def expand(text: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    """A template with every choice made; particles agree with the syllable before them."""
    for _ in range(12):
        text, changed = CHOICE.subn(lambda match: _choose(match, rng), text)
        text, filled = SLOT.subn(lambda match: rng.choice(slots[match[1]]) if match[1] in slots else match[0], text)
        if not changed and not filled:
            break
    return text.replace("\\n", "\n").strip()


def _choose(match: re.Match[str], rng: random.Random) -> str:
    options = match[1].split("|")
    if len(options) == 2 and (tuple(options) in PARTICLES or tuple(reversed(options)) in PARTICLES):
        before = match.string[: match.start()]
        if before and HANGUL.match(before[-1]):
            closed = (ord(before[-1]) - ord("가")) % 28 > 0
            return next((option for option in options if (option in {"을", "은", "이", "과", "이야"}) == closed), "")
    return rng.choice(options)


def vary(text: str, rng: random.Random, slots: dict[str, list[str]]) -> str:
    """What people do to a prompt: greet or tell of themselves first, thank last, drop capitals or spaces, mistype."""
    korean = HANGUL.search(text) is not None
    roll = rng.random()
    if roll < 0.12:
        text = f"{rng.choice(slots['인사'] if korean else GREETINGS)} {text}"
    elif roll < 0.22:
        text = f"{text} {rng.choice(slots['끝'] if korean else slots['end'])}"
    elif roll < 0.30:
        text = text.lower()
    elif roll < 0.36:
        text = text.rstrip(".?!")
    elif roll < 0.40 and korean and "\n" not in text:
        text = re.sub(r"(?<=[가-힣]) (?=[가-힣])", lambda _: "" if rng.random() < 0.5 else " ", text)
    elif roll < 0.50 and not CONTEXT_ALREADY.match(text):
        text = f"{rng.choice(slots['맥락' if korean else 'context'])} {text}"
    elif roll < 0.53 and len(text) > 20:
        place = rng.randrange(len(text) - 1)
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text.strip()


def make(count: int, seed: int, grammar: Path = GRAMMAR) -> Iterator[Prompt]:
    """``count`` different prompts, as many of each template but for those that soon repeat themselves.

    Every template has its own random numbers, so a new template leaves the prompts of the others as they are.
    """
    slots, templates = read_slots(grammar), read_templates(grammar)
    places = [random.Random(f"{seed} {template.text}") for template in templates]
    seen: set[str] = set()
    made = 0
    for _ in range(40 * -(-count // len(templates))):
        for number, (template, rng) in enumerate(zip(templates, places, strict=True)):
            text = vary(expand(template.text, slots, rng), rng, slots)
            if not text or text in seen:
                continue
            seen.add(text)
            made += 1
            lang = "ko" if HANGUL.search(text) else "en"
            yield Prompt(text, template.role, lang, f"{template.origin}/{number}")
            if made == count:
                return


def main() -> None:
    """Print made prompts as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30000)
    parser.add_argument("--seed", type=int, default=14)
    arguments = parser.parse_args()
    for number, prompt in enumerate(make(arguments.count, arguments.seed)):
        row = {"id": f"made/{number}", **prompt._asdict()}
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
