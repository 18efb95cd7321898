"""What applying a record would do to a product: the new values, and each difference by name."""

from decimal import Decimal
from typing import Any

from ecomai.lib import html
from products.import_snapshot import Current

TEXT_CHANGES = {"title", "description", "brand", "category", "tags", "attributes", "product_type", "options"}
PLAIN = ("title", "product_type", "google_category", "seo_title", "seo_description", "link")
LENGTHS = {"title": 500, "product_type": 255, "google_category": 500, "seo_title": 300, "seo_description": 1000,
           "link": 2000}  # fmt: skip
VARIANT_DEFAULTS: dict[str, Any] = {
    "position": 1, "external_id": "", "sku": None, "gtin": "", "mpn": "", "option_values": [], "stock": None,
    "backorder": "deny", "weight_grams": None, "weight_unit": "", "cost": None, "requires_shipping": True,
    "taxable": True, "image_url": "", "attributes": {}, "metafields": {},
}  # fmt: skip
DECIMALS = ("weight_grams", "cost")


def blank_product() -> dict[str, Any]:
    """The columns of a product that does not exist yet."""
    return {
        "external_id": "", "handle": "", "title": "", "status": "active", "brand_id": None, "category_id": None,
        "product_type": "", "google_category": "", "condition": "new", "tags": [], "description_raw": "",
        "description_html": "", "description_text": "", "attributes": {}, "metafields": {}, "seo_title": "",
        "seo_description": "", "link": "", "options": [], "currency": "", "price_min": None, "price_max": None,
        "compare_at_max": None, "stock_total": None, "variant_count": 0, "image_url": "", "search_text": "",
        "is_dirty": True,
    }  # fmt: skip


def compare(record: dict, current: Current) -> tuple[dict[str, list], list[dict], list[dict], list[list], list[list]]:
    """Merge the record into `current` (in place) and tell the differences.

    Returns (changes {name: [old, new]}, new variants, changed variants, prices to write, pictures to write).
    Prices are [variant, market, currency, amount, compare_at] with the variant's dict, pictures [url, position, alt].
    """
    changes: dict[str, list] = {}
    product, wanted = current.product, record["product"]

    def put(name: str, new: Any, shown: str = "") -> None:
        if product[name] != new:
            changes[shown or name] = [product[name], new]
            product[name] = new

    for name in PLAIN:
        if name in wanted:
            if name == "link" and record["feed"] and wanted[name].endswith(f"/products/{product['handle']}"):
                continue  # our own export's address, not the shop's
            put(name, wanted[name][: LENGTHS[name]])
    known_by_handle = record["feed"] and record["external_id"].lower() == product["handle"]
    if record["external_id"] and not product["external_id"] and not known_by_handle:
        put("external_id", record["external_id"])
    if record["handle_given"] or not product["handle"]:
        put("handle", record["handle"])
    if wanted.get("condition"):
        put("condition", wanted["condition"].lower()[:20])
    if wanted.get("status"):
        put("status", wanted["status"])
    if "tags" in wanted:
        put("tags", wanted["tags"])
    if "description" in wanted and not _same_text(wanted["description"], product):
        changes["description"] = [product["description_text"], html.plain(wanted["description"])]
        product["description_raw"] = wanted["description"]
        product["description_html"] = html.clean(wanted["description"])
        product["description_text"] = changes["description"][1]
    for name in ("brand", "category"):
        if name in wanted and wanted[name] != getattr(current, name):
            if name == "brand" and wanted[name].lower() == current.brand.lower():
                continue
            changes[name] = [getattr(current, name), wanted[name]]
            setattr(current, name, wanted[name])
    for name in ("attributes", "metafields"):
        if wanted.get(name):
            # "color" and "Color" are one attribute.
            names = {known.casefold(): known for known in product[name]}
            put(name, {**product[name], **{names.get(k.casefold(), k): v for k, v in wanted[name].items()}})
    made, altered, prices = _variants(record, current, changes)
    images = _images(record, current, changes)
    if record["options"] and record["variants"] and (made or not record["feed"]):
        put("options", _options(record["options"], current.variants))
    if changes and TEXT_CHANGES & set(changes):
        product["is_dirty"] = True
    return changes, made, altered, prices, images


