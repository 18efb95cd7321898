"""Rows of an uploaded file → reviews as they were given: JSON lines, dates, yes and no, what each column means."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import parser as dates
from django.utils.translation import gettext as _

from ecomai.lib import numerals, tablefile
from ecomai.lib.tablefile import Look, TableError
from ecomai.lib.text import clean_line
from reviews.reading import RawReview, Unreadable

LOOKED_AT = 5000
LONGEST_LINE = 4 * 1024 * 1024
YES = frozenset({"1", "y", "yes", "true", "t", "ja", "oui", "si", "sí", "sim", "buyer", "verified", "verified_buyer",
                 "是", "已验证", "はい", "예", "да", "ya", "ok", "given", "granted"})  # fmt: skip
NO = frozenset({"0", "n", "no", "false", "f", "nein", "non", "não", "nao", "none", "unverified", "not verified", "否",
                "未验证", "いいえ", "아니요", "нет", "tidak", "denied", "withdrawn"})  # fmt: skip
# What a source calls rows that are no shopper's review: WordPress keeps order notes in the same table.
NOT_REVIEWS = frozenset({"spam", "trash", "post-trashed", "order_note", "pingback", "trackback", "webhook_delivery"})
NUMERIC_DATE = re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})\b")
HAN_DATE = re.compile(r"^(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?")
NUMBER = re.compile(r"^\d+([.,]\d+)?$")
EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class FileRow:
    """A record of the file: its line, header → cell, or why it can't be read."""

    line: int
    cells: dict[str, str]
    error: Unreadable | None = None


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _plain(value)


