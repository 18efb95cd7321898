"""The catalogue as files of other shops' formats: safe to open in a spreadsheet, exact to import again."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal

from django.db import connection

from ecomai.lib.formulas import safe
from ecomai.models import Store
from products import feed_texts, import_snapshot
from products.ad_exports import merchant_feed
from products.import_formats import SHOPIFY
from products.import_snapshot import Current
from products.models import Product

FORMATS = {
    "shopify": ("Shopify CSV", "csv", "text/csv"),
    "woocommerce": ("WooCommerce CSV", "csv", "text/csv"),
    "google_tsv": ("Google Merchant TSV", "tsv", "text/tab-separated-values"),
    "google_xml": ("Google Merchant XML", "xml", "application/xml"),
    "xlsx": ("Excel (Shopify columns)", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
BATCH = 500
BOM = "\ufeff"
WOO_COLUMNS = [
    "ID", "Type", "SKU", "GTIN, UPC, EAN, or ISBN", "Name", "Published", "Description", "Stock", "Backorders allowed?",
    "Weight (kg)", "Sale price", "Regular price", "Categories", "Tags", "Images", "Parent", "Brands", "Meta: handle",
    "Meta: status", "Meta: cost",
]  # fmt: skip


def _batches(store: Store, ids: list[int] | None, active_only: bool = False) -> Iterator[list[Current]]:
    """The store's products in id order, some hundred at a time, so that memory stays small."""
    after = 0
    rows = Product.objects.filter(store=store)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    if active_only:
        rows = rows.filter(status=Product.Status.ACTIVE)
    while batch := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        found = import_snapshot.load(store.pk, batch)
        yield [found[pk] for pk in batch if pk in found]
        after = batch[-1]


def _products(store: Store, ids: list[int] | None) -> Iterator[Current]:
    for batch in _batches(store, ids):
        yield from batch


def _keys(store: Store, column: str) -> list[str]:
    """All keys of a JSON column in the store, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT jsonb_object_keys({column}) FROM products_product WHERE store_id = %s ORDER BY 1",
            [store.pk],
        )
        return [row[0] for row in cursor.fetchall()]


def _markets(store: Store) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT market FROM products_price WHERE store_id = %s AND market <> '' ORDER BY 1", [store.pk]
        )
        return [row[0] for row in cursor.fetchall()]


def _num(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


def _price(variant: dict, currency: str, market: str = "") -> tuple[str, str]:
    for price in variant["prices"]:
        if price["market"] == market and (market or price["currency"] == currency):
            return _num(price["amount"]), _num(price["compare_at"])
    return "", ""


def _list(items: list[str]) -> str:
    return ", ".join(item.replace(",", "\\,") for item in items)


def shopify_rows(store: Store, ids: list[int] | None = None) -> Iterator[list[str]]:
    """Header and rows in Shopify's present form: product fields on the first row, one row a variant, then pictures."""
    header = {name: aliases[-1] for name, aliases in SHOPIFY.items()}
    header |= {"brand": "Vendor", "google_category": "Product category", "condition": "Google Shopping / Condition",
               "mpn": "Google Shopping / MPN"}  # fmt: skip
    names = ["handle", "title", "description", "brand", "google_category", "product_type", "tags", "status", "sku", "gtin",
             "option1_name", "option1_value", "option2_name", "option2_value", "option3_name", "option3_value", "price",
             "compare_at", "cost", "taxable", "stock", "backorder", "weight_grams", "weight_unit", "requires_shipping",
             "image_url", "image_position", "image_alt", "variant_image", "seo_title", "seo_description", "condition",
             "mpn"]  # fmt: skip
    attributes, markets = _keys(store, "attributes"), _markets(store)
    taken = {alias for aliases in SHOPIFY.values() for alias in aliases}
    metas = [key for key in _keys(store, "metafields") if key.lower() not in taken]
    titles = {name: header[name][:1].upper() + header[name][1:] for name in names}
    titles |= {"handle": "URL handle", "sku": "SKU", "seo_title": "SEO title", "seo_description": "SEO description",
               "image_url": "Product image URL", "variant_image": "Variant image URL"}  # fmt: skip
    yield [
        *(titles[name] for name in names),
        *(f"{key} (product.metafields.custom.{n})" for n, key in enumerate(attributes)),
        *(f"{kind} / {market}" for market in markets for kind in ("Price", "Compare-at price")),
        *metas,
    ]
    for item in _products(store, ids):
        product, images = item.product, item.images
        variants = item.variants or [None]
        for i in range(max(len(variants), len(images))):
            variant = variants[i] if i < len(variants) else None
            row = dict.fromkeys(names, "")
            row["handle"] = product["handle"]
            extra = [""] * (len(attributes) + 2 * len(markets) + len(metas))
            if i == 0:
                row |= {name: product[name] for name in ("title", "google_category", "product_type", "status", "seo_title",
                                                         "seo_description", "condition")}  # fmt: skip
                row |= {"description": product["description_raw"], "brand": item.brand, "tags": _list(product["tags"])}
                extra[: len(attributes)] = [product["attributes"].get(key, "") for key in attributes]
                if metas:
                    extra[-len(metas) :] = [product["metafields"].get(key, "") for key in metas]
            if variant is not None:
                _shopify_variant(row, variant, product, i == 0)
                for n, market in enumerate(markets):
                    at = len(attributes) + 2 * n
                    extra[at : at + 2] = _price(variant, "", market)
            if i < len(images):
                row |= {"image_url": images[i]["url"], "image_position": str(i + 1), "image_alt": images[i]["alt"]}
            yield [safe(str(row[name])) for name in names] + [safe(str(cell)) for cell in extra]


