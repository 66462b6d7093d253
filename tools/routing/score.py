"""Scores a router's answers on labelled prompts, and whether its confidence is true.

    innkeepd classify FILE.jsonl | python tools/routing/score.py FILE.jsonl

Prints a line for all, each language and the tricky ones: prompts, macro-F1 and accuracy; then the expected calibration
error (ten bins of equal width). Needs nothing but Python.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROLES = ("coding", "reasoning", "general")
BINS = 10


def macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    """The mean F1 over the roles of (wanted, got)."""
    total = 0.0
    for role in ROLES:
        right = sum(want == got == role for want, got in pairs)
        wrong = sum((want == role) != (got == role) for want, got in pairs)
        total += 2 * right / (2 * right + wrong) if right + wrong else 0.0
    return total / len(ROLES)


def calibration_error(judged: Sequence[tuple[bool, float]]) -> float:
    """The mean distance of confidence and accuracy over the bins of (right, confidence), weighed by their size."""
    bins: list[list[tuple[bool, float]]] = [[] for _ in range(BINS)]
    for right, confidence in judged:
        bins[min(int(confidence * BINS), BINS - 1)].append((right, confidence))
    gaps = (abs(sum(right for right, _ in some) - sum(confidence for _, confidence in some)) for some in bins)
    return sum(gaps) / (len(judged) or 1)


def main() -> None:
    """Print the figures of the answers on standard input."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    answers = {answer["id"]: answer for answer in map(json.loads, sys.stdin)}
    rows = [(row, answers[row["id"]]) for row in map(json.loads, lines)]
    groups = {
        "all": rows,
        "en": [pair for pair in rows if pair[0]["lang"] == "en"],
        "ko": [pair for pair in rows if pair[0]["lang"] == "ko"],
        "tricky": [pair for pair in rows if pair[0].get("tricky")],
    }
    for name, some in groups.items():
        pairs = [(row["role"], answer["role"]) for row, answer in some]
        accuracy = sum(want == got for want, got in pairs) / (len(pairs) or 1)
        print(f"{name:7}{len(pairs):5}  macro-F1 {macro_f1(pairs):.3f}  accuracy {accuracy:.3f}")
    judged = [(row["role"] == answer["role"], answer["confidence"]) for row, answer in rows]
    print(f"calibration error {calibration_error(judged):.3f}")


if __name__ == "__main__":
    main()
