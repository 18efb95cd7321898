"""An import of reviews from upload to report: look, choose, read in chunks.

One transaction writes a chunk's reviews, issues, counts and the run's cursor, so that a kill leaves all or nothing of a
chunk and the next worker goes on behind it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from django.core.files import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib.tablefile import Look, TableError
from ecomai.models import Job, Store, User
from reviews import import_formats, import_rows, intake, product_matching
from reviews.import_rows import FileRow, Reader
from reviews.intake import Batch, Issue
from reviews.models import ReviewImport, ReviewImportIssue
from reviews.reading import RawReview, ReadingContext, Unreadable

CHUNK = 1000
COUNTS = ("imported", "updated", "unchanged", "skipped", "rejected")
Status = ReviewImport.Status
Advance = Callable[..., None]


def open_run(*, store: Store, file: File, filename: str, by: User | None = None) -> ReviewImport:
    """Save an upload and look at it. Raises TableError for a file that is no table; nothing is kept then."""
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    run = ReviewImport(store=store, filename=filename[-255:], size=file.size, sha256=digest.hexdigest(), created_by=by)
    run.file.save(filename, file, save=False)
    try:
        run.detected, run.mapping = inspect(store, Path(run.file.path), filename)
    except TableError:
        run.file.delete(save=False)
        raise
    run.options = _defaults(run)
    run.save()
    return run


def _defaults(run: ReviewImport) -> dict:
    return {
        "source": import_formats.SHAPES[run.detected["shape"]].source,
        "rating_scale": None,
        "date_order": run.detected["date_order"]["order"] if run.detected["date_order"]["sure"] else "",
        "language": "",
        "country": "",
        "encoding": "",
        "delimiter": "",
    }


def inspect(
    store: Store, path: Path, filename: str, encoding: str = "", delimiter: str = "", mapping: dict | None = None
) -> tuple[dict, dict]:
    """(what a first look tells, as JSON; header → field): shape, encoding, delimiter, rating scale, order of dates."""
    look = import_rows.look(path, filename, encoding, delimiter)
    shape, proposed = import_formats.detect(look.headers)
    mapping = proposed if mapping is None else {h: mapping.get(h, "ignore") for h in look.headers}
    values: dict[str, list[str]] = {header: [] for header in look.headers}
    marks = [header for header, field in mapping.items() if field == "rating"]
    given: set[str] = set()
    total = 0
    try:
        for row in import_rows.rows(path, look):
            total += 1
            # Dates and products are told by the first rows; one rating beyond 5 at the end makes the scale a question.
            given.update(row.cells.get(header, "") for header in marks)
            if total <= import_rows.LOOKED_AT:
                for header, cell in row.cells.items():
                    if cell.strip() and header in values:
                        values[header].append(cell)
    except TableError:
        # The rows before the broken place are imported all the same, and the report names it.
        if not total:
            raise
    if mapping is proposed:
        _one_product_column(store, shape, mapping, values)

    def of(field: str) -> list[str]:
        return [value for header, name in mapping.items() if name == field for value in values.get(header, ())]

    best, sure_scale, highest = import_rows.rating_scale(sorted(given))
    order, sure_order, examples = import_rows.date_order(of("written_at"))
    detected = {
        **look.as_json(),
        "shape": shape,
        "proposed": proposed,
        "rows": total,
        "rating_scale": {"proposed": best, "sure": sure_scale, "examples": highest},
        "date_order": {"order": order, "sure": sure_order, "examples": examples},
    }
    return detected, mapping


def _one_product_column(store: Store, shape: str, mapping: dict[str, str], values: dict[str, list[str]]) -> None:
    """Of several columns that could name the product, keep the one that finds most; the likeliest where none does."""
    columns = import_formats.columns_of(mapping, shape).get("product_ref", [])
    if len(columns) < 2:
        return
    refs = {column: [value.strip()[:200] for value in values[column]] for column in columns}
    known = product_matching.resolve(store, set().union(*refs.values()))
    hits = {column: sum(ref in known for ref in refs[column]) for column in columns}
    filled = [column for column in columns if refs[column]] or columns
    best = max(filled, key=lambda column: (hits[column], -columns.index(column)))
    mapping.update({column: "ignore" for column in columns if column != best})


def choose(run: ReviewImport, *, options: dict, mapping: dict[str, str] | None = None) -> None:
    """Take a person's choices over what was detected; looks again where they change it.

    options: source (at most 40 characters), rating_scale (5, 10, 100, or None: tell it from each value), date_order
    (dmy, mdy), language, country, encoding, delimiter; those that aren't given stay. Raises TableError for a file that
    can't be read so, ValueError for a choice that is none.
    """
    chosen = {**_defaults(run), **run.options, **options}
    scale = chosen["rating_scale"]
    chosen["rating_scale"] = None if scale in (None, "") else float(scale)
    if chosen["rating_scale"] not in (None, 5.0, 10.0, 100.0):
        raise ValueError(f"rating_scale={scale!r}: 5, 10 or 100")
    if chosen["date_order"] not in ("", "dmy", "mdy"):
        raise ValueError(f"date_order={chosen['date_order']!r}: dmy or mdy")
    chosen["source"] = str(chosen["source"]).strip()
    if not chosen["source"] or len(chosen["source"]) > 40:
        raise ValueError(f"source={chosen['source']!r}: 1 to 40 characters")
    if mapping is not None:
        wrong = [field for field in mapping.values() if field not in import_formats.FIELDS]
        if wrong:
            raise ValueError(f"mapping: no field {wrong[0]!r}")
    run.detected, run.mapping = inspect(
        run.store, Path(run.file.path), run.filename, chosen["encoding"], chosen["delimiter"],
        run.mapping if mapping is None and not _looks_other(run, chosen) else mapping,
    )  # fmt: skip
    if not chosen["date_order"] and run.detected["date_order"]["sure"]:
        chosen["date_order"] = run.detected["date_order"]["order"]
    run.options, run.status, run.counts, run.cursor, run.error = chosen, Status.UPLOADED, {}, 0, ""
    run.finished_at = None
    with transaction.atomic():
        ReviewImportIssue.objects.filter(run=run).delete()
        run.save()


def _looks_other(run: ReviewImport, chosen: dict) -> bool:
    """Whether another encoding or delimiter makes other columns."""
    return any(chosen[name] and chosen[name] != run.detected[name] for name in ("encoding", "delimiter"))


def questions(run: ReviewImport) -> list[str]:
    """What a person still has to say before the import is sound: "columns", "rating_scale", "date_order"."""
    fields = set(run.mapping.values())
    open_ = [] if fields & {"text", "title", "rating"} else ["columns"]
    if not run.detected["rating_scale"]["sure"] and not run.options.get("rating_scale"):
        open_.append("rating_scale")
    if not run.detected["date_order"]["sure"] and not run.options.get("date_order"):
        open_.append("date_order")
    return open_


def confirm(run: ReviewImport) -> bool:
    """A person's yes to the choices, or to going on where the run stopped: claim it. False when it waits for neither."""
    if run.status == Status.UPLOADED or (run.status in (Status.FAILED, Status.CANCELLED) and run.file):
        rows = ReviewImport.objects.filter(pk=run.pk, status=run.status)
        return bool(rows.update(status=Status.APPLYING, error="", finished_at=None))
    return False


