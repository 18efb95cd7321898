"""Advertising channels and their fields: limits in the channel's own unit, as data.

Three layers, the first that has a value wins: the store's own (`ChannelField`), an administrator's for all stores
(`ChannelRule`), the initial ones (`products/channel_rules.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from django.utils.translation import gettext_lazy as _

from ecomai.models import Store
from products import channel_rules
from products.channel_rules import INITIAL, Limit
from products.models import ChannelField

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

# The fields that the model writes, as they were when it was trained.
HOUSE = {key: limit for key, limit in INITIAL.items() if limit.written}
# The limit that stands in the training prompts.
HOUSE_LIMITS = {key: limit.aim for key, limit in HOUSE.items()}


def rules(store: Store) -> Mapping[str, Limit]:
    """Every field of every channel as it holds for the store."""
    own = {row.key: row for row in ChannelField.objects.filter(store=store)}
    out = {}
    for key, general in channel_rules.effective().items():
        row = own.get(key)
        if row is not None:
            least = min(general.least, row.most)
            general = replace(general, unit=row.unit, limit=row.limit, minimum=row.minimum, most=row.most, least=least)
        out[key] = general
    return out


def limits(store: Store) -> Mapping[str, Limit]:
    """`rules` of the fields that the model can be asked to write."""
    return {key: limit for key, limit in rules(store).items() if limit.written}


def set_limit(store: Store, key: str, *, unit: str, limit: int, minimum: int, most: int) -> None:
    """Change a field for this store; what holds for all stores removes the store's row. Raises KeyError, ValueError."""
    general = channel_rules.effective()[key]
    channel_rules.check(unit=unit, limit=limit, minimum=minimum, most=most)
    if (unit, limit, minimum, most) == (general.unit, general.limit, general.minimum, general.most):
        ChannelField.objects.filter(store=store, key=key).delete()
        return
    ChannelField.objects.update_or_create(
        store=store, key=key, defaults={"unit": unit, "limit": limit, "minimum": minimum, "most": most}
    )


def forget_limit(store: Store, key: str) -> None:
    """Let what holds for all stores hold again. Raises KeyError."""
    ChannelField.objects.filter(store=store, key=channel_rules.effective()[key].key).delete()


def own_limits(store: Store) -> set[str]:
    """The fields that the store changed."""
    return set(ChannelField.objects.filter(store=store).values_list("key", flat=True))
