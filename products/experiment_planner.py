"""Before the start: how many visitors and days a test needs for the effect that matters, by the traffic of the last days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ml import ab_planning
from products import experiment_data, feed_tests
from products.experiment_checks import source_of
from products.experiment_data import Traffic
from products.models import ArmText, Experiment, ProductDay

POWER = 0.8
GUESSED_RATE = {"click": 0.2, "add_to_cart": 0.08, "purchase": 0.025, "custom": 0.1}
HISTORY = 90
RUNS = 120
MOST_ITEMS = 4000
Metric = Experiment.Metric


@dataclass(frozen=True)
class Plan:
    """What the planner says. `per_arm` is None where nothing can be said; `guessed` where there was no traffic to learn the
    rate from. `week`, `month`: the relative effect that 7 and 28 days would find with 80 % power."""

    traffic: Traffic
    rate: float
    guessed: bool
    per_arm: int | None = None
    days: int | None = None
    inflation: float = 1.0
    week: float | None = None
    month: float | None = None


@dataclass(frozen=True)
class FeedPlan:
    """Of a feed test: how many `items` take part and, where the reports allow a simulation, the `power` for each of `lifts`
    and the least lift found with 80 % power."""

    items: int
    days: int
    history: int
    lifts: tuple[float, ...] = ()
    power: tuple[float, ...] = ()
    false_alarms: float | None = None
    detectable: float | None = None


def tested(e: Experiment) -> list[int]:
    """Ids of the products that have texts in the experiment."""
    rows = ArmText.objects.filter(arm__experiment=e).order_by("product_id")
    return list(rows.values_list("product_id", flat=True).distinct())


def plan(e: Experiment) -> Plan:
    """Size and duration of a test of visitors, never an error: what can't be told is None."""
    seen = experiment_data.traffic(
        e.store, tested(e), e.metric, window_hours=e.window_hours, name=e.custom_event
    )  # fmt: skip
    arms = max(2, e.arms.count())
    per_day = seen.per_day * e.traffic * ((e.group_to - e.group_from) if e.group_id else 1.0)
    money = e.metric == Metric.REVENUE
    known = seen.visitors >= 100 and (seen.mean > 0 and seen.deviation > 0 if money else 0 < seen.rate < 1)
    if money and not known:
        return Plan(seen, 0.0, True)
    rate = seen.rate if known else GUESSED_RATE.get(e.metric, 0.05)
    options = {"level": e.level, "power": POWER, "arms": arms}
    try:
        if money:
            parts = ab_planning.mean_variances(seen.mean, seen.deviation, e.effect)
        else:
            parts = ab_planning.conversion_variances(rate, e.effect)
        size = ab_planning.size(*parts, **options, sequential=e.mode != Experiment.Mode.FIXED, visitors_per_day=per_day)
    except ValueError:
        return Plan(seen, rate, not known)

    def found(days: int) -> float | None:
        n = int(per_day * days / arms)
        if money:
            return ab_planning.detectable_mean(seen.mean, seen.deviation, n, **options)
        return ab_planning.detectable_conversions(rate, n, **options)

    return Plan(seen, rate, not known, size.per_arm, size.days, size.inflation, found(7), found(28))


def feed_plan(e: Experiment, today: date) -> FeedPlan:
    """Power of a feed test, by simulation on the reports of its own products."""
    ids, course = tested(e), feed_tests.schedule(e)
    column = feed_tests.COLUMN.get(e.metric, "clicks")
    rows = ProductDay.objects.filter(
        store_id=e.store_id, source=source_of(e), product__in=ids[:MOST_ITEMS], day__gte=today - timedelta(days=HISTORY),
        day__lt=today,
    ).values_list("product_id", "day", column)  # fmt: skip
    found = list(rows)
    if not found:
        return FeedPlan(len(ids), course.days, 0)
    first, last = min(day for _pk, day, _v in found), max(day for _pk, day, _v in found)
    length = (last - first).days + 1
    index = {pk: i for i, pk in enumerate(ids[:MOST_ITEMS])}
    daily = np.zeros((len(index), length))
    for pk, day, value in found:
        daily[index[pk], (day - first).days] = float(value)
    crossover = e.design == Experiment.Design.CROSSOVER
    try:
        told = ab_planning.item_power(
            daily, course.days if crossover else e.period_days, design="crossover" if crossover else "difference",
            washout=e.washout_days, lifts=_lifts(e.effect), level=e.level, power=POWER, runs=RUNS,
        )  # fmt: skip
    except ValueError:
        return FeedPlan(len(ids), course.days, length)
    return FeedPlan(
        told.items if len(ids) <= MOST_ITEMS else len(ids), course.days, length, told.lifts[1:], told.power[1:],
        told.false_alarms, told.detectable,
    )  # fmt: skip


def _lifts(effect: float) -> Sequence[float]:
    return sorted({effect, 0.05, 0.1, 0.2, 0.3})
