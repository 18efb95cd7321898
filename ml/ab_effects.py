"""The effect of a treatment against control from means and variances: Normal posterior, Welch's t, bootstrap, many tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ml.ab_arms import Summary

Array = np.ndarray

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Effect:
    """An `estimate`, its standard `error` and Welch-Satterthwaite's degrees of freedom of the two means behind it."""

    estimate: float
    error: float
    df: float


@dataclass(frozen=True)
class EffectPosterior:
    """`chance` that the effect is above 0, the `expected` effect with interval, and the risks (mean loss) of either choice."""

    chance: float
    expected: float
    low: float
    high: float
    risk_control: float
    risk_treatment: float


@dataclass(frozen=True)
class TTest:
    """Two-sided `p_value`, the `chance` that the effect is above 0 under a flat prior, and the interval."""

    p_value: float
    chance: float
    estimate: float
    low: float
    high: float


def two_sided(level: float) -> float:
    """Standard errors on each side of an interval of this level: 1.96 for 0.95."""
    return _NORMAL.inv_cdf((1 + level) / 2)


def _df(control: Summary, treatment: Summary) -> float:
    a, b = control.error2, treatment.error2
    below = a**2 / (control.n - 1) + b**2 / (treatment.n - 1)
    # Tiny variances square to 0.
    return (a + b) ** 2 / below if below > 0 else float(min(control.n, treatment.n) - 1)


def difference(control: Summary, treatment: Summary) -> Effect | None:
    """treatment - control, variance v_c / n_c + v_t / n_t. None with fewer than two units or no spread at all.

    Where one arm has no spread (nobody bought), both get the spread around the common mean, as a test of "no difference"
    assumes: an arm of equal values isn't known without error.
    """
    if control.n < 2 or treatment.n < 2:
        return None
    if not (control.variance and treatment.variance):
        n = control.n + treatment.n
        mean = (control.n * control.mean + treatment.n * treatment.mean) / n
        spread = sum(
            (s.n - 1) * s.variance + s.n * (s.mean - mean) ** 2 for s in (control, treatment)
        ) / (n - 1)  # fmt: skip
        control, treatment = Summary(control.n, control.mean, spread), Summary(treatment.n, treatment.mean, spread)
    error = math.sqrt(control.error2 + treatment.error2)
    return Effect(treatment.mean - control.mean, error, _df(control, treatment)) if error > 0 else None


def lift(control: Summary, treatment: Summary) -> Effect | None:
    """(treatment - control) / |control|, variance v_t / (n_t m_c²) + v_c m_t² / (n_c m_c⁴) by the delta method. None where
    control's mean is 0 or an arm has no spread."""
    if control.n < 2 or treatment.n < 2 or not (control.mean and control.variance and treatment.variance):
        return None
    base = control.mean
    variance = treatment.error2 / base**2 + control.error2 * treatment.mean**2 / base**4
    return Effect((treatment.mean - base) / abs(base), math.sqrt(variance), _df(control, treatment))


def fieller(control: Summary, treatment: Summary, multiplier: float) -> tuple[float, float] | None:
    """Interval of the lift, `multiplier` standard errors wide (Fieller 1954): it excludes 0 just when the interval of the
    difference does. None where control's mean isn't clearly apart from 0, the lift could then be anything."""
    m, t, vc, vt = control.mean, treatment.mean, control.error2, treatment.error2
    a = m * m - multiplier**2 * vc
    if a <= 1e-12 * m * m:
        return None
    root = math.sqrt(max(0.0, (m * t) ** 2 - a * (t * t - multiplier**2 * vt)))
    sign = math.copysign(1.0, m)
    ends = sorted(sign * ((m * t + side * root) / a - 1) for side in (-1, 1))
    return ends[0], ends[1]


