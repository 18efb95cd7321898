"""Amazon's flat file: tab separated, three header rows, a row per article, a parent row above sizes and colours."""

import base64
import re
from collections.abc import Iterator
from decimal import Decimal

from ecomai.lib.money import plain as plain_money
from products.ad_exports.checks import ITEM, NOTE, Problem, Sheet, tidy
from products.ad_exports.merchant_feed import gtin, own_price
from products.ad_exports.source import Item, Plan, items
from products.channel_rules import Limit

TITLE, BULLET = "amazon.title", "amazon.bullet"
DESCRIPTION, SEARCH_TERMS = "amazon.description", "amazon.search_terms"
FIELDS = (TITLE, BULLET, DESCRIPTION, SEARCH_TERMS, "title")
# Field name of the template → its label.
LABELS = {
    "feed_product_type": "Product Type", "item_sku": "Seller SKU", "brand_name": "Brand Name", "update_delete": "Update Delete",
    "item_name": "Product Name", "external_product_id": "Product ID", "external_product_id_type": "Product ID Type",
    "part_number": "Manufacturer Part Number", "product_description": "Product Description",
    "standard_price": "Standard Price", "quantity": "Quantity", "condition_type": "Item Condition",
    "main_image_url": "Main Image URL", **{f"other_image_url{n}": f"Other Image URL{n}" for n in range(1, 9)},
    "parent_child": "Parentage", "parent_sku": "Parent SKU", "relationship_type": "Relationship Type",
    "variation_theme": "Variation Theme", "color_name": "Colour", "size_name": "Size",
    **{f"bullet_point{n}": f"Key Product Features{n}" for n in range(1, 6)}, "generic_keywords": "Search Terms",
}  # fmt: skip
COLUMNS = list(LABELS)
REQUIRED = ("feed_product_type", "item_sku", "brand_name", "item_name", "main_image_url")
MOST = {"item_sku": 40, "brand_name": 50, "part_number": 40, "color_name": 50, "size_name": 50}
CONDITIONS = {"new": "New", "refurbished": "Refurbished"}
THEMES = {("color",): "Color", ("size",): "Size", ("color", "size"): "SizeColor"}
NAMES = {"color": "color", "colour": "color", "farbe": "color", "couleur": "color", "size": "size", "größe": "size", "taille": "size"}  # fmt: skip
WORD = re.compile(r"[^\W_]{2,}")


def header(plan: Plan) -> list[list[str]]:
    """The three rows above the data."""
    kind = plan.choice.product_type.upper()
    first = ["TemplateType=fptcustom", "Version=2026.0101", f"TemplateSignature={base64.b64encode(kind.encode()).decode()}",
             "The top 3 rows are for Amazon.com use only. Do not modify or delete the top 3 rows."]  # fmt: skip
    return [first + [""] * (len(COLUMNS) - len(first)), list(LABELS.values()), COLUMNS]


def rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    for item in items(plan, FIELDS, (TITLE, BULLET, DESCRIPTION)):
        if not item.current.variants:
            yield Problem(item.current.id, item.name, ITEM, "item_sku", "missing")
            continue
        sheet = Sheet(item.current.id, item.name)
        shared = _shared(sheet, item, plan)
        theme, parent = _family(sheet, item)
        yield from sheet.problems
        if sheet.is_out:
            continue
        children = []
        for variant in item.current.variants:
            own = Sheet(item.current.id, f"{item.name} ({variant['sku'] or variant['position']})")
            row = shared | _offer(own, item, variant, plan)
            if theme:
                row |= {
                    "parent_child": "Child",
                    "parent_sku": parent,
                    "relationship_type": "Variation",
                    "variation_theme": theme,
                }
                row |= _options(own, item, variant)
            own.demand(row, *REQUIRED, "standard_price", *(() if plan.choice.gtin_exempt else ("external_product_id",)))
            if theme:
                own.demand(row, *(f"{name}_name" for name, on in _axes(item) if on))
            yield from own.problems
            if not own.is_out:
                children.append(row)
        if theme and children:
            yield shared | {"item_sku": parent, "parent_child": "Parent", "variation_theme": theme,
                            "main_image_url": children[0]["main_image_url"]}  # fmt: skip
        yield from children