def is_json_lines(path: Path, filename: str) -> bool:
    """Whether the file holds a JSON object per line: by its first sign, or by its ending."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"{") or Path(filename).suffix.lower() in (".jsonl", ".ndjson")


def _json_rows(path: Path) -> Iterator[FileRow]:
    """Lines of objects; nested names are joined with a dot. A broken line is a row with an error."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise TableError(_("Line %(line)s is longer than %(size)s MB: one JSON object a line is read.")
                                 % {"line": number, "size": LONGEST_LINE // 1024**2}, number)  # fmt: skip
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not line:
                continue
            try:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(_("not an object"))
                cells = {name.replace("\0", ""): value.replace("\0", "") for name, value in _flat(record)}
                "".join([*cells, *cells.values()]).encode()  # a lone half of a surrogate pair fits no database
                yield FileRow(number, cells)
            except (ValueError, RecursionError) as error:
                shown = line[:200].decode("utf-8", "replace")
                message = _("This line is no JSON object: %(why)s") % {"why": error}
                yield FileRow(number, {}, Unreadable("bad_json", "", shown, message[:300]))


def look(path: Path, filename: str, encoding: str = "", delimiter: str = "") -> Look:
    """What the file is, as `tablefile.look` tells, and "jsonl". Raises TableError."""
    if path.stat().st_size == 0:
        raise TableError(_("The file is empty."))
    if not is_json_lines(path, filename):
        return tablefile.look(path, filename, encoding, delimiter)
    names: dict[str, None] = {}
    good: list[FileRow] = []
    for row in islice(_json_rows(path), LOOKED_AT):
        if row.error is None:
            names.update(dict.fromkeys(row.cells))
            good += [row] if len(good) < 5 else []
    if not good:
        raise TableError(_("No line of the file is a JSON object."))
    headers = list(names)[:200]
    return Look("jsonl", "utf-8", headers=headers, sample=[[row.cells.get(h, "") for h in headers] for row in good])


def rows(path: Path, found: Look) -> Iterator[FileRow]:
    """Every record behind the header. Raises TableError where the file can't be read further."""
    if found.kind == "jsonl":
        yield from _json_rows(path)
        return
    table = tablefile.read(path, found)
    next(table, None)
    width = len(found.headers)
    for row in table:
        extra = [cell for cell in row.cells[width:] if cell.strip()]
        if extra:
            message = _("%(cells)s cells, but %(headers)s columns.") % {"cells": len(row.cells), "headers": width}
            yield FileRow(row.line, {}, Unreadable("wrong_width", "", extra[0], message))
        else:
            yield FileRow(row.line, dict(zip(found.headers, row.cells, strict=False)))


def date_order(values: Iterable[str]) -> tuple[str, bool, list[str]]:
    """(order of day and month: "dmy", "mdy" or "" where none is written in digits, whether it is sure, examples)."""
    first = second = 0
    examples: list[str] = []
    for value in values:
        if found := NUMERIC_DATE.match(numerals.ascii_digits(value.strip())):
            one, two = int(found[1]), int(found[2])
            if min(one, two) > 12:  # no date in either order: it tells nothing about the others
                continue
            first, second = max(first, one), max(second, two)
            if len(examples) < 5:
                examples.append(value.strip()[:40])
    if not examples:
        return "", True, []
    if (first > 12) == (second > 12):
        return "dmy", False, examples
    return ("dmy" if first > 12 else "mdy"), True, examples


def rating_scale(values: Iterable[str]) -> tuple[float | None, bool, list[str]]:
    """(proposed best mark: 10, 100, or None for the usual 5, whether it is sure, the highest values).

    Only plain numbers tell; values beyond 5 are to be asked about, for 8 may be of 10 or a slip.
    """
    highest: Counter[str] = Counter()
    for value in values:
        text = numerals.ascii_digits(value.strip())
        if NUMBER.match(text) and float(text.replace(",", ".")) > 5:
            highest[value.strip()[:20]] += 1
    if not highest:
        return None, True, []
    numbers = {text: float(numerals.ascii_digits(text).replace(",", ".")) for text in highest}
    examples = sorted(highest, key=lambda text: -numbers[text])[:5]
    return (10.0 if max(numbers.values()) <= 10 else 100.0), False, examples


def _two_reads(text: str, order: str) -> datetime | None:
    """What dateutil reads, or None where it had to make up a day, a month or a year."""
    # Where the year stands first, the month follows: dateutil would take the day, if told that days come first.
    year_first = bool(re.match(r"\d{4}\D", text))
    options = {"dayfirst": order != "mdy" and not year_first, "yearfirst": year_first}
    try:
        one = dates.parse(text, default=datetime(2000, 1, 1), **options)
        two = dates.parse(text, default=datetime(2001, 2, 2), **options)
    except (ValueError, OverflowError, dates.ParserError):
        return None
    return one if one == two else None


def when(given: str, order: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The moment that is written, in UTC; None for nothing. Raises Unreadable (column "written_at").

    Without a time of day it is midnight UTC, for the numbers count UTC days; without a zone it is the `zone`'s time.
    Seconds and milliseconds since 1970 and spreadsheets' day numbers are read as such.
    """
    text = numerals.ascii_digits(clean_line(given))
    if not text:
        return None
    found: datetime | None = None
    if re.fullmatch(r"\d{10}(\.\d+)?|\d{13}", text):
        found = datetime.fromtimestamp(float(text) / (1000 if len(text) == 13 else 1), UTC)
    elif re.fullmatch(r"[345]\d{4}(\.\d+)?", text):
        found = datetime(1899, 12, 30, tzinfo=UTC) + timedelta(days=float(text))
    else:
        text = HAN_DATE.sub(r"\1-\2-\3", text)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            numeric = NUMERIC_DATE.match(text)
            # A day that can't be a month must not be read as one, whatever dateutil makes of it.
            swapped = numeric and int(numeric[1 if order == "mdy" else 2]) > 12
            found = None if swapped else _two_reads(text, order)
    if found is None:
        raise Unreadable(
            "bad_date", "written_at", given, _("“%(value)s” is no date that can be read.") % {"value": given[:60]}
        )
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone if ":" in text else UTC)
    if not EARLIEST <= found <= now + timedelta(days=2):
        message = _("“%(value)s” lies in the future or before 1995.") % {"value": given[:60]}
        raise Unreadable("bad_date", "written_at", given, message)
    return found.astimezone(UTC)


def yes_no(given: str) -> bool | None:
    """True, False, or None for what says neither."""
    text = clean_line(given).casefold()
    return True if text in YES else False if text in NO else None


@dataclass(frozen=True)
class Reader:
    """How a file's rows become reviews: field → its columns, and a person's choices."""

    columns: dict[str, list[str]]
    order: str
    zone: ZoneInfo
    now: datetime
    language: str = ""
    country: str = ""

    def _first(self, cells: dict[str, str], field: str) -> str:
        return next((cells[c] for c in self.columns.get(field, ()) if cells.get(c, "").strip()), "")

    def header(self, field: str) -> str:
        """The file's own name of a field, for reports."""
        return next(iter(self.columns.get(field, ())), field)

    def skip(self, row: FileRow) -> str:
        """The state for which a row is left out, or nothing."""
        for column in self.columns.get("state", ()):
            state = clean_line(row.cells.get(column, "")).casefold()
            if state in NOT_REVIEWS:
                return state
            # WordPress keeps the shop's answers beside the reviews, each with the number of what it answers.
            if column.casefold() == "comment_parent" and state not in ("", "0"):
                return "reply"
        return ""

    def raw(self, row: FileRow, source: str) -> RawReview:
        """The review of a row. Raises Unreadable."""
        if row.error is not None:
            raise row.error
        cells = row.cells
        rating = self._first(cells, "rating").strip()
        if re.fullmatch(r"\d+\.\d{5,}", rating):  # 4.666666666666667: a mean, as spreadsheets keep it
            rating = f"{float(rating):.4f}"
        date_column = next((c for c in self.columns.get("written_at", ()) if cells.get(c, "").strip()), "")
        zone = ZoneInfo("UTC") if date_column.casefold().endswith("gmt") else self.zone
        ids = (self._first(cells, "email"), self._first(cells, "phone"), self._first(cells, "customer_id"))
        consent = yes_no(self._first(cells, "consent"))
        return RawReview(
            title=self._first(cells, "title"),
            text=self._first(cells, "text"),
            rating=rating or None,
            author_name=self._first(cells, "author_name"),
            # WordPress gives guests the user number 0.
            author_ids=tuple(i for value in ids if (i := clean_line(value)) not in ("", "0")),
            product_ref=self._first(cells, "product_ref"),
            source=source,
            source_id=self._first(cells, "source_id"),
            written_at=when(cells.get(date_column, ""), self.order, zone, self.now),
            language=clean_line(self._first(cells, "language")) or self.language,
            country=clean_line(self._first(cells, "country")) or self.country,
            verified=yes_no(self._first(cells, "verified")),
            consent=consent if consent is not None else not self._first(cells, "consent").strip(),
        )
