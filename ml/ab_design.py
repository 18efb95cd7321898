"""Less noise from the time before (CUPED), and tests that split products instead of visitors.

Visitors of a shopping feed cannot be split, so its products are (the method of Google's FeedX, Apache-2): a crossover with
a wash-out, or the difference to the time before, with heroes trimmed and Yuen's t for heavy tails. Products compete for
the same shoppers, so an effect found this way is inflated: its direction can be trusted, its size is an upper bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.ab_arms import Summary

Array = np.ndarray

LEAST_ITEMS = 1000  # FeedX's rule: fewer products seldom have the power
TRIM = 0.1


@dataclass(frozen=True)
class PairedSums:
    """A metric of `n` units during the test (`post`) and the same before it (`pre`): sums, squares, products."""

    n: int
    post: float
    post_squares: float
    pre: float
    pre_squares: float
    cross: float

    @classmethod
    def of(cls, post: Sequence[float] | Array, pre: Sequence[float] | Array) -> "PairedSums":
        """From both values (n,) of each unit; a unit that wasn't there before has a pre of 0."""
        y, x = np.asarray(post, np.float64), np.asarray(pre, np.float64)
        return cls(len(y), *(float(v) for v in (y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())))

    def covariances(self) -> tuple[float, float, float]:
        """Sums of squared deviations: post, pre, and of their products."""
        n = max(self.n, 1)
        return (
            max(0.0, self.post_squares - self.post**2 / n),
            max(0.0, self.pre_squares - self.pre**2 / n),
            self.cross - self.pre * self.post / n,
        )


@dataclass(frozen=True)
class Cuped:
    """`theta`, the adjusted `arms` in the order given, and the share of variance that went."""

    theta: float
    arms: tuple[Summary, ...]
    reduction: float


def cuped(arms: Sequence[PairedSums]) -> Cuped:
    """Deng, Xu, Kohavi & Walker 2013: mean = post - theta (pre - pre of all arms), theta = cov / var pooled within the
    arms, so the mean keeps its level and lifts mean what they meant. Without spread before, nothing is changed."""
    sums = [arm.covariances() for arm in arms]
    before, together = sum(s[1] for s in sums), sum(s[2] for s in sums)
    theta = together / before if before > 0 else 0.0
    whole = sum(arm.n for arm in arms)
    level = sum(arm.pre for arm in arms) / whole if whole else 0.0
    adjusted, left, was = [], 0.0, 0.0
    for arm, (post, pre, cross) in zip(arms, sums, strict=True):
        if not arm.n:
            adjusted.append(Summary(0, 0.0, 0.0))
            continue
        spread = max(0.0, post + theta**2 * pre - 2 * theta * cross)
        left, was = left + spread, was + post
        mean = arm.post / arm.n - theta * (arm.pre / arm.n - level)
        adjusted.append(Summary(arm.n, mean, spread / (arm.n - 1) if arm.n > 1 else 0.0))
    return Cuped(theta, tuple(adjusted), max(0.0, 1 - left / was) if was > 0 else 0.0)


@dataclass(frozen=True)
class Trimmed:
    """`kept` (items,) of bool, how many items went and which share of the pre-period's sum went with them."""

    kept: Array
    dropped: int
    dropped_share: float


def trim_heroes(pre: Sequence[float] | Array, share: float = 0.01) -> Trimmed:
    """Without the `share` of items that were largest before the test: one of them can outweigh a thousand others. By the
    pre-period only, which the treatment cannot have moved. Items as large as the first that stays, stay too; share < 1."""
    x = np.asarray(pre, np.float64)
    heroes = int(len(x) * share)
    kept = x <= np.sort(x)[::-1][heroes] if heroes else np.ones(len(x), bool)
    total = x.sum()
    return Trimmed(kept, int((~kept).sum()), float(x[~kept].sum() / total) if total > 0 else 0.0)


@dataclass(frozen=True)
class ItemEffect:
    """What the treatment did to a product per day: difference with interval, and the same over control's level (None where
    that is 0). `carry_over` is the p value of a crossover's carried-over effect, None for other designs."""

    effect: float
    error: float
    df: float
    p_value: float
    low: float
    high: float
    control: float
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    items: int
    carry_over: float | None = None

    @property
    def enough_items(self) -> bool:
        """At least FeedX's thousand."""
        return self.items >= LEAST_ITEMS


def _trimmed_mean(values: Array, trim: float) -> tuple[float, float, int]:
    """Mean of the middle, Yuen's squared error of it, and the number h of values in the middle."""
    v = np.sort(values)
    n, g = len(v), int(len(v) * trim)
    h = n - 2 * g
    middle = v[g : n - g]
    around = np.clip(v, middle[0], middle[-1])
    return float(middle.mean()), float(((around - around.mean()) ** 2).sum() / (h * (h - 1))), h


