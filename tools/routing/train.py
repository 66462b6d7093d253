"""Trains the router's classifier: ``make routing``, or ``python tools/routing/train.py --help``.

    grammar -> labelled prompts, mixed texts -> teacher's shares -> a linear model over hashed n-grams -> signed bytes

The student learns from the label and the teacher where there is a label, else from the teacher alone.
Everything is seeded and runs on one thread: the same versions (``requirements.txt``) give the same bytes.
"""

import onethread  # noqa: F401, I001  (before numpy)
import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from generate import HANGUL

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "daemon"))

from innkeepd.policy.routing.classifier import ROLES, Header, encode
from innkeepd.policy.routing.features import BUCKETS, VERSION, features

DATA = ROOT / "tests" / "data" / "routing"
WEIGHTS = ROOT / "daemon" / "innkeepd" / "policy" / "routing" / "weights.bin"
LABELLED = ("dev.jsonl", "tricky.dev.jsonl", "blind.jsonl", "blind2.jsonl", "blind3.jsonl")
"""What is trained on besides made and written prompts. ``fresh.jsonl`` never is: it is there to be measured on."""

WRITTEN = Path(__file__).parent / "written.txt"

EPOCHS, BATCH, RATE, PENALTY = 4, 256, 0.02, 1e-6
SEEDS = 3
"""Runs in different orders whose weights are averaged."""
REAL_WEIGHT = 5.0
"""How many made prompts one real prompt counts as."""
LABEL = 0.7
"""The label's share in what the student learns of a labelled prompt; the rest is the teacher's opinion."""

TEMPERATURE = 1.0


class Matrix(NamedTuple):
    """One group of features of each text: text ``i`` has ``columns[starts[i]:starts[i + 1]]``."""

    columns: np.ndarray
    starts: np.ndarray

    def take(self, rows: np.ndarray) -> "Matrix":
        """The same for the texts ``rows`` only."""
        parts = [self.columns[self.starts[row] : self.starts[row + 1]] for row in rows]
        return Matrix(np.concatenate(parts), np.cumsum([0, *map(len, parts)]))


def matrix(texts: Sequence[str]) -> tuple[Matrix, ...]:
    """The features of texts by group (``Features``), sorted within each."""
    found = [tuple(np.array(sorted(group), dtype=np.int32) for group in features(text)) for text in texts]
    return tuple(
        Matrix(np.concatenate(groups), np.cumsum([0, *map(len, groups)])) for groups in zip(*found, strict=True)
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit(
    seen: tuple[Matrix, ...], shares: np.ndarray, weights: np.ndarray, epochs: int = EPOCHS, seeds: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (BUCKETS, 3) and bias (3,): the mean of ``seeds`` runs of Adam on the cross-entropy to ``shares``."""
    runs = [_fit(seen, shares, weights, epochs, seed) for seed in range(seeds)]
    return sum(table for table, _ in runs) / np.float32(seeds), sum(bias for _, bias in runs) / np.float32(seeds)


def _fit(
    seen: tuple[Matrix, ...], shares: np.ndarray, weights: np.ndarray, epochs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = len(shares)
    table, bias = np.zeros((BUCKETS, 3), np.float32), np.zeros(3, np.float32)
    means = [np.zeros_like(table), np.zeros_like(bias)]
    squares = [np.zeros_like(table), np.zeros_like(bias)]
    step, steps = 0, epochs * -(-count // BATCH)
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            rows = order[start : start + BATCH]
            gradients = _gradients(table, bias, [group.take(rows) for group in seen], shares[rows], weights[rows])
            step += 1
            rate = RATE * (1 - step / steps)
            for value, gradient, mean, square in zip((table, bias), gradients, means, squares, strict=True):
                mean += (gradient - mean) * 0.1
                square += (gradient * gradient - square) * 0.01
                value -= rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-6)
    return table, bias


def scores(table: np.ndarray, bias: np.ndarray, groups: Sequence[Matrix]) -> np.ndarray:
    """What ``Classifier.weigh`` gives, for many texts: (n, 3)."""
    return bias + sum(_sums(table, group) for group in groups)


def _sums(table: np.ndarray, group: Matrix) -> np.ndarray:
    lengths = np.diff(group.starts)
    some = lengths > 0  # a text of white space has no ends
    sums = np.zeros((len(lengths), 3), np.float32)
    sums[some] = np.add.reduceat(table[group.columns], group.starts[:-1][some], axis=0)
    return sums / np.sqrt(np.maximum(lengths, 1)).astype(np.float32)[:, None]


def _gradients(
    table: np.ndarray, bias: np.ndarray, groups: Sequence[Matrix], shares: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    error = ((softmax(scores(table, bias, groups)) - shares) * (weights / len(shares))[:, None]).astype(np.float32)
    gradient = PENALTY * table
    for group in groups:
        lengths = np.diff(group.starts)
        factor = (1 / np.sqrt(np.maximum(lengths, 1))).astype(np.float32)
        spread = np.repeat(error * factor[:, None], lengths, axis=0)
        for role in range(3):
            gradient[:, role] += np.bincount(group.columns, spread[:, role], BUCKETS).astype(np.float32)
    return gradient, error.sum(axis=0)


def quantised(table: np.ndarray, bias: np.ndarray, temperature: float = TEMPERATURE) -> bytes:
    """A weights file. What the bytes cannot hold, the loudest one in ten thousand, is cut to the largest."""
    table = table - table.mean(axis=1, keepdims=True)
    scale = float(np.quantile(np.abs(table), 0.9999)) / 127
    whole = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
    header = Header(VERSION, BUCKETS, round(scale, 9), tuple(round(float(each), 6) for each in bias), temperature)
    return encode(header, {role: whole[:, at].tobytes() for at, role in enumerate(ROLES)})


def labelled(names: Sequence[str] = LABELLED) -> list[dict[str, str]]:
    """The real prompts: of ``tests/data/routing`` and ``written.txt``, each with text, role, lang and source."""
    rows = [
        {"source": Path(name).stem, **json.loads(line)}
        for name in names
        for line in (DATA / name).read_text(encoding="utf-8").splitlines()
    ]
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        role, _, text = line.partition(": ")
        if not line.startswith("#"):
            lang = "ko" if HANGUL.search(text) else "en"
            rows.append({"source": "written", "role": role, "lang": lang, "text": text.replace("\\n", "\n")})
    return rows


def targets(hard: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """What the student learns of labelled prompts: their roles ``hard`` (n,) and the teacher's shares (n, 3), mixed."""
    return LABEL * np.eye(3)[hard] + (1 - LABEL) * teacher


def main() -> None:
    """Train on everything and write the weights."""
    from evaluate import MADE, MIXED, Material  # noqa: PLC0415  (needs the encoder, which tests of ``fit`` do not)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--made", type=int, default=MADE)
    parser.add_argument("--mixed", type=int, default=MIXED)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    material = Material.make(arguments.made, arguments.mixed)
    arguments.out.write_bytes(quantised(*material.student(frozenset(), SEEDS), material.temperature()))


if __name__ == "__main__":
    main()
