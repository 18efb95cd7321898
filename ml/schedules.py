"""Retraining that starts by itself: after so many new labels, or on a calendar."""

from datetime import UTC, datetime

import structlog
from celery.schedules import ParseException, crontab
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ml import training
from ml.capabilities import capability, checked_config, load
from ml.models import RetrainSchedule, TrainingRun

log = structlog.get_logger(__name__)


def calendar(cron: str) -> crontab:
    """The five cron fields, in UTC. Raises ValueError with what is wrong."""
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(f"{cron!r} has {len(fields)} fields, not five")
    minute, hour, day, month, weekday = fields
    try:
        return crontab(minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday)
    except (ParseException, ValueError, KeyError) as error:
        raise ValueError(f"{cron!r}: {error}") from error


def check(schedule: RetrainSchedule) -> None:
    """Raises ValidationError, by field, for what could never run."""
    wrong = {}
    try:
        checked_config(capability(schedule.capability), schedule.config or {})
    except KeyError:
        wrong["capability"] = _("There is no such capability.")
    except (TypeError, ValueError) as error:
        wrong["config"] = str(error)
    if schedule.cron:
        try:
            calendar(schedule.cron)
        except ValueError as error:
            wrong["cron"] = str(error)
    if wrong:
        raise ValidationError(wrong)


def due(schedule: RetrainSchedule, now: datetime | None = None) -> str:
    """Why it is time ("labels", "calendar"), or "" when it isn't."""
    now = now or timezone.now()
    since = schedule.last_run_at or schedule.created_at
    found = capability(schedule.capability)
    if schedule.every_n_labels and found.new_labels and schedule.store is not None:
        if load(found.new_labels)(schedule.store, since) >= schedule.every_n_labels:
            return TrainingRun.Trigger.LABELS
    if schedule.cron and _next(schedule.cron, since) <= now:
        return TrainingRun.Trigger.CALENDAR
    return ""


def _next(cron: str, since: datetime) -> datetime:
    """The first time of the calendar after `since`."""
    entry = calendar(cron)
    entry.nowfun = lambda: since.astimezone(UTC)
    entry.tz = UTC
    start, delta, _now = entry.remaining_delta(since.astimezone(UTC), tz=UTC)
    return start + delta


def start_due(now: datetime | None = None) -> list[TrainingRun]:
    """Start what is due, each once; the caller sends the runs' jobs. One that can't start says why on its row."""
    started = []
    for pk in RetrainSchedule.objects.filter(enabled=True).values_list("pk", flat=True):
        with transaction.atomic():
            schedule = (
                RetrainSchedule.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("store", "created_by").filter(pk=pk, enabled=True).first()
            )  # fmt: skip
            if schedule is None:
                continue
            try:
                why = due(schedule, now)
                if not why:
                    continue
                with transaction.atomic():
                    run = training.start(
                        capability_name=schedule.capability, store=schedule.store, config=schedule.config or {},
                        by=schedule.created_by, trigger=why, start_from=schedule.start_from,
                    )  # fmt: skip
            except (training.TrainingError, KeyError, ValueError) as error:
                log.warning("schedule_not_started", schedule=pk, error=str(error))
                RetrainSchedule.objects.filter(pk=pk).update(last_error=str(error)[:2000])
                continue
            RetrainSchedule.objects.filter(pk=pk).update(last_run=run, last_run_at=now or timezone.now(), last_error="")
            started.append(run)
    return started
