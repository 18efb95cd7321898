"""Celery tasks of reviews: each claims its work, calls one room, and can run twice."""

from celery import shared_task

from ecomai import jobs
from reviews import digest, replies
from reviews.models import Reply


@shared_task(name="reviews.tasks.send_digests", expires=3000)
def send_digests() -> int:
    """Send last week's digest to those who haven't had it."""
    return digest.send_due()


@shared_task(name="reviews.tasks.write_reply")
def write_reply(job_id: int) -> None:
    """Write the draft of a reply."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        reply = Reply.objects.filter(job_id=job_id).first()
        if reply is not None:
            replies.write(reply, run)