@dataclass(frozen=True)
class _Reading:
    """What all chunks of a run share."""

    reader: Reader
    context: ReadingContext
    source: str

    def batch(self, rows: list[FileRow]) -> tuple[Batch, list[Issue]]:
        """(the rows read, what was skipped as no review of a shopper)."""
        items: list[RawReview] = []
        lines: list[int] = []
        issues, skipped = [], []
        for row in rows:
            if state := self.reader.skip(row):
                message = _("The source calls it “%(state)s”.") % {"state": state}
                skipped.append(Issue(row.line, self.reader.header("state")[:120], state[:200], "state", message, False))
                continue
            try:
                items.append(self.reader.raw(row, self.source))
                lines.append(row.line)
            except Unreadable as error:
                issues.append(Issue(row.line, error.column, error.value[:200], error.code, error.message[:300], True))
        batch = intake.read_items(items, source=self.source, context=self.context, lines=lines)
        batch.issues.extend(issues)
        batch.size += len(issues)
        return batch, skipped


def _reading(run: ReviewImport) -> _Reading:
    scale = run.options.get("rating_scale")
    own = intake.context_of(run.store)
    region = run.options.get("country") or own.region
    context = ReadingContext(own.store_id, own.languages, own.default_language, region, scale, own.mask_names)
    reader = Reader(
        columns=import_formats.columns_of(run.mapping, run.detected["shape"]),
        order=run.options.get("date_order") or "dmy",
        zone=ZoneInfo(run.store.timezone),
        now=run.created_at,
        language=run.options.get("language", ""),
        country=run.options.get("country", ""),
    )
    return _Reading(reader, context, run.options["source"])


def _rows(run: ReviewImport) -> Iterator[FileRow]:
    look = Look(**{name: run.detected[name] for name in Look.__dataclass_fields__})
    return import_rows.rows(Path(run.file.path), look)


def sample(run: ReviewImport, n: int = 10) -> list[dict]:
    """The first rows as they will be read, or why one won't: {line, title, text, rating, rating_given, language,
    author, product_ref, product_found, written_at, masked, flags, error}; `error` is {column, value, code, message}."""
    how = _reading(run)
    out: list[dict] = []
    for row in islice(_rows(run), n):
        try:
            if state := how.reader.skip(row):
                message = _("Skipped: the source calls it “%(state)s”.") % {"state": state}
                raise Unreadable("state", "state", state, message)
            raw = how.reader.raw(row, how.source)
            batch = intake.read_items([raw], source=how.source, context=how.context, lines=[row.line])
            if batch.issues:
                issue = batch.issues[0]
                raise Unreadable(issue.code, issue.column, issue.value, issue.message)
        except Unreadable as error:
            column = how.reader.header(error.column) if error.column else ""
            out.append({"line": row.line, "error": {
                "column": column, "value": error.value, "code": error.code, "message": error.message}})  # fmt: skip
            continue
        item = batch.items[0]
        read = item.read
        out.append({
            "line": row.line, "title": read.title, "text": read.text, "rating": read.rating,
            "rating_given": read.rating_given, "language": read.language, "author": read.author_name,
            "product_ref": item.raw.product_ref, "written_at": item.raw.written_at, "masked": list(read.masked),
            "flags": [{"kind": str(flag.kind), "reason": flag.reason} for flag in read.flags], "error": None,
        })  # fmt: skip
    found = product_matching.resolve(run.store, {row["product_ref"] for row in out if row["error"] is None})
    for shown in out:
        shown["product_found"] = shown.get("product_ref", "") in found
    return out


