"""Small makers of review rows; values that matter to a test stand in the test."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

from ecomai.models import Store
from reviews.models import Review


def make_review(store: Store, text: str = "Nice mug, fast delivery.", *, rating: str | None = "5", **fields) -> Review:
    """A review as intake would leave it, not scored yet."""
    fields.setdefault("source", "csv")
    fields.setdefault("language", "en")
    fields.setdefault("written_at", datetime(2026, 11, 1, 12, tzinfo=UTC))
    number = Review.objects.filter(store=store).count()
    fields.setdefault("text_hash", hashlib.sha256(f"{number}:{text}".encode()).hexdigest())
    fields.setdefault("words_hash", hashlib.sha256(text.casefold().encode()).hexdigest())
    return Review.objects.create(
        store=store, text=text, rating=None if rating is None else Decimal(rating), rating_given=rating or "", **fields
    )
