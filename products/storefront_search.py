"""A storefront's list of products: filters by names, facets counted over the whole result, keyset pages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, Func, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Floor, Lower

from ecomai.models import Store
from products import catalogue_search
from products.models import Category, Price, Product, Variant
from products.storefront import amount

FACETS = ("brand", "category", "tags", "price")
SORTS = tuple(f"{sign}{name}" for name in catalogue_search.SORTS for sign in ("", "-"))
MOST_VALUES = 50  # values of a facet, the most frequent ones
RANGES = 6  # price ranges, about


@dataclass(frozen=True)
class Wanted:
    """What a storefront filters by beside `catalogue_search.Filters`. Values of one attribute are alternatives, as are
    brands; tags and different attributes must all hold. Prices are in `currency`, empty: the product's own."""

    brands: Sequence[str] = ()
    category: str = ""
    tags: Sequence[str] = ()
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    currency: str = ""
    in_stock: bool | None = None
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def narrow(store: Store, products: QuerySet[Product], wanted: Wanted) -> QuerySet[Product]:
    """The products that meet it; a brand or category that the store doesn't have leaves none."""
    if wanted.brands:
        ids = [int(b) for b in wanted.brands if _is_id(b)]
        names = [b.lower() for b in wanted.brands if not _is_id(b)]
        products = products.annotate(brand_key=Lower("brand__name")).filter(Q(brand__in=ids) | Q(brand_key__in=names))
    if wanted.category:
        products = products.filter(category_id__in=_category_ids(store, wanted.category))
    for tag in wanted.tags:
        products = products.filter(tags__contains=[tag])
    if wanted.price_from is not None or wanted.price_to is not None:
        products = products.filter(_priced(wanted))
    if wanted.in_stock is not None:
        sold_out = Variant.objects.filter(product=OuterRef("pk")).exclude(backorder=Variant.Backorder.DENY)
        here = Q(stock_total=None) | Q(stock_total__gt=0) | Exists(sold_out)
        products = products.filter(here if wanted.in_stock else ~here)
    for name, values in wanted.attributes.items():
        one = Q()
        for value in values:
            one |= Q(attributes__contains={name: value}) | Q(options__contains=[{"name": name, "values": [value]}])
        products = products.filter(one)
    return products


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _category_ids(store: Store, wanted: str) -> list[int]:
    if _is_id(wanted):
        return catalogue_search.category_and_below(store, int(wanted))
    top = Category.objects.filter(store=store, path__iexact=wanted).first()
    return catalogue_search.category_and_below(store, top.pk) if top else []


def _priced(wanted: Wanted) -> Q | Exists:
    if not wanted.currency:
        low = Q(price_max__gte=wanted.price_from) if wanted.price_from is not None else Q()
        return low & (Q(price_min__lte=wanted.price_to) if wanted.price_to is not None else Q())
    prices = Price.objects.filter(variant__product=OuterRef("pk"), market="", currency=wanted.currency)
    if wanted.price_from is not None:
        prices = prices.filter(amount__gte=wanted.price_from)
    if wanted.price_to is not None:
        prices = prices.filter(amount__lte=wanted.price_to)
    return Exists(prices)


def facets(store: Store, products: QuerySet[Product], names: Sequence[str]) -> dict[str, Any]:
    """Facet → its values with how many products of the whole result have them."""
    products = products.order_by()
    out: dict[str, Any] = {}
    if "brand" in names:
        rows = products.exclude(brand=None).values("brand_id", "brand__name").annotate(n=Count("pk"))
        out["brand"] = [
            {"value": r["brand__name"], "count": r["n"], "id": r["brand_id"]}
            for r in rows.order_by("-n", "brand__name")[:MOST_VALUES]
        ]
    if "category" in names:
        rows = products.exclude(category=None).values("category_id", "category__path").annotate(n=Count("pk"))
        out["category"] = [
            {"value": r["category__path"], "count": r["n"], "id": r["category_id"]}
            for r in rows.order_by("-n", "category__path")[:MOST_VALUES]
        ]
    if "tags" in names:
        tags = (
            products.annotate(tag=Func(F("tags"), function="unnest"))
            .values("tag")
            .annotate(n=Count("pk", distinct=True))
        )
        out["tags"] = [{"value": r["tag"], "count": r["n"]} for r in tags.order_by("-n", "tag")[:MOST_VALUES]]
    if "price" in names:
        out["price"] = _prices(store, products)
    return out


def _prices(store: Store, products: QuerySet[Product]) -> dict[str, Any]:
    """Smallest and greatest lowest price in the store's currency, and round ranges between them that hold products."""
    products = products.filter(currency=store.currency, price_min__isnull=False)
    ends = products.aggregate(low=Min("price_min"), high=Max("price_min"))
    if ends["low"] is None:
        return {"currency": store.currency, "min": None, "max": None, "ranges": []}
    step = _round_step(float(ends["high"] - ends["low"]) / RANGES or 1.0)
    rows = products.annotate(bin=Floor(F("price_min") / step)).values("bin").annotate(n=Count("pk")).order_by("bin")
    return {
        "currency": store.currency,
        "min": amount(ends["low"]),
        "max": amount(ends["high"]),
        "ranges": [
            {"from": amount(r["bin"] * step), "to": amount((r["bin"] + 1) * step), "count": r["n"]} for r in rows
        ],
    }


def _round_step(about: float) -> Decimal:
    """The next of 1, 2, 5, 10, 20 … (or .5, .2 …) that is at least as great."""
    power = Decimal(10) ** math.floor(math.log10(about))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= Decimal(about))


def count(products: QuerySet[Product]) -> int:
    return products.order_by().values("pk").count()
