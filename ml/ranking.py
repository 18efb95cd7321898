"""A Bradley-Terry model of which of two texts for a product is preferred. Numpy and scipy; free of Django and torch.

P(a over b) = sigmoid(s(a) - s(b)) with a score that is linear in what the encoder says of the text, of the text and the
product together, and in a few counts (Bradley & Terry 1952; the pairwise loss of Ouyang et al. 2022, arXiv 2203.02155).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

Array = np.ndarray
Embed = Callable[[Sequence[str]], Array]
# Of the pull towards zero, tried on the held-out pairs.
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
COUNTS = ("fill", "digits", "question", "exclamation", "capitals", "commas")


def counts(text: str, limit: int) -> list[float]:
    """What can be counted, of `COUNTS`: share of the limit, of digits and of capitals, marks."""
    size = max(1, len(text))
    return [
        min(2.0, len(text) / max(1, limit)), sum(c.isdigit() for c in text) / size, float("?" in text or "？" in text),
        float("!" in text or "！" in text), sum(c.isupper() for c in text) / size,
        min(3.0, sum(text.count(c) for c in ",，、;；")),
    ]  # fmt: skip


def features(about: Array, vectors: Array, texts: Sequence[str], limits: Sequence[int]) -> Array:
    """(n, 2 d + 1 + counts) of n texts: `about` (n, d) their products, `vectors` (n, d) their own."""
    both = vectors * about
    told = np.array([counts(text, limit) for text, limit in zip(texts, limits, strict=True)], float)
    return np.hstack([vectors, both, both.sum(1, keepdims=True), told.reshape(len(texts), len(COUNTS))])


def fit(differences: Array, weights: Array, l2: float) -> Array:
    """The coefficients (d,) of least weighted logistic loss of (n, d) differences chosen - rejected, with a pull of l2 / 2
    towards zero. Convex: the same data give the same coefficients."""

    def loss(beta: Array) -> tuple[float, Array]:
        margin = differences @ beta
        value = float(weights @ np.logaddexp(0, -margin)) + l2 / 2 * float(beta @ beta)
        return value, -differences.T @ (weights * expit(-margin)) + l2 * beta

    start = np.zeros(differences.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x


def log_loss(margins: Array, weights: Array) -> float:
    """Mean weighted logistic loss; log 2 for a coin."""
    return float(weights @ np.logaddexp(0, -margins) / max(1e-12, weights.sum()))


@dataclass(frozen=True)
class Model:
    """The score of a text is `beta` times its features over `scale`; differences of scores are log-odds."""

    beta: Array
    scale: Array
    encoder: str

    def score(self, found: Array) -> Array:
        """(n,) scores of (n, d) features."""
        return (found / self.scale) @ self.beta

    def save(self, file: BinaryIO) -> None:
        np.savez(file, beta=self.beta, scale=self.scale, encoder=np.array(self.encoder))


def read(path: Path) -> Model:
    """A saved model."""
    with np.load(path, allow_pickle=False) as told:
        return Model(told["beta"], told["scale"], str(told["encoder"]))


@dataclass(frozen=True)
class Pairs:
    """Features of both sides (n, d) and weights (n,) of the pairs of rows {"about", "pairs": [{"chosen", "rejected",
    "limit", "weight"}, …]}."""

    chosen: Array
    rejected: Array
    weights: Array

    @classmethod
    def of(cls, rows: Sequence[dict], embed: Embed) -> "Pairs":
        pairs = [(row["about"], pair) for row in rows for pair in row["pairs"]]
        about = embed([text for text, _pair in pairs])
        limits = [pair["limit"] for _text, pair in pairs]
        sides = []
        for side in ("chosen", "rejected"):
            texts = [pair[side] for _text, pair in pairs]
            sides.append(features(about, embed(texts), texts, limits))
        return cls(*sides, np.array([pair["weight"] for _text, pair in pairs], float))

    @property
    def differences(self) -> Array:
        return self.chosen - self.rejected


def accuracy(margins: Array) -> float:
    """Share of pairs in the right order, ties one half."""
    return float(((margins > 0) + 0.5 * (margins == 0)).mean())
