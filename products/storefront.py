"""A product as a shopper sees it: in a language and a currency, with the published texts and those of the shopper's arms."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db.models import Q
from django.db.models.functions import Lower

from ecomai.lib import html
from ecomai.models import Store
from products import publishing
from products.assignment import Shown, locale_chain
from products.experiment_checks import LISTING
from products.models import AdAsset, Price, Product, PublishedText

LISTING_CHANNEL = "listing"


def store_locale(store: Store, wanted: str) -> str:
    """The store's spelling of a language, the nearest one that it has; the wanted one where it has none."""
    if not wanted:
        return publishing.first_locale(store)
    own = {code.lower(): code for code in (*store.locales, store.default_locale)}
    return next((own[code] for code in locale_chain(wanted) if code in own), wanted)


def published(product_ids: Iterable[int], locale: str) -> dict[int, dict[str, str]]:
    """Product → field → what is published in the language, or else in the language without its country."""
    ids = list(product_ids)
    out: dict[int, dict[str, str]] = {pk: {} for pk in ids}
    parts = locale.split("-")
    for code in dict.fromkeys([parts[0], locale]):
        for pk, texts in publishing.texts(ids, code).items():
            out[pk] |= texts
    return out


def fingerprint(product: Product, *parts: object) -> str:
    """What an ETag holds: changes whenever the answer does."""
    seen = json.dumps([product.pk, product.updated_at.isoformat(), *parts], sort_keys=True, default=str)
    return hashlib.sha256(seen.encode()).hexdigest()[:24]


def dress(product: Product, locale: str, currency: str, texts: Mapping[str, str], shown: Iterable[Shown] = ()) -> None:
    """Put the texts and prices into a product that is only shown and never saved.

    `currency` empty: all prices stay, and `price` is in the store's own. Variants, prices and pictures are prefetched.
    """
    texts = dict(texts)
    for experiment in shown:
        texts |= experiment.texts
    for name in ("title", "seo_title", "seo_description"):
        setattr(product, name, texts.get(name, getattr(product, name)))
    if "description" in texts:
        product.description_html = html.clean(texts["description"])
    product.texts = {name: text for name, text in texts.items() if name not in LISTING}  # type: ignore[attr-defined]
    product.locale = locale  # type: ignore[attr-defined]
    prices = []
    for variant in product.variants.all():
        own = [p for p in variant.prices.all() if not currency or p.currency == currency]
        variant.shown_prices = own  # type: ignore[attr-defined]
        prices += [p for p in own if p.market == "" and p.currency == (currency or product.currency)]
    product.price = _range(prices)  # type: ignore[attr-defined]


def _range(prices: list[Price]) -> dict | None:
    if not prices:
        return None
    before = max((p.compare_at for p in prices if p.compare_at is not None), default=None)
    return {
        "currency": prices[0].currency,
        "from": amount(min(p.amount for p in prices)),
        "to": amount(max(p.amount for p in prices)),
        "compare_at": None if before is None else amount(before),
    }


def amount(value: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    return f"{value.normalize():f}"


def copy_of(product: Product, *, channel: str, locale: str, approved: bool) -> list[dict]:
    """The texts that are published and, if asked for, those that are approved and wait, each with where it came from.

    `channel`: of the channels, or "listing" for the listing's own fields; empty for all.
    """
    rows = PublishedText.objects.filter(product=product, undone_at=None, replaced_at=None)
    rows = _of(rows, channel, locale).select_related("asset", "store", "product").order_by("field", "locale", "pk")
    out = [
        _copy(row.field, row.locale, row.text, "published", row.asset, row.at, row.experiment_id)
        for row in rows
        if publishing.undoable(row)
    ]
    if approved:
        assets = AdAsset.objects.filter(product=product, status=AdAsset.Status.APPROVED)
        standing = {(item["field"], item["locale"], item["text"]) for item in out}
        for asset in _of(assets, channel, locale).order_by("field", "locale", "position", "pk"):
            if (asset.field, asset.locale, asset.text) not in standing:
                out.append(_copy(asset.field, asset.locale, asset.text, "approved", asset, asset.decided_at, None))
    return out


def _of(rows, channel: str, locale: str):
    if channel == LISTING_CHANNEL:
        rows = rows.filter(field__in=LISTING)
    elif channel:
        rows = rows.filter(field__startswith=f"{channel}.")
    if locale:
        rows = rows.annotate(code=Lower("locale")).filter(Q(code=locale.lower()))
    return rows


def _copy(field, locale, text, status, asset: AdAsset | None, at, experiment: int | None) -> dict:
    """A text that a person edited after the model wrote it is a person's; the model stays named."""
    same = asset is not None and asset.text == text
    return {
        "field": field,
        "locale": locale,
        "text": text,
        "status": status,
        "origin": asset.origin if asset is not None and same else AdAsset.Origin.HUMAN.value,
        "model": asset.model_label if asset is not None else "",
        "facts": asset.facts if asset is not None and same else [],
        "written_at": asset.written_at if asset is not None else None,
        "decided_at": at,
        "experiment": experiment,
    }
