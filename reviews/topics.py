"""Topics: clusters of opinion phrases, by product and language and by store and language.

Phrases are cut and embedded once a review (`embed_phrases`, in chunks, so that a killed run goes on where it was); each
group is then clustered anew in one transaction, and new clusters take over the rows of the old ones they match.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from ecomai.models import Store, User
from ml import encoder
from products.models import Product
from reviews import phrases, topic_clusters
from reviews.models import Phrase, PhraseSource, Review, Topic, TopicReview, TopicSet
from reviews.presentation import words as words_of

SMALLEST = 10  # distinct reviews of a topic
NEWEST = 20_000  # reviews of one group that are read
CHUNK = 200
PARAMS = {"smallest": SMALLEST, "newest": NEWEST, "threshold": topic_clusters.THRESHOLD, "rules": phrases.RULES}


def countable(store: Store) -> QuerySet[Review]:
    """Reviews that take part: published ones."""
    return Review.objects.filter(store=store, status=Review.Status.PUBLISHED)


def groups(store: Store) -> list[tuple[Product | None, str, int]]:
    """(product or None, language, reviews with text) of every group with enough text for a topic, the store's first."""
    texts = countable(store).filter(rating_only=False).order_by()
    whole = texts.values("language").annotate(n=Count("pk")).filter(n__gte=SMALLEST).order_by("-n", "language")
    single = (
        texts.exclude(product=None).values("product", "language").annotate(n=Count("pk")).filter(n__gte=SMALLEST)
        .order_by("-n", "product", "language")
    )  # fmt: skip
    products = Product.objects.in_bulk({row["product"] for row in single})
    return [(None, row["language"], row["n"]) for row in whole] + [
        (products[row["product"]], row["language"], row["n"]) for row in single
    ]


def _evidence(review: Review) -> list[tuple[int, int, str, int]]:
    judgement = getattr(review, "judgement", None)
    counts = {opinion.aspect: opinion.polarity for opinion in review.opinions.all()}
    found = judgement.aspects if judgement else {}
    return [
        (int(start), int(end), aspect, counts[aspect])
        for aspect, value in found.items()
        if aspect in counts
        for start, end in value.get("spans", [])
    ]


def embed_phrases(store: Store, advance: Callable[..., None] = lambda *a, **k: None) -> int:
    """Cut and embed the phrases of reviews that are new or changed. Returns how many reviews were."""
    label, done, last = encoder.model_label(), 0, 0
    found = countable(store).filter(rating_only=False)
    total = found.count()
    seen = 0
    while True:
        chunk = list(
            found.filter(pk__gt=last).select_related("judgement", "phrase_source").prefetch_related("opinions")
            .order_by("pk")[:CHUNK]
        )  # fmt: skip
        if not chunk:
            return done
        last = chunk[-1].pk
        todo = []
        for review in chunk:
            text, evidence = words_of(review), _evidence(review)
            key = phrases.inputs_hash(text, evidence, review.sentiment, label)
            source = getattr(review, "phrase_source", None)
            if source is None or source.inputs_hash != key:
                cut = phrases.opinions(text, review.language, evidence, review.sentiment)
                todo.append((review, key, cut, [text[c.start : c.end] for c in cut]))
        vectors = iter(encoder.embed([part for item in todo for part in item[3]]))
        rows = [
            Phrase(store=store, review=review, start=c.start, end=c.end, aspect=c.aspect, polarity=c.polarity,
                   vector=next(vectors))
            for review, _key, cut, _texts in todo for c in cut
        ]  # fmt: skip
        with transaction.atomic():
            ids = [item[0].pk for item in todo]
            # A review that was erased while its words were embedded gets no rows.
            alive = set(Review.objects.select_for_update(no_key=True).filter(pk__in=ids).values_list("pk", flat=True))
            Phrase.objects.filter(review_id__in=ids).delete()
            Phrase.objects.bulk_create([row for row in rows if row.review_id in alive])
            PhraseSource.objects.bulk_create(
                [PhraseSource(store=store, review=item[0], inputs_hash=item[1]) for item in todo if item[0].pk in alive],
                update_conflicts=True, unique_fields=["review"], update_fields=["inputs_hash"],
            )  # fmt: skip
        done += len(todo)
        seen += len(chunk)
        advance(seen, total=total)


def find_all(store: Store, advance: Callable[..., None] = lambda *a, **k: None) -> int:
    """Find the topics of every group of the store. Returns how many groups there are."""
    embed_phrases(store, advance)
    wanted = groups(store)
    for done, (product, language, _n) in enumerate(wanted):
        find(store, product, language)
        advance(done + 1, total=len(wanted))
    keep = {(product and product.pk, language) for product, language, _n in wanted}
    for group in TopicSet.objects.filter(store=store):
        if (group.product_id, group.language) not in keep:
            _empty(group)
    return len(wanted)


def _empty(group: TopicSet) -> None:
    """Too few reviews are left: no topic stands, the names that people gave are kept."""
    find(group.store, group.product, group.language)


