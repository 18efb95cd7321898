"""Compare a candidate with the live version on the frozen test rows of the candidate's data, each as it would run.

The gate: the main metric is better, and no gated one (a language or class with at least 30 rows, say) is worse beyond its
interval. Where nothing is live yet, a capability may name a baseline that must be beaten.
"""

from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from ecomai import jobs
from ecomai.models import User
from ml import audit, bootstrap, conversion, registry, snapshots
from ml.capabilities import capability, load
from ml.measures import Measured
from ml.models import AuditEntry, Comparison, ModelVersion, TrainingRun

EXAMPLES = 40
TEXT = 400


class ComparisonError(Exception):
    """The two can't be compared; the text says why."""


def request(*, version: ModelVersion, by: User | None) -> Comparison:
    """Write down a comparison and its job, which the door sends; an open one of the same version is given back.
    Raises ComparisonError."""
    run = TrainingRun.objects.select_related("snapshot").filter(version=version).first()
    if run is None or run.snapshot is None:
        raise ComparisonError(f"{version.label} was not trained here: there are no test rows of its own.")
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=version.pk)
        open_ = Comparison.objects.filter(
            candidate=version, status__in=[Comparison.Status.QUEUED, Comparison.Status.RUNNING]
        ).first()
        if open_ is not None:
            return open_
        made = Comparison.objects.create(
            capability=version.capability, store_id=version.store_id, candidate=version, snapshot=run.snapshot,
            live=registry.live(version.capability, version.store_id), created_by=by,
        )  # fmt: skip
        made.job = jobs.create(
            store=made.store, kind="compare", title=f"{version.label}: comparison", task="ml.tasks.compare", queue="ml",
            total=4, created_by=by,
        )  # fmt: skip
        made.save(update_fields=["job"])
    return made


def work(found: Comparison, hold: jobs.Run) -> None:
    """Predict with both, measure, decide. Run again it does it over; what has ended stays."""
    if not found.is_open:
        return
    Comparison.objects.filter(pk=found.pk).update(status=Comparison.Status.RUNNING)
    try:
        _work(found, hold)
    except (jobs.Cancelled, jobs.LeaseLost, *jobs.DATABASE_LOST) as stopped:
        if isinstance(stopped, jobs.Cancelled):
            _fail(found, "Cancelled.")
        raise
    except Exception as error:
        _fail(found, str(error)[:4000] or type(error).__name__)
        raise


def _fail(found: Comparison, error: str) -> None:
    Comparison.objects.filter(pk=found.pk).update(
        status=Comparison.Status.FAILED, error=error, finished_at=timezone.now()
    )


def _work(found: Comparison, hold: jobs.Run) -> None:
    kind = capability(found.capability)
    rows = snapshots.rows(found.snapshot, "test")
    if not rows:
        raise ComparisonError("There are no test rows: mark some reviewed rows as gold, then train again.")
    hold.advance(0, total=4, message="convert")
    candidate = conversion.convert(found.candidate, check=hold.check)
    live = registry.live(found.capability, found.store_id)
    fields: dict[str, Any] = {"live": live, "rows": len(rows)}
    if live is None and not kind.baseline:
        fields |= {"verdict": Comparison.Verdict.FIRST, "reasons": ["No version is live yet."]}
        return _finish(found, fields)
    if live is not None and live.pk == found.candidate_id:
        raise ComparisonError(f"{live.label} is live itself.")
    hold.advance(1, message=live.label if live else "baseline")
    predict = load(kind.predict)
    before = predict(registry.folder(live), rows, hold.check) if live else load(kind.baseline)(rows)
    hold.advance(2, message=found.candidate.label)
    after = predict(candidate, rows, hold.check)
    hold.advance(3, message="measure")
    measured = load(kind.measure_of(found.candidate.config))(rows, before, after)
    fields |= judge(measured, resamples=found.resamples, seed=found.seed)
    _finish(found, fields)


