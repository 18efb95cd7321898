"""What each arm's visitors did, summed by the database.

A visitor counts from the first exposure on, for the conversion window, unless it is a bot or was shown another arm too. An
event counts when it is about a product of the experiment, or about no product at all (a whole order, an own event).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from ecomai.models import Store
from products.models import Experiment

PRE_PERIOD = timedelta(days=14)
TRAFFIC_DAYS = 14
MOST_VALUES = 12  # of a segment's key, the most frequent ones
Metric = Experiment.Metric


@dataclass(frozen=True)
class ArmData:
    """Sums over the `n` visitors of an arm, those without an event included.

    `x` have at least one event. `total` and `squares` are of what a visitor counts: 0 or 1, for revenue the value up to
    `cap`; `raw_…` as it was. `pre_…` and `cross` are of the same before the first exposure (CUPED). `foreign` events had a
    value in another currency and add nothing to revenue.
    """

    arm_id: int
    name: str
    is_control: bool
    n: int = 0
    x: int = 0
    total: float = 0.0
    squares: float = 0.0
    raw_total: float = 0.0
    raw_squares: float = 0.0
    pre_total: float = 0.0
    pre_squares: float = 0.0
    cross: float = 0.0
    foreign: int = 0
    cap: float | None = None


@dataclass(frozen=True)
class Arrivals:
    """Visitors of an arm that count; beside them the bots and those who were shown another arm too."""

    arm_id: int
    n: int
    bots: int
    in_several: int


@dataclass(frozen=True)
class Traffic:
    """What the last days say of the products before a test: distinct `visitors`, how many `converted`, and the mean and
    standard deviation of revenue per visitor."""

    days: int
    visitors: int
    converted: int
    mean: float
    deviation: float

    @property
    def per_day(self) -> float:
        return self.visitors / self.days

    @property
    def rate(self) -> float:
        return self.converted / self.visitors if self.visitors else 0.0


def kind_of(metric: str) -> str:
    """The kind of event that a metric counts."""
    return "purchase" if metric == Metric.REVENUE else metric


# One join of two tables with statistics: nothing that is planned for one row and then run for a hundred thousand.
_SUMS = """
WITH each AS MATERIALIZED (
    SELECT a.arm_id, {part} AS part, count(v.id) FILTER (WHERE {within}) AS events,
        coalesce({value} FILTER (WHERE {within}), 0)::float8 AS raw,
        coalesce({value} FILTER (WHERE v.at < a.at), 0)::float8 AS before,
        count(v.id) FILTER (WHERE {within} AND NOT {ours}) AS foreign_n
    FROM products_assignment a LEFT JOIN products_event v ON v.store_id = %(store)s AND v.visitor = a.visitor
        AND v.kind = %(kind)s{named} AND NOT v.is_bot AND v.at >= a.at - %(before)s AND v.at < a.at + %(window)s
        AND v.at <= %(until)s
    WHERE a.experiment_id = %(experiment)s AND NOT a.is_bot AND NOT a.other_arm AND a.at <= %(joined)s {where}
    GROUP BY a.id
), cap AS MATERIALIZED (
    SELECT coalesce(%(cap)s::float8, (
        SELECT percentile_cont(%(percentile)s) WITHIN GROUP (ORDER BY abs(raw)) FROM each WHERE raw <> 0
    )) AS most
), capped AS (
    SELECT arm_id, part, events, raw, foreign_n, most, greatest(-most, least(most, raw)) AS y,
        greatest(-most, least(most, before)) AS pre
    FROM each CROSS JOIN cap
)
SELECT arm_id, part, count(*), count(*) FILTER (WHERE events > 0), sum(y), sum(y * y), sum(raw), sum(raw * raw), sum(pre),
    sum(pre * pre), sum(y * pre), sum(foreign_n), max(most)
