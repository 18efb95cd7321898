"""What experiments do by themselves: looks, a bandit's shares, the planned end, finishing and publishing where opted in.

All of it may run twice or be cut off anywhere: each step looks under lock whether it is still due.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone, translation

from ml import ab_bandit, ab_stats
from products import experiment_data, experiment_results, experiments, feed_tests, publishing
from products.experiment_words import sentence
from products.models import Arm, Experiment, ExperimentLook, WeightChange

Status, Mode = Experiment.Status, Experiment.Mode
DECIDED = frozenset({ab_stats.WINNER, ab_stats.LOSER, ab_stats.NO_DIFFERENCE, ab_stats.STOPPED_HARM})
log = structlog.get_logger(__name__)


def watched(now: datetime) -> list[Experiment]:
    """Experiments whose numbers still change: running or paused ones, and those whose last windows are open."""
    ended = Q(status=Status.FINISHED, ended_at__gte=now - timedelta(days=61))
    rows = Experiment.objects.filter(Q(status__in=[Status.RUNNING, Status.PAUSED]) | ended).select_related("store")
    return [
        e for e in rows.order_by("pk")
        if e.ended_at is None or e.ended_at + timedelta(hours=e.window_hours + 1) >= now
    ]  # fmt: skip


def look_at_all(now: datetime | None = None) -> tuple[int, list[Experiment]]:
    """Look at every experiment whose numbers still change, and do what its rules say. Returns how many were looked at and
    which ended; one that fails is logged and keeps none of the others waiting."""
    now = now or timezone.now()
    done, ended = 0, []
    for e in watched(now):
        try:
            if act(e, experiment_results.look(e, now), now):
                ended.append(e)
            done += 1
        except Exception:
            log.exception("experiment_look_failed", experiment=e.pk)
    return done, ended


def planned_end(e: Experiment, now: datetime) -> bool:
    """Whether the plan itself says that it is over: the days of a fixed split, with the last windows; a feed test's days."""
    if e.started_at is None:
        return False
    if e.unit == Experiment.Unit.PRODUCT:
        return feed_tests.complete(e)
    if e.mode != Mode.FIXED:
        return False
    due = experiment_results.span(e, now).due
    return due is not None and now >= due


def winner_of(e: Experiment, look: ExperimentLook) -> Arm | None:
    """The arm that a verdict speaks for: the winner, or the control where no variant is better or one does harm."""
    arms = list(e.arms.all())
    if look.status == ab_stats.WINNER:
        return arms[look.data["verdict"]["winner"]]
    if look.status in (ab_stats.LOSER, ab_stats.STOPPED_HARM):
        return next(arm for arm in arms if arm.is_control)
    return None


@transaction.atomic
def act(e: Experiment, look: ExperimentLook, now: datetime) -> bool:
    """Finish an experiment whose plan is over, or that has its verdict and was told to finish by itself; publish the winner
    where that was opted for. Returns whether it ended."""
    e = Experiment.objects.select_for_update(no_key=True, of=("self",)).select_related("store").get(pk=e.pk)
    if e.status not in (Status.RUNNING, Status.PAUSED):
        return False
    over = planned_end(e, now)
    if not over and not (e.auto_finish and look.status in DECIDED):
        return False
    with translation.override(e.store.default_locale.lower()):
        words = sentence(look)
    experiments.finish(experiment=e, by=None, winner=winner_of(e, look), conclusion=words, now=now)
    if e.auto_publish and e.auto_finish and look.status == ab_stats.WINNER:
        publishing.publish_winner(experiment=e, by=None)
    return True


def reweight_all(now: datetime | None = None) -> int:
    """New shares for every running bandit whose turn it is. Returns how many got new ones."""
    now = now or timezone.now()
    done = 0
    for e in Experiment.objects.running().filter(mode=Mode.BANDIT).select_related("store").order_by("pk"):
        try:
            done += reweight(e, now) is not None
        except Exception:
            log.exception("bandit_failed", experiment=e.pk)
    return done


@transaction.atomic
def reweight(e: Experiment, now: datetime) -> WeightChange | None:
    """Move a bandit's traffic to what does better, if its turn has come and every arm has its least number of visitors
    whose windows have closed. Each turn has its own seed, so that the same turn draws the same shares."""
    e = Experiment.objects.select_for_update(no_key=True, of=("self",)).select_related("store").get(pk=e.pk)
    if e.status != Status.RUNNING or e.mode != Mode.BANDIT:
        return None
    last = WeightChange.objects.filter(experiment=e).order_by("-at", "-pk").first()
    since = last.at if last else e.started_at
    if since is not None and now < since + timedelta(minutes=e.bandit_minutes):
        return None
    seen = experiment_results.span(e, now)
    data = experiment_data.arms(e, e.metric, until=seen.until, joined=seen.joined)
    arms = list(e.arms.all())
    found = ab_bandit.allocate(
        experiment_results.numbers(e.metric, data), floor=max(e.bandit_floor, 1e-6), minimum_per_arm=e.min_per_arm,
        seed=int(now.timestamp()) // (60 * e.bandit_minutes) + e.pk,
    )  # fmt: skip
    if not found.ready:
        return None
    for arm, weight in zip(arms, found.weights, strict=True):
        arm.weight = round(weight, 6)
    Arm.objects.bulk_update(arms, ["weight"])
    basis = {str(a.arm_id): {"n": a.n, "x": a.x, "sum": a.total, "sum_squares": a.squares} for a in data}
    change = WeightChange.objects.create(
        store_id=e.store_id, experiment=e, at=now, weights={str(arm.pk): arm.weight for arm in arms}, basis=basis
    )
    experiments.touch(e)
    return change
