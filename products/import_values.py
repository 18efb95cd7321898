"""Cells of an import as values: numbers within sense, texts within their columns, each problem named."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from ecomai.lib import numerals
from ecomai.lib.text import clean_line
from products.import_formats import Mapping

NUMERIC = ("price", "compare_at", "cost", "woo_sale", "woo_regular", "google_price", "google_sale")
DATE_LIKE = re.compile(r"^(?:\d{1,2}[-./ ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|"
                       r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-./ ]\d{1,2}|"
                       r"\d{4}-\d{2}-\d{2}(?: 00:00:00)?)$", re.I)  # fmt: skip
YES = {"true", "1", "yes", "y", "ja", "wahr", "sí", "si", "oui", "是", "はい"}
WEIGHT_GRAMS = {"kg": Decimal(1000), "g": Decimal(1), "lbs": Decimal("453.59237"), "lb": Decimal("453.59237"),
                "oz": Decimal("28.349523125")}  # fmt: skip
STATUS = {"active": "active", "draft": "draft", "archived": "archived", "published": "active", "proposed": "draft",
          "rejected": "archived", "1": "active", "0": "draft", "-1": "draft", "true": "active", "false": "draft",
          "aktiv": "active", "inaktiv": "draft", "entwurf": "draft"}  # fmt: skip
PRODUCT_TEXTS = (
    "title",
    "brand",
    "product_type",
    "google_category",
    "condition",
    "seo_title",
    "seo_description",
    "link",
)
# The longest text of a field's column. An address or a code that is cut would be a wrong one: it is left out.
LIMITS = {
    "handle": 255, "title": 500, "brand": 200, "product_type": 255, "google_category": 500, "seo_title": 300,
    "seo_description": 1000, "image_alt": 1000, "option1_name": 255, "option2_name": 255, "option3_name": 255,
    "option1_value": 255, "option2_value": 255, "option3_value": 255, "condition": 20, "mpn": 100, "sku": 255,
    "external_id": 100, "variant_external_id": 100, "google_id": 100, "group": 100, "link": 2000, "image_url": 2000,
    "variant_image": 2000,
}  # fmt: skip
NEVER_CUT = {
    "mpn", "sku", "external_id", "variant_external_id", "google_id", "group", "link", "image_url", "variant_image",
}  # fmt: skip
# The largest numbers that their columns hold.
MOST = {"money": Decimal(10) ** 10, "weight": Decimal(10) ** 8, "stock": Decimal(2) ** 31}
STRUCTURED = re.compile(r'^trained_algorithmic_media:"?(.*?)"?$', re.S)


@dataclass
class Issue:
    """One problem of the file, for the report."""

    severity: str
    code: str
    line: int
    column: str
    value: str
    message: str


@dataclass
class Settings:
    """What holds for the whole file: the shop's currency, the decimal sign per field, minor units."""

    currency: str
    signs: dict[str, str] = field(default_factory=dict)
    minor_units: bool = False


class Reject(Exception):
    """The row can't be imported; the issue is already noted."""


class Cells:
    """Reads the cells of mapped rows; what is wrong with one goes to `note` with line, column and value."""

    def __init__(self, headers: list[str], mapping: Mapping, settings: Settings, note: Callable[[Issue], None]):
        self.mapping, self.settings, self.note = mapping, settings, note
        self.columns = mapping.columns
        self.present = set(mapping.columns)
        self.header_of = dict(zip(mapping.columns, headers, strict=True))

    def issue(self, severity: str, code: str, line: int, column: str, value: str, message: str) -> None:
        header = self.header_of.get(column, column)
        self.note(Issue(severity, code, line, header, value[:300], message))

    def fit(self, value: str, name: str, line: int) -> str:
        """The text as far as its column goes, or "" for a code that doesn't fit; with a warning."""
        cleaned, limit = clean_line(value), LIMITS[name]
        if len(cleaned) <= limit:
            return value
        done = "it is left out" if name in NEVER_CUT else "the rest is cut off"
        self.issue("warning", "too_long", line, name, value, f"Longer than {limit} characters: {done}.")
        return "" if name in NEVER_CUT else cleaned[:limit].strip()

    def fit_all(self, items: list[str], name: str, line: int, limit: int = 255) -> list[str]:
        """The items of a list, each cut at the limit; with a warning."""
        if all(len(item) <= limit for item in items):
            return items
        self.issue("warning", "too_long", line, name, max(items, key=len), f"Longer than {limit} characters: cut off.")
        return [item[:limit].strip() for item in items]

    def number(self, values: dict, name: str, line: int, limit: Decimal = MOST["money"]) -> Decimal | None:
        """The number of a cell, None for an empty one. Raises Reject for one that is none, or out of all bounds."""
        text = values.get(name, "")
        if not text:
            return None
        try:
            value = numerals.parse_decimal(text, self.settings.signs.get(name, "."))
        except ValueError:
            self.issue("error", "number", line, name, text, f"“{text}” is not a number here; the row is left out.")
            raise Reject from None
        if value is not None and value < 0 and name != "stock":
            self.issue("error", "negative", line, name, text, f"“{text}” is below zero; the row is left out.")
            raise Reject
        if value is not None and abs(value) >= limit:
            self.issue("error", "too_large", line, name, text, f"“{text}” is too large; the row is left out.")
            raise Reject
        return value

    def money(self, values: dict, name: str, line: int) -> str | None:
        """An amount as plain text in major units."""
        value = self.number(values, name, line)
        if value is None:
            return None
        return plain_number(value / 100 if self.settings.minor_units else value)


def split_list(text: str) -> list[str]:
    """A comma list whose items may hold an escaped comma."""
    if not text:
        return []
    if "\\," not in text:
        return [item for item in (clean_line(part) for part in text.split(",")) if item]
    return [item for item in (clean_line(p.replace("\0", ",")) for p in text.replace("\\,", "\0").split(",")) if item]


def category_path(text: str) -> str:
    """ "A>B / C" is "A > B / C": steps trimmed (to 255 characters each), joined by " > " as far as 1,000 go."""
    path = ""
    for step in text.split(">"):
        step = clean_line(step)[:255].strip()
        if step and len(path) + 3 + len(step) <= 1000:
            path = f"{path} > {step}" if path else step
    return path


def plain_number(value: Decimal) -> str:
    """The number without exponent and without empty decimals, at most four of them."""
    text = f"{value:.4f}" if -value.as_tuple().exponent > 4 else f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
