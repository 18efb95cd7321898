"""Rows for training the review model from a store's own reviews: masked words, consent, people's newest labels.

The gold part measures and never trains; copies of one text lie on one side; the same reviews and labels give the same
rows and the same hash.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from ecomai.models import Store
from reviews import house_dataset
from reviews.effective import SPAM_KINDS
from reviews.models import Flag, Label, Review
from reviews.reading import for_model

VALID_SHARE = 0.1
GOLD_SHARE = 0.2  # of a house set without a part of its own


@dataclass(frozen=True)
class Dataset(Mapping):
    """Rows `{"id", "text", "language", "stars": 1…5 | None, "polarity": str | None, "aspects": {aspect: polarity} |
    None}` in three parts, and the SHA-256 of their content. As a mapping it is {"train", "valid", "test"}, gold being
    the test part."""

    train: list[dict]
    valid: list[dict]
    gold: list[dict]
    hash: str

    def __getitem__(self, part: str) -> list[dict]:
        return {"train": self.train, "valid": self.valid, "test": self.gold}[part]

    def __iter__(self) -> Iterator[str]:
        return iter(("train", "valid", "test"))

    def __len__(self) -> int:
        return 3


def words(review: Review) -> str:
    """What a model reads: the masked title, a line break and the masked text; spans count in this."""
    return f"{review.title}\n{review.text}" if review.title and review.text else review.title or review.text


def _hash(parts: dict[str, list[dict]]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _draw(key: str, seed: int) -> float:
    return int(hashlib.sha256(f"valid:{seed}:{key}".encode()).hexdigest()[:13], 16) / 16**13


def _labels(store_id: int) -> dict[int, dict[tuple[str, str], object]]:
    """Review → (field, aspect) → the newest value that isn't blind; what was taken back is left out."""
    said: dict[int, dict[tuple[str, str], object]] = defaultdict(dict)
    rows = Label.objects.filter(store_id=store_id, blind=False).order_by("made_at", "id")
    for review, field, aspect, value in rows.values_list("review_id", "field", "aspect", "value"):
        said[review][field, aspect] = value
    return {review: {key: value for key, value in found.items() if value is not None} for review, found in said.items()}


def _row(review: Review, said: dict[tuple[str, str], object], suspect: bool) -> dict | None:
    """A row, or None when nothing is known that could train."""
    stars = said.get(("stars", ""))
    if stars is None and review.rating is not None and not suspect:
        stars = max(1, min(5, math.floor(float(review.rating) + 0.5)))
    aspects = {aspect: value for (field, aspect), value in sorted(said.items()) if field == "aspect"}
    if stars is None and not aspects:
        return None
    return {
        "id": str(review.pk), "text": for_model(words(review)), "language": review.language, "stars": stars, "polarity": None,
        "aspects": aspects or None,
    }  # fmt: skip


def build(store: Store | int | None, seed: int = 7) -> Dataset:
    """The store's data set (None: of the house, from the sentences that ship with the app).

    A rating trains `stars` unless the review is flagged as mismatching, a copy, or anything that may be spam, and the
    flag wasn't dismissed. A person's label goes before the rating. What a person called spam trains nothing.
    """
    if store is None:
        return _house()
    store_id = store if isinstance(store, int) else store.pk
    said = _labels(store_id)
    flags = Flag.objects.filter(
        Q(upheld=None) | Q(upheld=True), review=OuterRef("pk"), kind__in=[*SPAM_KINDS, Flag.Kind.MISMATCH]
    )
    reviews = (
        Review.objects.filter(store_id=store_id, consent=True, rating_only=False)
        .exclude(text="", title="")
        .annotate(suspect=Exists(flags))
        .only("title", "text", "language", "rating", "gold", "words_hash", "text_hash", "duplicate_of_id", "status")
        .order_by("id")
    )
    gold_words = set(
        Review.objects.filter(store_id=store_id, gold=True).exclude(words_hash="").values_list("words_hash", flat=True)
    )
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    seen: set[str] = set()
    for review in reviews.iterator(chunk_size=5000):
        mine = said.get(review.pk, {})
        if mine.get(("spam", "")) is True or (review.status == Review.Status.HIDDEN and not review.gold):
            continue
        key = review.words_hash or review.text_hash
        if review.gold:
            row = _row(review, mine, review.suspect)
            if row and mine:
                parts["test"].append(row)
            continue
        if review.words_hash in gold_words:
            continue
        row = _row(review, mine, review.suspect or review.duplicate_of_id is not None)
        # Of copies one trains, unless a person spoke about another.
        if row is None or (key in seen and not mine):
            continue
        seen.add(key)
        parts["valid" if _draw(key, seed) < VALID_SHARE else "train"].append(row)
    return Dataset(parts["train"], parts["valid"], parts["test"], _hash(parts))


def _house() -> Dataset:
    parts = house_dataset.own_parts()
    return Dataset(parts["train"], parts["valid"], parts["test"], _hash(parts))


def new_labels(store: Store, since: datetime | None = None) -> int:
    """How many labels that can train came after that time (in all for None)."""
    rows = Label.objects.filter(store=store, blind=False, review__gold=False, review__consent=True)
    return (rows.filter(made_at__gt=since) if since else rows).count()