def _shopify_variant(row: dict, variant: dict, product: dict, first: bool) -> None:
    options = product["options"]
    if not variant["option_values"]:
        row |= {"option1_name": "Title" if first else "", "option1_value": "Default Title"}
    for n, value in enumerate(variant["option_values"][:3]):
        name = options[n]["name"] if n < len(options) else f"Option {n + 1}"
        row |= {f"option{n + 1}_name": name if first else "", f"option{n + 1}_value": value}
    price, compare = _price(variant, product["currency"])
    row |= {
        "sku": variant["sku"] or "", "gtin": variant["gtin"], "mpn": variant["mpn"], "price": price, "compare_at": compare,
        "cost": _num(variant["cost"]), "stock": "" if variant["stock"] is None else str(variant["stock"]),
        "backorder": variant["backorder"], "weight_grams": _num(variant["weight_grams"]),
        "weight_unit": variant["weight_unit"], "requires_shipping": str(variant["requires_shipping"]).lower(),
        "taxable": str(variant["taxable"]).lower(), "variant_image": variant["image_url"],
    }  # fmt: skip


def woo_rows(store: Store, ids: list[int] | None = None) -> Iterator[list[str]]:
    """Header and rows as WooCommerce exports them: simple products, or a variable one with its variations."""
    count = 0
    for item in _products(store, ids):
        count = max(count, len(item.product["attributes"]), len(item.product["options"]))
    columns = WOO_COLUMNS + [f"Attribute {n + 1} {part}" for n in range(count) for part in ("name", "value(s)")]
    yield columns
    for item in _products(store, ids):
        product = item.product
        variable = any(v["option_values"] for v in item.variants)
        base = {
            "ID": product["external_id"], "Name": product["title"], "Type": "variable" if variable else "simple",
            "Published": "1" if product["status"] == "active" else "0",
            "Description": product["description_raw"].replace("\\n", "\\\\n"), "Categories": item.category.replace(",", "\\,"),
            "Tags": _list(product["tags"]), "Images": ", ".join(i["url"] for i in item.images), "Brands": item.brand,
            "Meta: handle": product["handle"], "Meta: status": product["status"],
        }  # fmt: skip
        attributes = list(product["attributes"].items())
        if variable:
            base["SKU"] = product["handle"]
            options = [(o["name"], _list(o["values"])) for o in product["options"]]
            attributes = [(name, value.replace(",", "\\,")) for name, value in attributes]
            pairs = options + attributes[: max(0, count - len(options))]
            yield _woo_row(columns, base, pairs)
            names = [o["name"] for o in product["options"]]
            for variant in item.variants:
                own = {"Type": "variation", "Parent": product["external_id"] and f"id:{product['external_id']}" or product["handle"],
                       "Name": " - ".join([product["title"], *variant["option_values"]]), "Published": base["Published"],
                       "ID": variant["external_id"], **_woo_variant(variant, product)}  # fmt: skip
                yield _woo_row(columns, own, list(zip(names, variant["option_values"], strict=False)))
        else:
            variant = item.variants[0] if item.variants else None
            pairs = [(name, value.replace(",", "\\,")) for name, value in attributes]
            yield _woo_row(columns, base | (_woo_variant(variant, product) if variant else {}), pairs)


