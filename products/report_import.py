"""A channel's report per product and day (Google Ads, Merchant Center, a table of one's own) → ProductDay.

The same file again leaves the same rows: a product's day is set, not added to. Each line that can't be taken is named.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from ecomai.lib import numerals, tablefile
from ecomai.lib.tablefile import Look, Row, TableError
from ecomai.lib.text import clean_line
from ecomai.models import Store
from products.models import Product, ProductDay, Variant

MOST_ROWS = 300_000
MOST_ERRORS = 50
PREAMBLE = 12  # lines before the header: a report's name, its days
CHUNK = 2000
# What the columns are called, in lower case.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "item": ("item id", "item_id", "id", "offer id", "offer_id", "offerid", "product id", "product item id", "sku", "content id",
             "artikel-id", "id de artículo", "référence article", "商品 id", "商品id"),
    "day": ("day", "date", "tag", "datum", "fecha", "día", "jour", "日期"),
    "impressions": ("impressions", "impr.", "impr", "impressionen", "impresiones", "展示次数"),
    "clicks": ("clicks", "klicks", "clics", "link clicks", "点击次数"),
    "add_to_carts": ("add to cart", "adds to cart", "add_to_carts"),
    "purchases": ("conversions", "conv.", "purchases", "orders", "conversiones", "转化次数"),
    "revenue": ("conv. value", "conversion value", "conversion_value", "value", "all conv. value", "revenue", "conv.-wert",
                "purchases conversion value", "转化价值"),
    "cost": ("cost", "amount spent", "spend", "kosten", "coste", "coût", "费用"),
}  # fmt: skip
COUNTS = ("impressions", "clicks", "add_to_carts", "purchases")
TOTALS = re.compile(r"^(total|summe|gesamt|--|totales)\b", re.I)
FORMATS = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%b %d, %Y", "%d %b %Y", "%Y/%m/%d")
SLASHED = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")


@dataclass(frozen=True)
class Problem:
    """A line that wasn't taken, and why."""

    line: int
    text: str


@dataclass
class Report:
    """What an import did: `rows` taken of `products` from `first` to `last`; the first 50 `problems` of `refused` lines."""

    rows: int = 0
    products: int = 0
    first: date | None = None
    last: date | None = None
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, text: str) -> None:
        self.refused += 1
        if len(self.problems) < MOST_ERRORS:
            self.problems.append(Problem(line, text))


def read(path: Path, filename: str) -> tuple[dict[str, int], Iterator[Row]]:
    """({our name: index of the column}, the rows below the header). Raises TableError for a file without item and day."""
    with path.open("rb") as file:
        head = file.read(4)
    rows = _sheet(path, filename) if head.startswith(b"PK\x03\x04") else _table(path)
    first = list(islice(rows, PREAMBLE))
    for number, row in enumerate(first):
        places = _places(row.cells)
        if "item" in places and "day" in places:
            rest = first[number + 1 :]
            return places, (row for part in (rest, rows) for row in part)
    raise TableError(_("No line names the columns “Item ID” and “Day”: report per product and day."))


def _places(cells: list[str]) -> dict[str, int]:
    names = [re.sub(r"\s*\([^)]*\)$", "", clean_line(cell.replace("\ufeff", "")).lower()) for cell in cells]
    found = {}
    for ours, aliases in COLUMNS.items():
        for alias in aliases:
            if alias in names:
                found[ours] = names.index(alias)
                break
    return found


def _sheet(path: Path, filename: str) -> Iterator[Row]:
    yield from tablefile.read(path, Look("xlsx"))


