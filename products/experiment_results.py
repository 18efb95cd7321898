"""A look at an experiment: the numbers of each arm, the verdict, the alarms, per day and per segment, kept as plain JSON.

Poor data give "not yet" and what is still missing, never an error. A fixed split is judged once: by the visitors who came
until the planned size or day was reached, when their conversion windows have closed; later looks say the same.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from ml import ab_design, ab_effects, ab_posteriors, ab_stats
from ml.ab_arms import Arm as ArmNumbers
from ml.ab_arms import Conversions, Sums
from products import experiment_data, feed_tests
from products.experiment_data import ArmData
from products.experiment_words import sentence
from products.experiments import tuning
from products.models import Experiment, ExperimentLook, WeightChange

__all__ = ["compute", "look", "newest", "sentence", "span"]
MOST_POINTS = 30  # of the curve of lifts: exact intervals take time
KEPT_HOURLY = timedelta(days=2)
LEAST_IN_SEGMENT = 30  # visitors per arm below which a segment is not compared
Mode, Metric = Experiment.Mode, Experiment.Metric


@dataclass(frozen=True)
class Span:
    """What is judged: visitors who came up to `joined`, their events up to `until`; `due` is when a fixed split is judged
    (None while that can't be told), `cut_short` when it ended before."""

    joined: datetime
    until: datetime
    due: datetime | None = None
    cut_short: bool = False


def span(e: Experiment, now: datetime) -> Span:
    """The visitors and events of a look."""
    window = timedelta(hours=e.window_hours)
    end = min(now, e.ended_at) if e.ended_at else now
    until = min(now, e.ended_at + window) if e.ended_at else now
    if e.mode == Mode.BANDIT:
        # Shares move: an arm that got its visitors late would look worse while their windows are open.
        return Span(min(end, until - window), until)
    if e.mode != Mode.FIXED or e.started_at is None:
        return Span(end, until)
    full = experiment_data.reached(e, e.planned_per_arm) if e.planned_per_arm else None
    if full is not None:
        full = max(full, e.started_at + timedelta(days=e.min_days))
    over = e.started_at + timedelta(days=e.planned_days) if e.planned_days else None
    ends = [at for at in (full, over) if at is not None]
    if not ends:
        return Span(end, until, cut_short=e.ended_at is not None)
    last = min(ends)
    if e.ended_at is not None and e.ended_at < last:
        return Span(end, until, cut_short=True)
    return Span(min(last, end), min(until, last + window), last + window)


def numbers(metric: str, data: Sequence[ArmData]) -> list[ArmNumbers]:
    """The arms as the statistics take them. Revenue is capped, and what visitors spent before is taken out (CUPED)."""
    if metric != Metric.REVENUE:
        return [Conversions(arm.n, arm.x) for arm in data]
    adjusted = cuped(data).arms
    return [
        Sums(s.n, s.n * s.mean, (s.n - 1) * s.variance + s.n * s.mean**2 if s.n else 0.0, arm.x)
        for s, arm in zip(adjusted, data, strict=True)
    ]


def cuped(data: Sequence[ArmData]) -> ab_design.Cuped:
    """The arms' means with the time before the first exposure taken out."""
    return ab_design.cuped(
        [ab_design.PairedSums(a.n, a.total, a.squares, a.pre_total, a.pre_squares, a.cross) for a in data]
    )


def rules(e: Experiment, *, weights: Sequence[float] | None = None) -> ab_stats.Rules:
    """What was fixed at the start."""
    return ab_stats.Rules(
        mode=e.mode, level=e.level, minimum_per_arm=e.min_per_arm, minimum_days=e.min_days,
        planned_per_arm=e.planned_per_arm, smallest_effect=e.effect, weights=tuple(weights) if weights else None,
        tuning=tuning(e),
    )  # fmt: skip


def shares(e: Experiment, joined: datetime) -> list[float]:
    """The share of the visitors that each arm should have: the plan's, for a bandit the mean over its changes."""
    arms = list(e.arms.all())
    if e.mode != Mode.BANDIT:
        return [arm.weight for arm in arms]
    changes = list(WeightChange.objects.filter(experiment=e, at__lte=joined).order_by("at", "pk"))
    expected = [0.0] * len(arms)
    for change, came in zip(changes, experiment_data.came_between(e, [c.at for c in changes], joined), strict=True):
        expected = [had + came * change.weights.get(str(arm.pk), 0.0) for had, arm in zip(expected, arms, strict=True)]
    return expected if sum(expected) else [arm.weight for arm in arms]


def _judge(e: Experiment, seen: Span, now: datetime) -> tuple[ab_stats.Verdict, list[ArmData], dict[str, Any]]:
    data = experiment_data.arms(e, e.metric, until=seen.until, joined=seen.joined)
    came = experiment_data.arrivals(e, until=seen.joined)
    days = max(0.0, ((seen.joined if e.mode == Mode.BANDIT else now) - (e.started_at or now)).total_seconds() / 86400)
    if e.ended_at is not None:
        days = max(0.0, (e.ended_at - (e.started_at or e.ended_at)).total_seconds() / 86400)
    law = rules(e, weights=shares(e, seen.joined))
    if e.mode == Mode.FIXED and seen.due is not None:
        # Judged when the windows of the last visitors have closed. Where the days ran out first, the size that was hoped for
        # no longer holds the verdict up, and "no difference" can't be claimed.
        short = min(arm.n for arm in data) < (e.planned_per_arm or 0)
        law = replace(law, planned_per_arm=None if short and now >= seen.due else e.planned_per_arm)
        wait = (seen.due - e.started_at).total_seconds() / 86400
        days = max(0.0, (now - e.started_at).total_seconds() / 86400)
        law = replace(law, minimum_days=max(float(e.min_days), wait))
    rails, told = [], []
    for rail in e.guardrails:
        metric, name = rail.get("metric", ""), rail.get("name", "")
        if metric not in Metric.values:
            continue
        label = f"{metric}:{name}" if name else metric
        found = experiment_data.arms(e, metric, until=seen.until, joined=seen.joined, name=name)
        rails.append(ab_stats.Guardrail(label, tuple(numbers(metric, found)), tolerance=float(rail.get("margin", 0))))
        told.append((label, metric, rail, found))
    several = sum(row.in_several for row in came)
    verdict = ab_stats.judge(numbers(e.metric, data), law, days=days, guardrails=rails, in_several=several)
    more = {
        "arrivals": [asdict(row) for row in came],
        "in_several": several,
        "guardrails": [_rail(e, label, metric, rail, found, verdict) for label, metric, rail, found in told],
        "level": law.level,
        "days_run": days,
    }
    return verdict, data, more


def _rail(e: Experiment, label: str, metric: str, rail: dict, found: list[ArmData], verdict: ab_stats.Verdict) -> dict:
    """A guardrail as the page shows it: each arm's mean, and its interval against the control."""
    own = ab_stats.judge(numbers(metric, found), replace(rules(e), level=1 - ab_stats.GUARDRAIL_ALPHA))
    return {
        "key": label, "metric": metric, "name": rail.get("name", ""), "margin": float(rail.get("margin", 0)),
        "means": [arm.total / arm.n if arm.n else None for arm in found],
        "lifts": [[c.lift, c.lift_low, c.lift_high] for c in own.comparisons],
        "harmed": [label in c.harms for c in verdict.comparisons],
    }  # fmt: skip


def _add(a: ArmData, b: ArmData) -> ArmData:
    sums = ("n", "x", "total", "squares", "raw_total", "raw_squares", "pre_total", "pre_squares", "cross", "foreign")
    return replace(a, **{name: getattr(a, name) + getattr(b, name) for name in sums})


def _curve(e: Experiment, seen: Span, cap: float | None) -> list[dict]:
    """Per day of first exposure: the day's visitors and what they did, and each variant's lift with all days so far."""
    out: list[dict] = []
    so_far: list[ArmData] | None = None
    law = replace(rules(e), minimum_days=0.0)
    rows = experiment_data.by_day(e, e.metric, until=seen.until, joined=seen.joined, cap=cap)
    every = max(1, -(-len(rows) // MOST_POINTS))
    for number, (day, data) in enumerate(rows, 1):
        so_far = data if so_far is None else [_add(a, b) for a, b in zip(so_far, data, strict=True)]
        told = ab_stats.judge(numbers(e.metric, so_far), law) if (len(rows) - number) % every == 0 else None
        out.append({
            "day": day.isoformat(),
            "arms": [{"n": arm.n, "x": arm.x, "total": arm.total} for arm in data],
            "means": [arm.total / arm.n if arm.n else None for arm in so_far],
            "lifts": [[c.lift, c.lift_low, c.lift_high, c.chance_to_win] for c in told.comparisons] if told else [],
        })  # fmt: skip
    return out


def _segments(e: Experiment, seen: Span, cap: float | None) -> dict:
    """Each segment's comparisons. Many looks find something by chance: p values are adjusted over all of them (Holm)."""
    groups, flat = [], []
    law = replace(rules(e), minimum_days=0.0)
    for key in experiment_data.segment_keys(e):
        rows = []
        values = experiment_data.by_segment(e, e.metric, key, until=seen.until, joined=seen.joined, cap=cap)
        if len(values) < 2:
            continue
        for value, data in values:
            verdict = ab_stats.judge(numbers(e.metric, data), law)
            enough = min(arm.n for arm in data) >= LEAST_IN_SEGMENT
            row = {
                "value": value, "n": [arm.n for arm in data], "enough": enough,
                "means": [arm.total / arm.n if arm.n else None for arm in data],
                "lifts": [[c.lift, c.lift_low, c.lift_high] for c in verdict.comparisons],
                "p": [c.p_value for c in verdict.comparisons] if enough else [],
            }  # fmt: skip
            rows.append(row)
            flat += [(row, i) for i in range(len(row["p"]))]
        groups.append({"key": key, "rows": rows})
    adjusted = ab_effects.holm([row["p"][i] for row, i in flat]) if flat else []
    for (row, _i), p in zip(flat, adjusted, strict=True):
        row.setdefault("holm", []).append(p)
        row["notable"] = row.get("notable", False) or p < 1 - e.level
    return {"groups": groups, "comparisons": len(flat)}


def _beside(e: Experiment, data: list[ArmData]) -> dict:
    """What stands beside the main numbers: for revenue the raw means and the cap, for the others the lift after CUPED."""
    found = cuped(data)
    out: dict[str, Any] = {"reduction": found.reduction}
    if e.metric == Metric.REVENUE:
        raw = [Sums(arm.n, arm.raw_total, arm.raw_squares, arm.x) for arm in data]
        told = ab_stats.judge(raw, replace(rules(e), minimum_days=0.0))
        out |= {"cap": data[0].cap if data else None, "foreign": sum(arm.foreign for arm in data)}
        out["raw_lifts"] = [[c.lift, c.lift_low, c.lift_high] for c in told.comparisons]
    elif found.reduction > 0:
        sums = [Sums(s.n, s.n * s.mean, max(0, s.n - 1) * s.variance + s.n * s.mean**2, a.x)
                for s, a in zip(found.arms, data, strict=True)]  # fmt: skip
        told = ab_stats.judge(sums, replace(rules(e), minimum_days=0.0))
        out["adjusted_lifts"] = [[c.lift, c.lift_low, c.lift_high] for c in told.comparisons]
    return out


def _densities(arms: Sequence[ArmNumbers]) -> list[list[list[float]]]:
    """What each arm's true value may be: [values, densities], 41 of them; empty where nothing is known yet."""
    out = []
    for arm in arms:
        summary = arm.cautious()
        if summary.n < 2 or not summary.variance:
            return []
        found: ab_posteriors.Posterior
        if isinstance(arm, Conversions):
            found = ab_posteriors.Beta.of(arm)
        else:
            found = ab_posteriors.Normal(summary.mean, math.sqrt(summary.error2))
        ends = found.edges
        x = np.linspace(ends[7], ends[-8], 41)  # 3.5 standard deviations to each side
        out.append([[float(v) for v in x], [float(v) for v in found.pdf(x)]])
    return out


def compute(e: Experiment, now: datetime) -> tuple[str, dict]:
    """(status, data) of a look, of plain JSON values."""
    if e.unit == Experiment.Unit.PRODUCT:
        status, data = feed_tests.numbers(e, now, rules(e))
    else:
        seen = span(e, now)
        verdict, arms, more = _judge(e, seen, now)
        status = verdict.status
        cap = arms[0].cap
        data = {
            "verdict": asdict(verdict), "arms": [asdict(arm) for arm in arms], **more, **_beside(e, arms),
            "days": _curve(e, seen, cap), "segments": _segments(e, seen, cap), "cut_short": seen.cut_short,
            "densities": _densities(numbers(e.metric, arms)),
            "due": seen.due.isoformat() if seen.due else None, "joined": seen.joined.isoformat(),
        }  # fmt: skip
    data |= {"metric": e.metric, "custom_event": e.custom_event, "mode": e.mode, "unit": e.unit, "status": status}
    return status, plain(data)


def plain(value: Any) -> Any:
    """Only what JSON holds: numbers that are none become null."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    return float(value) if math.isfinite(value) else None


def look(experiment: Experiment, now: datetime | None = None) -> ExperimentLook:
    """Look at the data and keep it. Within an hour the newest look is written over, so that a task which runs twice leaves
    one; of days that are over for two days the last look stays."""
    now = now or timezone.now()
    status, data = compute(experiment, now)
    with transaction.atomic():
        Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        hour = now.replace(minute=0, second=0, microsecond=0)
        mine = ExperimentLook.objects.filter(experiment=experiment)
        found = mine.filter(at__gte=hour, at__lt=hour + timedelta(hours=1)).order_by("-at").first()
        if found is None:
            found = ExperimentLook(store_id=experiment.store_id, experiment=experiment)
        found.at, found.status, found.data = max(now, found.at) if found.pk else now, status, data
        found.save()
        last_of_day = (
            mine.filter(at__lt=now - KEPT_HOURLY).order_by("at__date", "-at").distinct("at__date").values("pk")
        )
        mine.filter(at__lt=now - KEPT_HOURLY).exclude(pk__in=last_of_day).delete()
    found.experiment = experiment
    return found


def newest(experiment: Experiment) -> ExperimentLook | None:
    """The look that pages show."""
    found = ExperimentLook.objects.filter(experiment=experiment).order_by("-at").first()
    if found is not None:
        found.experiment = experiment
    return found