def posterior(effect: Effect, level: float = 0.95, prior: tuple[float, float] | None = None) -> EffectPosterior:
    """Normal posterior of an effect under a flat prior or N(mean, sd²): precisions add (GrowthBook's formulas, MIT).

    Risk of keeping control: E[max(effect, 0)]; of choosing treatment: E[max(-effect, 0)].
    """
    mean, variance = effect.estimate, effect.error**2
    if prior is not None:
        precision = 1 / variance + 1 / prior[1] ** 2
        mean = (mean / variance + prior[0] / prior[1] ** 2) / precision
        variance = 1 / precision
    sd = math.sqrt(variance)
    z, width = mean / sd, two_sided(level) * sd
    gain = _mean_above(z) * sd
    return EffectPosterior(normal_cdf(z), mean, mean - width, mean + width, gain, max(0.0, gain - mean))


def normal_cdf(z: float) -> float:
    """Of the standard Normal, accurate in the lower tail."""
    return math.erfc(-z / math.sqrt(2)) / 2


def _mean_above(z: float) -> float:
    """E[max(X, 0)] of X ~ N(z, 1)."""
    return max(0.0, math.exp(-z * z / 2) / math.sqrt(2 * math.pi) + z * normal_cdf(z))


def t_multiplier(df: float, level: float) -> float:
    """Standard errors on each side of a t interval of this level."""
    from scipy import special

    return float(special.stdtrit(df, (1 + level) / 2))


def t_test(effect: Effect, level: float = 0.95) -> TTest:
    """Welch's t test of an effect, absolute or relative."""
    from scipy import special

    chance = float(special.stdtr(effect.df, effect.estimate / effect.error))
    below = float(special.stdtr(effect.df, -abs(effect.estimate) / effect.error))
    width = t_multiplier(effect.df, level) * effect.error
    return TTest(min(1.0, 2 * below), chance, effect.estimate, effect.estimate - width, effect.estimate + width)


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals over the resamples; the lift has none where a resampled control mean is 0 or below."""

    chance: float
    difference: float
    low: float
    high: float
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    risk_control: float
    risk_treatment: float


def bootstrap(
    control: Sequence[float] | Array, treatment: Sequence[float] | Array, level: float = 0.95,
    resamples: int = 4000, seed: int = 20261125,
) -> Bootstrap | None:  # fmt: skip
    """Means of revenue without a Normal assumption (Efron & Tibshirani 1993, chapter 13), values (n,) of each arm with
    zeros. The same input and seed give the same numbers. None with fewer than two values in an arm."""
    rng = np.random.default_rng(seed)
    c, t = (np.asarray(v, np.float64) for v in (control, treatment))
    if len(c) < 2 or len(t) < 2:
        return None
    means_c, means_t = _resampled_means(rng, c, resamples), _resampled_means(rng, t, resamples)
    moved = means_t - means_c
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(moved, tails)
    lifts: list[float | None] = [None, None, None]
    if means_c.min() > 0:
        lifts = [float(t.mean() / c.mean() - 1), *(float(v) for v in np.quantile(moved / means_c, tails))]
    return Bootstrap(
        float((moved > 0).mean() + (moved == 0).mean() / 2), float(t.mean() - c.mean()), float(low), float(high), *lifts,
        float(np.maximum(moved, 0).mean()), float(np.maximum(-moved, 0).mean()),
    )  # fmt: skip


def _resampled_means(rng: np.random.Generator, values: Array, resamples: int) -> Array:
    """(resamples,): equal values (the zeros above all) are one cell of a multinomial draw."""
    distinct, counts = np.unique(values, return_counts=True)
    out = np.empty(resamples)
    chunk = max(1, 5_000_000 // len(distinct))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        out[start : start + size] = rng.multinomial(len(values), counts / len(values), size=size) @ distinct
    return out / len(values)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false alarm at alpha (Holm 1979)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return _unordered(np.minimum(stepped, 1), order)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the share of false alarms among the alarms at alpha (Benjamini & Hochberg 1995)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    return _unordered(np.minimum(stepped, 1), order)


def _unordered(values: Array, order: Array) -> list[float]:
    out = np.empty(len(order))
    out[order] = values
    return [float(v) for v in out]
