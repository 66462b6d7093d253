"""Trains the router's classifier: ``make routing``, or ``python tools/routing/train.py --help``.

    grammar -> labelled prompts, mixed texts -> teacher's shares -> a linear model over hashed n-grams -> signed bytes

The student learns from half the label and half the teacher where there is a label, else from the teacher alone.
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

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "daemon"))

from innkeepd.policy.routing.classifier import ROLES, Header, encode
from innkeepd.policy.routing.features import BUCKETS, VERSION, features

DATA = ROOT / "tests" / "data" / "routing"
WEIGHTS = ROOT / "daemon" / "innkeepd" / "policy" / "routing" / "weights.bin"
LABELLED = ("dev.jsonl", "tricky.dev.jsonl")
"""What is trained on besides made prompts. ``fresh.jsonl`` never is: it is there to be measured on."""

EPOCHS, BATCH, RATE, PENALTY = 4, 256, 0.02, 1e-6
DEV_WEIGHT = 5.0
"""How many made prompts one real prompt counts as."""

TEMPERATURE = 1.0


class Matrix(NamedTuple):
    """Which features each text has: text ``i`` has ``columns[starts[i]:starts[i + 1]]``."""

    columns: np.ndarray
    starts: np.ndarray


def matrix(texts: Sequence[str]) -> Matrix:
    """The features of texts, sorted within each."""
    found = [np.array(sorted(features(text)), dtype=np.int32) for text in texts]
    return Matrix(np.concatenate(found), np.cumsum([0, *map(len, found)]))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit(seen: Matrix, shares: np.ndarray, weights: np.ndarray, epochs: int = EPOCHS) -> tuple[np.ndarray, np.ndarray]:
    """Weights (BUCKETS, 3) and bias (3,) by Adam on the cross-entropy to ``shares`` (n, 3)."""
    rng = np.random.default_rng(0)
    count = len(shares)
    table, bias = np.zeros((BUCKETS, 3), np.float32), np.zeros(3, np.float32)
    means = [np.zeros_like(table), np.zeros_like(bias)]
    squares = [np.zeros_like(table), np.zeros_like(bias)]
    step, steps = 0, epochs * -(-count // BATCH)
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            rows = order[start : start + BATCH]
            gradients = _gradients(table, bias, seen, rows, shares, weights)
            step += 1
            rate = RATE * (1 - step / steps)
            for value, gradient, mean, square in zip((table, bias), gradients, means, squares, strict=True):
                mean += (gradient - mean) * 0.1
                square += (gradient * gradient - square) * 0.01
                value -= rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-6)
    return table, bias


def _gradients(
    table: np.ndarray, bias: np.ndarray, seen: Matrix, rows: np.ndarray, shares: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parts = [seen.columns[seen.starts[row] : seen.starts[row + 1]] for row in rows]
    lengths = np.array([len(part) for part in parts])
    columns = np.concatenate(parts)
    factor = (1 / np.sqrt(lengths)).astype(np.float32)
    bounds = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    scores = np.add.reduceat(table[columns], bounds, axis=0) * factor[:, None] + bias
    error = ((softmax(scores) - shares[rows]) * (weights[rows] / len(rows))[:, None]).astype(np.float32)
    spread = np.repeat(error * factor[:, None], lengths, axis=0)
    gradient = np.stack([np.bincount(columns, spread[:, role], BUCKETS) for role in range(3)], axis=1)
    return gradient.astype(np.float32) + PENALTY * table, error.sum(axis=0)


def quantised(table: np.ndarray, bias: np.ndarray, temperature: float = TEMPERATURE) -> bytes:
    """A weights file. What the bytes cannot hold, the loudest one in ten thousand, is cut to the largest."""
    table = table - table.mean(axis=1, keepdims=True)
    scale = float(np.quantile(np.abs(table), 0.9999)) / 127
    whole = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
    header = Header(VERSION, BUCKETS, round(scale, 9), tuple(round(float(each), 6) for each in bias), temperature)
    return encode(header, {role: whole[:, at].tobytes() for at, role in enumerate(ROLES)})


def labelled(names: Sequence[str] = LABELLED) -> list[dict[str, str]]:
    """The real prompts of ``tests/data/routing``."""
    return [json.loads(line) for name in names for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def targets(hard: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """What the student learns of a labelled prompt: half the label, half the teacher."""
    return 0.5 * np.eye(3)[hard] + 0.5 * teacher


def main() -> None:
    """Train on everything and write the weights."""
    from evaluate import Material  # noqa: PLC0415  (needs the encoder, which tests of ``fit`` do not)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--made", type=int, default=24000)
    parser.add_argument("--mixed", type=int, default=60000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    material = Material.make(arguments.made, arguments.mixed)
    arguments.out.write_bytes(quantised(*material.student(without=frozenset()), material.temperature()))


if __name__ == "__main__":
    main()
