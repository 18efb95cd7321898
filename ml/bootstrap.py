"""Paired bootstrap intervals of any metric that is a function of sums over rows.

Both systems are measured on the same resamples of the rows (Koehn 2004, "Statistical significance tests for machine
translation evaluation"); the interval is the percentile interval of Efron & Tibshirani 1993, chapter 13.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Finish = Callable[[Array], Array]

RESAMPLES = 2000
LEVEL = 0.95
_CELLS = 20_000_000  # of one chunk of resampling weights


@dataclass(frozen=True)
class Metric:
    """`live` and `candidate`: (n, k) parts of each row; `finish`: (…, k) sums of parts → (…) values. `rows` of the n
    count for it. `kind` is all, language, class or aspect, `group` which one. `gated`: it may not be worse beyond its
    interval; `must_gain`: it must be better beyond it."""

    name: str
    kind: str
    group: str
    rows: int
    live: Array
    candidate: Array
    finish: Finish
    higher_is_better: bool = True
    gated: bool = False
    must_gain: bool = False


@dataclass(frozen=True)
class Difference:
    """Values of both and the interval of candidate - live over the resamples."""

    live: float
    candidate: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Candidate minus live."""
        return self.candidate - self.live


def paired(metrics: list[Metric], *, resamples: int = RESAMPLES, seed: int = 20261125) -> list[Difference]:
    """The difference of each metric, all on the same resamples. The same input and seed give the same numbers."""
    if not metrics:
        return []
    n = len(metrics[0].live)
    stacked = np.hstack([np.hstack([m.live, m.candidate]) for m in metrics]).astype(np.float64)
    rng = np.random.default_rng(seed)
    chunk = max(1, min(resamples, _CELLS // max(1, n)))
    sums = np.empty((resamples, stacked.shape[1]))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        sums[start : start + size] = weights @ stacked
    whole = stacked.sum(0)
    out, at = [], 0
    for m in metrics:
        k = m.live.shape[1]
        first, second = slice(at, at + k), slice(at + k, at + 2 * k)
        at += 2 * k
        moved = m.finish(sums[:, second]) - m.finish(sums[:, first])
        low, high = np.quantile(moved, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        live, candidate = float(m.finish(whole[first])), float(m.finish(whole[second]))
        out.append(Difference(live, candidate, float(low), float(high)))
    return out


def mean(sums: Array) -> Array:
    """(…, 2) sums of value and count → their quotient, 0 without rows."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1e-12)


def f1(sums: Array) -> Array:
    """(…, 2) sums of hits and of wanted + got → 2 hits / size, 0 when there is nothing."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1], 1e-12)


def macro_f1(sums: Array) -> Array:
    """(…, 2 classes) sums, hits first → mean F1 of the classes that occur."""
    half = sums.shape[-1] // 2
    hits, size = sums[..., :half], sums[..., half:]
    each = 2 * hits / np.maximum(size, 1e-12)
    return (each * (size > 0)).sum(-1) / np.maximum((size > 0).sum(-1), 1)