def _finish(found: Comparison, fields: dict[str, Any]) -> None:
    with transaction.atomic():
        done = Comparison.objects.filter(pk=found.pk, status=Comparison.Status.RUNNING).update(
            status=Comparison.Status.DONE, finished_at=timezone.now(), error="", **fields
        )
        found.refresh_from_db()
        if done:
            audit.record(
                AuditEntry.Action.COMPARED, capability=found.capability, store=found.store, by=found.created_by,
                version=found.candidate, reason=found.get_verdict_display(),
                details={"comparison": found.pk, "live": found.live.label if found.live else "", "reasons": found.reasons},
            )  # fmt: skip


def judge(measured: Measured, *, resamples: int = bootstrap.RESAMPLES, seed: int = 20261125) -> dict[str, Any]:
    """{"scores", "confusion", "changed", "verdict", "reasons"} of what was measured."""
    scores = []
    reasons: list[str] = []
    verdict = Comparison.Verdict.NOT_BETTER
    chance = False
    if not any(metric.kind == "all" and metric.name == measured.main and metric.rows for metric in measured.metrics):
        reasons.append(f"No test row tells {measured.main}: what it learned can't be measured yet.")
    for metric, told in zip(
        measured.metrics, bootstrap.paired(measured.metrics, resamples=resamples, seed=seed), strict=True
    ):
        sign = 1 if metric.higher_is_better else -1
        worse = max(sign * told.low, sign * told.high) < 0
        better = min(sign * told.low, sign * told.high) > 0
        main = metric.kind == "all" and metric.name == measured.main
        scores.append({
            "metric": metric.name, "kind": metric.kind, "group": metric.group, "n": metric.rows,
            "live": round(told.live, 5), "candidate": round(told.candidate, 5), "difference": round(told.difference, 5),
            "low": round(told.low, 5), "high": round(told.high, 5), "higher_is_better": metric.higher_is_better,
            "gated": metric.gated or metric.must_gain, "worse": worse, "better": better, "main": main,
        })  # fmt: skip
        span = f"{told.live:.4f} → {told.candidate:.4f} [{told.low:+.4f}, {told.high:+.4f}]"
        if main and sign * told.difference > 1e-9:
            verdict = Comparison.Verdict.BETTER
            if not better:
                reasons.insert(0, f"Note: the gain in {metric.name} could still be chance: {span}.")
        elif main:
            reasons.insert(0, f"{metric.name} is not better: {span}.")
        if metric.gated and worse:
            where = f"{metric.kind} {metric.group}".strip()
            reasons.append(f"{where}: {metric.name} is worse beyond its interval: {span}.")
        if metric.must_gain and not better:
            chance = True
            reasons.append(f"{metric.name} could be chance: {span}.")
    if chance:
        verdict = Comparison.Verdict.NOT_BETTER
    if any(s["gated"] and s["worse"] for s in scores):
        verdict = Comparison.Verdict.WORSE
    return {
        "scores": scores, "verdict": verdict, "reasons": reasons, "changed": _examples(measured),
        "confusion": [asdict(c) for c in measured.confusion],
    }  # fmt: skip


def _examples(measured: Measured) -> dict[str, Any]:
    """Counts of the changed rows and a sample of them, the mended and the broken in turns."""
    by_effect = {effect: [c for c in measured.changes if c.effect == effect] for effect in (1, -1, 0)}
    turns = [c for group in zip(by_effect[1][:EXAMPLES], by_effect[-1][:EXAMPLES], strict=False) for c in group]
    shorter = min(len(by_effect[1]), len(by_effect[-1]), EXAMPLES)
    turns += [*by_effect[1][shorter:], *by_effect[-1][shorter:], *by_effect[0]]
    return {
        "mended": len(by_effect[1]), "broken": len(by_effect[-1]), "other": len(by_effect[0]),
        "examples": [
            {
                "id": str(c.row.get("id", "")), "language": c.row.get("language") or "und",
                "text": str(c.row.get("text") or c.row.get("prefix") or "")[:TEXT], "wanted": c.wanted, "live": c.live,
                "candidate": c.candidate, "effect": c.effect,
            }
            for c in turns[:EXAMPLES]
        ],
    }  # fmt: skip


def latest(version: ModelVersion) -> Comparison | None:
    """The newest ended comparison of a version with what is live now, if there is one."""
    live = registry.live(version.capability, version.store_id)
    rows = Comparison.objects.filter(candidate=version, status=Comparison.Status.DONE)
    return rows.filter(live=live).order_by("-created_at").first()
