"""The exports that there are; check one, write one, list what it leaves out."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store
from products.ad_exports import amazon_flat, google_ads_editor, merchant_feed, meta_catalogue, plain_copy
from products.ad_exports.checks import ITEM, TEXT, Problem, neutral
from products.ad_exports.source import Choice, Plan, selected
from products.channels import rules

BOM = "\ufeff"
PIECE = 64_000
Row = dict[str, str]
Write = Callable[[Iterator[Row], Plan], Iterator[bytes]]


@dataclass(frozen=True)
class Export:
    """One format. `fields`: the texts that make a product worth a look."""

    name: str | Promise
    hint: str | Promise
    ending: str
    mime: str
    fields: tuple[str, ...]
    rows: Callable[[Plan], Iterator[Row | Problem]]
    write: Write


def _table(
    header: Callable[[Plan], list[list[str]]], columns: list[str], delimiter: str = ",", bom: bool = False
) -> Write:
    def write(rows: Iterator[Row], plan: Plan) -> Iterator[bytes]:
        buffer = io.StringIO(BOM if bom or plan.choice.bom else "")
        buffer.seek(0, io.SEEK_END)
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
        writer.writerows(header(plan))
        for row in rows:
            writer.writerow([row.get(column, "") for column in columns])
            if buffer.tell() > PIECE:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue().encode()

    return write


def _plain(columns: list[str], **more) -> Write:
    return _table(lambda plan: [columns], columns, **more)


FEED_COLUMNS = [*merchant_feed.COLUMNS, *merchant_feed.STRUCTURED]
COPY = tuple(key for key in google_ads_editor.FIELDS if key != google_ads_editor.PATH)
EXPORTS: dict[str, Export] = {
    "google_ads": Export(
        _("Google Ads Editor (CSV)"), _("Search ads: an ad group for each product"), "csv", "text/csv", COPY,
        google_ads_editor.rows, _plain(google_ads_editor.COLUMNS, bom=True),
    ),
    "merchant_tsv": Export(
        _("Google Merchant feed (TSV)"), _("Texts that the model wrote are marked as Google asks"), "tsv",
        "text/tab-separated-values", merchant_feed.FIELDS, merchant_feed.table_rows, _plain(FEED_COLUMNS, delimiter="\t"),
    ),
    "merchant_xml": Export(
        _("Google Merchant feed (XML)"), _("The same as an RSS feed"), "xml", "application/xml", merchant_feed.FIELDS,
        merchant_feed.xml_rows, lambda rows, plan: merchant_feed.write_xml(rows, plan.store),
    ),
    "meta": Export(
        _("Meta catalogue (CSV)"), _("Facebook and Instagram"), "csv", "text/csv", meta_catalogue.FIELDS,
        meta_catalogue.rows, _plain(meta_catalogue.COLUMNS),
    ),
    "amazon": Export(
        _("Amazon flat file (TXT)"), _("Tab separated, with the template's three header rows"), "txt", "text/plain",
        (amazon_flat.TITLE, amazon_flat.BULLET, amazon_flat.DESCRIPTION), amazon_flat.rows,
        _table(amazon_flat.header, amazon_flat.COLUMNS, "\t"),
    ),
    "copy_csv": Export(
        _("All texts (CSV)"), _("A line per text with where it came from"), "csv", "text/csv", (), plain_copy.safe_rows,
        _plain(plain_copy.COLUMNS),
    ),
    "copy_json": Export(
        _("All texts (JSON)"), _("The same for programs"), "json", "application/json", (), plain_copy.rows,
        lambda rows, plan: plain_copy.write_json(rows, plan.store),
    ),
}  # fmt: skip


@dataclass
class Report:
    """What a check found. `rows` are in the file; `out` products or variants and `texts` texts are not."""

    products: int = 0
    checked: int = 0
    rows: int = 0
    out: int = 0
    texts: int = 0
    notes: int = 0
    reasons: Counter = field(default_factory=Counter)  # (level, column, code) → how many
    problems: list[Problem] = field(default_factory=list)  # the first ones

    @property
    def whole(self) -> bool:
        return self.checked >= self.products


def plan(store: Store, choice: Choice, first: int | None = None) -> Plan:
    """Raises KeyError for an unknown export."""
    EXPORTS[choice.export]
    return Plan(store, choice, rules(store), first)


def check(store: Store, choice: Choice, *, first: int = 2000, shown: int = 200) -> Report:
    """What an export of the first products would hold and leave out. Raises KeyError for an unknown export."""
    whole = plan(store, choice, first)
    export = EXPORTS[choice.export]
    report = Report(products=selected(whole, export.fields or list(whole.rules)).count())
    report.checked = min(first, report.products)
    missing: set[tuple[int, str]] = set()
    for row in export.rows(whole):
        if not isinstance(row, Problem):
            report.rows += 1
            continue
        if row.level == ITEM:
            missing.add((row.product, row.name))
        elif row.level == TEXT:
            report.texts += 1
        else:
            report.notes += 1
        report.reasons[row.level, row.column, row.code] += 1
        if len(report.problems) < shown:
            report.problems.append(row)
    report.out = len(missing)
    return report


def write(store: Store, choice: Choice) -> Iterator[bytes]:
    """The file's bytes, piece by piece. Raises KeyError for an unknown export."""
    whole = plan(store, choice)
    export = EXPORTS[choice.export]
    return export.write((row for row in export.rows(whole) if not isinstance(row, Problem)), whole)


def problems_csv(store: Store, choice: Choice, language: str) -> Iterator[bytes]:
    """Everything that the export leaves out or changes, as a table in a person's language, safe to open."""
    whole = plan(store, choice)
    columns = ["product", "name", "what", "field", "reason", "text"]

    def rows() -> Iterator[Row]:
        for row in EXPORTS[choice.export].rows(whole):
            if isinstance(row, Problem):
                with translation.override(language):
                    cells = [str(row.product), row.name, row.level_label, row.column, row.reason, row.text]
                yield dict(zip(columns, map(neutral, cells), strict=True))

    return _plain(columns, bom=True)(rows(), whole)
