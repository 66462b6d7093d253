"""Measures the router on what it was not trained on: ``make routing-report``.

Each source of the labelled prompts is left out once together with its kin (``FOLDS``: one author's prompts, or one kind
of task, stay together), teacher and student are trained on the rest and on made prompts, and the source is judged. The
router's hand-written rules were tuned on these prompts, so only the student's own figures are honest; the row "with
rules" is printed to show what the daemon answers.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from generate import Prompt, make
from mix import mixed
from teacher import Teacher
from train import REAL_WEIGHT, ROLES, Matrix, fit, labelled, matrix, quantised, softmax, targets

from innkeepd.policy.routing.classifier import decode
from innkeepd.policy.routing.conversation import own_words
from innkeepd.policy.routing.router import Router
from innkeepd.policy.routing.rules import Rules, added_up

SEED, MIX_SEED = 14, 5
MADE, MIXED = 30000, 60000
FOLDS = (
    {"handwritten", "handwritten-tricky"},
    {"yizhongw/self-instruct", "lm-sys/FastChat vicuna_bench"},
    {"mbpp", "openai/human-eval", "mraihan-gmu/mHumanEval-Benchmark", "songys/Chatbot_data"},
    {"QwenLM/PolyMath", "openai/grade-school-math", "suzgunmirac/BIG-Bench-Hard"},
    {"blind", "blind2", "blind3"},
    {"written"},
)
KEYWORDS = {
    "coding": ("코드", "함수", "버그", "리팩토링", "code", "function", "bug", "debug", "refactor"),
    "reasoning": ("왜", "분석", "비교", "논리", "why", "analyze", "compare", "logic"),
}
UNTUNED = {"blind", "blind2", "blind3", "written"}
"""Sources that the hand-written rules were not tuned on: their left-out scores set the temperature."""


Judged = tuple[dict[str, str], dict[str, float], dict[str, float]]


class Material(NamedTuple):
    """Everything that is computed once: prompts, what the teacher sees of them and their features."""

    teacher: Teacher
    made: list[Prompt]
    rows: list[dict[str, str]]
    seen: dict[str, np.ndarray]
    features: tuple[Matrix, ...]

    @classmethod
    def make(cls, made: int, extra: int) -> "Material":
        """Make the prompts, embed them, find their features: some minutes on one core."""
        teacher, rules = Teacher(), Rules(KEYWORDS)
        prompts = list(make(made, SEED))
        others = list(mixed(prompts, teacher.pieces, extra, MIX_SEED))
        rows = labelled()
        texts = {"made": [each.text for each in prompts], "real": [row["text"] for row in rows], "mixed": others}
        seen = {name: teacher.see(some, evidence(rules, some)) for name, some in texts.items()}
        return cls(teacher, prompts, rows, seen, matrix([text for some in texts.values() for text in some]))

    def student(self, without: Iterable[str], seeds: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Weights and bias of a student that saw no prompt of the sources ``without``; nor did its teacher."""
        left_out = set(without)
        kept = np.array([row["source"] not in left_out for row in self.rows])
        made_roles = np.array([ROLES.index(each.role) for each in self.made])
        real_roles = np.array([ROLES.index(row["role"]) for row in self.rows])[kept]
        real = self.seen["real"][kept]
        weights = np.concatenate((np.ones(len(self.made)), np.full(len(real), REAL_WEIGHT)))
        shares_of = self.teacher.fit(
            np.concatenate((self.seen["made"], real)), np.concatenate((made_roles, real_roles)), weights
        )
        shares = np.concatenate(
            (
                targets(made_roles, shares_of(self.seen["made"])),
                targets(real_roles, shares_of(real)),
                shares_of(self.seen["mixed"]),
            )
        )
        weights = np.concatenate((weights, np.ones(len(self.seen["mixed"]))))
        chosen = np.concatenate((np.ones(len(self.made), bool), kept, np.ones(len(self.seen["mixed"]), bool)))
        return fit(tuple(group.take(np.flatnonzero(chosen)) for group in self.features), shares, weights, seeds=seeds)

    def left_out(self, folds: Iterable[set[str]] = FOLDS) -> list[Judged]:
        """Each real prompt with the student's scores and the whole router's, from training without its fold."""
        found = []
        for fold in folds:
            student = decode(quantised(*self.student(fold)))
            router = Router(KEYWORDS, classifier=student)
            found += [
                (row, student.scores(row["text"]), router.route(row["text"]).scores)
                for row in self.rows
                if row["source"] in fold
            ]
        return found

    def temperature(self) -> float:
        """What the router's scores are divided by: the number that makes left-out prompts' answers likeliest."""
        found = self.left_out([fold for fold in FOLDS if fold & UNTUNED])
        scores = np.array([[whole[role] for role in ROLES] for _, _, whole in found])
        roles = np.array([ROLES.index(row["role"]) for row, _, _ in found])
        return round(float(min(np.arange(0.3, 3, 0.01), key=lambda by: _log_loss(scores / by, roles))), 2)


def evidence(rules: Rules, texts: Iterable[str]) -> np.ndarray:
    """What the hand-written rules find in texts: (n, 3) in the order of ``ROLES``."""
    return np.array([[added_up(rules.evidence(own_words(text)))[role] for role in ROLES] for text in texts])


def macro_f1(pairs: Iterable[tuple[str, str]]) -> float:
    """The mean F1 over the roles of (wanted, got)."""
    told = list(pairs)
    total = 0.0
    for role in ROLES:
        right = sum(want == got == role for want, got in told)
        wrong = sum((want == role) != (got == role) for want, got in told)
        total += 2 * right / (2 * right + wrong) if right + wrong else 0.0
    return total / len(ROLES)


def _log_loss(scores: np.ndarray, roles: np.ndarray) -> float:
    shares = softmax(scores)
    return -float(np.log(shares[np.arange(len(roles)), roles] + 1e-12).mean())


def report(found: list[Judged]) -> dict[str, dict[str, float]]:
    """Macro-F1 by language and accuracy by source, of the student alone and with the rules."""
    lines = {}
    for name, at in (("student", 1), ("with rules", 2)):
        pairs = [(each[0], max(ROLES, key=each[at].__getitem__)) for each in found]
        lines[name] = {
            "all": macro_f1((row["role"], got) for row, got in pairs),
            **{
                lang: macro_f1((row["role"], got) for row, got in pairs if row["lang"] == lang) for lang in ("en", "ko")
            },
            **{
                source: sum(row["role"] == got for row, got in pairs if row["source"] == source)
                / sum(row["source"] == source for row, _ in pairs)
                for source in sorted({row["source"] for row, _ in pairs})
            },
        }
    return lines


def main() -> None:
    """Print the report as JSON."""
    found = Material.make(MADE, MIXED).left_out()
    json.dump(report(found), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