def _woo_variant(variant: dict, product: dict) -> dict:
    price, compare = _price(variant, product["currency"])
    weight = variant["weight_grams"]
    return {
        "SKU": variant["sku"] or "", "GTIN, UPC, EAN, or ISBN": variant["gtin"],
        "Stock": "" if variant["stock"] is None else str(variant["stock"]),
        "Backorders allowed?": {"deny": "0", "continue": "1", "notify": "notify"}[variant["backorder"]],
        "Weight (kg)": _num(weight / 1000) if weight is not None else "", "Sale price": price if compare else "",
        "Regular price": compare or price, "Meta: cost": _num(variant["cost"]),
    }  # fmt: skip


def _woo_row(columns: list[str], values: dict, pairs: list[tuple[str, str]]) -> list[str]:
    for n, (name, value) in enumerate(pairs, 1):
        values[f"Attribute {n} name"], values[f"Attribute {n} value(s)"] = name, value
    return [safe(str(values.get(column, ""))) for column in columns]


def google_items(store: Store, ids: list[int] | None = None, copy: bool = False) -> Iterator[dict[str, str]]:
    """One item a variant of each active product, in Google's names. Products without a price are left out.

    `copy`: approved ad copy for Google Merchant instead of the catalogue's own title and description.
    """
    shelf = feed_texts.Shelf(store, merchant_feed.FIELDS, feed_texts.first_locale(store))
    for batch in _batches(store, ids, active_only=True):
        texts = shelf.take([item.id for item in batch]) if copy else {}
        for item in batch:
            description = " ".join(item.product["description_text"].split())[:5000]
            chosen = feed_texts.listing(texts.get(item.id, {}), item.product["title"], description, own=True)
            for row in merchant_feed.rows_of(item, store):
                if row["price"]:
                    row["description"] = description
                    if copy:
                        feed_texts.put(row, chosen)
                    yield row


def _csv(rows: Iterator[list[str]], delimiter: str = ",", bom: bool = False) -> Iterator[bytes]:
    buffer = io.StringIO(BOM if bom else "")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    for number, row in enumerate(rows):
        writer.writerow(row)
        if number % 200 == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _google_tsv(store: Store, ids: list[int] | None, copy: bool) -> Iterator[list[str]]:
    columns = merchant_feed.COLUMNS + [*merchant_feed.STRUCTURED] * copy
    yield columns
    for row in google_items(store, ids, copy):
        for name in merchant_feed.STRUCTURED:
            row[name] = feed_texts.as_cell(row.get(name, ""))
        yield [safe(row.get(name, "")) for name in columns]


def _xlsx(rows: Iterator[list[str]]) -> Iterator[bytes]:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Products")
    for row in rows:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", cell) or None for cell in row])
    buffer = io.BytesIO()
    book.save(buffer)
    yield buffer.getvalue()


def export(
    store: Store, format: str, *, ids: list[int] | None = None, bom: bool = False, copy: bool = False
) -> Iterator[bytes]:
    """The file's bytes, piece by piece. Raises KeyError for an unknown format.

    `bom` helps old Excel to see UTF-8; `copy` puts approved ad copy into Google's feeds (see `google_items`).
    """
    FORMATS[format]
    if format == "shopify":
        return _csv(shopify_rows(store, ids), bom=bom)
    if format == "woocommerce":
        return _csv(woo_rows(store, ids), bom=bom)
    if format == "google_tsv":
        return _csv(_google_tsv(store, ids, copy), "\t")
    if format == "google_xml":
        return merchant_feed.write_xml(google_items(store, ids, copy), store)
    return _xlsx(shopify_rows(store, ids))
