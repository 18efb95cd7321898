"""Have the review model read the store's reviews: in chunks that can be killed, each with its sums; or one at once."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from ecomai import jobs
from ecomai.models import Job, Store
from ml import classifier, loading, metrics
from ml.models import ModelVersion
from reviews import effective, flags, off_topic
from reviews.models import Flag, Judgement, Review
from reviews.reading import for_model
from reviews.review_dataset import words

CHUNK = 256
TASK = "reviews.tasks.score_reviews"


def pending(store: Store) -> int:
    """How many reviews wait to be read."""
    return Review.objects.filter(store=store, needs_scoring=True, rating_only=False).count()


def inputs_hash(review: Review) -> str:
    """SHA-256 of what the model reads of a review."""
    return hashlib.sha256(words(review).encode()).hexdigest()


def _placed(shown: str, read: str, spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Spans of the text that was read as spans of the one that is shown; emoji were read as words and have none."""
    if shown == read:
        return [list(span) for span in spans]
    out, at = [], 0
    for start, end in spans:
        found = shown.find(read[start:end], at)
        if found >= 0:
            out.append([found, found + end - start])
            at = found + end - start
    return out


def settled(text: str, made: classifier.ReviewJudgement) -> classifier.ReviewJudgement:
    """The judgement of a text that may hold no opinion: one that only asks, or only gives a machine orders, is neutral,
    whatever its words lean to."""
    if made.sentiment and (flags.is_question(text) or flags.only_orders(text)):
        share = float(metrics.sentiment_probabilities(np.array([made.stars]))[0, 1])
        return replace(made, sentiment=0, confidence=round(share, 4))
    return made


def _judgement(review: Review, made: classifier.ReviewJudgement, by: classifier.Scored, read: str) -> Judgement:
    shown = words(review)
    made = settled(shown, made)
    return Judgement(
        store_id=review.store_id, review=review, model_id=by.model_version_id, model_label=by.model_label,
        inputs_hash=inputs_hash(review), stars=list(made.stars), expected=made.expected, sentiment=made.sentiment,
        confidence=made.confidence, uncertainty=made.uncertainty,
        aspects={
            name: {"polarity": a.polarity, "probability": a.probability, "spans": _placed(shown, read, a.spans)}
            for name, a in made.aspects.items()
        },
    )  # fmt: skip


COLUMNS = [
    "store", "model", "model_label", "inputs_hash", "stars", "expected", "sentiment", "confidence", "aspects",
    "uncertainty", "made_at",
]  # fmt: skip


def _write(found: dict[int, Judgement], off: dict[int, flags.FoundFlag]) -> int:
    """Write judgements, the flags that follow (`off`: of reviews off topic) and the sums in one transaction. A review
    whose words changed meanwhile, or that is gone, is left for the next round."""
    with transaction.atomic():
        held = Review.objects.select_for_update().filter(pk__in=found).order_by("pk")
        same = [review for review in held if inputs_hash(review) == found[review.pk].inputs_hash]
        Judgement.objects.bulk_create(
            [found[review.pk] for review in same],
            update_conflicts=True,
            unique_fields=["review"],
            update_fields=COLUMNS,
        )
        ids = [review.pk for review in same]
        Review.objects.filter(pk__in=ids).update(needs_scoring=False)
        _flag(same, found, off)
        effective.refresh(ids)
    return len(ids)


def _flag(reviews: Sequence[Review], found: dict[int, Judgement], off: dict[int, flags.FoundFlag]) -> None:
    """Flag stars that contradict the words, and reviews off topic."""
    told = {}
    for review in reviews:
        made = found[review.pk]
        rating = None if review.rating is None else float(review.rating)
        told[review.pk] = flags.mismatch(rating, made.expected, made.confidence)
    _raise(Flag.Kind.MISMATCH, reviews, told)
    _raise(Flag.Kind.OFF_TOPIC, reviews, off)