def _same_text(wanted: str, product: dict) -> bool:
    """Whether a description is the present one, or (from a feed) its plain text."""
    if wanted == product["description_raw"]:
        return True
    return "<" not in wanted and bool(wanted) and wanted.split() == product["description_text"].split()


def _options(names: list[str], variants: list[dict]) -> list[dict]:
    out = []
    for i, name in enumerate(names):
        values = list(dict.fromkeys(v["option_values"][i] for v in variants if len(v["option_values"]) > i))
        if values:
            out.append({"name": name, "values": values})
    return out


def _match(wanted: dict, variants: list[dict], handle: str, alone: bool) -> dict | None:
    """The existing variant that a file's variant means: by external id, SKU, options."""
    for name in ("external_id", "sku"):
        if value := wanted.get(name):
            for variant in variants:
                if variant[name] == value or variant["sku"] == value or value == f"{handle}-{variant['position']}":
                    return variant
    for variant in variants:
        if variant["option_values"] == wanted["option_values"]:
            return variant
    return variants[0] if alone and len(variants) == 1 else None


def _name(variant: dict) -> str:
    return variant["sku"] or " / ".join(variant["option_values"]) or "1"


def _same(name: str, old: Any, new: Any) -> bool:
    if name in DECIMALS and old is not None and new is not None:
        return Decimal(old) == Decimal(new)
    return old == new


def _variants(record: dict, current: Current, changes: dict) -> tuple[list[dict], list[dict], list[list]]:
    made, altered, prices = [], [], []
    # A feed doesn't tell the options of a product that has only one variant.
    alone = record["feed"] and len(record["variants"]) == 1
    for wanted in record["variants"]:
        variant = _match(wanted, current.variants, current.product["handle"], alone)
        new = variant is None
        if variant is None:
            variant = {**VARIANT_DEFAULTS, "position": len(current.variants) + 1, "prices": []}
            current.variants.append(variant)
            made.append(variant)
        touched = False
        for name in VARIANT_DEFAULTS:
            if name in wanted and not _same(name, variant[name], wanted[name]):
                if not wanted[name] and name in ("sku", "external_id"):
                    continue  # a code that the file doesn't know is not taken away
                if not new and (name == "external_id" or (record["feed"] and name == "option_values")):
                    continue
                if not new:
                    changes[f"variants/{_name(variant)}/{name}"] = [_shown(variant[name]), _shown(wanted[name])]
                variant[name] = wanted[name]
                touched = True
        for market, currency, amount, compare_at in wanted.get("prices") or []:
            old = next((p for p in variant["prices"] if (p["market"], p["currency"]) == (market, currency)), None)
            if old and Decimal(old["amount"]) == Decimal(amount) and _same_money(old["compare_at"], compare_at):
                continue
            if not new:
                label = f"variants/{_name(variant)}/price" + (f" {market or currency}" if market else "")
                before = _price(old["amount"], old["compare_at"], currency) if old else ""
                changes[label] = [before, _price(amount, compare_at, currency)]
            if old:
                old.update(amount=amount, compare_at=compare_at)
            else:
                variant["prices"].append(
                    {"market": market, "currency": currency, "amount": amount, "compare_at": compare_at}
                )
            prices.append([variant, market, currency, amount, compare_at])
        if new:
            changes[f"variants/{_name(variant)}"] = ["", "new"]
        elif touched:
            altered.append(variant)
    return made, altered, prices


def _same_money(old: Any, new: Any) -> bool:
    return (old is None) == (new is None) and (old is None or Decimal(old) == Decimal(new))


def _price(amount: Any, compare_at: Any, currency: str) -> str:
    text = f"{Decimal(amount).normalize():f} {currency}"
    return f"{text} ({Decimal(compare_at).normalize():f})" if compare_at is not None else text


def _shown(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _images(record: dict, current: Current, changes: dict) -> list[list]:
    out = []
    known = {image["url"]: image for image in current.images}
    for url, position, alt in record["images"]:
        image = known.get(url)
        if image is None:
            changes[f"images/{len(current.images) + 1}"] = ["", url]
            image = {"url": url, "position": len(current.images) + 1 if known else position, "alt": alt}
            current.images.append(image)
        elif alt and image["alt"] != alt:
            changes[f"images/{image['position']}/alt"] = [image["alt"], alt]
            image["alt"] = alt
        else:
            continue
        out.append([image["url"], image["position"], image["alt"]])
    return out
