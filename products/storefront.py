"""A product as a shopper sees it: in a language and a currency, with the published texts and those of the shopper's arms."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from django.db import IntegrityError, connection
from django.db.models import Q
from django.db.models.functions import Lower

from ecomai.lib import html
from ecomai.models import Store
from products import assignment, live_experiments, publishing
from products.assignment import Alone, Shown, Viewer, locale_chain
from products.experiment_checks import LISTING
from products.models import AdAsset, Product, PublishedText

LISTING_CHANNEL = "listing"


def store_locale(store: Store, wanted: str) -> str:
    """The store's spelling of a language, the nearest one that it has; the wanted one where it has none."""
    if not wanted:
        return publishing.first_locale(store)
    own = {code.lower(): code for code in (*store.locales, store.default_locale)}
    return next((own[code] for code in locale_chain(wanted) if code in own), wanted)


_IMAGES = (
    "SELECT json_agg(json_build_object('url', i.url, 'alt', i.alt) ORDER BY i.position, i.id)"
    " FROM products_productimage i WHERE i.product_id = p.id"
)
_PRICES = (
    "SELECT json_agg(json_build_object('market', r.market, 'currency', r.currency, 'amount', trim_scale(r.amount)::text,"
    " 'compare_at', trim_scale(r.compare_at)::text) ORDER BY r.market, r.currency)"
    " FROM products_price r WHERE r.variant_id = v.id AND (%(currency)s = '' OR r.currency = %(currency)s)"
)
_VARIANTS = (
    "SELECT json_agg(json_build_object('id', v.id, 'sku', v.sku, 'gtin', v.gtin, 'options', v.option_values,"
    " 'available', v.stock IS NULL OR v.stock > 0 OR v.backorder <> 'deny', 'prices', coalesce(({prices}), '[]'){more})"
    " ORDER BY v.position, v.id) FROM products_variant v WHERE v.product_id = p.id"
)
_PUBLISHED = (
    "SELECT json_agg(json_build_array(t.locale, t.field, t.text)) FROM products_publishedtext t"
    " WHERE t.product_id = p.id AND t.locale = ANY(%(locales)s) AND t.undone_at IS NULL AND t.replaced_at IS NULL"
)


def _sql(secret: bool, alone: bool) -> str:
    """One statement for all that an answer holds: the product's page is asked for more than everything else together.

    `alone`: with the visitor's arm of the one experiment on the product, and what is written of it.
    """
    variants = _VARIANTS.format(prices=_PRICES, more=", 'stock', v.stock, 'cost', v.cost::text" if secret else "")
    return (
        (f"WITH {Alone.TABLES} " if alone else "")
        + "SELECT p.id, p.handle, p.title, p.status, coalesce(b.name, ''), coalesce(c.path, ''), p.tags, p.description_html,"
        " p.attributes::json, p.options::json, p.seo_title, p.seo_description, p.external_id, p.currency, p.updated_at,"
        f" coalesce(({_IMAGES}), '[]'), coalesce(({variants}), '[]'), coalesce(({_PUBLISHED}), '[]')"
        f", {'(SELECT arm_id FROM arm)' if alone else 'NULL'}"
        " FROM products_product p LEFT JOIN products_brand b ON b.id = p.brand_id"
        " LEFT JOIN products_category c ON c.id = p.category_id WHERE p.store_id = %(store)s"
        + ("" if secret else f" AND p.status = '{Product.Status.ACTIVE.value}'")
    )


_SQL = {(secret, alone): _sql(secret, alone) for secret in (False, True) for alone in (False, True)}
_BY_IDS = " AND p.id = ANY(%(ids)s)"


def load(store: Store, ids: Sequence[int], *, locale: str, currency: str = "", secret: bool = False) -> list[dict]:
    """Products as they are answered, in the order of `ids`, with the published texts of the language.

    `currency` empty: all prices, and `price` in the product's own. `secret`: drafts too, with stock, cost and external id.
    """
    rows = _load(store, _BY_IDS, {"ids": list(ids)}, locale, currency, secret)
    found = {item["id"]: item for item, _arm in rows}
    return [found[pk] for pk in ids if pk in found]