def _table(path: Path) -> Iterator[Row]:
    """The lines of a text file; the delimiter is what the longest of the first lines is cut by."""
    encoding, _sure, _others = tablefile.detect_encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            start = list(islice(file, PREAMBLE + 10))
            widest = max(start, key=lambda line: max(line.count(d) for d in tablefile.DELIMITERS), default="")
            delimiter = max(tablefile.DELIMITERS, key=widest.count)
            file.seek(0)
            reader = csv.reader((line.replace("\0", "") for line in file), delimiter=delimiter)
            at = 1
            for cells in reader:
                line, at = at, reader.line_num + 1
                if any(cells):
                    yield Row(line, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(_("The file can't be read as a table: %(error)s") % {"error": error}) from error


def _day(text: str, day_first: bool) -> date:
    text = numerals.ascii_digits(text.strip())[:40]
    slashed = SLASHED.match(text)
    if slashed:
        one, two, year = (int(part) for part in slashed.groups())
        return date(year, two, one) if day_first else date(year, one, two)
    for form in FORMATS:
        try:
            return datetime.strptime(text[: 10 if form == "%Y-%m-%d" else 40], form).date()
        except ValueError:
            continue
    raise ValueError(text)


class Finder:
    """Item ids of a feed → products: external id, SKU, handle, GTIN, and the parts of "shopify_US_123_456"."""

    def __init__(self, store: Store):
        self.store = store
        self.known: dict[str, int | None] = {}

    def learn(self, items: set[str]) -> None:
        """Look up ids that aren't known yet, in one go."""
        new = {item for item in items if item not in self.known}
        if not new:
            return
        parts = {
            item: [item, *reversed(item.split("_"))] if item.lower().startswith("shopify_") else [item] for item in new
        }
        keys = {key for names in parts.values() for key in names} | {key.lower() for key in new}
        found: dict[str, int] = {}
        products = Product.objects.filter(Q(external_id__in=keys) | Q(handle__in=keys), store=self.store)
        variants = Variant.objects.filter(
            Q(external_id__in=keys) | Q(sku__in=keys) | Q(gtin__in=keys), store=self.store
        )
        for pk, external, handle in products.values_list("pk", "external_id", "handle"):
            found.setdefault(handle, pk)
            if external:
                found[external] = pk
        for pk, *codes in variants.values_list("product_id", "external_id", "sku", "gtin"):
            for code in codes:
                if code:
                    found.setdefault(code, pk)
        for item, names in parts.items():
            self.known[item] = next((found[n] for n in names if n in found), found.get(item.lower()))

    def __getitem__(self, item: str) -> int | None:
        return self.known.get(item)


def _cell(row: Row, places: Mapping[str, int], name: str) -> str:
    at = places.get(name)
    return row.cells[at].strip() if at is not None and at < len(row.cells) else ""


def load(*, store: Store, source: str, path: Path, filename: str) -> Report:
    """Read a report and set the days of its products in one transaction. Raises TableError when the file can't be read."""
    places, lines = read(path, filename)
    rows = list(islice(lines, MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise TableError(_("More than %(n)d rows: split the report by month.") % {"n": MOST_ROWS})
    report, finder = Report(), Finder(store)
    finder.learn({_cell(row, places, "item") for row in rows} - {""})
    numbers = [name for name in (*COUNTS, "revenue", "cost") if name in places]
    # One sign for the whole report: the money says what "1.500" impressions are.
    sign = numerals.decimal_sign(_cell(row, places, name) for row in rows[:5000] for name in numbers)[0]
    day_first = any(
        int(m[1]) > 12 for row in rows if (m := SLASHED.match(_cell(row, places, "day")))
    )  # fmt: skip
    sums: dict[tuple[int, date], dict[str, Decimal]] = {}
    for row in rows:
        item = _cell(row, places, "item")
        if not item or TOTALS.match(item) or TOTALS.match(row.cells[0].strip()):
            continue
        try:
            day = _day(_cell(row, places, "day"), day_first)
            values = {
                name: numerals.parse_decimal(_cell(row, places, name).replace("--", ""), sign) or Decimal(0)
                for name in numbers
            }
        except ValueError as error:
            report.refuse(row.line, _("“%(text)s” is no day or number.") % {"text": str(error)[:60]})
            continue
        product = finder[item]
        if product is None:
            report.refuse(row.line, _("No product has the id “%(item)s”.") % {"item": item[:60]})
            continue
        if any(value < 0 or value >= 10**12 for value in values.values()):
            report.refuse(row.line, _("A number is below 0 or too large."))
            continue
        into = sums.setdefault((product, day), {})
        for name, value in values.items():
            into[name] = into.get(name, Decimal(0)) + value
        report.rows += 1
    days = [day for _product, day in sums]
    report.products = len({product for product, _day in sums})
    report.first, report.last = (min(days), max(days)) if days else (None, None)
    _write(store, source, sums)
    return report


@transaction.atomic
def _write(store: Store, source: str, sums: Mapping[tuple[int, date], Mapping[str, Decimal]]) -> None:
    names = sorted({name for values in sums.values() for name in values})
    if not names:
        return
    rows = [
        ProductDay(
            store=store, product_id=product, source=source, day=day,
            **{name: round(value) if name in COUNTS else value for name, value in values.items()},
        )
        for (product, day), values in sorted(sums.items())
    ]  # fmt: skip
    ProductDay.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["product", "source", "day"], update_fields=names, batch_size=CHUNK
    )


def template() -> str:
    """A report as this import reads it."""
    out = io.StringIO()
    csv.writer(out).writerow(["Item ID", "Day", "Impressions", "Clicks", "Conversions", "Conv. value", "Cost"])
    return out.getvalue()
