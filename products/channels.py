"""Advertising channels and their fields: limits in the channel's own unit, as data that a store may edit."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from ecomai.models import Store
from products.models import ChannelField


@dataclass(frozen=True)
class Limit:
    """One field. `limit` counts `unit`: chars (code points), width (wide characters 2) or bytes (UTF-8).

    `target` is what a text should keep to where the channel's own limit is much longer.
    """

    key: str
    channel: str
    label: str
    unit: str
    limit: int
    minimum: int = 1
    most: int = 1
    target: int = 0

    @property
    def aim(self) -> int:
        """The length that the model is asked to keep to."""
        return min(self.target or self.limit, self.limit)


CHANNELS = {
    "google_rsa": _("Google responsive search ad"),
    "google_merchant": _("Google Merchant listing"),
    "meta": _("Meta ad"),
    "amazon": _("Amazon listing"),
    "seo": _("Search engine snippet"),
}
TONES = {"neutral": _("Neutral"), "friendly": _("Friendly"), "premium": _("Premium"), "playful": _("Playful")}
ANGLES = {
    "benefit": _("Benefit"), "feature": _("Feature"), "material": _("Material"), "use": _("Use"),
    "audience": _("Audience"), "question": _("Question"), "offer": _("Offer"), "detail": _("Detail"),
}  # fmt: skip

HOUSE = {
    limit.key: limit
    for limit in (
        Limit("google_rsa.headline", "google_rsa", _("Headline"), "width", 30, 8, 15),
        Limit("google_rsa.description", "google_rsa", _("Description"), "width", 90, 25, 4),
        Limit("google_merchant.title", "google_merchant", _("Title"), "chars", 150, 10),
        Limit("google_merchant.description", "google_merchant", _("Description"), "chars", 5000, 60, 1, 700),
        Limit("meta.primary_text", "meta", _("Primary text"), "chars", 125, 25, 5),
        Limit("meta.headline", "meta", _("Headline"), "chars", 40, 6, 5),
        Limit("amazon.title", "amazon", _("Title"), "chars", 75, 10),
        Limit("amazon.bullet", "amazon", _("Bullet point"), "chars", 255, 10, 5),
        Limit("seo.title", "seo", _("Title"), "width", 60, 10),
        Limit("seo.description", "seo", _("Description"), "width", 155, 40),
    )
}
# The limit that stands in the training prompts.
HOUSE_LIMITS = {key: limit.aim for key, limit in HOUSE.items()}


def limits(store: Store) -> Mapping[str, Limit]:
    """Every field with the store's own limits where it has some."""
    own = {row.key: row for row in ChannelField.objects.filter(store=store)}
    out = {}
    for key, house in HOUSE.items():
        row = own.get(key)
        out[key] = (
            Limit(key, house.channel, house.label, row.unit, row.limit, row.minimum, row.most, house.target)
            if row
            else house
        )
    return out


def set_limit(store: Store, key: str, *, unit: str, limit: int, minimum: int, most: int) -> None:
    """Change a field for this store; the house's own values remove the store's row. Raises KeyError, ValueError."""
    house = HOUSE[key]
    if unit not in ChannelField.Unit.values or not 1 <= minimum <= limit <= 100_000 or not 1 <= most <= 50:
        raise ValueError(key)
    if (unit, limit, minimum, most) == (house.unit, house.limit, house.minimum, house.most):
        ChannelField.objects.filter(store=store, key=key).delete()
        return
    ChannelField.objects.update_or_create(
        store=store, key=key, defaults={"unit": unit, "limit": limit, "minimum": minimum, "most": most}
    )
