"""Celery tasks of reviews: each claims its work, calls one room, and can run twice."""

from celery import shared_task

from ecomai import jobs
from ecomai.models import Store
from ecomai.tasks import send_webhooks
from reviews import alert_mail, alerts, digest, replies, topics
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


@shared_task(name="reviews.tasks.look_for_alerts", expires=3000)
def look_for_alerts(store_id: int | None = None) -> int:
    """Look at one store's newest numbers, or at those of every store that received reviews."""
    found = 0
    for store in alerts.active_stores() if store_id is None else Store.objects.filter(pk=store_id):
        found += len(alerts.look(store))
    if found:
        mail_alerts.delay()
        send_webhooks.delay()
    return found


@shared_task(name="reviews.tasks.mail_alerts", expires=300)
def mail_alerts() -> int:
    """Mail the alerts that nobody was told of yet."""
    return alert_mail.send_due()


@shared_task(name="reviews.tasks.find_topics")
def find_topics(job_id: int) -> None:
    """Find the topics of the store's reviews."""
    with jobs.running(job_id) as run:
        if run is not None:
            topics.find_all(run.job.store, run.advance)