def process(run: ReviewImport, advance: Advance = lambda done, total=None, message=None: None) -> None:
    """Import the file from the run's cursor on; a run that is done stays as it is.

    `advance(done, total=, message=)` is told the rows that are through and may raise to stop.
    """
    if run.status == Status.DONE:
        return
    ReviewImport.objects.filter(pk=run.pk).update(status=Status.APPLYING, error="")
    run.refresh_from_db()
    try:
        if not set(run.mapping.values()) & {"text", "title", "rating"}:
            raise TableError(_("No column holds a text or a rating: say which one does."))
        _chunks(run, advance)
    except TableError as error:
        ReviewImport.objects.filter(pk=run.pk).update(
            status=Status.FAILED, error=str(error), finished_at=timezone.now()
        )
        raise
    except FileNotFoundError as error:
        message = _("The file is no longer there: upload it again.")
        ReviewImport.objects.filter(pk=run.pk).update(status=Status.FAILED, error=message)
        raise TableError(message) from error


def _chunks(run: ReviewImport, advance: Advance) -> None:
    how = _reading(run)
    rows = islice(_rows(run), run.cursor, None)
    while True:
        broken: TableError | None = None
        chunk: list[FileRow] = []
        try:
            for row in islice(rows, CHUNK):
                chunk.append(row)
        except TableError as error:  # what stands before the broken line is imported all the same
            broken = error
        if not chunk and broken is None:
            break
        batch, skipped = how.batch(chunk)
        with transaction.atomic():
            # Two workers can't write the same chunk: the second waits here, sees the cursor moved and gives way.
            locked = ReviewImport.objects.select_for_update().get(pk=run.pk)
            if locked.cursor != run.cursor:
                return
            outcome = intake.write(store=run.store, batch=batch, source=how.source, run=run)
            counts = Counter(locked.counts)
            counts.update({name: getattr(outcome, name) for name in COUNTS})
            counts.update({"rows": len(chunk), "skipped": len(skipped)})
            _write_issues(run, how.reader, [*outcome.issues, *skipped])
            run.cursor += len(chunk)
            run.counts = {name: counts[name] for name in ("rows", *COUNTS)}
            ReviewImport.objects.filter(pk=run.pk).update(cursor=run.cursor, counts=run.counts)
        if broken is not None:
            raise broken
        advance(run.cursor, total=max(run.detected.get("rows", 0), run.cursor), message=_("Importing reviews"))
    run.status, run.finished_at = Status.DONE, timezone.now()
    run.counts = {name: run.counts.get(name, 0) for name in ("rows", *COUNTS)}
    run.save(update_fields=["status", "finished_at", "counts"])


def _write_issues(run: ReviewImport, reader: Reader, issues: list[Issue]) -> None:
    ReviewImportIssue.objects.bulk_create(
        [
            ReviewImportIssue(
                run=run, store=run.store, line=issue.line, code=issue.code, rejected=issue.rejected,
                column=(reader.header(issue.column) if issue.column in import_formats.FIELDS else issue.column)[:120],
                value=issue.value.replace("\0", "")[:200], message=issue.message[:300],
            )
            for issue in sorted(issues, key=lambda issue: issue.line)
        ],
        batch_size=1000,
    )  # fmt: skip


def stop(run: ReviewImport, status: str, error: str = "") -> None:
    """End a run where it stands; what was imported stays, and its counts tell."""
    ReviewImport.objects.filter(pk=run.pk).update(status=status, error=error, finished_at=timezone.now())
    run.refresh_from_db()


def settle(store: Store) -> None:
    """Runs whose job ended without them (cancelled before a worker took it, or failed) say so."""
    ends: dict[str, str] = {Job.Status.CANCELLED: Status.CANCELLED, Job.Status.FAILED: Status.FAILED}
    rows = ReviewImport.objects.filter(store=store, status=Status.APPLYING, job__status__in=ends).select_related("job")
    for run in rows:
        if run.job is not None:
            stop(run, ends[run.job.status], run.job.message if run.job.status == Job.Status.FAILED else "")


def report(run: ReviewImport) -> Iterator[list[str]]:
    """Rows of the report: header, then every issue by line. Cells are as they came: neutralise them on the way out."""
    yield [_("Line"), _("Column"), _("Value"), _("Row left out"), _("What is wrong")]
    for issue in ReviewImportIssue.objects.filter(run=run).order_by("line", "id").iterator():
        yield [str(issue.line), issue.column, issue.value, _("yes") if issue.rejected else _("no"), issue.message]
