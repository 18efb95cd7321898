"""An import from upload to undo-able result: look, stage, plan, apply.

Staging reads the file once into ImportRow. Planning compares every staged product with the catalogue and writes down
what would happen. Applying goes chunk by chunk: one transaction writes a chunk's products, its undo records, its
history and the run's cursor, so that a kill leaves all or nothing of a chunk and the next worker goes on behind it.
"""

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files import File
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib import numerals, tablefile
from ecomai.lib.tablefile import Look, TableError
from ecomai.models import Job, Store, User
from products import import_write
from products.import_apply import Chunk
from products.import_formats import GENERIC_FIELDS, detect_format, map_columns, propose
from products.import_records import Records, merge
from products.import_values import NUMERIC, Issue, Settings
from products.models import CatalogueImport, ImportIssue, ImportRow

CHUNK = 4000
MAX_ISSUES = 5000
Status = CatalogueImport.Status
Advance = Callable[..., None]


def open_run(
    *, store: Store, file: File, filename: str, by: User | None = None, auto_apply: bool = False
) -> CatalogueImport:
    """Save an upload and look at it. Raises TableError for a file that is no table; nothing is kept then."""
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    run = CatalogueImport(
        store=store, filename=filename[-255:], size=file.size, sha256=digest.hexdigest(), created_by=by, auto_apply=auto_apply
    )  # fmt: skip
    run.file.save(filename, file, save=False)
    try:
        run.detected = inspect(Path(run.file.path), filename, store.currency)
    except TableError:
        run.file.delete(save=False)
        raise
    run.mapping = {h: p[0] for h, p in propose(run.detected["headers"]).items() if p[1] >= 80}
    run.save()
    return run


def inspect(path: Path, filename: str, currency: str, encoding: str = "", delimiter: str = "") -> dict:
    """Everything that the first look tells, as JSON: format, encoding, delimiter, decimal sign per column with examples."""
    look = tablefile.look(path, filename, encoding, delimiter)
    form = detect_format(look.headers)
    columns = map_columns(look.headers, form).columns
    samples: dict[str, list[str]] = {name: [] for name in columns}
    for number, row in enumerate(tablefile.read(path, look)):
        if number > 3000:
            break
        if number:
            for name, cell in zip(columns, row.cells, strict=False):
                if cell and len(samples[name]) < 3000:
                    samples[name].append(cell)
    numbers = {}
    currencies: Counter[str] = Counter()
    for name, values in samples.items():
        if (
            name in NUMERIC
            or name in ("weight_grams", "woo_weight", "stock")
            or name.startswith(("price@", "compare@"))
        ):
            sign, examples = numerals.decimal_sign(values)
            header = look.headers[columns.index(name)]
            numbers[name] = {"header": header, "sign": sign, "examples": examples or values[:5]}
            currencies.update(c for c in map(numerals.currency_of, values) if c)
    return {
        **look.as_json(),
        "format": form,
        "numbers": numbers,
        "currency": currencies.most_common(1)[0][0] if currencies else currency,
        "proposals": {h: list(p) for h, p in propose(look.headers).items()} if form == "generic" else {},
        "fields": GENERIC_FIELDS,
    }


def choose(run: CatalogueImport, *, options: dict, mapping: dict[str, str] | None = None) -> None:
    """Take a person's choices over what was detected; looks again when encoding or delimiter change. Raises TableError."""
    encoding, delimiter = options.get("encoding", ""), options.get("delimiter", "")
    if (encoding and encoding != run.detected["encoding"]) or (delimiter and delimiter != run.detected["delimiter"]):
        run.detected = inspect(Path(run.file.path), run.filename, run.store.currency, encoding, delimiter)
    run.options = options
    if mapping is not None:
        run.mapping = {h: f for h, f in mapping.items() if f in GENERIC_FIELDS}
    run.status, run.counts, run.cursor, run.error = Status.UPLOADED, {}, 0, ""
    run.save()


def _settings(run: CatalogueImport) -> Settings:
    decimal = run.options.get("decimal", "")
    signs = {name: decimal or found["sign"] for name, found in run.detected["numbers"].items()}
    currency = run.options.get("currency") or run.detected["currency"]
    return Settings(currency, signs, bool(run.options.get("minor_units")))


def _look(run: CatalogueImport) -> Look:
    return Look(**{name: run.detected[name] for name in Look.__dataclass_fields__})


