"""Celery tasks of the models: train, compare, promote; and look whether a retraining is due."""

from celery import shared_task

from ecomai import jobs
from ecomai.tasks import send
from ml import comparison, promotion, schedules, training
from ml.models import Comparison, Promotion, TrainingRun


@shared_task(name="ml.tasks.train")
def train(job_id: int) -> None:
    """Train a run; then have it compared with the live version."""
    if job := training.moved(job_id):
        send(job)
        return
    with jobs.running(job_id) as hold:
        if hold is None:
            return
        run = TrainingRun.objects.select_related("store", "snapshot", "parent", "version").filter(job_id=job_id).first()
        if run is None:
            return
        version = training.work(run, hold)
        if version is not None and not version.comparisons.exists():
            send(comparison.request(version=version, by=run.requested_by).job)


@shared_task(name="ml.tasks.compare")
def compare(job_id: int) -> None:
    """Compare a candidate with the live version."""
    with jobs.running(job_id) as hold:
        if hold is None:
            return
        found = Comparison.objects.select_related("store", "candidate", "snapshot").filter(job_id=job_id).first()
        if found is not None:
            comparison.work(found, hold)


@shared_task(name="ml.tasks.promote")
def promote(job_id: int) -> None:
    """Convert a version and make it live; then have the re-scoring done."""
    with jobs.running(job_id) as hold:
        if hold is None:
            return
        made = Promotion.objects.select_related("version__store", "requested_by").filter(job_id=job_id).first()
        if made is not None:
            for job in promotion.work(made, hold):
                send(job)


@shared_task(name="ml.tasks.check_schedules", expires=300)
def check_schedules() -> int:
    """Start the retrainings that are due."""
    started = schedules.start_due()
    for run in started:
        send(run.job)
    return len(started)
