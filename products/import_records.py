"""Rows of a mapped file → products: rows of one product are brought together, values cleaned, problems named.

A record is plain JSON: {"line", "external_id", "handle", "handle_given", "product": {field: text}, "options": [names] or
None, "variants": [...], "images": [[url, position, alt], ...]}. Fields that the file has no column for are absent, so
that applying it leaves them alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from django.utils.text import slugify
from stdnum import ean

from ecomai.lib import numerals
from ecomai.lib.formulas import restore
from ecomai.lib.tablefile import Row
from ecomai.lib.text import clean_line
from products import import_habits
from products.import_formats import Mapping
from products.import_values import (
    DATE_LIKE,
    LIMITS,
    MOST,
    NUMERIC,
    PRODUCT_TEXTS,
    STATUS,
    WEIGHT_GRAMS,
    YES,
    Cells,
    Issue,
    Reject,
    Settings,
    category_path,
    plain_number,
    split_list,
)


class Records(Cells):
    """Turns the rows of one file into records. `late` holds rows whose product came earlier (or not yet)."""

    def __init__(self, headers: list[str], mapping: Mapping, settings: Settings, note: Callable[[Issue], None]):
        super().__init__(headers, mapping, settings, note)
        self.skus: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self.metas = [c for c in mapping.columns if c.startswith("meta:")]
        self.attributes = [c for c in mapping.columns if c.startswith("attribute:")]
        self.markets = [c for c in mapping.columns if c.startswith(("price@", "compare@"))]
        self.parents: dict[str, int] = {}
        self.rows_read = 0

    # --- rows → records
    def all(self, rows: Iterable[Row]) -> Iterator[dict]:
        """Records in file order. A record whose key was seen before (rows apart) has "merge": the number of the first."""
        current: dict | None = None
        number = 0
        for row in rows:
            self.rows_read += 1
            values = {c: v for c, v in zip(self.columns, row.cells, strict=False) if v}
            if len(row.cells) > len(self.columns) and any(row.cells[len(self.columns) :]):
                extra = " | ".join(c for c in row.cells[len(self.columns) :] if c)
                self.issue(
                    "warning", "extra_cells", row.line, "", extra, "More cells than headers; the surplus is left out."
                )
            for name, value in values.items():
                if value[0] == "'":
                    values[name] = value = restore(value)
                if len(value) > 100 and name in LIMITS:
                    values[name] = self.fit(value, name, row.line)
            try:
                key, parent = self.key(values, row.line)
                part = self.part(values, row.line, key)
            except Reject:
                continue
            if parent:
                part.pop("aliases", None)
                part["parent"] = key
                yield part
                continue
            if current is not None and current["key"] == key:
                merge(current, part, self.note)
                continue
            if current is not None:
                yield self.finish(current)
            if key in self.keys:
                part["merge"] = self.keys[key]
            else:
                number += 1
                self.keys[key] = number
            part["number"] = self.keys[key]
            for alias in part.pop("aliases", ()):
                self.parents.setdefault(alias, part["number"])
            current = part
        if current is not None:
            yield self.finish(current)

    def key(self, values: dict, line: int) -> tuple[str, bool]:
        """(what the rows of one product share, whether it names a parent product)."""
        form = self.mapping.format
        if form == "google":
            key = values.get("group") or values.get("google_id", "")
        elif form == "woocommerce":
            if "variation" in values.get("woo_type", "").lower():
                if not values.get("woo_parent"):
                    self.issue("error", "no_parent", line, "woo_parent", "", "A variation without a parent.")
                    raise Reject
                return clean_line(values["woo_parent"]).lower(), True
            key = values.get("external_id") or values.get("sku") or values.get("title", "")
        else:
            key = values.get("handle") or values.get("external_id") or ""
            if not key and form == "generic":
                key = values.get("title") or values.get("sku") or ""
        key = clean_line(key).lower()
        if not key:
            name = next((c for c in ("handle", "google_id", "external_id", "title") if c in self.present), "")
            self.issue("error", "no_key", line, name, "", "Nothing tells which product this row belongs to.")
            raise Reject
        return key, False

    def part(self, values: dict, line: int, key: str) -> dict:
        """What one row says."""
        form = self.mapping.format
        product: dict = {}
        for name in PRODUCT_TEXTS:
            if name in self.present:
                product[name] = clean_line(values.get(name, ""))
        if "description" in self.present:
            text = values.get("description", "")
            product["description"] = text.replace("\\n", "\n") if form == "woocommerce" else text
        if "tags" in self.present:
            product["tags"] = self.fit_all(split_list(values.get("tags", "")), "tags", line)
        status = values.get("status") or values.get("published")
        if status:
            product["status"] = STATUS.get(status.strip().lower(), "draft")
        elif "status" in self.present or "published" in self.present:
            product["status"] = ""
        if "category" in self.present:
            product["category"] = category_path(values.get("category", ""))
        if self.attributes:
            product["attributes"] = {
                c.partition(":")[2]: clean_line(values[c]) for c in self.attributes if values.get(c)
            }
        if self.metas:
            product["metafields"] = {c[5:]: values[c] for c in self.metas if c in values}
        if form == "google":
            import_habits.google(self.columns, values, product)
        elif form == "woocommerce":
            import_habits.woo(self.columns, values, product)
        handle = clean_line(values.get("handle", "")).lower()
        external = (
            values.get("external_id", "") if form != "google" else values.get("group") or values.get("google_id", "")
        )
        images = self.images(values)
        variant = self.variant(values, line, key)
        record = {
            "key": key, "line": line, "external_id": clean_line(external)[:100], "handle": handle,
            "product": product, "variants": [variant] if variant else [], "images": images,
            "options": variant.pop("names") if variant else [], "feed": form == "google",
        }  # fmt: skip
        if form == "woocommerce":
            record["aliases"] = [f"id:{external}", clean_line(values.get("sku", "")).lower()]
        return record

    def images(self, values: dict) -> list[list]:
        out = []
        if url := values.get("image_url", "").strip():
            position = values.get("image_position", "")
            number = int(position) if position.isdecimal() and len(position) < 6 else 0
            out.append([url, number, clean_line(values.get("image_alt", ""))])
        more = values.get("more_images") or values.get("woo_images") or ""
        urls = [u.strip() for u in re.split(r"[,\n]", more)] if more else []
        urls += [values[c].strip() for c in self.columns if c.startswith("image:") and values.get(c)]
        out += [[u, 0, ""] for u in urls if u and len(u) <= 2000 and all(u != known[0] for known in out)]
        return out

    def options(self, values: dict, line: int) -> tuple[list[str], list[str]]:
        names, chosen = [], []
        if self.mapping.format == "woocommerce":
            if "simple" in values.get("woo_type", ""):
                return [], []
            for i in import_habits.woo_numbers(self.columns):
                name, value = values.get(f"woo_attribute:{i}:name"), values.get(f"woo_attribute:{i}:value(s)")
                if name and value and "variation" in values.get("woo_type", ""):
                    names.append(clean_line(name))
                    chosen.append(clean_line(value))
            return names, chosen
        if self.mapping.format == "google":
            if values.get("group"):
                for column in self.columns:
                    if column.startswith("google_option:") and values.get(column):
                        names.append(column.partition(":")[2])
                        chosen.append(clean_line(values[column]))
            return names, chosen
        for i in "123":
            value = clean_line(values.get(f"option{i}_value", ""))
            name = clean_line(values.get(f"option{i}_name", ""))
            if not name and self.mapping.format == "generic" and value:
                name = self.header_of[f"option{i}_value"]
            if value:
                names.append(name)
                chosen.append(value)
                if DATE_LIKE.match(value):
                    self.issue("warning", "date_like", line, f"option{i}_value", value,
                               f"“{value}” looks like a size that a spreadsheet turned into a date.")  # fmt: skip
        if chosen == ["Default Title"]:
            return ["Title"], []
        return names, chosen

    def variant(self, values: dict, line: int, key: str) -> dict | None:
        """The variant of a row, or None for a row that only brings a picture (or is a variable parent)."""
        if self.mapping.format == "woocommerce" and "variable" in values.get("woo_type", ""):
            return None
        names, chosen = self.options(values, line)
        given = chosen or names or any(
            values.get(n) for n in ("price", "sku", "gtin", "google_price", "woo_regular", "woo_sale", "variant_external_id")
        )  # fmt: skip
        if not given and self.mapping.format in ("shopify", "generic"):
            return None
        out: dict = {"line": line, "names": names, "option_values": chosen}
        prices = self.prices(values, line)
        if prices is not None:
            out["prices"] = prices
        self.codes(values, out, line)
        if "stock" in self.present or "woo_in_stock" in self.present:
            out["stock"] = self.stock(values, line)
        elif "google_availability" in self.present or "quantity" in self.present:
            # "in stock" tells no number: the number that is known stays.
            if (stock := self.stock(values, line)) is not None:
                out["stock"] = stock
        if "backorder" in self.present:
            text = values.get("backorder", "").strip().lower()
            out["backorder"] = "continue" if text in YES | {"continue"} else "notify" if text == "notify" else "deny"
        if values.get("google_availability", "").replace(" ", "_") in ("backorder", "preorder", "available_for_order"):
            out["backorder"] = "continue"
        if "cost" in self.present:
            out["cost"] = self.money(values, "cost", line)
        if "weight_grams" in self.present:
            value = self.number(values, "weight_grams", line, MOST["weight"])
            out["weight_grams"] = None if value is None else plain_number(value)
        elif "woo_weight" in self.present:
            value = self.number(values, "woo_weight", line, MOST["weight"] / 1000)
            unit = self.header_of["woo_weight"].rpartition("(")[2].rstrip(")").lower()
            out["weight_grams"] = None if value is None else plain_number(value * WEIGHT_GRAMS.get(unit, Decimal(1000)))
        if "weight_unit" in self.present:
            out["weight_unit"] = values.get("weight_unit", "").strip()[:4]
        for name in ("requires_shipping", "taxable"):
            if name in self.present:
                out[name] = values.get(name, "true").strip().lower() in YES
        if "variant_image" in self.present:
            out["image_url"] = values.get("variant_image", "").strip()
        return out

    def codes(self, values: dict, out: dict, line: int) -> None:
        if "variant_external_id" in self.present or self.mapping.format == "google":
            out["external_id"] = clean_line(values.get("variant_external_id") or values.get("google_id", ""))[:100]
        if self.mapping.format == "woocommerce" and "variation" in values.get("woo_type", ""):
            out["external_id"] = clean_line(values.get("external_id", ""))[:100]
        if "sku" in self.present:
            sku = clean_line(values.get("sku", ""))
            if sku and numerals.is_scientific(sku):
                self.issue("warning", "scientific", line, "sku", sku, "A spreadsheet has cut this code to an exponent.")
            if sku and sku in self.skus and self.skus[sku] != line:
                self.issue("warning", "duplicate_sku", line, "sku", sku,
                           f"SKU “{sku}” stands in line {self.skus[sku]} too; here it is left out.")  # fmt: skip
                sku = ""
            elif sku:
                self.skus[sku] = line
            out["sku"] = sku or None
        if "gtin" in self.present:
            gtin = re.sub(r"[\s-]", "", numerals.ascii_digits(values.get("gtin", "")).lstrip("'"))
            if gtin and numerals.is_scientific(gtin):
                self.issue(
                    "warning", "scientific", line, "gtin", gtin, "A spreadsheet has cut this code; it is left out."
                )
                gtin = ""
            elif gtin and (not gtin.isdigit() or len(gtin) > 14):
                self.issue("warning", "gtin", line, "gtin", gtin, f"“{gtin}” is no GTIN; it is left out.")
                gtin = ""
            elif gtin and not ean.is_valid(gtin.zfill(13) if len(gtin) in (10, 11, 12) else gtin):
                self.issue("warning", "gtin", line, "gtin", gtin, f"The check digit of {gtin} is wrong.")
            out["gtin"] = gtin
        if "mpn" in self.present:
            out["mpn"] = clean_line(values.get("mpn", ""))[:100]

    def stock(self, values: dict, line: int) -> int | None:
        if values.get("stock") or "stock" in values:
            value = self.number(values, "stock", line, MOST["stock"])
            return int(value) if value is not None else None
        if values.get("quantity"):
            value = self.number(values, "quantity", line, MOST["stock"])
            return int(value) if value is not None else None
        if self.mapping.format == "google":
            state = values.get("google_availability", "").strip().replace(" ", "_")
            return 0 if state in ("out_of_stock", "discontinued", "backorder", "preorder") else None
        return 0 if values.get("woo_in_stock", "").strip() == "0" else None

    def prices(self, values: dict, line: int) -> list[list] | None:
        """[[market, currency, amount, compare_at], …]; None when the file has no price column at all."""
        form = self.mapping.format
        names = {"google": ("google_sale", "google_price"), "woocommerce": ("woo_sale", "woo_regular")}.get(
            form, ("price", "compare_at")
        )
        if not (self.present & set(names)) and not self.markets:
            return None
        first, second = (self.money(values, n, line) for n in names)
        if form in ("google", "woocommerce") and first is None:
            first, second = second, None
        out: list[list] = []
        if first is not None:
            text = values.get(names[0]) or values.get(names[1], "")
            currency = numerals.currency_of(text) or self.settings.currency
            if second is not None and Decimal(second) < Decimal(first):
                self.issue("warning", "compare_below", line, names[1], second,
                           f"The former price {second} is below the price {first}; it is left out.")  # fmt: skip
                second = None
            out.append(["", currency, first, second])
        for column in self.markets:
            kind, _at, market = column.partition("@")
            value = self.money(values, column, line)
            if value is None or kind != "price":
                continue
            market, _slash, code = market.partition("/")
            compare = self.money(values, f"compare@{market}", line)
            out.append([market if not code else "", code or self.settings.currency, value, compare])
        return out

    def finish(self, record: dict) -> dict:
        """The whole product: option names, pictures numbered, status of what lacks a price, a handle."""
        names: list[str] = []
        for i, name in enumerate(record["options"]):
            names.append(name or f"Option {i + 1}")
        record["options"] = names
        if self.mapping.format == "woocommerce":
            # A parent names its variations' options as attributes too.
            for name in names:
                record["product"].get("attributes", {}).pop(name, None)
        seen: dict[tuple, int] = {}
        kept = []
        for variant in record["variants"]:
            values = tuple(variant["option_values"])
            if values in seen:
                self.issue("error", "duplicate_variant", variant["line"], "option1_value", " / ".join(values),
                           f"The same options stand in line {seen[values]}; this row is left out.")  # fmt: skip
                continue
            seen[values] = variant["line"]
            kept.append(variant)
        record["variants"] = kept
        images, urls = [], set()
        for url, _position, alt in sorted(record["images"], key=lambda image: image[1] or 10**6):
            if url not in urls:
                urls.add(url)
                images.append([url, len(images) + 1, alt])
        record["images"] = images
        record["handle_given"] = bool(record["handle"])
        if not record["handle"]:
            base = record["key"] if self.mapping.format == "google" else record["product"].get("title") or record["key"]
            record["handle"] = slugify(base, allow_unicode=True)[:240] or f"product-{record['line']}"
        record["unpriced"] = bool(
            self.priced() and record["variants"] and not any(v.get("prices") for v in record["variants"])
        )
        return record

    def priced(self) -> bool:
        return bool(self.present & set(NUMERIC)) or bool(self.markets)


def merge(record: dict, part: dict, note: Callable[[Issue], None]) -> None:
    """Add a later row of the same product: its variant, its pictures, product fields that were empty so far."""
    for name, value in part["product"].items():
        if isinstance(value, dict):
            record["product"][name] = {**value, **record["product"].get(name, {})}
        elif value and not record["product"].get(name):
            record["product"][name] = value
    ordered = part["variants"]
    if ordered and record["options"] and part["options"] and part["options"] != record["options"]:
        # Option columns in another order: line them up by name.
        named = dict(zip(part["options"], ordered[0]["option_values"], strict=False))
        if set(named) == set(record["options"]):
            ordered[0]["option_values"] = [named[name] for name in record["options"]]
    if not record["options"]:
        record["options"] = part["options"]
    record["variants"] += ordered
    record["images"] += part["images"]
