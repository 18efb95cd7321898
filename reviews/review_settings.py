"""A store's choices about its reviews: kept unmasked words follow them at once."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from ecomai.models import Store
from reviews import intake
from reviews.models import Review, ReviewSettings


@transaction.atomic
def save(settings: ReviewSettings) -> int:
    """Keep the choices. Where unmasked words aren't kept any more they are deleted now; where they are, each is kept for
    the days chosen, counted from its arrival. Returns how many unmasked texts were deleted."""
    # A secret made meanwhile stays: it has a page of its own.
    own = [f.name for f in ReviewSettings._meta.concrete_fields if f.name not in ("id", "webhook_secret")]
    settings.save(update_fields=own if settings.pk else None)
    kept = Review.objects.filter(store=settings.store, raw__isnull=False)
    if not settings.keep_raw:
        return kept.update(raw=None, raw_expires_at=None)
    kept.update(raw_expires_at=F("created_at") + timedelta(days=settings.retention_days))
    return intake.delete_expired_raw()


def new_secret(store: Store) -> str:
    """Give incoming webhooks a new secret (192 random bits, URL-safe); the old one is refused from now on."""
    secret = "rws_" + secrets.token_urlsafe(24)
    ReviewSettings.objects.update_or_create(store=store, defaults={"webhook_secret": secret})
    return secret
