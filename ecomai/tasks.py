"""Tasks of the wiring: send a job's task, and send again the jobs that lost their worker."""

import structlog
from celery import current_app, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from ecomai import jobs
from ecomai.models import Job

log = structlog.get_logger(__name__)


def _publish(job: Job) -> None:
    try:
        current_app.send_task(job.task, args=[job.pk], queue=job.queue, retry=False)
    except OperationalError:
        # The row stands; recover_jobs sends it when the broker is back.
        log.warning("job_not_sent", job=job.pk)


def send(job: Job) -> None:
    """Send the job's task once the transaction has committed; a broker that is down loses nothing."""
    transaction.on_commit(lambda: _publish(job))


@shared_task(name="ecomai.tasks.recover_jobs", expires=15)
def recover_jobs() -> int:
    """Send every job again whose worker died or whose message was lost."""
    found = jobs.stale()
    for job in found:
        log.warning("job_sent_again", job=job.pk, kind=job.kind, attempts=job.attempts)
        _publish(job)
    return len(found)
