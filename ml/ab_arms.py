"""What was counted in one arm of an experiment, and its mean and variance per unit. Plain numbers, no Django."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Summary:
    """`mean` of a metric over `n` units and the `variance` of one unit."""

    n: int
    mean: float
    variance: float

    @property
    def error2(self) -> float:
        """Squared standard error of the mean, 0 without units."""
        return self.variance / self.n if self.n else 0.0


@dataclass(frozen=True)
class Conversions:
    """`x` of `n` visitors converted. Raises ValueError for x outside 0…n."""

    n: int
    x: int

    def __post_init__(self):
        if not 0 <= self.x <= self.n:
            raise ValueError(f"{self.x} conversions of {self.n} visitors: must lie between 0 and the visitors")

    @property
    def events(self) -> float:
        """Conversions: what a Normal approximation lives on."""
        return float(self.x)

    def summary(self) -> Summary:
        """Variance p (1 - p)."""
        p = self.x / self.n if self.n else 0.0
        return Summary(self.n, p, p * (1 - p))

    def cautious(self) -> Summary:
        """The same with the variance at (x + 1) / (n + 2), above 0 where nobody or everybody converted."""
        p = (self.x + 1) / (self.n + 2)
        return Summary(self.n, self.summary().mean, p * (1 - p))


@dataclass(frozen=True)
class Sums:
    """A number per visitor (revenue, say): `total` and `squares` over all `n` visitors, zeros included; `nonzero` of them
    have a value. Raises ValueError for sums that no values can have."""

    n: int
    total: float
    squares: float
    nonzero: int | None = None

    def __post_init__(self):
        if self.n < 0 or self.squares < 0 or not (math.isfinite(self.total) and math.isfinite(self.squares)):
            raise ValueError("counts and squares must be finite and not negative")
        if self.total**2 > self.n * self.squares * (1 + 1e-6) + 1e-9:
            raise ValueError(f"{self.n} values cannot sum to {self.total} with squares of {self.squares}")
        if self.nonzero is not None and not 0 <= self.nonzero <= self.n:
            raise ValueError("more values than visitors")

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> "Sums":
        """From the values (n,) themselves."""
        v = np.asarray(values, dtype=np.float64)
        return cls(len(v), float(v.sum()), float((v * v).sum()), int(np.count_nonzero(v)))

    @property
    def events(self) -> float:
        """Visitors with a value; where untold, Kish's effective number total² / squares, never more than they are."""
        if self.nonzero is not None:
            return float(self.nonzero)
        return self.total**2 / self.squares if self.squares else 0.0

    def summary(self) -> Summary:
        """Variance (squares - total² / n) / (n - 1)."""
        if self.n < 2:
            return Summary(self.n, self.total / self.n if self.n else 0.0, 0.0)
        spread = self.squares - self.total**2 / self.n
        # Below the rounding of the sums there is no spread to see.
        return Summary(self.n, self.total / self.n, spread / (self.n - 1) if spread > 1e-12 * self.squares else 0.0)

    cautious = summary


@dataclass(frozen=True)
class Ratio:
    """A quotient of two sums over the same `n` visitors (revenue per order, say); `cross` sums the products."""

    n: int
    top: float
    top_squares: float
    bottom: float
    bottom_squares: float
    cross: float

    def __post_init__(self):
        Sums(self.n, self.top, self.top_squares)
        Sums(self.n, self.bottom, self.bottom_squares)
        if not math.isfinite(self.cross) or self.cross**2 > self.top_squares * self.bottom_squares * (1 + 1e-6) + 1e-9:
            raise ValueError("the sum of products does not go with the squares")

    @classmethod
    def of(cls, top: Sequence[float] | Array, bottom: Sequence[float] | Array) -> "Ratio":
        """From both values (n,) of each visitor."""
        t, b = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
        return cls(len(t), *(float(v) for v in (t.sum(), (t * t).sum(), b.sum(), (b * b).sum(), (t * b).sum())))

    @property
    def events(self) -> float:
        """Kish's effective number of visitors with a bottom."""
        return self.bottom**2 / self.bottom_squares if self.bottom_squares else 0.0

    def summary(self) -> Summary:
        """Variance by the delta method (Deng et al. 2018): (v_t + r² v_b - 2 r cov) / b²; n is 0 without a bottom."""
        if self.n < 2 or self.bottom == 0:
            return Summary(0, 0.0, 0.0)
        top, bottom = Sums(self.n, self.top, self.top_squares), Sums(self.n, self.bottom, self.bottom_squares)
        covariance = (self.cross - self.top * self.bottom / self.n) / (self.n - 1)
        ratio, mean = self.top / self.bottom, self.bottom / self.n
        raw = top.summary().variance + ratio**2 * bottom.summary().variance - 2 * ratio * covariance
        return Summary(self.n, ratio, max(0.0, raw) / mean**2)

    cautious = summary


Arm = Conversions | Sums | Ratio


@dataclass(frozen=True)
class Winsorised:
    """Arms with values beyond ±`cap` moved to it, and as they were; `changed` values moved."""

    cap: float
    capped: tuple[Sums, ...]
    raw: tuple[Sums, ...]
    changed: int


def winsorise(groups: Sequence[Sequence[float] | Array], percentile: float = 99.0) -> Winsorised:
    """Cap at a percentile of the absolute values other than 0, pooled over all arms so that every arm has the same cap.

    Zeros don't count: where 1 % of visitors buy, the 99th percentile of all visitors would be 0.
    """
    values = [np.asarray(group, dtype=np.float64) for group in groups]
    pooled = np.abs(np.concatenate(values)) if values else np.empty(0)
    pooled = pooled[pooled > 0]
    cap = float(np.percentile(pooled, percentile)) if len(pooled) else 0.0
    return Winsorised(
        cap,
        tuple(Sums.of(np.clip(v, -cap, cap)) for v in values),
        tuple(Sums.of(v) for v in values),
        int((pooled > cap).sum()),
    )