def find(store: Store, product: Product | None, language: str) -> TopicSet:
    """Cluster one group anew from its embedded phrases. The same phrases give the same rows."""
    reviews = countable(store).filter(language=language)
    if product is not None:
        reviews = reviews.filter(product=product)
    newest = reviews.filter(rating_only=False).order_by("-written_at", "-pk")
    ids = list(newest.values_list("pk", flat=True)[:NEWEST])
    with_text = newest.count()
    rows = list(Phrase.objects.filter(review_id__in=ids).order_by("review_id", "start"))
    texts = dict.fromkeys(ids, "")
    for review in Review.objects.filter(pk__in={row.review_id for row in rows}).only("title", "text"):
        texts[review.pk] = words_of(review)
    parts = [texts[row.review_id][row.start : row.end] for row in rows]
    label = encoder.model_label()
    key = hashlib.sha256(
        repr((PARAMS, label, [(r.review_id, r.start, r.end, r.polarity) for r in rows], parts)).encode()
    ).hexdigest()
    vectors = np.array([row.vector for row in rows], np.float32).reshape(len(rows), encoder.DIMENSIONS)
    clusters = topic_clusters.cluster(vectors, [row.review_id for row in rows], smallest=SMALLEST)
    names = topic_clusters.name([[parts[i] for i in members] for members in clusters], language, parts)
    with transaction.atomic():
        group, _made = TopicSet.objects.get_or_create(
            store=store, product=product, language=language,
            defaults={"model_label": label, "params": PARAMS, "inputs_hash": ""},
        )  # fmt: skip
        group = TopicSet.objects.select_for_update().get(pk=group.pk)
        covered = _write(group, rows, vectors, clusters, names, label)
        total = reviews.count()
        for field, value in {
            "reviews": total, "without_text": total - with_text, "with_text": len(ids), "in_topics": covered,
            "other": len(ids) - covered, "left_out": with_text - len(ids), "model_label": label, "params": PARAMS,
            "inputs_hash": key, "made_at": timezone.now(),
        }.items():  # fmt: skip
            setattr(group, field, value)
        group.save()
    return group


def _write(group: TopicSet, rows: Sequence[Phrase], vectors: np.ndarray, clusters: list[list[int]],
           names: list[list[str]], label: str) -> int:  # fmt: skip
    """Rows of the topics and their reviews; returns how many reviews are in at least one."""
    now = timezone.now()
    old = list(Topic.objects.filter(group=group).order_by("pk"))
    held: dict[int, set[int]] = defaultdict(set)
    for topic_id, review_id in TopicReview.objects.filter(topic__in=old).values_list("topic_id", "review_id"):
        held[topic_id].add(review_id)
    centroids = [topic_clusters.centroid(vectors[members]) for members in clusters]
    reviews = [{rows[i].review_id for i in members} for members in clusters]
    matched = topic_clusters.match(
        centroids, reviews,
        [np.array(t.centroid, np.float32) if t.model_label == label else None for t in old],
        [held[t.pk] for t in old],
    )  # fmt: skip
    TopicReview.objects.filter(topic__in=old).delete()
    kept, covered = set(), set()
    for number, members in enumerate(clusters):
        topic = old[matched[number]] if number in matched else Topic(group=group, store_id=group.store_id)
        best: dict[int, int] = {}
        similarity = vectors[members] @ centroids[number]
        for place, i in enumerate(members):
            review_id = rows[i].review_id
            if review_id not in best or similarity[place] > similarity[best[review_id]]:
                best[review_id] = place
        signs = [rows[members[place]].polarity for place in best.values()]
        topic.name, topic.words = names[number][0], names[number]
        topic.centroid, topic.model_label = centroids[number].tolist(), label
        topic.reviews = len(best)
        topic.positive, topic.negative = signs.count(1), signs.count(-1)
        topic.neutral = topic.reviews - topic.positive - topic.negative
        topic.last_seen_at, topic.retired_at = now, None
        topic.save()
        kept.add(topic.pk)
        covered |= set(best)
        TopicReview.objects.bulk_create(
            [
                TopicReview(
                    store_id=group.store_id, topic=topic, review_id=review_id, start=rows[members[place]].start,
                    end=rows[members[place]].end, polarity=rows[members[place]].polarity,
                    similarity=float(similarity[place]),
                )
                for review_id, place in sorted(best.items())
            ]
        )  # fmt: skip
    gone = Topic.objects.filter(group=group).exclude(pk__in=kept)
    gone.update(reviews=0, positive=0, neutral=0, negative=0)
    gone.filter(retired_at=None).update(retired_at=now)
    return len(covered)


def rename(*, topic: Topic, by: User, name: str) -> None:
    """A person's name for a topic holds over all runs; an empty one gives the machine's back."""
    name = " ".join(name.split())[:120]
    Topic.objects.filter(pk=topic.pk).update(
        given_name=name, named_by=by if name else None, named_at=timezone.now() if name else None
    )


def live(store: Store, product: Product | None = None, language: str = "") -> QuerySet[Topic]:
    """Topics that stand, the most spoken of first."""
    found = Topic.objects.filter(store=store, retired_at=None, group__product=product).select_related("group")
    return (found.filter(group__language=language) if language else found).order_by("-reviews", "pk")


def other_reviews(group: TopicSet) -> QuerySet[Review]:
    """Reviews with text that are in no topic of the group: the open "other" bucket."""
    found = countable(group.store).filter(language=group.language, rating_only=False)
    if group.product_id:
        found = found.filter(product_id=group.product_id)
    inside = TopicReview.objects.filter(topic__group=group, topic__retired_at=None).values("review_id")
    return found.exclude(pk__in=inside).select_related("product").order_by("-written_at", "-pk")


def members(topic: Topic, polarity: int | None = None) -> QuerySet[TopicReview]:
    """The reviews of a topic with their phrases, the most typical first."""
    found = TopicReview.objects.filter(topic=topic).select_related("review__product")
    if polarity is not None:
        found = found.filter(Q(polarity=polarity) | (Q(polarity=None) if polarity == 0 else Q(pk=None)))
    return found.order_by(F("similarity").desc(), "pk")
