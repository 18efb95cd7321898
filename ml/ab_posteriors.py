"""Posteriors of arms and what follows from them by quadrature: exact to about 1e-9, no random draws.

Every integral runs over panels that end at quantiles of all posteriors involved, eight Gauss-Legendre points each, so a
narrow posterior beside a wide one is never stepped over. Parameters may be arrays: results have their shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.ab_arms import Conversions

Array = np.ndarray

_SCORES = np.linspace(-7, 7, 29)  # quantiles of 1e-12 … 1 - 1e-12
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class Beta:
    """Posterior Beta(a, b) of a conversion rate."""

    a: float | Array
    b: float | Array

    @classmethod
    def of(cls, arm: Conversions, prior: tuple[float, float] = (1.0, 1.0)) -> "Beta":
        """a = prior + conversions, b = prior + visitors without."""
        return cls(prior[0] + arm.x, prior[1] + arm.n - arm.x)

    def _parts(self) -> tuple[Array, Array]:
        return np.asarray(self.a, float)[..., None], np.asarray(self.b, float)[..., None]

    @cached_property
    def edges(self) -> Array:
        """(…, 29) quantiles."""
        from scipy import special

        a, b = self._parts()
        low, high = _SCORES[:15], _SCORES[15:]
        return np.concatenate(
            [special.betaincinv(a, b, special.ndtr(low)), special.betainccinv(a, b, special.ndtr(-high))], -1
        )

    def pdf(self, x: Array) -> Array:
        """Density at x (…, m)."""
        from scipy import special

        a, b = self._parts()
        x = np.clip(x, 1e-300, 1 - 1e-16)
        return np.exp(special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))

    def cdf(self, x: Array) -> Array:
        """P(rate ≤ x), x (…, m)."""
        from scipy import special

        a, b = self._parts()
        return special.betainc(a, b, np.clip(x, 0, 1))

    def mirrored(self) -> "Beta":
        """Of 1 - rate: turns "lower is better" into "higher is better"."""
        return Beta(self.b, self.a)


@dataclass(frozen=True)
class Normal:
    """Posterior N(mean, sd²) of a mean; sd above 0."""

    mean: float | Array
    sd: float | Array

    @cached_property
    def edges(self) -> Array:
        """(…, 29) quantiles."""
        return np.asarray(self.mean)[..., None] + np.asarray(self.sd)[..., None] * _SCORES

    def pdf(self, x: Array) -> Array:
        """Density at x (…, m)."""
        z = (x - np.asarray(self.mean)[..., None]) / np.asarray(self.sd)[..., None]
        return np.exp(-z * z / 2) / (np.asarray(self.sd)[..., None] * np.sqrt(2 * np.pi))

    def cdf(self, x: Array) -> Array:
        """P(mean ≤ x), x (…, m)."""
        from scipy import special

        return special.ndtr((x - np.asarray(self.mean)[..., None]) / np.asarray(self.sd)[..., None])

    def mirrored(self) -> "Normal":
        """Of -mean."""
        return Normal(-np.asarray(self.mean), self.sd)


Posterior = Beta | Normal


def _grid(*edges: Array) -> tuple[Array, Array]:
    """Panel ends (…, 29) each → all nodes and their weights (…, m)."""
    ends = np.sort(np.concatenate(np.broadcast_arrays(*edges), -1), -1)
    half = np.diff(ends, axis=-1)[..., None] / 2
    middle = (ends[..., :-1] + ends[..., 1:])[..., None] / 2
    shape = (*ends.shape[:-1], -1)
    return (middle + half * _POINTS).reshape(shape), (half * _WEIGHTS).reshape(shape)


def _mass(posterior: Posterior, x: Array, w: Array) -> Array:
    """Probability on each node. Its sum is set to 1: at millions of visitors the density's constant loses digits."""
    mass = w * posterior.pdf(x)
    return mass / mass.sum(-1, keepdims=True)


def chance(better: Posterior, other: Posterior) -> Array:
    """P(better > other) = ∫ pdf(better) cdf(other) (Evan Miller 2014 has the finite sum for Beta)."""
    x, w = _grid(better.edges, other.edges)
    return np.clip((_mass(better, x, w) * other.cdf(x)).sum(-1), 0, 1)


def expected_loss(chosen: Posterior, others: Sequence[Posterior]) -> Array:
    """E[max(best of others - chosen, 0)] = ∫ F_chosen (1 - Π F_other) dt: what choosing it costs per visitor on average
    (Stucchio 2015, "Bayesian A/B testing at VWO")."""
    x, w = _grid(chosen.edges, *(o.edges for o in others))
    below = np.prod([o.cdf(x) for o in others], axis=0)
    return np.maximum((w * chosen.cdf(x) * (1 - below)).sum(-1), 0)


def probability_best(posteriors: Sequence[Posterior]) -> Array:
    """(k, …) P(arm is the highest) = ∫ pdf_i Π cdf_j; sums to 1 over the arms."""
    x, w = _grid(*(p.edges for p in posteriors))
    below = [p.cdf(x) for p in posteriors]
    out = []
    for i, posterior in enumerate(posteriors):
        others = np.prod([c for j, c in enumerate(below) if j != i], axis=0)
        out.append((_mass(posterior, x, w) * others).sum(-1))
    return np.array(out) / np.sum(out, axis=0)


def difference_cdf(control: Beta, treatment: Beta, d: float | Array) -> Array:
    """P(treatment - control ≤ d)."""
    d = np.asarray(d, float)[..., None]
    x, w = _grid(control.edges, np.clip(treatment.edges - d, 0, 1))
    return np.clip((_mass(control, x, w) * treatment.cdf(x + d)).sum(-1), 0, 1)


def lift_cdf(control: Beta, treatment: Beta, r: float | Array) -> Array:
    """P(treatment / control - 1 ≤ r), r above -1."""
    ratio = 1 + np.asarray(r, float)[..., None]
    x, w = _grid(control.edges, np.clip(treatment.edges / ratio, 0, 1))
    return np.clip((_mass(control, x, w) * treatment.cdf(ratio * x)).sum(-1), 0, 1)


def difference_quantiles(control: Beta, treatment: Beta, levels: Sequence[float]) -> list[float]:
    """Quantiles of treatment - control, of two single posteriors."""
    c, t = control.edges, treatment.edges
    return _quantiles(lambda d: float(difference_cdf(control, treatment, d)), levels, t[0] - c[-1], t[-1] - c[0])


def lift_quantiles(control: Beta, treatment: Beta, levels: Sequence[float]) -> list[float]:
    """Quantiles of treatment / control - 1, of two single posteriors. They exist for every posterior, also where control
    has no conversion (the mean of the lift does not)."""
    c, t = np.maximum(control.edges, 1e-300), np.maximum(treatment.edges, 1e-300)
    found = _quantiles(
        lambda y: float(lift_cdf(control, treatment, np.expm1(y))), levels, np.log(t[0] / c[-1]), np.log(t[-1] / c[0])
    )
    return [float(np.expm1(y)) for y in found]


def _quantiles(cdf: Callable[[float], float], levels: Sequence[float], low: float, high: float) -> list[float]:
    from scipy import optimize

    return [float(optimize.brentq(lambda v, q=q: cdf(v) - q, low, high, xtol=1e-10 * (high - low))) for q in levels]