FROM capped GROUP BY arm_id, part"""


def _sums(
    experiment: Experiment, metric: str, *, name: str = "", until: datetime | None = None, joined: datetime | None = None,
    part: str = "NULL", where: str = "", cap: float | None = None, params: Mapping[str, Any] = {},
) -> dict[Any, list[ArmData]]:  # fmt: skip
    """{part: the arms in order}; arms without visitors have zeros."""
    until = until or timezone.now()
    money = metric == Metric.REVENUE
    ours = "v.currency IN ('', %(currency)s)" if money else "true"
    about = (
        "(v.product_id IN (SELECT t.product_id FROM products_armtext t JOIN products_arm r ON r.id = t.arm_id"
        " WHERE r.experiment_id = %(experiment)s) OR (v.product_id IS NULL AND v.sku = ''))"
    )
    sql = _SUMS.format(
        part=part, where=where, ours=ours, within=f"v.at >= a.at AND {about}",
        value=f"sum(CASE WHEN {ours} THEN v.value END)" if money else "max(CASE WHEN v.id IS NOT NULL THEN 1 END)",
        named=" AND v.name = %(name)s" if metric == Metric.CUSTOM else "",
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, {
            "experiment": experiment.pk, "store": experiment.store_id, "kind": kind_of(metric), "until": until,
            "joined": min(joined or until, until), "window": timedelta(hours=experiment.window_hours),
            "before": PRE_PERIOD, "percentile": experiment.winsorise, "currency": experiment.store.currency,
            "name": name or experiment.custom_event, "cap": cap, "tz": experiment.store.timezone, **params,
        })  # fmt: skip
        rows = cursor.fetchall()
    found: dict[Any, dict[int, tuple]] = {}
    for arm_id, group, *numbers in rows:
        found.setdefault(group, {})[arm_id] = numbers
    arms = list(experiment.arms.all())
    return {group: [_arm(arm, by_arm.get(arm.pk)) for arm in arms] for group, by_arm in (found or {None: {}}).items()}


def _arm(arm, numbers: Sequence | None) -> ArmData:
    if numbers is None:
        return ArmData(arm.pk, arm.name, arm.is_control)
    n, x, *sums, foreign, cap = numbers
    return ArmData(arm.pk, arm.name, arm.is_control, n, x, *(float(s) for s in sums), int(foreign), cap)


def _chosen(segment: Mapping[str, str] | None, day: date | None) -> tuple[str, dict]:
    where, params = "", {}
    for number, (key, value) in enumerate((segment or {}).items()):
        if key == "locale":
            where += f" AND a.locale = %(segment{number})s"
        else:
            where += f" AND a.segment ->> %(key{number})s = %(segment{number})s"
            params[f"key{number}"] = key
        params[f"segment{number}"] = value
    if day is not None:
        where += " AND (a.at AT TIME ZONE %(tz)s)::date = %(day)s"
        params["day"] = day
    return where, params


def arms(
    experiment: Experiment, metric: str, *, until: datetime | None = None, segment: Mapping[str, str] | None = None,
    day: date | None = None, joined: datetime | None = None, cap: float | None = None, name: str = "",
) -> list[ArmData]:  # fmt: skip
    """The arms in order, from events up to `until` (now) of visitors who came up to `joined` (`until`).

    `segment`: {key: value} as the shop sends them, or {"locale": …}. `day`: of the first exposure, in the store's time.
    `name`: of the own event, the experiment's unless told. `cap`: the percentile over all arms unless told.
    """
    where, params = _chosen(segment, day)
    found = _sums(experiment, metric, name=name, until=until, joined=joined, where=where, cap=cap, params=params)
    return next(iter(found.values()))


def by_day(
    experiment: Experiment, metric: str, *, until: datetime | None = None, joined: datetime | None = None,
    cap: float | None = None,
) -> list[tuple[date, list[ArmData]]]:  # fmt: skip
    """The arms for each day of first exposure (in the store's time), oldest first; days without visitors are left out."""
    found = _sums(experiment, metric, until=until, joined=joined, part="(a.at AT TIME ZONE %(tz)s)::date", cap=cap)
    return sorted((day, rows) for day, rows in found.items() if day is not None)


def by_segment(
    experiment: Experiment, metric: str, key: str, *, until: datetime | None = None, joined: datetime | None = None,
    cap: float | None = None,
) -> list[tuple[str, list[ArmData]]]:  # fmt: skip
    """The arms for each value of a segment's key (or of "locale"), the largest first."""
    part = "a.locale" if key == "locale" else "coalesce(a.segment ->> %(key)s, '')"
    found = _sums(experiment, metric, until=until, joined=joined, part=part, cap=cap, params={"key": key})
    rows = [(value, data) for value, data in found.items() if value is not None]
    return sorted(rows, key=lambda row: -sum(arm.n for arm in row[1]))[:MOST_VALUES]


def segment_keys(experiment: Experiment) -> list[str]:
    """What visitors can be told apart by: "locale" and the keys that the shop sends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k, count(*) FROM products_assignment a, jsonb_object_keys(a.segment) k WHERE a.experiment_id = %s "
            "AND jsonb_typeof(a.segment) = 'object' GROUP BY k ORDER BY 2 DESC, 1 LIMIT 6",
            [experiment.pk],
        )
        return ["locale", *(row[0] for row in cursor.fetchall() if row[0] != "locale")]


def arrivals(experiment: Experiment, *, until: datetime | None = None) -> list[Arrivals]:
    """Who came into each arm up to `until` (now)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT arm_id, count(*) FILTER (WHERE NOT is_bot AND NOT other_arm), count(*) FILTER (WHERE is_bot), "
            "count(*) FILTER (WHERE other_arm AND NOT is_bot) FROM products_assignment "
            "WHERE experiment_id = %s AND at <= %s GROUP BY arm_id",
            [experiment.pk, until or timezone.now()],
        )
        found = {row[0]: row for row in cursor.fetchall()}
    return [Arrivals(*found.get(arm.pk, (arm.pk, 0, 0, 0))) for arm in experiment.arms.all()]