def _shared(sheet: Sheet, item: Item, plan: Plan) -> dict[str, str]:
    """What all variants of a product have in common."""
    product, rules = item.current.product, plan.rules
    row = {
        "feed_product_type": sheet.value("feed_product_type", plan.choice.product_type, 100, ITEM),
        "brand_name": sheet.value("brand_name", item.current.brand, MOST["brand_name"], ITEM),
        "update_delete": "Update",
    }
    title = _first(item, TITLE) or (product["title"] if plan.own else _first(item, "title"))
    if title:
        row["item_name"] = sheet.text("item_name", title, rules[TITLE], ITEM)
    else:
        sheet.note(ITEM, "item_name", "missing" if plan.own else "no_copy")
    written = _first(item, DESCRIPTION)
    description = written or (product["description_text"] if plan.own else "")
    if tidy(description):
        row["product_description"] = sheet.text(
            "product_description", description, rules[DESCRIPTION], shorten=not written
        )
    bullets = [sheet.text("bullet_point", found.text, rules[BULLET]) for found in item.texts.get(BULLET, [])]
    bullets = list(dict.fromkeys(filter(None, bullets)))
    most = min(rules[BULLET].most, 5)
    if len(bullets) > most:
        sheet.note(NOTE, "bullet_point", "too_many", n=len(bullets), most=most)
    row |= {f"bullet_point{n}": text for n, text in enumerate(bullets[:most], 1)}
    terms = _first(item, SEARCH_TERMS)
    if terms or plan.own:
        terms = terms or search_terms(item, row.get("item_name", ""), rules[SEARCH_TERMS])
        row["generic_keywords"] = sheet.text("generic_keywords", terms, rules[SEARCH_TERMS]) if terms else ""
    sheet.demand(row, "feed_product_type", "brand_name", "item_name")
    return row


def _first(item: Item, field: str) -> str:
    return next((found.text for found in item.texts.get(field, [])), "")


def search_terms(item: Item, title: str, limit: Limit) -> str:
    """Words of tags, category and attributes that title and brand lack, each once, as many whole ones as have room."""
    product = item.current.product
    taken = set(WORD.findall(f"{title} {item.current.brand}".casefold()))
    source = [
        *product["tags"],
        product["product_type"],
        item.current.category,
        *map(str, product["attributes"].values()),
    ]
    words: list[str] = []
    room = limit.limit
    for word in WORD.findall(tidy(" ".join(source)[:4000]).lower()):
        length = limit.count(word) + bool(words)
        if word.casefold() not in taken and length <= room:
            words.append(word)
            taken.add(word.casefold())
            room -= length
    return " ".join(words)


def _offer(sheet: Sheet, item: Item, variant: dict, plan: Plan) -> dict[str, str]:
    """Price, stock, codes and pictures of a variant."""
    product = item.current.product
    row = {
        "item_sku": sheet.value("item_sku", variant["sku"] or "", MOST["item_sku"], ITEM),
        "part_number": sheet.value("part_number", variant["mpn"], MOST["part_number"]),
        "quantity": "" if variant["stock"] is None else str(max(0, variant["stock"])),
        "condition_type": CONDITIONS.get(product["condition"], ""),
    }
    if not row["condition_type"]:
        sheet.note(ITEM, "condition_type", "not_known", value=product["condition"])
    price = own_price(variant, product["currency"])
    if price is not None:
        row["standard_price"] = plain_money(price[0], product["currency"]).split(" ")[0]
        if not Decimal(row["standard_price"]):
            sheet.note(ITEM, "standard_price", "not_known", value=row["standard_price"])
    code = gtin(sheet, "external_product_id", variant["gtin"])
    if code:
        row |= {"external_product_id": code,
                "external_product_id_type": {12: "UPC", 14: "GTIN"}.get(len(code), "EAN")}  # fmt: skip
    pictures = list(dict.fromkeys(filter(None, [variant["image_url"], *(i["url"] for i in item.current.images)])))
    if pictures:
        row["main_image_url"] = sheet.address("main_image_url", pictures[0], ITEM)
    for n, url in enumerate(pictures[1:9], 1):
        row[f"other_image_url{n}"] = sheet.address(f"other_image_url{n}", url)
    return row


def _axes(item: Item) -> list[tuple[str, bool]]:
    names = {NAMES.get(option["name"].casefold(), "") for option in item.current.product["options"]}
    return [(name, name in names) for name in ("color", "size")]


def _family(sheet: Sheet, item: Item) -> tuple[str, str]:
    """(variation theme, the parent's SKU) of a product with variants of size and colour, else empty."""
    product = item.current.product
    if len(item.current.variants) < 2:
        return "", ""
    names = [option["name"] for option in product["options"]]
    theme = THEMES.get(tuple(name for name, on in _axes(item) if on), "")
    if not theme or len(names) != sum(on for _name, on in _axes(item)):
        sheet.note(NOTE, "variation_theme", "single", options=", ".join(names) or "–")
        return "", ""
    return theme, f"parent-{item.current.id}"  # a handle may change, and another SKU would be another article


def _options(sheet: Sheet, item: Item, variant: dict) -> dict[str, str]:
    row = {}
    for option, value in zip(item.current.product["options"], variant["option_values"], strict=False):
        column = f"{NAMES[option['name'].casefold()]}_name"
        row[column] = sheet.value(column, value, MOST[column], ITEM)
    return row
