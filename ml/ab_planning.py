"""How many visitors and days an experiment needs, and what it can see: before it starts and while its data are poor."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ml import ab_design, ab_sequential
from ml.ab_arms import Summary

Array = np.ndarray

_NORMAL = NormalDist()
_MOST = 10**9  # visitors per arm beyond which "never" is the honest word


@dataclass(frozen=True)
class Size:
    """Visitors per arm and in all, days at the traffic given (None without traffic). `inflation`: visitors of a sequential
    test over those of a fixed one. `tuning`: N* of the confidence sequence, to be stored with the experiment."""

    per_arm: int
    total: int
    days: int | None
    inflation: float
    tuning: int


def conversion_variances(rate: float, lift: float) -> tuple[float, float, float]:
    """Control's and treatment's variance per visitor and the difference. Raises ValueError for a rate outside 0…1, a lift of
    0 or one that leads outside 0…1."""
    other = rate * (1 + lift)
    if not (0 < rate < 1 and 0 <= other <= 1 and lift):
        raise ValueError(f"no effect to plan for: a rate of {rate} moved by {lift:+.0%}")
    return rate * (1 - rate), other * (1 - other), other - rate


def mean_variances(mean: float, sd: float, lift: float) -> tuple[float, float, float]:
    """The same for a mean with standard deviation `sd` in both arms. Raises ValueError where no difference follows."""
    if not (mean and sd > 0 and lift):
        raise ValueError(f"no effect to plan for: a mean of {mean} ± {sd} moved by {lift:+.0%}")
    return sd**2, sd**2, abs(mean) * lift


def size(
    control: float, treatment: float, difference: float, *, level: float = 0.95, power: float = 0.8, arms: int = 2,
    sequential: bool = False, tuning: int | None = None, visitors_per_day: float = 0.0,
) -> Size:  # fmt: skip
    """Two-sided test of `arms` - 1 treatments against control (Bonferroni), from variances per visitor and the difference
    to find: n = (z_alpha/2 + z_power)² (v_c + v_t) / difference².

    Sequential: the n at which the confidence sequence, tuned to the fixed test's size unless told, excludes 0 with this
    power; it mostly stops far earlier. `visitors_per_day` enter the experiment, over all arms. `conversion_variances` and
    `mean_variances` give the first three.
    """
    if difference == 0 or arms < 2:
        raise ValueError("a size needs a difference to find and two arms")
    alpha, z = _alpha(level, arms), _NORMAL.inv_cdf(power)
    fixed = math.ceil((_NORMAL.inv_cdf(1 - alpha / 2) + z) ** 2 * (control + treatment) / difference**2)
    fixed = max(fixed, 2)
    star = tuning or 2 * fixed
    n = fixed
    if sequential:
        wanted = difference**2 / (control + treatment)
        n = _least(lambda m: m * wanted >= (ab_sequential.multiplier(2 * m, alpha, star) + z) ** 2, fixed)
    days = math.ceil(n * arms / visitors_per_day) if visitors_per_day > 0 else None
    return Size(n, n * arms, days, n / fixed, star)


def power_of(
    control: float, treatment: float, difference: float, per_arm: int, *, level: float = 0.95, arms: int = 2
) -> float:
    """Chance that a fixed test of `per_arm` visitors finds `difference`, in its direction."""
    error = math.sqrt((control + treatment) / per_arm)
    return _NORMAL.cdf(abs(difference) / error - _NORMAL.inv_cdf(1 - _alpha(level, arms) / 2)) if error else 1.0


def detectable_conversions(
    rate: float, per_arm: int, *, level: float = 0.95, power: float = 0.8, arms: int = 2
) -> float | None:
    """Least relative rise of a conversion rate that a fixed test of `per_arm` visitors finds with this power; None where
    even conversion of everybody would not be found."""
    if not 0 < rate < 1 or per_arm < 2:
        return None

    def enough(lift: float) -> bool:
        return power_of(*conversion_variances(rate, lift), per_arm, level=level, arms=arms) >= power

    low, high = 0.0, 1 / rate - 1
    if not enough(high):
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_mean(
    mean: float, sd: float, per_arm: int, *, level: float = 0.95, power: float = 0.8, arms: int = 2
) -> float | None:
    """Least relative change of a mean that a fixed test of `per_arm` visitors finds with this power; None at a mean of 0."""
    if not mean or per_arm < 2:
        return None
    z = _NORMAL.inv_cdf(1 - _alpha(level, arms) / 2) + _NORMAL.inv_cdf(power)
    return z * math.sqrt(2 * sd**2 / per_arm) / abs(mean)


def still_needed(
    control: Summary, treatment: Summary, smallest: float | None = None, *, level: float = 0.95, power: float = 0.8,
    sequential: bool = False, tuning: int = ab_sequential.TUNING,
) -> int | None:  # fmt: skip
    """Visitors that the smaller arm still lacks until the smallest effect that matters (relative; else the difference seen
    so far) would be found with this power. None where the data give no answer or it lies beyond a thousand million."""
    variance = control.variance + treatment.variance
    wanted = abs(control.mean) * smallest if smallest else 0.0
    wanted = wanted or abs(treatment.mean - control.mean)
    if not wanted or not variance:
        return None
    alpha, z = 1 - level, _NORMAL.inv_cdf(power)
    ratio = wanted**2 / variance
    if sequential:
        n = _least(lambda m: m * ratio >= (ab_sequential.multiplier(2 * m, alpha, tuning) + z) ** 2, 2)
    else:
        n = math.ceil((_NORMAL.inv_cdf(1 - alpha / 2) + z) ** 2 / ratio)
    return max(1, n - min(control.n, treatment.n)) if n < _MOST else None


def _alpha(level: float, arms: int) -> float:
    return (1 - level) / (arms - 1)


def _least(enough: Callable[[int], bool], start: int) -> int:
    """The least n ≥ start that is enough, of something that stays enough; at most a thousand million."""
    low, high = start, start
    while high < _MOST and not enough(high):
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


@dataclass(frozen=True)
class DesignPower:
    """Share of simulated runs that found each of `lifts` (0 first: its share is the rate of false alarms); `detectable` is
    the least lift found with the power asked for, None where none was. `items` took part after trimming."""

    lifts: tuple[float, ...]
    power: tuple[float, ...]
    false_alarms: float
    detectable: float | None
    items: int
    enough_items: bool


def item_power(
    history: Sequence[Sequence[float]] | Array, days: int, *, design: str = "crossover", washout: int = 7,
    lifts: Sequence[float] = (0.05, 0.1, 0.2, 0.3), heroes: float = 0.01, level: float = 0.95, power: float = 0.8,
    trim: float = ab_design.TRIM, runs: int = 300, seed: int = 20261125,
) -> DesignPower:  # fmt: skip
    """Power of a product-split test by simulation on the shop's own history (items, days of one metric), as FeedX does.

    Each run takes a random stretch of `days`, with as many before it for "difference" and "cuped" and a week for the others
    (heroes are trimmed by it), splits the items at random, multiplies treated days by 1 + lift and analyses them. Raises
    ValueError for a history too short or another design.
    """
    if design not in ("crossover", "none", "difference", "cuped"):
        raise ValueError(f"design is crossover, none, difference or cuped, not {design}")
    daily = np.asarray(history, np.float64)
    before = days if design in ("difference", "cuped") else 7
    if daily.ndim != 2 or daily.shape[1] < days + before or daily.shape[0] < 4:
        raise ValueError(f"the history must have four items and {days + before} days, not {daily.shape}")
    rng = np.random.default_rng(seed)
    windows = ab_design.crossover_windows(days, washout) if design == "crossover" else None
    # Cumulated once, a window's mean per day costs one subtraction.
    summed = np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, 1)], 1)

    def mean(start: int, stop: int) -> Array:
        return (summed[:, stop] - summed[:, start]) / (stop - start)

    told = (0.0, *(lift for lift in lifts if lift))
    found, kept_items = np.zeros(len(told)), len(daily)
    for _ in range(runs):
        start = before + int(rng.integers(daily.shape[1] - days - before + 1))
        earlier = mean(start - before, start)
        kept = ab_design.trim_heroes(earlier, heroes).kept
        kept_items = int(kept.sum())
        treated = rng.permutation(kept_items) < kept_items // 2
        for i, lift in enumerate(told):
            if windows:
                one, two = (mean(start + w.start, start + w.stop)[kept] for w in windows)
                one, two = one * (1 + lift * treated), two * (1 + lift * ~treated)
                effect = ab_design.crossover(one, two, treated, level=level, trim=trim)
            else:
                post = mean(start, start + days)[kept] * (1 + lift * treated)
                effect = ab_design.item_effect(post, treated, earlier[kept], adjust=design, level=level, trim=trim)
            found[i] += effect is not None and effect.p_value < 1 - level and effect.effect * lift >= 0
    shares = found / runs
    seen = sorted(lift for lift, share in zip(told[1:], shares[1:], strict=True) if share >= power and lift > 0)
    return DesignPower(
        told, tuple(float(s) for s in shares), float(shares[0]), seen[0] if seen else None, kept_items,
        kept_items >= ab_design.LEAST_ITEMS,
    )  # fmt: skip
