"""What the statistics of experiments promise, by seeded simulation: false alarms, coverage, false split alarms, regret.

Every figure says over which scenarios. Most runs use the same functions as the verdict on arrays of thousands of tests at
once; `*_judged` figures go through the verdict itself, test by test.
"""

import math
import time

import numpy as np

from ml import ab_design, ab_planning, ab_sequential
from ml.ab_arms import Arm, Conversions, Sums
from ml.ab_bandit import allocate
from ml.ab_health import sample_ratio
from ml.ab_posteriors import Beta, chance, difference_cdf, lift_cdf
from ml.ab_stats import Rules, judge

SEED = 20261125
Array = np.ndarray

# rate, visitors of control and of treatment
TESTS = [
    (0.01, 3000, 3000),
    (0.03, 1000, 1000),
    (0.05, 9000, 1000),
    (0.05, 5000, 5000),
    (0.1, 1000, 1000),
    (0.3, 300, 300),
]
BUYERS = 0.08  # share of visitors with revenue
ORDER = (3.5, 0.8)  # lognormal


def _share(hits: Array) -> float:
    return round(float(np.mean(hits)), 4)


def _revenue(rng: np.random.Generator, runs: int, n: int, factor: float = 1.0) -> tuple[Array, Array, Array]:
    """Total, squares and buyers (runs,) of n visitors each."""
    buyers = rng.binomial(n, BUYERS, runs)
    values = factor * rng.lognormal(*ORDER, int(buyers.sum()))
    starts = np.concatenate([[0], np.cumsum(buyers)[:-1]])
    return np.add.reduceat(values, starts), np.add.reduceat(values**2, starts), buyers


def _effects(rng: np.random.Generator, runs: int, n: int, factor: float = 1.0) -> tuple[Array, Array]:
    """Difference of revenue per visitor and its standard error over `runs` tests."""
    sides = [_revenue(rng, runs, n, f) for f in (1.0, factor)]
    means = [total / n for total, _, _ in sides]
    variances = [(squares - total**2 / n) / (n - 1) for total, squares, _ in sides]
    return means[1] - means[0], np.sqrt((variances[0] + variances[1]) / n)


def _chunks(runs: int, size: int = 4000) -> list[slice]:
    return [slice(at, min(at + size, runs)) for at in range(0, runs, size)]


def fixed(rng: np.random.Generator, runs: int = 10_000) -> dict:
    """False alarms of the fixed test, one look, nothing to find."""
    shares = {}
    for rate, n, m in TESTS:
        a, b = rng.binomial(n, rate, runs), rng.binomial(m, rate, runs)
        won = np.concatenate(
            [chance(Beta(1.0 + b[s], 1.0 + m - b[s]), Beta(1.0 + a[s], 1.0 + n - a[s])) for s in _chunks(runs)]
        )
        shares[f"conversions {rate:.0%} {n}:{m}"] = _share((won >= 0.975) | (won <= 0.025))
    estimate, error = _effects(rng, runs, 4000)
    shares["revenue 4000:4000"] = _share(np.abs(estimate / error) > 1.96)
    rules, told = Rules(minimum_days=0, planned_per_arm=1000), []
    for _ in range(500):
        a, b = rng.binomial(1000, 0.05, 2)
        told.append(judge([Conversions(1000, int(a)), Conversions(1000, int(b))], rules, days=9).status)
    return {
        "fpr_fixed": _share(list(shares.values())),
        "fpr_fixed_by_scenario": shares,
        "fpr_fixed_judged": _share([status in ("winner", "loser") for status in told]),
        "fpr_fixed_tests": runs * len(shares),
    }


def watched(rng: np.random.Generator, runs: int = 4000, looks: int = 50, batch: int = 200) -> dict:
    """False alarms of tests that are looked at after each of 50 batches of 200 visitors an arm; for contrast the same looks
    with the fixed test's 1.96."""
    shares, naive = {}, {}
    least, n = Rules().minimum_events, batch * np.arange(1, looks + 1)
    for rate in (0.02, 0.05, 0.2):
        x = [np.cumsum(rng.binomial(batch, rate, (runs, looks)), 1) for _ in range(2)]
        smooth = [(v + 1) / (n + 2) for v in x]
        error = np.sqrt(sum(p * (1 - p) for p in smooth) / n)
        z, enough = np.abs((x[1] - x[0]) / n / error), x[0] + x[1] >= least
        crossed = (z > ab_sequential.multiplier(2.0 * n)) & enough
        shares[f"conversions {rate:.0%}"] = _share(crossed.any(1))
        naive[f"conversions {rate:.0%}"] = _share(((z > 1.96) & enough).any(1))
    sums = []
    for _ in range(2):
        parts = [_revenue(rng, runs, batch) for _ in range(looks)]
        total, squares, buyers = (np.cumsum(np.stack([p[i] for p in parts], 1), 1) for i in range(3))
        sums.append((total / n, (squares - total**2 / n) / (n - 1), buyers))
    z = np.abs(sums[1][0] - sums[0][0]) / np.sqrt((sums[0][1] + sums[1][1]) / n)
    enough = sums[0][2] + sums[1][2] >= least
    shares["revenue"] = _share(((z > ab_sequential.multiplier(2.0 * n)) & enough).any(1))
    naive["revenue"] = _share(((z > 1.96) & enough).any(1))
    rules, told = Rules(mode="sequential", minimum_days=0), []
    for _ in range(150):
        hits = np.cumsum(rng.binomial(batch, 0.05, (looks, 2)), 0)
        arms = ([Conversions(int(m), int(x)) for x in row] for m, row in zip(n, hits, strict=True))
        told.append(any(judge(pair, rules, days=9).status in ("winner", "loser") for pair in arms))
    return {
        "fpr_sequential": _share(list(shares.values())),
        "fpr_sequential_by_scenario": shares,
        "fpr_sequential_judged": _share(told),
        "fpr_fixed_test_peeked_at": naive,
        "looks": looks,
        "fpr_sequential_tests": runs * len(shares),
    }


