"""Products as they stand, in the form that records are compared with; and as rows to write back."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from products.models import Price, Product, ProductImage, Variant

PRODUCT_FIELDS = (
    "external_id", "handle", "title", "status", "brand_id", "category_id", "product_type", "google_category", "condition",
    "tags", "description_raw", "description_html", "description_text", "attributes", "metafields", "seo_title",
    "seo_description", "link", "options", "currency", "price_min", "price_max", "compare_at_max", "stock_total",
    "variant_count", "image_url", "search_text", "is_dirty",
)  # fmt: skip
VARIANT_FIELDS = (
    "position", "external_id", "sku", "gtin", "mpn", "option_values", "stock", "backorder", "weight_grams", "weight_unit",
    "cost", "requires_shipping", "taxable", "image_url", "attributes", "metafields",
)  # fmt: skip
PRICE_FIELDS = ("market", "currency", "amount", "compare_at")
IMAGE_FIELDS = ("url", "position", "alt")


@dataclass
class Current:
    """One product with its variants (each with id and prices) and pictures."""

    id: int
    product: dict[str, Any]
    brand: str = ""
    category: str = ""
    updated_at: Any = None
    variants: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)


def find(store_id: int, table: str, column: str, values: list[str]) -> dict[str, int]:
    """Value → product id, for the values that the store's products (or variants) have in that column."""
    if not values:
        return {}
    key = "id" if table == "products_product" else "product_id"
    with connection.cursor() as cursor:
        # One array, not thousands of parameters.
        cursor.execute(f"SELECT {column}, {key} FROM {table} WHERE store_id = %s AND {column} = ANY(%s)",
                       [store_id, values])  # fmt: skip
        return dict(cursor.fetchall())


def load(store_id: int, ids: list[int], *, lock: bool = False) -> dict[int, Current]:
    """The products of those ids that belong to the store."""
    rows = Product.objects.filter(store_id=store_id, pk__in=ids)
    if lock:
        list(rows.order_by("pk").select_for_update().values_list("pk"))
    found = {}
    values = rows.values("pk", "updated_at", "brand__name", "category__path", *PRODUCT_FIELDS)
    for row in values:
        current = Current(
            row.pop("pk"),
            row,
            brand=row.pop("brand__name") or "",
            category=row.pop("category__path") or "",
            updated_at=row.pop("updated_at"),
        )
        found[current.id] = current
    prices: dict[int, list[dict]] = defaultdict(list)
    for row in Price.objects.filter(variant__product_id__in=list(found)).values("variant_id", *PRICE_FIELDS):
        prices[row.pop("variant_id")].append(row)
    variants = Variant.objects.filter(product_id__in=list(found)).order_by("position", "pk")
    for row in variants.values("pk", "product_id", *VARIANT_FIELDS):
        owner = found[row.pop("product_id")]
        row["id"] = row.pop("pk")
        row["prices"] = prices.get(row["id"], [])
        owner.variants.append(row)
    images = ProductImage.objects.filter(product_id__in=list(found)).order_by("position", "pk")
    for row in images.values("product_id", *IMAGE_FIELDS):
        found[row.pop("product_id")].images.append(row)
    return found


def summarise(product: dict, variants: list[dict], images: list[dict], shop_currency: str) -> None:
    """Write the summary columns of a product from its variants and pictures, in the shop's currency if it has one."""
    prices = [p for v in variants for p in v["prices"] if not p["market"]]
    currencies = {p["currency"] for p in prices}
    currency = shop_currency if shop_currency in currencies else min(currencies, default="")
    own = [p for p in prices if p["currency"] == currency]
    amounts = [Decimal(p["amount"]) for p in own]
    compares = [Decimal(p["compare_at"]) for p in own if p["compare_at"] is not None]
    stocks = [v["stock"] for v in variants if v.get("stock") is not None]
    product["currency"] = currency
    product["price_min"], product["price_max"] = min(amounts, default=None), max(amounts, default=None)
    product["compare_at_max"] = max(compares, default=None)
    product["stock_total"] = sum(stocks) if stocks else None
    product["variant_count"] = len(variants)
    product["image_url"] = images[0]["url"] if images else ""


def search_source(product: dict, brand: str, variants: list[dict]) -> str:
    """The words by which a product is found, before folding."""
    words = [product["title"], product["handle"], brand, product["external_id"], *product["tags"]]
    for variant in variants:
        words += [variant.get("sku") or "", variant.get("gtin") or ""]
    return " ".join(word for word in words if word)


def fold_many(texts: list[str]) -> list[str]:
    """Lower case without accents for each text; the database does those that are not ASCII, in one query."""
    out = [text.lower() for text in texts]
    foreign = [i for i, text in enumerate(texts) if not text.isascii()]
    if foreign:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT lower(unaccent(x)) FROM unnest(%s::text[]) WITH ORDINALITY AS t(x, n) ORDER BY n",
                [[texts[i] for i in foreign]],
            )
            for i, (folded,) in zip(foreign, cursor.fetchall(), strict=True):
                out[i] = folded
    return out