class _Notes:
    """Collects issues; the worst counts are kept even when there are too many to store."""

    def __init__(self, run: CatalogueImport):
        self.run, self.rows, self.counts = run, [], Counter()

    def __call__(self, issue: Issue) -> None:
        self.counts[issue.severity] += 1
        if self.counts.total() <= MAX_ISSUES:
            self.rows.append(
                ImportIssue(
                    run=self.run, **{**vars(issue), "column": issue.column[:200], "message": issue.message[:500]}
                )
            )

    def flush(self) -> None:
        ImportIssue.objects.bulk_create(self.rows, batch_size=1000)
        self.rows = []


def stage(run: CatalogueImport, advance: Advance = lambda *a, **k: None) -> None:
    """Read the whole file into ImportRow. Run again after a kill, it starts over: nothing half-read stays."""
    CatalogueImport.objects.filter(pk=run.pk).update(status=Status.STAGING, cursor=0, counts={}, error="")
    ImportRow.objects.filter(run=run).delete()
    ImportIssue.objects.filter(run=run).delete()
    look = _look(run)
    mapping = map_columns(look.headers, run.detected["format"], run.mapping)
    notes = _Notes(run)
    reader = Records(look.headers, mapping, _settings(run), notes)
    rows = tablefile.read(Path(run.file.path), look)
    next(rows)
    late: list[dict] = []
    batch: list[dict] = []
    staged = 0
    # Without a preview most products of a file are new: only those that turn out otherwise are written again.
    outcome = ImportRow.Outcome.CREATE if run.auto_apply else ImportRow.Outcome.NONE

    def flush() -> None:
        nonlocal staged
        import_write.copy_in(
            "products_importrow",
            ["run_id", "number", "line", "record", "outcome", "changes"],
            ([run.pk, r["number"], r["line"], json.dumps(r, ensure_ascii=False), outcome, "{}"] for r in batch),
        )
        staged += len(batch)
        batch.clear()
        notes.flush()
        advance(staged, message=_("Reading the file"))

    for record in reader.all(rows):
        if "merge" in record or "parent" in record:
            late.append(record)
        else:
            batch.append(record)
            if len(batch) >= CHUNK:
                flush()
    flush()
    _merge_late(run, reader, late, notes)
    notes.flush()
    counts = {
        "rows": reader.rows_read,
        "products": staged,
        "errors": notes.counts["error"],
        "warnings": notes.counts["warning"],
    }
    CatalogueImport.objects.filter(pk=run.pk).update(counts=counts)
    run.refresh_from_db()


def _merge_late(run: CatalogueImport, reader: Records, late: list[dict], notes: _Notes) -> None:
    """Rows that stood apart from their product's first row, and variations that name a parent."""
    by_number: dict[int, list[dict]] = {}
    for part in late:
        number = part.get("merge") or reader.parents.get(part["parent"])
        if number is None:
            reader.issue("error", "no_parent", part["line"], "woo_parent", part["parent"],
                         f"The parent “{part['parent']}” is not in the file.")  # fmt: skip
            continue
        by_number.setdefault(number, []).append(part)
    numbers = sorted(by_number)
    for start in range(0, len(numbers), CHUNK):
        staged = list(ImportRow.objects.filter(run=run, number__in=numbers[start : start + CHUNK]))
        for row in staged:
            for part in by_number[row.number]:
                if "parent" in part:
                    part["product"] = {"attributes": {}, "metafields": part["product"].get("metafields", {})}
                    part["options"] = part["options"] or row.record["options"]
                merge(row.record, part, notes)
            row.record = reader.finish(row.record)
        ImportRow.objects.bulk_update(staged, ["record"], batch_size=500)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A chunk is a great many plain values without cycles; the collector would only walk them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def plan(run: CatalogueImport, advance: Advance = lambda *a, **k: None) -> None:
    """Work out for each staged product what applying it would do; writes only to the staging table."""
    total = run.counts["products"]
    outcomes: Counter[str] = Counter()
    cursor = 0
    ImportIssue.objects.filter(run=run, code__in=Chunk.CODES).delete()
    while rows := list(ImportRow.objects.filter(run=run, number__gt=cursor).order_by("number")[:CHUNK]):
        notes = _Notes(run)
        with _without_collector(), transaction.atomic():
            Chunk(run, rows, notes).decide()
            ImportRow.objects.bulk_update(rows, ["outcome", "changes"], batch_size=1000)
            notes.flush()
        outcomes.update(row.outcome for row in rows)
        cursor = rows[-1].number
        advance(cursor, total=total, message=_("Comparing with the catalogue"))
    _finish(run, Status.READY, outcomes)