def _compare(treated: Array, control: Array, level: float, trim: float, scale: float = 1.0) -> tuple[float, ...] | None:
    """Yuen 1974: (effect, error, df, p, low, high) of the trimmed means' difference times `scale`; None without spread or
    with fewer than two values left in a group. trim = 0 is Welch's t."""
    from scipy import special

    if min(len(treated) - 2 * int(len(treated) * trim), len(control) - 2 * int(len(control) * trim)) < 2:
        return None
    (a, va, ha), (b, vb, hb) = _trimmed_mean(treated, trim), _trimmed_mean(control, trim)
    error = math.sqrt(va + vb)
    # Below the rounding of the values there is no spread to see.
    if error <= 1e-12 * max(abs(a), abs(b), 1e-300):
        return None
    df = (va + vb) ** 2 / (va**2 / (ha - 1) + vb**2 / (hb - 1))
    width = float(special.stdtrit(df, (1 + level) / 2)) * error
    p = min(1.0, 2 * float(special.stdtr(df, -abs(a - b) / error)))
    low, high = scale * (a - b - width), scale * (a - b + width)
    return scale * (a - b), scale * error, df, p, low, high


def _item_effect(
    found: tuple[float, ...] | None, base: float, items: int, carry_over: float | None
) -> ItemEffect | None:
    if found is None:
        return None
    effect, _error, _df, _p, low, high = found
    lifts = (effect / base, low / base, high / base) if base > 0 else (None, None, None)
    return ItemEffect(*found, base, *lifts, items, carry_over)


def item_effect(
    post: Sequence[float] | Array, treated: Sequence[bool] | Array, pre: Sequence[float] | Array | None = None, *,
    adjust: str = "difference", level: float = 0.95, trim: float = TRIM,
) -> ItemEffect | None:  # fmt: skip
    """Products split once: their mean per day during the test, (items,), `treated` or not, and `pre` before it.

    `adjust`: "none", "difference" (post - pre, difference in differences) or "cuped" (post - theta pre, theta pooled
    within the groups). `trim` of each tail goes (Yuen). None where the data have no answer; ValueError for another word.
    """
    if adjust not in ("none", "difference", "cuped"):
        raise ValueError(f"adjust is none, difference or cuped, not {adjust}")
    y, mask = np.asarray(post, np.float64), np.asarray(treated, bool)
    value = y
    if adjust != "none":
        if pre is None:
            raise ValueError(f"{adjust} needs the time before")
        x, theta = np.asarray(pre, np.float64), 1.0
        if adjust == "cuped":
            theta = cuped([PairedSums.of(y[mask], x[mask]), PairedSums.of(y[~mask], x[~mask])]).theta
        value = y - theta * x
    base = _trimmed_mean(y[~mask], trim)[0] if (~mask).sum() >= 2 else 0.0
    return _item_effect(_compare(value[mask], value[~mask], level, trim), base, len(y), None)


def crossover(
    first: Sequence[float] | Array, second: Sequence[float] | Array, treated_first: Sequence[bool] | Array, *,
    level: float = 0.95, trim: float = TRIM,
) -> ItemEffect | None:  # fmt: skip
    """Products that swap halfway: their mean per day in both periods (items,), and who had the treatment first.

    Jones & Kenward, "Design and Analysis of Cross-Over Trials", chapter 2: with d = second - first the effect is half the
    difference of d between the groups, so that whatever a period did to all products cancels. Carry-over is Grizzle's
    test on the sums of both periods: a small p value says that the wash-out was too short; it has little power.
    """
    one, two, mask = np.asarray(first, np.float64), np.asarray(second, np.float64), np.asarray(treated_first, bool)
    moved, both = two - one, one + two
    untreated = np.where(mask, two, one)
    base = _trimmed_mean(untreated, trim)[0] if len(untreated) >= 2 else 0.0
    carried = _compare(both[mask], both[~mask], level, trim)
    found = _compare(moved[~mask], moved[mask], level, trim, scale=0.5)
    return _item_effect(found, base, len(moved), carried[3] if carried else None)


def crossover_windows(days: int, washout: int = 7) -> tuple[slice, slice]:
    """Days of the first and of the second period in a run of `days`: equally long, `washout` days after the swap don't
    count. Raises ValueError where nothing would be left."""
    half = (days - washout) // 2
    if half < 1 or washout < 0:
        raise ValueError(f"{days} days leave no two periods around {washout} days of wash-out")
    return slice(0, half), slice(half + washout, half + washout + half)
