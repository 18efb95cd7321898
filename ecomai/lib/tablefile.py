"""Bytes of an unknown table → rows with line numbers: encodings, delimiters, spreadsheets, feeds.

Nothing is guessed silently: `look` says what it found and on what grounds, and everything can be overridden.
"""

import codecs
import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import charset_normalizer
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from ecomai.lib.text import clean_line

SAMPLE = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
# What shops' exports come in, when they are not UTF-8.
LEGACY = [
    "windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
    "shift_jis", "gb18030", "big5", "euc_kr",
]  # fmt: skip
MAX_CELL = 8 * 1024 * 1024
MAX_UNZIPPED = 2 * 1024**3
MAX_RATIO = 300
csv.field_size_limit(MAX_CELL)


class TableError(Exception):
    """The file can't be read; `line` is 0 when the whole file is meant."""

    def __init__(self, message: str, line: int = 0):
        super().__init__(message)
        self.line = line


@dataclass
class Look:
    """What a first look at a file found."""

    kind: str  # csv, xlsx, xml
    encoding: str = ""
    encoding_sure: bool = True
    candidates: list[str] = field(default_factory=list)
    delimiter: str = ""
    headers: list[str] = field(default_factory=list)
    sample: list[list[str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Row:
    """One record: the line it begins on (1 = the header's first line) and its cells as text."""

    line: int
    cells: list[str]


BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as file:
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def detect_encoding(path: Path) -> tuple[str, bool, list[str]]:
    """(encoding, whether it is certain, other candidates by likelihood).

    A byte-order mark decides; then strict UTF-8 of the whole file; then the detector, whose answer a person confirms.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    for mark, name in BOMS:
        if head.startswith(mark):
            return name, True, []
    if _is_utf8(path):
        return "utf-8", True, []
    found = charset_normalizer.from_bytes(head, cp_isolation=LEGACY)
    ranked = [match.encoding for match in found] or ["cp1252"]
    names = list(dict.fromkeys(codecs.lookup(name).name for name in ranked))
    return names[0], False, names[1:] + [n for n in ("cp1252", "cp1251", "gb18030") if n not in names]


def detect_delimiter(text: str) -> str:
    """The delimiter under which the first records agree best on a number of columns; quotes are respected."""
    best, best_score = ",", -1.0
    for delimiter in DELIMITERS:
        try:
            records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            widths = [len(row) for row in islice(records, 30) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        agree = Counter(widths).most_common(1)[0][1] / len(widths)
        score = agree * 1000 + widths[0]
        if score > best_score:
            best, best_score = delimiter, score
    return best


def headers_of(cells: list[str]) -> list[str]:
    """Header names: trimmed, one line, and unique ("Price", "Price (2)"); an empty one is "Column 3"."""
    seen: Counter[str] = Counter()
    names = []
    for number, cell in enumerate(cells, 1):
        name = clean_line(cell.replace("\ufeff", "")) or f"Column {number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
        packed = sum(info.compress_size for info in archive.infolist()) or 1
    if size > MAX_UNZIPPED or (size > 50 * 1024 * 1024 and size / packed > MAX_RATIO):
        raise TableError(f"The spreadsheet unpacks to {size // 1024**2} MB: it is not opened.")


def look(path: Path, filename: str, encoding: str = "", delimiter: str = "") -> Look:
    """Find out what a file is. Raises TableError for one that is empty or broken."""
    if path.stat().st_size == 0:
        raise TableError("The file is empty.")
    with path.open("rb") as file:
        head = file.read(4096)
    ending = Path(filename).suffix.lower()
    if head.startswith(b"PK\x03\x04"):
        found = Look("xlsx")
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<rss", b"<feed")) or ending == ".xml":
        found = Look("xml")
    elif head.count(0) * 50 > len(head) and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TableError("This is not a table: upload CSV, TSV, XLSX, ODS or a feed in XML.")
    else:
        name, sure, others = detect_encoding(path)
        found = Look("csv", encoding or name, bool(encoding) or sure, others)
        try:
            with path.open(encoding=found.encoding, newline="", errors="strict") as file:
                text = file.read(64 * 1024)
        except UnicodeDecodeError as error:
            raise TableError(f"The file is not {found.encoding}: byte {error.start} does not fit.") from error
        found.delimiter = delimiter or detect_delimiter(text)
    rows = read(path, found)
    header = next(rows, None)
    if header is None:
        raise TableError("The file has no rows.")
    found.headers = header.cells
    found.sample = [row.cells for row, _ in zip(rows, range(5), strict=False)]
    return found


def read(path: Path, found: Look) -> Iterator[Row]:
    """The header (cleaned names) and then every record. Raises TableError with the line."""
    if found.kind == "csv":
        yield from _read_csv(path, found)
    elif found.kind == "xlsx":
        yield from _read_sheet(path)
    else:
        yield from _read_xml(path)


def _read_csv(path: Path, found: Look) -> Iterator[Row]:
    line = 1
    try:
        with path.open(encoding=found.encoding, newline="") as file:
            # A NUL is never meant, and no database text may hold one.
            reader = csv.reader((line.replace("\0", "") for line in file), delimiter=found.delimiter)
            header = True
            for cells in reader:
                start, line = line, reader.line_num + 1
                if header:
                    yield Row(start, headers_of(cells))
                    header = False
                elif any(cells):
                    yield Row(start, cells)
    except UnicodeDecodeError as error:
        raise TableError(f"Not {found.encoding} at about line {line}: choose another encoding.", line) from error
    except csv.Error as error:
        raise TableError(f"Line {line}: {error}", line) from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _read_sheet(path: Path) -> Iterator[Row]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        _check_zip(path)
        sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
    except (CalamineError, zipfile.BadZipFile, IndexError) as error:
        raise TableError(f"The spreadsheet can't be opened: {error}") from error
    header = True
    for line, values in enumerate(sheet.iter_rows(), 1):
        cells = [_cell(v) for v in values]
        if not any(cells):
            continue
        if header:
            yield Row(line, headers_of(cells))
            header = False
        else:
            yield Row(line, cells)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _read_xml(path: Path) -> Iterator[Row]:
    """Items of an RSS or Atom product feed; a name that repeats in an item is joined with newlines."""
    items: list[dict[str, str]] = []
    names: dict[str, None] = {}
    try:
        for _event, element in iterparse(str(path), events=("end",), forbid_dtd=True):
            if _local(element.tag) not in ("item", "entry"):
                continue
            values: dict[str, str] = {}
            for child in element:
                name = _local(child.tag)
                parts = [clean_line(part.text or "") for part in child]
                text = (child.text or "").strip() or ":".join(p for p in parts if p) or child.get("href", "")
                values[name] = f"{values[name]}\n{text}" if values.get(name) else text
                names.setdefault(name)
            items.append(values)
            element.clear()
    except (ParseError, DefusedXmlException) as error:
        line = getattr(error, "position", (0, 0))[0]
        raise TableError(f"The feed is not sound XML: {error}", line) from error
    if not items:
        raise TableError("The feed holds no <item> or <entry>.")
    columns = list(names)
    yield Row(1, columns)
    for number, values in enumerate(items, 1):
        yield Row(number, [values.get(name, "") for name in columns])