def _raise(kind: str, reviews: Sequence[Review], told: Mapping[int, flags.FoundFlag | None]) -> None:
    """Write the flags of a kind that hold for these reviews; take back an undecided one that holds no more."""
    raised = [
        Flag(store_id=review.store_id, review=review, kind=kind, reason=flag.reason, evidence=flag.evidence)
        for review in reviews
        if (flag := told.get(review.pk))
    ]
    now = {flag.review_id for flag in raised}
    Flag.objects.filter(review__in=reviews, kind=kind, upheld=None).exclude(review__in=now).delete()
    Flag.objects.bulk_create(
        raised, update_conflicts=True, unique_fields=["review", "kind"], update_fields=["reason", "evidence"]
    )


def _read(store: Store, reviews: Sequence[Review]) -> int:
    texts = [for_model(words(review)) for review in reviews]
    scored = classifier.score(texts, languages=[review.language for review in reviews], store_id=store.pk)
    made = {
        review.pk: _judgement(review, made, scored, text)
        for review, made, text in zip(reviews, scored.judgements, texts, strict=True)
    }
    return _write(made, off_topic.find(store, reviews))


def score_ids(store: Store, ids: Sequence[int]) -> int:
    """Read these reviews now; returns how many were judged. Raises classifier.NoModel."""
    found = list(Review.objects.filter(store=store, pk__in=ids, rating_only=False).order_by("pk"))
    return _read(store, found) if found else 0


def score_pending(store: Store, advance: Callable[..., None] = lambda done, total=None: None) -> int:
    """Read every review that waits, the oldest row first; returns how many were judged. `advance(done, total=…)` after
    each chunk may raise to stop. Run again after a kill it goes on with what is left. Raises classifier.NoModel."""
    # The job may follow a promotion or a roll-back: what another process looked up seconds ago may be out of date.
    loading.forget()
    total, done, judged = pending(store), 0, 1
    while judged:
        # What came back behind our hands (edits, a new live version) waits for the next pass; a pass that judged nothing
        # is the last, so that a review that keeps changing can't hold the loop.
        judged, last = 0, 0
        while chunk := _waiting(store, last):
            # Of like length together: less padding.
            judged += _read(store, sorted(chunk, key=lambda review: len(review.text)))
            last = chunk[-1].pk
            advance(done + judged, total=max(total, done + judged))
        done += judged
    return done


def _waiting(store: Store, after: int) -> list[Review]:
    rows = Review.objects.filter(store=store, needs_scoring=True, rating_only=False, pk__gt=after)
    return list(rows.order_by("pk")[:CHUNK])


def queue_waiting() -> list[Job]:
    """Jobs for all stores whose reviews wait and that have a model: whatever queueing missed is found here."""
    waiting = Review.objects.filter(needs_scoring=True, rating_only=False).order_by().values("store").distinct()
    made = []
    for store in Store.objects.filter(pk__in=waiting):
        if loading.live_version("reviews", store.pk) is not None and (job := queue(store)):
            made.append(job)
    return made


def queue(store: Store, title: str = "") -> Job | None:
    """The job that reads what waits, for the door to send; None when nothing waits or one is open already."""
    count = pending(store)
    if not count or Job.objects.open().filter(store=store, kind="score").exists():
        return None
    return jobs.create(
        store=store,
        kind="score",
        title=title or _("Reading reviews"),
        task=TASK,
        queue="ml",
        total=count,
        unit=_("reviews"),
    )


def rescore(store: Store | None) -> list[Job]:
    """After the live version changed: have all that it judges read again (by the house's: in every store that has no
    version of its own). Returns the jobs to send."""
    own = ModelVersion.objects.filter(capability="reviews", status=ModelVersion.Status.LIVE, store=OuterRef("pk"))
    stores = Store.objects.filter(~Q(Exists(own))) if store is None else [store]
    made = []
    for each in stores:
        version = loading.live_version("reviews", each.pk)
        stale = Review.objects.filter(store=each, rating_only=False)
        if version is not None:
            stale = stale.exclude(judgement__model=version)
        stale.update(needs_scoring=True)
        job = queue(each, _("Reading reviews with the new model"))
        made += [job] if job else []
    return made