def coverage(rng: np.random.Generator, runs: int = 4000) -> dict:
    """How often the 95 % interval holds the truth: an interval does just when the posterior's share below the truth lies
    between its tails."""
    shares, lifts = {}, {}
    for rate, n, m in TESTS:
        for lift in (0.0, 0.2):
            a, b = rng.binomial(n, rate, runs), rng.binomial(m, rate * (1 + lift), runs)
            below, under = [], []
            for s in _chunks(runs, 2000):
                pair = Beta(1.0 + a[s], 1.0 + n - a[s]), Beta(1.0 + b[s], 1.0 + m - b[s])
                below.append(difference_cdf(*pair, rate * lift))
                under.append(lift_cdf(*pair, lift))
            name = f"conversions {rate:.0%} {n}:{m} lift {lift:.0%}"
            shares[name] = _share(np.abs(np.concatenate(below) - 0.5) <= 0.475)
            lifts[name] = _share(np.abs(np.concatenate(under) - 0.5) <= 0.475)
    for factor in (1.0, 1.2):
        estimate, error = _effects(rng, runs, 4000, factor)
        truth = (factor - 1) * BUYERS * math.exp(ORDER[0] + ORDER[1] ** 2 / 2)
        shares[f"revenue 4000:4000 lift {factor - 1:.0%}"] = _share(np.abs(estimate - truth) <= 1.96 * error)
    every = [*shares.values(), *lifts.values()]
    return {
        "coverage": _share(every),
        "coverage_least": min(every),
        "coverage_most": max(every),
        "coverage_difference_by_scenario": shares,
        "coverage_lift_by_scenario": lifts,
        "coverage_tests": runs * len(shares),
    }


def splits(rng: np.random.Generator, runs: int = 10_000) -> dict:
    """False alarms of the split check where visitors were split as planned."""
    shares = {}
    for weights, n in (
        ((0.5, 0.5), 200),
        ((0.5, 0.5), 20_000),
        ((0.9, 0.1), 1000),
        ((1 / 3,) * 3, 900),
        ((0.2,) * 5, 5000),
    ):
        drawn = rng.multinomial(n, weights, runs)
        name = ":".join(f"{w:.0%}" for w in weights) + f" of {n}"
        shares[name] = _share([sample_ratio(row, weights).alarm for row in drawn.tolist()])
    return {
        "srm_false_alarm": round(float(np.mean(list(shares.values()))), 5),
        "srm_false_alarm_by_scenario": shares,
    }


SCENARIOS = {
    "five arms, one better": ("conversions", (0.03, 0.03, 0.045, 0.03, 0.03), True),
    "two arms": ("conversions", (0.05, 0.06), True),
    "ten arms, spread": ("conversions", tuple(0.02 + 0.002 * i for i in range(10)), True),
    "four arms, lower is better": ("conversions", (0.10, 0.08, 0.12, 0.09), False),
    "four arms of revenue": ("revenue", (1.0, 1.25, 0.9, 1.1), True),
}


