"""Thompson sampling: which share of the visitors each arm gets next.

Worth it from about five arms, or where a poor arm costs while the test runs; with two arms a plain split learns as fast.
A visitor must keep the arm of the first visit, and means of arms that got more traffic for being lucky are biased: verdicts
on a bandit rest on the confidence sequence (ml.ab_sequential), never on a fixed test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.ab_arms import Arm, Conversions

Array = np.ndarray

FLOOR = 0.01
LEAST_PER_ARM = 100


@dataclass(frozen=True)
class Allocation:
    """`weights` sum to 1; `probability_best` is what they rest on. `ready` is False, and the weights are equal, until every
    arm has the least number of visitors."""

    weights: tuple[float, ...]
    probability_best: tuple[float, ...]
    ready: bool


def allocate(
    arms: Sequence[Arm], *, higher_is_better: bool = True, floor: float = FLOOR, minimum_per_arm: int = LEAST_PER_ARM,
    top: int = 1, draws: int = 10_000, seed: int = 20261125, prior: tuple[float, float] = (1.0, 1.0),
) -> Allocation:  # fmt: skip
    """w = floor + (1 - k floor) P(best), P from seeded draws of Beta (conversions) or Gaussian posteriors (Chapelle & Li
    2011). With `top` = 2 an arm earns half for being best and half for being second (top-two, Russo 2016): better for
    finding the best arm, worse for earning meanwhile. Raises ValueError for a floor outside 0…1/k or fewer than two arms.
    """
    k = len(arms)
    if k < 2 or not 0 < floor * k <= 1 or top not in (1, 2):
        raise ValueError("a bandit needs two arms, a floor above 0 and at most 1 / arms, and the top one or two")
    equal = (1 / k,) * k
    if min(arm.n for arm in arms) < max(minimum_per_arm, 2):
        return Allocation(equal, equal, False)
    values = _draws(arms, draws, np.random.default_rng(seed), prior)
    if not higher_is_better:
        values = -values
    if not values.std(0).any():
        # Nothing varies: no arm can be told from another by chance, only by its value.
        values = values[:1]
    share = _ranked(values, top)
    weights = floor + (1 - k * floor) * share
    best = share if top == 1 else _ranked(values, 1)
    return Allocation(tuple(float(w) for w in weights), tuple(float(p) for p in best), True)


def _ranked(values: Array, top: int) -> Array:
    """(draws, k) → (k,) mean share of the first `top` ranks; equal values share a rank."""
    left, out = values.copy(), np.zeros(values.shape[1])
    for _ in range(top):
        first = left == left.max(1, keepdims=True)
        out += (first / first.sum(1, keepdims=True)).mean(0) / top
        left = np.where(first, -np.inf, left)
        if np.isneginf(left).all(1).any():
            # All arms were equal: there is no second.
            return out / out.sum()
    return out


def _draws(arms: Sequence[Arm], draws: int, rng: np.random.Generator, prior: tuple[float, float]) -> Array:
    if all(isinstance(arm, Conversions) for arm in arms):
        a = np.array([prior[0] + arm.x for arm in arms])
        b = np.array([prior[1] + arm.n - arm.x for arm in arms])
        return rng.beta(a, b, (draws, len(arms)))
    summaries = [arm.summary() for arm in arms]
    pooled = sum(s.n * s.variance for s in summaries) / max(1, sum(s.n for s in summaries))
    # An arm without spread (nobody bought yet) isn't known without error: it gets the others' spread.
    errors = np.array([math.sqrt((s.variance or pooled) / s.n) if s.n else 0.0 for s in summaries])
    means = np.array([s.mean for s in summaries])
    return means + errors * rng.standard_normal((draws, len(arms)))
