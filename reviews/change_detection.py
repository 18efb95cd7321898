"""Whether a day's or a week's counts are unusual, with a false-alarm rate that can be stated. Pure: numbers in, verdict out.

Every series is tested twice a day, over the last day and over the last seven days, one-sided. With `alpha` as the level
of each test, the union bound gives at most 2 × 365 × alpha false alarms a year; `alpha_for` turns that around.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

WINDOWS = (1, 7)
BASELINE_DAYS = 28
WEEKDAY_DAYS = 56  # the weekday's own share is used from eight weeks on
MAX_DAYS = 84
MIN_BASELINE = 14
FLOOR = 10  # reviews in the window: a percentage of three says nothing
MIN_NEGATIVE = 5
MIN_RATIO = 1.5  # a difference that nobody would notice isn't worth a warning, however sure it is
FALSE_ALARMS_PER_YEAR = 0.1
TESTS_PER_YEAR = 365 * len(WINDOWS)


def alpha_for(false_alarms_per_year: float = FALSE_ALARMS_PER_YEAR) -> float:
    """Level of each test so that a series gives at most so many false alarms a year (union bound)."""
    return false_alarms_per_year / TESTS_PER_YEAR


@dataclass(frozen=True)
class Signal:
    """An unusual window: `days` long, ending with the last day of the series."""

    days: int
    observed: int
    total: int | None  # of how many, for shares
    expected: float
    upper: float  # what the window stays below, save with probability alpha
    p_value: float
    alpha: float
    formula: str
    baseline_days: int
    dispersion: float

    def as_dict(self) -> dict:
        return asdict(self)


def _history(series: Sequence[int], days: int) -> np.ndarray:
    """Baseline before the window: 28 days, or whole weeks up to 84 days once there are eight weeks."""
    past = np.asarray(series[: len(series) - days], dtype=float)
    if len(past) < WEEKDAY_DAYS:
        return past[-BASELINE_DAYS:]
    return past[-(min(len(past), MAX_DAYS) // 7 * 7) :]


def _dispersion(counts: np.ndarray, expected: np.ndarray, parameters: int) -> float:
    """Pearson's chi-square over its degrees of freedom, at the upper end of what so few days leave open.

    McCullagh and Nelder, Generalized Linear Models (1989), 4.5. The estimate is divided by the 10 % point of its own
    distribution under plain Poisson counts, because a level is only kept when the spread isn't taken too small.
    """
    from scipy import stats

    keep = expected > 0
    df = max(1, int(keep.sum()) - parameters)
    chi = float((((counts - expected) ** 2)[keep] / expected[keep]).sum())
    if chi <= stats.chi2.ppf(0.5, df):
        return 1.0
    return max(1.0, chi / float(stats.chi2.ppf(0.1, df)))


def volume(series: Sequence[int], *, alpha: float | None = None) -> Signal | None:
    """Test whether the newest day or week has unusually many reviews.

    `series`: reviews a day, oldest first, the last is today's. The count of the window is compared with the negative
    binomial whose mean is the baseline's and whose variance is dispersion × mean × (1 + window / baseline), the second
    part for the baseline being an estimate itself; without overdispersion the exact conditional test of two Poisson
    rates is used (Przyborowski and Wilenski 1940: given the sum, the window's count is binomial). From eight weeks on
    each weekday has a level of its own. The more unusual window is returned, None when neither is.
    """
    from scipy import stats

    alpha = alpha_for() if alpha is None else alpha
    found: list[Signal] = []
    for days in WINDOWS:
        if len(series) < days + MIN_BASELINE:
            continue
        observed = int(sum(series[-days:]))
        past = _history(series, days)
        n, m = len(past), float(past.sum())
        weekly = n >= WEEKDAY_DAYS and n % 7 == 0
        if weekly:
            # past[-1] is the day before the window; position modulo 7 is the weekday.
            # half a review on each weekday keeps a weekday without any from having a level of zero
            levels = (past.reshape(-1, 7).sum(axis=0) + 0.5) / (n // 7)
            fitted = np.tile(levels, n // 7)
            expected = float(sum(levels[i % 7] for i in range(days)))
            weeks, parameters = n / 7, 7
            ratio = max(1 / weeks, days / n)
        else:
            level = (m + 0.5) / n
            fitted, expected, parameters = np.full(n, level), level * days, 1
            ratio = days / n
        phi = _dispersion(past, fitted, parameters)
        if phi == 1.0:
            share = ratio / (1 + ratio)
            base = expected / ratio
            p = float(stats.binom.sf(observed - 1, int(round(base)) + observed, share))
            mean, variance = expected, expected * (1 + ratio)
            formula = "Poisson, conditional binomial"
        else:
            mean, variance = expected, phi * expected * (1 + ratio)
            formula = "negative binomial"
            p = float(stats.nbinom.sf(observed - 1, *_nb(mean, variance)))
        if observed < FLOOR or observed < MIN_RATIO * expected or p > alpha:
            continue
        upper = float(stats.nbinom.isf(alpha, *_nb(mean, max(variance, mean * 1.001))))
        found.append(Signal(days, observed, None, expected, upper, p, alpha, formula, n, phi))
    return min(found, key=lambda s: s.p_value, default=None)


def _nb(mean: float, variance: float) -> tuple[float, float]:
    """Size and probability of the negative binomial with that mean and (larger) variance."""
    variance = max(variance, mean * 1.0001)
    return mean * mean / (variance - mean), mean / variance


def _share_dispersion(k: np.ndarray, n: np.ndarray, share: float) -> float:
    """Correlation of the reviews of a day, by moments (Williams 1982), 0 when days differ no more than chance makes
    them; taken at its upper end as the counts' dispersion is."""
    from scipy import stats

    keep = n > 0
    k, n = k[keep], n[keep]
    if len(n) < 5 or not 0 < share < 1:
        return 0.0
    chi = float(((k - n * share) ** 2 / (n * share * (1 - share))).sum())
    df = len(n) - 1
    if chi <= stats.chi2.ppf(0.5, df):
        return 0.0
    phi = chi / float(stats.chi2.ppf(0.1, df))
    size = float((n * n).sum() / n.sum())
    return min(0.9, max(0.0, (phi - 1) / max(size - 1, 1e-9))) if size > 1 else 0.0


def share(
    negatives: Sequence[int], totals: Sequence[int], *, alpha: float | None = None, minimum: int = MIN_NEGATIVE
) -> Signal | None:
    """Test whether the newest day or week has an unusual share of one kind among its reviews.

    Fisher's exact test against the baseline; where the baseline's days differ more than chance makes them, the
    beta-binomial with their correlation, and the larger p-value counts. A window needs ten reviews, five of the kind.
    """
    from scipy import stats

    alpha = alpha_for() if alpha is None else alpha
    found: list[Signal] = []
    for days in WINDOWS:
        if len(totals) < days + MIN_BASELINE:
            continue
        k, n = int(sum(negatives[-days:])), int(sum(totals[-days:]))
        past_k, past_n = _history(negatives, days), _history(totals, days)
        base_k, base_n = int(past_k.sum()), int(past_n.sum())
        if n < FLOOR or k < minimum or base_n < FLOOR:
            continue
        level = (base_k + 0.5) / (base_n + 1)
        expected = level * n
        p = float(stats.hypergeom.sf(k - 1, base_n + n, base_k + k, n))
        formula, rho = "Fisher's exact test", _share_dispersion(past_k, past_n, level)
        spread = level * (1 - level) * n * (1 + n / base_n)
        if rho > 0:
            spread = level * (1 - level) * n * (1 + (n / days - 1) * rho) * (1 + n / base_n)
            overall = min(0.9, max(1e-6, (spread / (level * (1 - level) * n) - 1) / max(n - 1, 1)))
            a, b = level * (1 - overall) / overall, (1 - level) * (1 - overall) / overall
            wide = float(stats.betabinom.sf(k - 1, n, a, b))
            if wide > p:
                p, formula = wide, "beta-binomial"
        if k < MIN_RATIO * expected or p > alpha:
            continue
        upper = min(float(n), expected + float(stats.norm.isf(alpha)) * spread**0.5)
        found.append(Signal(days, k, n, expected, upper, p, alpha, formula, len(past_n), rho))
    return min(found, key=lambda s: s.p_value, default=None)


@dataclass(frozen=True)
class Measured:
    """What a simulation found: false alarms a series and year, their 95 % upper bound, days from spike to alarm."""

    series_years: float
    false_alarms: int
    false_alarms_per_year: float
    upper_bound: float
    found: int
    planted: int
    mean_delay_days: float


def _draw(rng: np.random.Generator, kind: str, level: float, days: int) -> np.ndarray:
    weekday = np.array([1.2, 1.1, 1.0, 1.0, 0.9, 0.6, 0.7]) * 7 / 6.5
    mean = np.full(days, level) if kind != "weekday" else level * np.resize(weekday, days)
    if kind == "overdispersed":
        return rng.poisson(rng.gamma(4.0, mean / 4.0))
    return rng.poisson(mean)


def measure(*, seed: int = 0, series: int = 12, days: int = 365, kind: str = "poisson", test: str = "volume",
            levels: Sequence[float] = (2.0, 8.0, 30.0), factor: float = 3.0, alpha: float | None = None) -> Measured:  # fmt: skip
    """Run the tests day by day over made series: once quiet (false alarms are episodes at least a week apart), then with
    a spike (volume, or share, times `factor` for a week) planted at a fixed day (delay in days, 0 is the same day)."""
    from scipy import stats

    rng = np.random.default_rng(seed)
    alarms = found = 0
    delays: list[int] = []
    for number in range(series):
        level = levels[number % len(levels)]
        counts = _draw(rng, kind, level, days + MAX_DAYS)
        bad = rng.binomial(counts, 0.12)
        last = -99
        for day in range(MAX_DAYS, days + MAX_DAYS):
            part = slice(day - MAX_DAYS, day + 1)
            if _test(test, bad[part], counts[part], alpha):
                alarms += day - last > 7
                last = day
        spike = MAX_DAYS + int(rng.integers(7))
        counts, bad = counts.copy(), bad.copy()
        week = slice(spike, spike + 7)
        if test == "volume":
            counts[week] = _draw(rng, kind, level * factor, 7)
        else:
            bad[week] = rng.binomial(counts[week], min(0.95, 0.12 * factor))
        for day in range(spike, spike + 7):
            if _test(test, bad[day - MAX_DAYS : day + 1], counts[day - MAX_DAYS : day + 1], alpha):
                found += 1
                delays.append(day - spike)
                break
    years = series * days / 365
    return Measured(
        years, alarms, alarms / years, float(stats.chi2.ppf(0.95, 2 * alarms + 2)) / 2 / years, found, series,
        float(np.mean(delays)) if delays else float("nan"),
    )  # fmt: skip


def _test(test: str, bad: np.ndarray, counts: np.ndarray, alpha: float | None) -> Signal | None:
    return volume(counts, alpha=alpha) if test == "volume" else share(bad, counts, alpha=alpha)