def bandits(rng: np.random.Generator, runs: int = 150, batches: int = 20, batch: int = 1000) -> dict:
    """Regret (what the best arm would have earned more) over 20 days of 1,000 visitors, as a share of the fixed split's."""
    won, table = 0, {}
    for name, (kind, truths, higher) in SCENARIOS.items():
        means = np.array(truths) * (BUYERS * math.exp(ORDER[0] + ORDER[1] ** 2 / 2) if kind == "revenue" else 1.0)
        gaps = means.max() - means if higher else means - means.min()
        split = float(gaps.mean()) * batch * batches
        regrets = []
        for run in range(runs):
            k, regret = len(truths), 0.0
            n, total, squares = np.zeros(k, int), np.zeros(k), np.zeros(k)
            weights = np.full(k, 1 / k)
            for day in range(batches):
                got = rng.multinomial(batch, weights)
                regret += float(gaps @ got)
                n += got
                if kind == "revenue":
                    for i in np.flatnonzero(got):
                        values = truths[i] * rng.lognormal(*ORDER, rng.binomial(got[i], BUYERS))
                        total[i] += values.sum()
                        squares[i] += (values**2).sum()
                    arms: list[Arm] = [Sums(int(n[i]), float(total[i]), float(squares[i])) for i in range(k)]
                else:
                    total += rng.binomial(got, truths)
                    arms = [Conversions(int(n[i]), int(total[i])) for i in range(k)]
                weights = np.array(allocate(arms, higher_is_better=higher, draws=2000, seed=run * 1000 + day).weights)
            regrets.append(regret)
        mean, error = float(np.mean(regrets)), float(np.std(regrets)) / math.sqrt(runs)
        won += mean + 1.96 * error < split
        table[name] = round(mean / split, 3)
    return {"bandit_wins_of_5": won, "bandit_regret_of_split": table, "fpr_bandit": _bandit_alarms(rng)}


def _bandit_alarms(rng: np.random.Generator, runs: int = 200) -> float:
    """Verdicts for or against an arm at any of 15 looks at a three-armed bandit without a difference."""
    alarms, rules = 0, Rules(mode="bandit", minimum_days=0)
    for run in range(runs):
        n, x, weights = np.zeros(3, int), np.zeros(3, int), np.full(3, 1 / 3)
        for day in range(15):
            got = rng.multinomial(1000, weights)
            n, x = n + got, x + rng.binomial(got, 0.05)
            arms = [Conversions(int(a), int(b)) for a, b in zip(n, x, strict=True)]
            if any(c.status in ("winner", "loser") for c in judge(arms, rules, days=9).comparisons):
                alarms += 1
                break
            weights = np.array(allocate(arms, draws=1000, seed=run * 100 + day).weights)
    return round(alarms / runs, 4)


def plans(rng: np.random.Generator, runs: int = 4000) -> dict:
    """Power at the planned size, and how soon a sequence stops: mean visitors over the fixed test's."""
    parts = ab_planning.conversion_variances(0.05, 0.2)
    size = ab_planning.size(*parts)
    n = size.per_arm
    a, b = rng.binomial(n, 0.05, runs), rng.binomial(n, 0.06, runs)
    won = np.concatenate(
        [chance(Beta(1.0 + b[s], 1.0 + n - b[s]), Beta(1.0 + a[s], 1.0 + n - a[s])) for s in _chunks(runs)]
    )
    longer = ab_planning.size(*parts, sequential=True)
    batch = longer.per_arm // 40
    m = batch * np.arange(1, 41)
    x = [np.cumsum(rng.binomial(batch, rate, (runs, 40)), 1) for rate in (0.05, 0.06)]
    smooth = [(v + 1) / (m + 2) for v in x]
    z = (x[1] - x[0]) / m / np.sqrt(sum(p * (1 - p) for p in smooth) / m)
    crossed = (z > ab_sequential.multiplier(2.0 * m, 0.05, longer.tuning)) & (x[0] + x[1] >= Rules().minimum_events)
    stopped = np.where(crossed.any(1), m[crossed.argmax(1)], m[-1])
    return {
        "power_fixed_at_planned_size": _share(won >= 0.975),
        "power_sequential_at_planned_size": _share(crossed.any(1)),
        "sequential_longest_over_fixed": round(longer.inflation, 2),
        "sequential_mean_over_fixed": round(float(stopped.mean()) / n, 2),
    }


def items(rng: np.random.Generator) -> dict:
    """Tests that split products, on a made history of 1,500 items with a heavy tail: false alarms, least lift found."""
    level = rng.lognormal(0.0, 1.3, 1500)[:, None] * (1 + 0.3 * np.sin(np.arange(70) * 2 * np.pi / 7))
    daily = rng.poisson(level * rng.gamma(20, 1 / 20, level.shape)).astype(float)
    found = {
        name: ab_planning.item_power(daily, 28, design=name, lifts=(0.02, 0.05, 0.1, 0.2), runs=1000, seed=SEED)
        for name in ("crossover", "difference", "cuped", "none")
    }
    return {
        "items_false_alarm": {name: f.false_alarms for name, f in found.items()},
        "items_detectable_lift": {name: f.detectable for name, f in found.items()},
        "items_trim": ab_design.TRIM,
    }


def run() -> dict:
    """All figures of experiments.json."""
    out: dict = {}
    started = time.monotonic()
    for i, part in enumerate((fixed, watched, coverage, splits, bandits, plans, items)):
        out |= part(np.random.default_rng([SEED, i]))
        print(f"{part.__name__}: {time.monotonic() - started:.0f} s", flush=True)
    return {**out, "level": Rules().level, "seed": SEED, "data": "simulated"}
