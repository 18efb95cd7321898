"""Tasks of the wiring: send a job's task, and send again the jobs that lost their worker."""

import structlog
from celery import current_app, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from ecomai import jobs, privacy, webhooks
from ecomai.models import Job
from ecomai.privacy_models import PrivacyRequest

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


@shared_task(name="ecomai.tasks.privacy_request")
def privacy_request(job_id: int) -> None:
    """Export or erase what is kept about a person."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        found = PrivacyRequest.objects.select_related("store").filter(job_id=job_id).first()
        if found is not None:
            privacy.carry_out(found, lambda done, total: run.advance(done, total=total))


@shared_task(name="ecomai.tasks.settle_privacy", expires=3000)
def settle_privacy() -> None:
    """Delete exports that expired, and whom a failed request meant."""
    privacy.settle()


@shared_task(name="ecomai.tasks.send_webhooks", expires=15)
def send_webhooks() -> int:
    """Send the webhooks that are due."""
    return webhooks.send_due()
