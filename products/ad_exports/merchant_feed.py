"""Items in Google Merchant's names: the columns of the catalogue's own feed, and the feed with approved texts."""

from collections.abc import Iterator
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from ecomai.lib.money import plain as plain_money
from ecomai.models import Store
from products import feed_texts
from products.ad_exports.checks import AMOUNT, ITEM, NO_CHARACTERS, TEXT, Problem, Sheet
from products.ad_exports.source import Item, Plan, items
from products.feed_texts import FeedText, listing
from products.import_snapshot import Current

FIELDS = (*feed_texts.TITLE, *feed_texts.DESCRIPTION)
OPTIONS = ("color", "size", "material", "pattern")
COLUMNS = [
    "id", "title", "description", "link", "image_link", "additional_image_link", "availability", "price", "sale_price",
    "brand", "gtin", "mpn", "condition", "identifier_exists", "google_product_category", "product_type", "item_group_id",
    *OPTIONS, "gender", "age_group",
]  # fmt: skip
STRUCTURED = ("structured_title", "structured_description")
# The most characters of the other columns (Merchant Center's product data specification).
MOST = {"id": 50, "brand": 70, "mpn": 70, "google_product_category": 750, "product_type": 750, "item_group_id": 50,
        "color": 100, "size": 100, "material": 200, "pattern": 100, "gender": 10, "age_group": 10}  # fmt: skip
KNOWN = {
    "condition": ("new", "refurbished", "used"),
    "gender": ("male", "female", "unisex"),
    "age_group": ("newborn", "infant", "toddler", "kids", "adult"),
}


def own_price(variant: dict, currency: str) -> tuple[Decimal, Decimal | None] | None:
    """(amount, compare at) of the shop's own market in the product's currency."""
    for price in variant["prices"]:
        if not price["market"] and price["currency"] == currency:
            return price["amount"], price["compare_at"]
    return None


def link_of(product: dict, store: Store) -> str:
    """Where the product is in the shop: its own address, else the usual one below the shop's; "" without either."""
    return product["link"] or (f"{store.url.rstrip('/')}/products/{product['handle']}" if store.url else "")


def rows_of(current: Current, store: Store) -> Iterator[dict[str, str]]:
    """One row a variant of a product, as the catalogue has it. Without a price that column is empty."""
    product = current.product
    lower = {name.casefold(): str(value) for name, value in product["attributes"].items()}
    pictures = [image["url"] for image in current.images]
    group = product["external_id"] or product["handle"]
    many = len(current.variants) > 1
    for variant in current.variants:
        amount, compare = own_price(variant, product["currency"]) or (None, None)
        own = variant["external_id"] or variant["sku"] or f"{product['handle']}-{variant['position']}"
        available = variant["stock"] is None or variant["stock"] > 0
        row = {
            "id": own if many else variant["external_id"] or group, "title": product["title"],
            "description": " ".join(product["description_text"].split()),
            "link": link_of(product, store),
            "image_link": variant["image_url"] or (pictures[0] if pictures else ""),
            "additional_image_link": ",".join(url.replace(",", "%2C") for url in pictures[1:11]),
            "availability": "in_stock" if available else "backorder" if variant["backorder"] != "deny" else "out_of_stock",
            "price": "" if amount is None else plain_money(amount if compare is None else compare, product["currency"]),
            "sale_price": "" if amount is None or compare is None else plain_money(amount, product["currency"]),
            "brand": current.brand, "gtin": variant["gtin"], "mpn": variant["mpn"], "condition": product["condition"],
            "identifier_exists": "yes" if variant["gtin"] or (current.brand and variant["mpn"]) else "no",
            "google_product_category": product["google_category"],
            "product_type": current.category if " > " in current.category else product["product_type"],
            "item_group_id": group if many else "",
            "gender": lower.get("gender", ""), "age_group": lower.get("age_group", ""),
        }  # fmt: skip
        for n, value in enumerate(variant["option_values"]):
            name = product["options"][n]["name"].casefold() if n < len(product["options"]) else ""
            if name in OPTIONS and many:
                row[name] = value
        for name in OPTIONS:
            if not many:
                row.setdefault(name, lower.get(name, ""))
        yield row


