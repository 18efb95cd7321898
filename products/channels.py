"""Advertising channels and their fields: limits in the channel's own unit, as data that a store may edit."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class FieldSpec:
    """House default of one field. `limit` counts `unit`: chars (code points), width (wide = 2) or bytes (UTF-8)."""

    key: str
    channel: str
    label: str
    unit: str
    limit: int
    minimum: int = 1
    most: int = 1
    target: int = 0


CHANNELS = {
    "google_rsa": _("Google responsive search ad"),
    "google_merchant": _("Google Merchant listing"),
    "meta": _("Meta ad"),
    "amazon": _("Amazon listing"),
    "seo": _("Search engine snippet"),
}

SPECS = {
    spec.key: spec
    for spec in (
        FieldSpec("google_rsa.headline", "google_rsa", _("Headline"), "width", 30, 8, 15),
        FieldSpec("google_rsa.description", "google_rsa", _("Description"), "width", 90, 25, 4),
        FieldSpec("google_merchant.title", "google_merchant", _("Title"), "chars", 150, 10),
        FieldSpec("google_merchant.description", "google_merchant", _("Description"), "chars", 5000, 60, 1, 700),
        FieldSpec("meta.primary_text", "meta", _("Primary text"), "chars", 125, 25, 5),
        FieldSpec("meta.headline", "meta", _("Headline"), "chars", 40, 6, 5),
        FieldSpec("amazon.title", "amazon", _("Title"), "chars", 75, 10),
        FieldSpec("amazon.bullet", "amazon", _("Bullet point"), "chars", 255, 15, 5),
        FieldSpec("seo.title", "seo", _("Title"), "width", 60, 10),
        FieldSpec("seo.description", "seo", _("Description"), "width", 155, 40),
    )
}
# The limit that stands in the prompt: what the text should keep to, which for long fields is below the channel's.
HOUSE_LIMITS = {key: spec.target or spec.limit for key, spec in SPECS.items()}
