"""Celery tasks of reviews: each claims its work, calls one room, and can run twice."""

from collections.abc import Sequence

import structlog
from celery import shared_task
from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from ecomai import jobs
from ecomai.models import Job, Store
from ecomai.tasks import send, send_webhooks
from ml import classifier
from reviews import (
    alert_mail,
    alerts,
    digest,
    intake,
    near_duplicates,
    product_matching,
    replies,
    review_import,
    scoring,
    topics,
)
from reviews.models import Reply, Review, ReviewImport

log = structlog.get_logger(__name__)
ENOUGH_FOR_TOPICS = 10


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


def queue_topics(store: Store) -> None:
    """Have the store's topics found, once."""
    if not Job.objects.open().filter(store=store, kind="topics").exists():
        send(jobs.create(store=store, kind="topics", title=_("Finding topics"), task="reviews.tasks.find_topics",
                         queue="ml", unit=_("reviews")))  # fmt: skip


@shared_task(name="reviews.tasks.score_reviews")
def score_reviews(job_id: int) -> None:
    """Read the store's reviews that wait."""
    with jobs.running(job_id) as run:
        if run is not None and scoring.score_pending(run.job.store, run.advance) >= ENOUGH_FOR_TOPICS:
            queue_topics(run.job.store)


@shared_task(name="reviews.tasks.score_one", expires=600)
def score_one(review_id: int) -> int:
    """Read one review that has just come in; without a model it goes on waiting."""
    review = Review.objects.select_related("store").filter(pk=review_id, needs_scoring=True).first()
    if review is None:
        return 0
    try:
        return scoring.score_ids(review.store, [review_id])
    except classifier.NoModel:
        return 0


def queue_scoring(store: Store) -> None:
    """Have all reviews that wait read by one job; nothing is added to a job that is open already."""
    job = scoring.queue(store)
    if job is not None:
        send(job)


@shared_task(name="reviews.tasks.score_waiting", expires=300)
def score_waiting() -> int:
    """Have read what waits without a job."""
    jobs_made = scoring.queue_waiting()
    for job in jobs_made:
        send(job)
    return len(jobs_made)


def score_soon(store: Store, ids: Sequence[int]) -> None:
    """Have reviews that came in read: one at once on the queue "live", more by the job that reads all that wait."""
    if len(ids) > 1:
        queue_scoring(store)
    elif ids:
        transaction.on_commit(lambda: _score_live(store, ids[0]))


def _score_live(store: Store, review_id: int) -> None:
    try:
        score_one.apply_async([review_id], queue="live", retry=False)
    except OperationalError:
        log.warning("review_not_sent", review=review_id)
        queue_scoring(store)  # a job's row outlives a broker that is down


@shared_task(name="reviews.tasks.run_review_import")
def run_review_import(job_id: int) -> None:
    """Import a file of reviews; then have them read, compared with each other and sorted into topics."""
    with jobs.running(job_id) as run:
        if run is None:
            return
        found = ReviewImport.objects.select_related("store").filter(job_id=job_id).first()
        if found is None:
            return
        try:
            review_import.process(found, run.advance)
        except jobs.Cancelled:
            review_import.stop(found, ReviewImport.Status.CANCELLED)
            raise
        finally:
            ids = list(Review.objects.filter(run=found).order_by("pk").values_list("pk", flat=True))
            after_intake(found.store, ids)


def after_intake(store: Store, ids: Sequence[int]) -> None:
    """What follows when reviews came in: they are read, compared with the others, and looked through for alerts."""
    if not ids:
        return
    score_soon(store, ids)
    transaction.on_commit(lambda: _compare_soon(store, ids))


def _compare_soon(store: Store, ids: Sequence[int]) -> None:
    try:
        # So many are compared with the whole store anyway, and a message should be small.
        few = list(ids) if len(ids) <= near_duplicates.FEW else None
        find_near_duplicates.apply_async([store.pk, few], retry=False)
        look_for_alerts.apply_async([store.pk], retry=False)
    except OperationalError:
        log.warning("intake_not_followed_up", store=store.pk, reviews=len(ids))


@shared_task(name="reviews.tasks.find_near_duplicates")
def find_near_duplicates(store_id: int, review_ids: Sequence[int] | None = None) -> int:
    """Find the copies among reviews that came in, or among all of the store."""
    store = Store.objects.filter(pk=store_id).first()
    return near_duplicates.group(store, review_ids) if store is not None else 0


@shared_task(name="reviews.tasks.find_products", expires=3000)
def find_products() -> int:
    """Look again for the products of reviews that came before them."""
    return product_matching.resolve_everywhere()


@shared_task(name="reviews.tasks.delete_expired_raw", expires=3000)
def delete_expired_raw() -> int:
    """Delete unmasked words whose time is up."""
    return intake.delete_expired_raw()