def listing_of(item: Item, plan: Plan, **fields) -> dict[str, FeedText]:
    """The title and the description that a feed in that language shows."""
    product = item.current.product
    description = " ".join(product["description_text"].split())
    return listing(item.texts, product["title"], description, own=plan.own, **fields)


def settle(
    sheet: Sheet,
    raw: dict[str, str],
    most: dict[str, int],
    known: dict[str, tuple[str, ...]],
    required: tuple[str, ...],
) -> dict[str, str]:
    """The columns of a catalogue row that any feed has, checked. Title and description are not among them."""
    row = {}
    for column, value in raw.items():
        level = ITEM if column in required else TEXT
        if column in ("title", "description"):
            continue
        if column in ("link", "image_link"):
            row[column] = sheet.address(column, value, level)
        elif column == "additional_image_link":
            pictures = (sheet.address(column, picture) for picture in value.split(",") if picture)
            row[column] = ",".join(filter(None, pictures))
        else:
            row[column] = sheet.value(column, value, most.get(column, 0), level)
        if column in known and row[column] and row[column] not in known[column]:
            sheet.note(level, column, "not_known", row[column], value=row[column])
            row[column] = ""
        if column in ("price", "sale_price") and row[column]:
            amount = row[column].split(" ")[0]
            if not AMOUNT.match(row[column]) or not Decimal(amount):
                sheet.note(level, column, "not_known", row[column], value=row[column])
                row[column] = ""
    return row


def gtin(sheet: Sheet, column: str, value: str) -> str:
    """A GTIN as text, or "" where its check digit is wrong."""
    from stdnum import ean

    value = sheet.value(column, value)
    if value and not ean.is_valid(value):
        sheet.note(TEXT, column, "bad_gtin", value)
        return ""
    return value


def _rows(plan: Plan, table: bool) -> Iterator[dict[str, str] | Problem]:
    required = ("id", "link", "image_link", "availability", "price", "condition")
    for item in items(plan, FIELDS):
        chosen = listing_of(item, plan)
        if not item.current.variants:
            yield Problem(item.current.id, item.name, ITEM, "price", "missing")
        for raw in rows_of(item.current, plan.store):
            sheet = Sheet(item.current.id, item.name, table)
            row = settle(sheet, raw, MOST, KNOWN, required)
            row["gtin"] = gtin(sheet, "gtin", row["gtin"])
            row["identifier_exists"] = "yes" if row["gtin"] or (row["brand"] and row["mpn"]) else "no"
            texts = {}
            for name in ("title", "description"):
                found = chosen.get(name)
                if found is None:
                    sheet.note(ITEM, name, "missing" if plan.own else "no_copy")
                    continue
                shorten = plan.own and name == "description" and not found.machine
                text = sheet.text(name, found.text, plan.rules[f"google_merchant.{name}"], ITEM, shorten=shorten)
                texts[name] = FeedText(text, found.machine)
            feed_texts.put(row, texts)
            sheet.demand(row, *required)
            yield from sheet.problems
            if not sheet.is_out:
                yield row


def table_rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    for row in _rows(plan, True):
        if isinstance(row, dict):
            row |= {name: feed_texts.as_cell(row.get(name, "")) for name in STRUCTURED}
        yield row


def xml_rows(plan: Plan) -> Iterator[dict[str, str] | Problem]:
    return _rows(plan, False)


def _element(name: str, value: str) -> str:
    value = escape(NO_CHARACTERS.sub(" ", value))
    if name in STRUCTURED:
        value = f"<g:digital_source_type>{feed_texts.MARK}</g:digital_source_type><g:content>{value}</g:content>"
    return f"<g:{name}>{value}</g:{name}>"


def write_xml(rows: Iterator[dict[str, str]], store: Store) -> Iterator[bytes]:
    """An RSS 2.0 feed of such rows."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">\n<channel>\n'
        f"<title>{escape(NO_CHARACTERS.sub(' ', store.name))}</title>\n<link>{escape(store.url)}</link>\n"
        f"<generator version={quoteattr('1')}>EcomAI</generator>\n"
    )
    yield head.encode()
    for row in rows:
        cells = "".join(_element(name, value) for name, value in row.items() if value)
        yield f"<item>{cells}</item>\n".encode()
    yield b"</channel>\n</rss>\n"
