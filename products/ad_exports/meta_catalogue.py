"""A catalogue file for Meta (Facebook, Instagram): Google's item in Meta's words."""

from collections.abc import Iterator

from products.ad_exports import merchant_feed
from products.ad_exports.checks import ITEM, Problem, Sheet
from products.ad_exports.source import Plan, items
from products.feed_texts import DESCRIPTION, TITLE

TITLES = ("meta.catalogue_title", *TITLE)
DESCRIPTIONS = ("meta.catalogue_description", *DESCRIPTION)
FIELDS = (*TITLES, *DESCRIPTIONS)
REQUIRED = ("id", "title", "description", "availability", "condition", "price", "link", "image_link")
COLUMNS = [
    *REQUIRED, "brand", "sale_price", "additional_image_link", "gtin", "mpn", "item_group_id", "google_product_category",
    "product_type", "color", "size", "material", "pattern", "gender", "age_group",
]  # fmt: skip
MOST = {"id": 100, "brand": 100, "mpn": 100, "item_group_id": 100, "google_product_category": 250, "product_type": 750,
        "color": 200, "size": 200, "material": 200, "pattern": 100}  # fmt: skip
AVAILABILITY = {"in_stock": "in stock", "out_of_stock": "out of stock", "backorder": "available for order"}
KNOWN = {
    "condition": ("new", "refurbished", "used"),
    "gender": ("male", "female", "unisex"),
    "age_group": ("newborn", "infant", "toddler", "kids", "adult"),
}


def rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    for item in items(plan, FIELDS):
        chosen = merchant_feed.listing_of(item, plan, titles=TITLES, descriptions=DESCRIPTIONS)
        if not item.current.variants:
            yield Problem(item.current.id, item.name, ITEM, "price", "missing")
        for raw in merchant_feed.rows_of(item.current, plan.store):
            sheet = Sheet(item.current.id, item.name)
            raw["availability"] = AVAILABILITY[raw["availability"]]
            row = merchant_feed.settle(sheet, raw, MOST, KNOWN, REQUIRED)
            row["gtin"] = merchant_feed.gtin(sheet, "gtin", row["gtin"])
            for name in ("title", "description"):
                found = chosen.get(name)
                if found is None:
                    sheet.note(ITEM, name, "missing" if plan.own else "no_copy")
                    continue
                shorten = plan.own and name == "description" and not found.machine
                row[name] = sheet.text(name, found.text, plan.rules[f"meta.catalogue_{name}"], ITEM, shorten=shorten)
            sheet.demand(row, *REQUIRED)
            if not (row["brand"] or row["gtin"] or row["mpn"]):
                sheet.demand(row, "brand")  # one of the three
            yield from sheet.problems
            if not sheet.is_out:
                yield {column: row.get(column, "") for column in COLUMNS}