def came_between(experiment: Experiment, starts: Sequence[datetime], until: datetime) -> list[int]:
    """Visitors that count from each start to the next one, the last up to `until`; `starts` are in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT width_bucket(at, %s::timestamptz[]), count(*) FROM products_assignment WHERE experiment_id = %s "
            "AND at <= %s AND NOT is_bot AND NOT other_arm GROUP BY 1",
            [list(starts), experiment.pk, until],
        )
        found = dict(cursor.fetchall()) if starts else {}
    return [found.get(number + 1, 0) for number in range(len(starts))]


def reached(experiment: Experiment, per_arm: int) -> datetime | None:
    """When the last arm got its visitor number `per_arm`; None while one lacks visitors."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), max(at) FROM (SELECT arm_id, at, row_number() OVER (PARTITION BY arm_id ORDER BY at, id) AS n "
            "FROM products_assignment WHERE experiment_id = %s AND NOT is_bot AND NOT other_arm) t WHERE n = %s",
            [experiment.pk, per_arm],
        )
        count, at = cursor.fetchone()
    return at if count == experiment.arms.count() else None


def traffic(
    store: Store, product_ids: Sequence[int], metric: str, *, window_hours: int, name: str = "",
    now: datetime | None = None,
) -> Traffic:  # fmt: skip
    """Visitors of these products in the last 14 days and what they did within the window after their first event there."""
    now = now or timezone.now()
    conversion = "v.kind = %(kind)s" + (" AND v.name = %(name)s" if metric == Metric.CUSTOM else "")
    sql = f"""
        WITH who AS (
            SELECT visitor, min(at) AS at FROM products_event
            WHERE store_id = %(store)s AND product_id = ANY(%(products)s) AND at >= %(since)s AND at <= %(now)s AND NOT is_bot
            GROUP BY visitor
        ), did AS (
            SELECT w.visitor, count(v.id) AS n,
                coalesce(sum(v.value) FILTER (WHERE v.currency IN ('', %(currency)s)), 0)::float8 AS value
            FROM who w LEFT JOIN products_event v ON v.store_id = %(store)s AND v.visitor = w.visitor AND {conversion}
                AND NOT v.is_bot AND v.at >= w.at AND v.at < w.at + %(window)s AND v.at <= %(now)s
                AND (v.product_id = ANY(%(products)s) OR (v.product_id IS NULL AND v.sku = ''))
            GROUP BY w.visitor
        ) SELECT count(*), count(*) FILTER (WHERE n > 0), coalesce(avg(value), 0), coalesce(stddev_samp(value), 0) FROM did"""
    with connection.cursor() as cursor:
        cursor.execute(sql, {
            "store": store.pk, "products": list(product_ids), "since": now - timedelta(days=TRAFFIC_DAYS), "now": now,
            "kind": kind_of(metric), "name": name, "currency": store.currency, "window": timedelta(hours=window_hours),
        })  # fmt: skip
        return Traffic(TRAFFIC_DAYS, *cursor.fetchone())