def find(store: Store, ref: str, *, locale: str, currency: str = "", secret: bool = False) -> dict | None:
    """One product by number or handle; a handle that looks like a number is found where no product has the number."""
    number = _number(ref)
    found = load(store, [number], locale=locale, currency=currency, secret=secret) if number is not None else []
    if found:
        return found[0]
    rows = _load(store, " AND p.handle = %(handle)s", {"handle": ref}, locale, currency, secret)
    return rows[0][0] if rows else None


def find_for(store: Store, ref: str, viewer: Viewer, *, secret: bool = False) -> tuple[dict, list[Shown]] | None:
    """What `find` finds, as the listing is, and what `assignment.show` says of it for a visitor."""
    number, locale, currency = _number(ref), viewer.locale, viewer.currency
    one = assignment.alone(store, viewer, number, drafts=secret) if number is not None else None
    if one is not None:
        try:
            rows = _load(store, _BY_IDS, {"ids": [number], **one.values}, locale, currency, secret, alone=True)
        except IntegrityError:  # the experiment was deleted since it was looked for
            live_experiments.forget(store.pk)
        else:
            if rows:
                item, arm = rows[0]
                return item, one.shown(arm)
    item = find(store, ref, locale=locale, currency=currency, secret=secret)
    return None if item is None else (item, assignment.show(store, viewer, item["id"]))


def _number(ref: str) -> int | None:
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) < 19 else None


def _load(
    store: Store, where: str, values: dict, locale: str, currency: str, secret: bool, *, alone: bool = False
) -> list[tuple[dict, int | None]]:
    """Products, each with the arm that the visitor has."""
    language = locale.split("-")[0]
    values |= {"store": store.pk, "currency": currency, "locales": [language, locale]}
    rows = connection.rows(_SQL[secret, alone] + where, values)
    first, out = publishing.first_locale(store), []
    for row in rows:
        (pk, handle, title, status, brand, category, tags, html_, attributes, options, seo_title, seo_description,
         external_id, own, updated_at, images, variants, texts, arm) = row  # fmt: skip
        item = {
            "id": pk, "handle": handle, "title": title, "status": status, "brand": brand, "category": category, "tags": tags,
            "description_html": html_, "attributes": attributes, "options": options, "seo_title": seo_title,
            "seo_description": seo_description, "images": images, "variants": variants, "locale": locale, "texts": {},
            "price": _range(variants, currency or own), "updated_at": updated_at.isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
        if secret:
            item["external_id"] = external_id
        # The nearer language comes last and wins; the listing itself is the text of the first language.
        standing = sorted((code == locale, field, text) for code, field, text in texts
                          if not (field in LISTING and code == first))  # fmt: skip
        put(item, {field: text for _near, field, text in standing})
        out.append((item, arm))
    return out


def put(item: dict, texts: Mapping[str, str]) -> None:
    """Let texts stand in a product's answer: the listing's fields in place, those of channels below `texts`."""
    for name, text in texts.items():
        if name not in LISTING:
            item["texts"][name] = text
        elif name == "description":
            item["description_html"] = html.clean(text)
        else:
            item[name] = text


def fingerprint(item: dict) -> str:
    """What an ETag holds: changes whenever the answer does."""
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:24]


def _range(variants: Iterable[dict], currency: str) -> dict | None:
    """From the lowest to the highest of the shop's own prices in a currency."""
    prices = [p for v in variants for p in v["prices"] if p["market"] == "" and p["currency"] == currency]
    if not prices:
        return None
    amounts = [Decimal(p["amount"]) for p in prices]
    before = max((Decimal(p["compare_at"]) for p in prices if p["compare_at"] is not None), default=None)
    return {
        "currency": currency, "from": amount(min(amounts)), "to": amount(max(amounts)),
        "compare_at": None if before is None else amount(before),
    }  # fmt: skip


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
