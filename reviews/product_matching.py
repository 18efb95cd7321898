"""Which product a review is about: references as sources give them → products of the store; again when products come."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Count, Min

from ecomai.models import Store
from products.models import Product, Variant
from reviews import effective
from reviews.models import Review

CHUNK = 1000
PRODUCT_PATH = re.compile(r"/products?/([^/?#]+)")


def _as_key(ref: str) -> str:
    """The part of a reference that names the product: the handle of an address, the number of a Shopify GID."""
    if ref.startswith("gid://"):
        return ref.rpartition("/")[2]
    if ref.startswith(("http://", "https://")):
        found = PRODUCT_PATH.search(urlsplit(ref).path)
        return found[1] if found else ref
    return ref


def resolve(store: Store, refs: Iterable[str]) -> dict[str, int]:
    """References as sources give them → products of the store, by external id, else handle, else SKU, else GTIN."""
    keys = {ref: _as_key(ref) for ref in refs if ref}
    if not keys:
        return {}
    wanted = set(keys.values())
    found: dict[str, int] = {}
    products, variants = Product.objects.filter(store=store), Variant.objects.filter(store=store)
    gtins = {key.zfill(width): key for key in wanted if re.fullmatch(r"\d{8,14}", key) for width in (8, 12, 13, 14)}
    # One GTIN on several products tells none of them.
    by_gtin = (
        variants.filter(gtin__in=gtins).values("gtin").annotate(n=Count("product", distinct=True), one=Min("product"))
    )
    found |= {gtins[row["gtin"]]: row["one"] for row in by_gtin if row["n"] == 1} if gtins else {}
    found |= {sku: pk for sku, pk in variants.filter(sku__in=wanted).values_list("sku", "product_id") if sku}
    by_handle = dict(products.filter(handle__in=wanted | {key.lower() for key in wanted}).values_list("handle", "pk"))
    found |= {
        key: by_handle.get(key) or by_handle[key.lower()] for key in wanted if {key, key.lower()} & set(by_handle)
    }
    found |= dict(products.filter(external_id__in=wanted - {""}).values_list("external_id", "pk"))
    return {ref: found[key] for ref, key in keys.items() if key in found}


def resolve_products(store: Store) -> int:
    """Look again for the products of reviews that have none, as after a catalogue import; returns how many were found."""
    waiting = Review.objects.filter(store=store, product=None).exclude(product_ref="")
    refs, count = list(waiting.order_by().values_list("product_ref", flat=True).distinct()), 0
    for start in range(0, len(refs), CHUNK):
        products = resolve(store, refs[start : start + CHUNK])
        if not products:
            continue
        with transaction.atomic():
            rows = list(waiting.filter(product_ref__in=products).only("pk", "product_ref").order_by("pk"))
            for row in rows:
                row.product_id = products[row.product_ref]
            Review.objects.bulk_update(rows, ["product"], batch_size=1000)
            effective.refresh([row.pk for row in rows])
        count += len(rows)
    return count


def resolve_everywhere() -> int:
    """The same for every store whose reviews wait for a product."""
    waiting = Review.objects.filter(product=None).exclude(product_ref="").order_by().values("store").distinct()
    return sum(resolve_products(store) for store in Store.objects.filter(pk__in=waiting))