def _finish(run: CatalogueImport, status: str, outcomes: Counter[str]) -> None:
    issues = Counter(ImportIssue.objects.filter(run=run).values_list("severity", flat=True))
    run.counts = {
        **run.counts,
        "created": outcomes["create"], "changed": outcomes["change"], "unchanged": outcomes["same"],
        "rejected": outcomes["reject"],
        "errors": max(issues["error"], run.counts.get("errors", 0)),
        "warnings": max(issues["warning"], run.counts.get("warnings", 0)),
    }  # fmt: skip
    run.status = status
    run.finished_at = timezone.now() if status == Status.DONE else None
    run.save(update_fields=["counts", "status", "finished_at"])


def apply(run: CatalogueImport, advance: Advance = lambda *a, **k: None) -> None:
    """Write the staged products, chunk by chunk, from the run's cursor on."""
    CatalogueImport.objects.filter(pk=run.pk).update(status=Status.APPLYING)
    run.refresh_from_db()
    total = run.counts["products"]
    if run.cursor == 0:
        ImportIssue.objects.filter(run=run, code__in=Chunk.CODES).delete()
    while rows := list(ImportRow.objects.filter(run=run, number__gt=run.cursor).order_by("number")[:CHUNK]):
        notes = _Notes(run)
        with _without_collector(), transaction.atomic():
            # Two workers can't write the same chunk: the second one waits here and then sees the cursor moved.
            import_write.for_bulk()
            locked = CatalogueImport.objects.select_for_update().get(pk=run.pk)
            if locked.cursor != run.cursor:
                run.cursor = locked.cursor
                continue
            chunk = Chunk(run, rows, notes)
            chunk.decide(lock=True)
            chunk.write()
            chunk.store_outcomes()
            notes.flush()
            run.cursor = rows[-1].number
            CatalogueImport.objects.filter(pk=run.pk).update(cursor=run.cursor)
        advance(run.cursor, total=total, message=_("Writing products"))
    import_write.tidy()
    _finish(run, Status.DONE, _outcomes(run))


def process(run: CatalogueImport, advance: Advance = lambda *a, **k: None) -> None:
    """Everything that the run still needs: staging and planning before a person's yes, applying after it."""
    try:
        if run.status in (Status.UPLOADED, Status.STAGING):
            stage(run, advance)
            if not run.auto_apply:
                plan(run, advance)
                return
        if run.status in (Status.STAGING, Status.APPLYING):
            apply(run, advance)
    except TableError as error:
        CatalogueImport.objects.filter(pk=run.pk).update(status=Status.FAILED, error=str(error))
        raise


def confirm(run: CatalogueImport) -> bool:
    """A person's yes to the preview, or to going on where the run stopped: claim it for applying. False when it waits
    for neither."""
    rows = CatalogueImport.objects.filter(pk=run.pk, status=run.status)
    if run.status == Status.READY:
        return bool(rows.update(status=Status.APPLYING, cursor=0))
    return run.can_go_on and bool(rows.update(status=Status.APPLYING, error=""))


def settle(store: Store) -> None:
    """Runs whose job ended without them (cancelled before a worker took it, or failed) say so, with what they wrote."""
    ends = {Job.Status.CANCELLED: Status.CANCELLED, Job.Status.FAILED: Status.FAILED}
    working = [Status.STAGING, Status.APPLYING, Status.UNDOING]
    for run in CatalogueImport.objects.filter(store=store, status__in=working, job__status__in=ends).select_related(
        "job"
    ):
        stop(run, ends[run.job.status], run.job.message if run.job.status == Job.Status.FAILED else "")


def stop(run: CatalogueImport, status: str, error: str = "") -> None:
    """End a run where it stands; its counts tell what was written so far."""
    run.refresh_from_db()
    if run.cursor and run.status != Status.UNDOING:
        _finish(run, status, _outcomes(run))
    CatalogueImport.objects.filter(pk=run.pk).update(status=status, error=error)


def _outcomes(run: CatalogueImport) -> Counter[str]:
    """How many products that were written came out in which way."""
    rows = ImportRow.objects.filter(run=run, number__lte=run.cursor).order_by()
    return Counter(dict(rows.values_list("outcome").annotate(Count("pk"))))
