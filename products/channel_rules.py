"""What the channels demand of their fields, and where each value is from.

`INITIAL` stands here; a row of `ChannelRule`, which an administrator edits, goes before it for all stores.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from ecomai.lib.text import measure
from products.models import ChannelField, ChannelRule


@dataclass(frozen=True)
class Limit:
    """One field. `limit` counts `unit`: chars (code points), width (wide characters 2) or bytes (UTF-8).

    `target` is what a text should keep to where the channel's own limit is much longer. An ad takes `most` texts and
    needs `least`; `banned` are the characters that none may hold. `source` and `checked` say where that is written and
    when it was looked up; `sure` is False where only third parties say so. `written`: the model can be asked for it.
    """

    key: str
    channel: str
    label: str | Promise
    unit: str
    limit: int
    minimum: int = 1
    most: int = 1
    target: int = 0
    least: int = 0
    banned: str = ""
    source: str = ""
    checked: date | None = None
    sure: bool = True
    written: bool = True

    @property
    def aim(self) -> int:
        """The length that the model is asked to keep to."""
        return min(self.target or self.limit, self.limit)

    def count(self, text: str) -> int:
        """How long the text is, as the channel counts."""
        return len(text) if text.isascii() else getattr(measure(text), self.unit)

    def forbidden(self, text: str) -> str:
        """The banned characters that the text holds, each once."""
        return "".join(sign for sign in self.banned if sign in text)


LOOKED_UP = date(2026, 11, 27)
RSA = "Google Ads API v26, ResponsiveSearchAdInfo; support.google.com/google-ads/answer/7684791; wide characters: support.google.com/adspolicy/answer/6021630"
MERCHANT = "Merchant API v1, structured_title and structured_description"
META = "facebook.com/business/help: lengths that are shown in full (at most 2,200 and 255), as third parties give them"
META_FEED = "productfeedspec.com/platforms/meta-catalog, after Meta's catalogue fields"
AMAZON = (
    "sellercentral.amazon.com, page 201100890 (200 characters); 75 since 2026 but for media, as third parties quote it"
)
AMAZON_TEXT = "third parties after category templates, which differ (250, 255 or 500)"
SEARCH_TERMS = "Seller Central, “Use search terms effectively”: less than 250 bytes"
SEO = "common practice: what Google shows of it without cutting"


def _limit(key: str, label: str | Promise, unit: str, limit: int, minimum: int = 1, most: int = 1, **more) -> Limit:
    return Limit(key, key.split(".")[0], label, unit, limit, minimum, most, checked=LOOKED_UP, **more)


# Braces open customizers in Google's ads ({KeyWord:…}); a slash would end a path.
INITIAL: dict[str, Limit] = {
    limit.key: limit
    for limit in (
        _limit("google_rsa.headline", _("Headline"), "width", 30, 8, 15, least=3, banned="!！{}", source=RSA),
        _limit("google_rsa.description", _("Description"), "width", 90, 25, 4, least=2, banned="{}", source=RSA),
        _limit("google_rsa.path", _("Path"), "width", 15, 1, 2, banned="/\\{}?#", source=RSA, written=False),
        _limit("google_merchant.title", _("Title"), "chars", 150, 10, least=1, source=MERCHANT),
        _limit("google_merchant.description", _("Description"), "chars", 5000, 60, target=700, least=1, source=MERCHANT),
        _limit("meta.primary_text", _("Primary text"), "chars", 125, 25, 5, least=1, source=META, sure=False),
        _limit("meta.headline", _("Headline"), "chars", 40, 6, 5, least=1, source=META, sure=False),
        _limit("meta.description", _("Link description"), "chars", 30, 1, 5, source=META, sure=False, written=False),
        _limit("meta.catalogue_title", _("Title in the catalogue"), "chars", 200, least=1, source=META_FEED, sure=False, written=False),
        _limit("meta.catalogue_description", _("Description in the catalogue"), "chars", 9999, least=1, source=META_FEED, sure=False, written=False),
        _limit("amazon.title", _("Title"), "chars", 75, 10, least=1, banned="!$?_{}^¬¦", source=AMAZON, sure=False),
        _limit("amazon.bullet", _("Bullet point"), "chars", 255, 10, 5, source=AMAZON_TEXT, sure=False),
        _limit("amazon.description", _("Description"), "chars", 2000, banned="<>", source=AMAZON_TEXT, sure=False, written=False),
        _limit("amazon.search_terms", _("Search terms"), "bytes", 249, source=SEARCH_TERMS, written=False),
        _limit("seo.title", _("Title"), "width", 60, 10, source=SEO, sure=False),
        _limit("seo.description", _("Description"), "width", 155, 40, source=SEO, sure=False),
    )
}  # fmt: skip


def check(*, unit: str, limit: int, minimum: int, most: int, least: int = 0) -> None:
    """Raise ValueError with the reason when the numbers make no sense together."""
    if unit not in ChannelField.Unit.values:
        raise ValueError(_now("Choose what is counted."))
    if not 1 <= minimum <= limit <= 100_000:
        raise ValueError(
            _now("The least length is at least 1 and not above the limit, and the limit not above 100,000.")
        )
    if not 1 <= most <= 50 or not 0 <= least <= most:
        raise ValueError(_now("An ad takes between 1 and 50 texts, and needs no more than it takes."))


def _over(house: Limit, row: ChannelRule) -> Limit:
    return replace(
        house, unit=row.unit, limit=row.limit, minimum=row.minimum, most=row.most, least=row.least, banned=row.banned,
        source=row.source, checked=row.checked_on, sure=True,
    )  # fmt: skip


def effective() -> dict[str, Limit]:
    """Every field with what holds for all stores."""
    rows = {row.key: row for row in ChannelRule.objects.all()}
    return {key: _over(house, rows[key]) if key in rows else house for key, house in INITIAL.items()}


def initial() -> list[tuple[Limit, ChannelRule | None]]:
    """The initial rules in their order, each with the row that goes before it."""
    rows = {row.key: row for row in ChannelRule.objects.all()}
    return [(house, rows.get(key)) for key, house in INITIAL.items()]


def reset(keys: Iterable[str]) -> int:
    """Let the initial rules of those fields hold again. Returns how many had been changed."""
    return ChannelRule.objects.filter(key__in=list(keys)).delete()[0]
