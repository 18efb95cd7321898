"""Reviews on their way in, from a file, the API or a webhook: read, told apart from what is there, written at once.

A review is the same as one that is there when store, source and the source's number agree or, where the source has no
number, store, source and the hash of author, product and words. Coming again it is unchanged; coming with other words
or another rating it is an edit of the same row.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib.text import clean_line
from ecomai.models import Store
from products.import_write import copy_in, next_ids
from reviews import effective, languages, raw_store, reading
from reviews.cleaning import SURROGATES
from reviews.import_rows import EARLIEST
from reviews.models import Flag, Judgement, Label, Review, ReviewImport, ReviewSettings
from reviews.product_matching import resolve
from reviews.reading import RawReview, ReadingContext, ReadReview, Unreadable

CHUNK = 1000
# First half of a two-number advisory lock: intakes of one store take turns, so that none inserts what another just did.
LOCK = 0x5246
# Sources in which 0 stands for "no rating", not for the worst one.
ZERO_IS_NONE = frozenset({"woocommerce"})
# Flags that come from the words or the rating, and so go with them. A burst is about the time.
BY_CONTENT = [kind.value for kind in Flag.Kind if kind not in (Flag.Kind.DUPLICATE, Flag.Kind.BURST)]
WORDS = ("title", "text", "masked", "rating_only", "language_mixed", "words_hash", "text_hash")
UPDATED = [
    *WORDS, "language", "language_confidence", "rating", "rating_given", "author_name", "author_hashes", "country",
    "verified", "consent", "written_at", "product_ref", "product", "run", "raw", "raw_expires_at", "needs_scoring",
    "edited_at", "revision",
]  # fmt: skip


@dataclass(frozen=True)
class Issue:
    """What was wrong with one item: `line` of the file (or its place in the call, from 1), `column` a field's name."""

    line: int
    column: str
    value: str
    code: str
    message: str
    rejected: bool


@dataclass
class Outcome:
    """What became of a call's items: imported + updated + unchanged + skipped + rejected = items.

    ids: of the stored review per item (of its twin for a skipped one), None for rejected ones. became: per item the
    name of the count that it is in.
    """

    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    ids: list[int | None] = field(default_factory=list)
    became: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


@dataclass(frozen=True)
class Item:
    """A readable item: its place in the call, its line, as it came, as it was read."""

    index: int
    line: int
    raw: RawReview
    read: ReadReview

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart within its store and source."""
        return ("id", self.raw.source_id) if self.raw.source_id else ("text", self.read.text_hash)


@dataclass
class Batch:
    """Items that were read, and what was wrong with the others."""

    size: int
    items: list[Item]
    issues: list[Issue]


def settings_of(store: Store) -> ReviewSettings:
    """The store's choices, or the defaults."""
    return ReviewSettings.objects.filter(store=store).first() or ReviewSettings(store=store)


def context_of(store: Store) -> ReadingContext:
    """What the store's reviews are read against: its languages, the country of its main language, whether names go."""
    codes = [store.default_locale, *store.locales]
    regions = [code.rpartition("-")[2].upper() for code in codes if re.search(r"-[A-Za-z]{2}$", code)]
    return ReadingContext(
        store_id=store.pk,
        languages=tuple(dict.fromkeys(languages.base(code) for code in codes if code)),
        default_language=languages.base(store.default_locale),
        region=regions[0] if regions else "",
        mask_names=settings_of(store).mask_names,
    )


def _tidy(raw: RawReview, source: str) -> RawReview:
    """Keys on one line, the country as ISO 3166 or empty. Raises Unreadable."""
    source_id, product_ref = clean_line(raw.source_id or ""), clean_line(raw.product_ref or "")
    for column, value in (("source_id", source_id), ("product_ref", product_ref)):
        if len(value) > 200:
            raise Unreadable("too_long", column, value, f"{len(value)} characters; 200 are the most.")
        if SURROGATES.search(value):
            shown = value.encode("utf-8", "replace").decode()
            raise Unreadable("bad_text", column, shown, _("It holds half a character, which can't be stored."))
    # Python can't read back what lies outside its years, and one such row would break every page of the store.
    if raw.written_at is not None and not EARLIEST <= raw.written_at <= timezone.now() + timedelta(days=2):
        given = raw.written_at.isoformat()
        message = _("“%(value)s” lies in the future or before 1995.") % {"value": given}
        raise Unreadable("bad_date", "written_at", given, message)
    country = clean_line(raw.country or "").upper()
    rating = raw.rating.strip() if isinstance(raw.rating, str) else raw.rating
    if source in ZERO_IS_NONE and str(rating) in ("0", "0.0", "0.00"):
        rating = None
    return replace(
        raw, source=source, source_id=source_id, product_ref=product_ref, rating=rating,
        country=country if re.fullmatch("[A-Z]{2}", country) else "",
    )  # fmt: skip


def read_items(
    items: Sequence[RawReview], *, source: str, context: ReadingContext, lines: Sequence[int] | None = None
) -> Batch:
    """Read items without touching the database; `lines` are the items' lines in their file."""
    batch = Batch(len(items), [], [])
    for index, raw in enumerate(items):
        line = lines[index] if lines is not None else index + 1
        try:
            raw = _tidy(raw, source)
            read = reading.read(raw, context)
            if read.rating is None and not read.title and not read.text:
                raise Unreadable("nothing", "text", "", _("There are neither words nor a rating."))
            batch.items.append(Item(index, line, raw, read))
        except Unreadable as error:
            batch.issues.append(
                Issue(line, error.column[:120], error.value[:200], error.code[:40], error.message[:300], True)
            )
    return batch


def receive(
    *,
    store: Store,
    items: Sequence[RawReview],
    source: str,
    run: ReviewImport | None = None,
    lines: Sequence[int] | None = None,
    context: ReadingContext | None = None,
) -> Outcome:
    """Read the items and write them in one transaction, with their flags and the numbers that follow from them.

    `source` (at most 40 characters) names where they come from; `run` is the import that brings them. Two calls at once
    take turns per store. Unreadable items are issues, never exceptions.
    """
    if not source or len(source) > 40:
        raise ValueError(f"source={source!r}: 1 to 40 characters")
    batch = read_items(items, source=source, context=context or context_of(store), lines=lines)
    return write(store=store, batch=batch, source=source, run=run)


@transaction.atomic
def write(*, store: Store, batch: Batch, source: str, run: ReviewImport | None = None) -> Outcome:
    """Write what was read. Of twins in one batch the last one counts: the later row of an export is the newer."""
    outcome = Outcome(rejected=len(batch.issues), ids=[None] * batch.size, issues=list(batch.issues))
    outcome.became = ["rejected"] * batch.size
    kept: dict[tuple[str, str], Item] = {}
    for item in batch.items:
        twin = kept.get(item.key)
        if twin is not None:
            outcome.skipped += 1
            message = _("The same review as line %(line)s, which counts.") % {"line": item.line}
            value = (item.raw.source_id or item.read.text)[:200]
            column = "source_id" if item.raw.source_id else "text"
            outcome.issues.append(Issue(twin.line, column, value, "twice", message, False))
        kept[item.key] = item
    if kept:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, store.pk])
        ids = _write(store, source, run, kept, outcome)
        for item in batch.items:
            outcome.ids[item.index], became = ids[item.key]
            outcome.became[item.index] = became if kept[item.key] is item else "skipped"
    outcome.issues.sort(key=lambda issue: issue.line)
    return outcome


def _write(
    store: Store, source: str, run: ReviewImport | None, kept: dict[tuple[str, str], Item], outcome: Outcome
) -> dict[tuple[str, str], tuple[int, str]]:
    now, settings = timezone.now(), settings_of(store)
    there = _existing(store, source, kept)
    products = resolve(store, {item.raw.product_ref for item in kept.values()})
    fresh, changed, reread = [], [], []
    spoken = _languages_said([row.pk for row in there.values()])
    for key, item in kept.items():
        row = there.get(key)
        if row is None:
            fresh.append((item, _new(store, source, run, item, products, settings, now)))
            continue
        before = {name: _value(row, name) for name in UPDATED}
        if _merge(row, item, products, settings, now, row.pk in spoken):
            reread.append((item, row))
        if any(_value(row, name) != old for name, old in before.items()):
            row.run = run or row.run
            changed.append(row)
        else:
            outcome.unchanged += 1
    _insert([row for _item, row in fresh])
    Review.objects.bulk_update(changed, UPDATED, batch_size=200)
    outcome.imported, outcome.updated = len(fresh), len(changed)
    _write_flags(store, fresh, reread)
    effective.refresh([row.pk for _item, row in fresh] + [row.pk for row in changed])
    touched = {row.pk for row in changed}
    old = {key: (row.pk, "updated" if row.pk in touched else "unchanged") for key, row in there.items()}
    return old | {item.key: (row.pk, "imported") for item, row in fresh}


def _insert(rows: list[Review]) -> None:
    """COPY new reviews in: an INSERT of so many placeholders takes longer to put together than to run."""
    fields = Review._meta.concrete_fields
    for row, pk in zip(rows, next_ids(Review._meta.db_table, len(rows)), strict=True):
        row.pk, row._state.adding = pk, False
    values = ([f.get_db_prep_save(getattr(row, f.attname), connection) for f in fields] for row in rows)
    copy_in(Review._meta.db_table, [f.column for f in fields], values)


def _value(row: Review, name: str) -> object:
    value = getattr(row, f"{name}_id" if name in ("product", "run") else name)
    return bytes(value) if isinstance(value, memoryview) else value


def _existing(store: Store, source: str, kept: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Review]:
    keys = list(kept)
    rows = Review.objects.filter(store=store, source=source).select_for_update(no_key=True, of=("self",)).order_by("pk")
    numbers, hashes = [v for kind, v in keys if kind == "id"], [v for kind, v in keys if kind == "text"]
    # Each condition of the partial indexes stands here in its own words, else they can't be used for a thousand keys.
    numbered, plain = (
        rows.filter(source_id__in=numbers).exclude(source_id=""),
        rows.filter(source_id="", text_hash__in=hashes),
    )
    found = {("id", row.source_id): row for row in numbered} if numbers else {}
    if hashes:
        found |= {("text", row.text_hash): row for row in plain}
    return found


def _languages_said(ids: list[int]) -> set[int]:
    """Reviews whose language a person named last."""
    said = Label.objects.filter(review__in=ids, field=Label.Field.LANGUAGE, blind=False)
    newest = said.order_by("review_id", "-made_at", "-id").distinct("review_id")
    return {label.review_id for label in newest if label.value is not None}


def _seal(row: Review, read: ReadReview, settings: ReviewSettings, now: datetime) -> None:
    keep = settings.keep_raw and bool(read.raw_text)
    row.raw = raw_store.seal(read.raw_text) if keep else None
    row.raw_expires_at = now + timedelta(days=settings.retention_days) if keep else None


def _new(
    store: Store, source: str, run: ReviewImport | None, item: Item, products: dict[str, int],
    settings: ReviewSettings, now: datetime,
) -> Review:  # fmt: skip
    raw, read = item.raw, item.read
    row = Review(
        store=store, source=source, source_id=raw.source_id, run=run, product_ref=raw.product_ref,
        product_id=products.get(raw.product_ref), author_name=read.author_name[:120],
        author_hashes=list(read.author_hashes), country=raw.country, verified=raw.verified, consent=raw.consent,
        rating=read.rating, rating_given=read.rating_given, language=read.language,
        language_confidence=read.language_confidence, written_at=raw.written_at or now, created_at=now,
        needs_scoring=not read.rating_only,
    )  # fmt: skip
    _set_words(row, read)
    _seal(row, read, settings, now)
    return row


def _set_words(row: Review, read: ReadReview) -> None:
    for name in WORDS:
        value = getattr(read, name)
        setattr(row, name, list(value) if name == "masked" else value)


def _merge(
    row: Review, item: Item, products: dict[str, int], settings: ReviewSettings, now: datetime, language_said: bool
) -> bool:
    """Take over what is new; True for an edit of words or rating. What isn't given takes nothing away."""
    raw, read = item.raw, item.read
    words = (row.title, row.text) != (read.title, read.text)
    rated = read.rating is not None and read.rating != row.rating
    if words:
        _set_words(row, read)
        if not language_said:
            row.language, row.language_confidence = read.language, read.language_confidence
        _seal(row, read, settings, now)
    if rated:
        row.rating, row.rating_given = read.rating, read.rating_given
    if words or rated:
        row.revision += 1
        row.edited_at = now
        row.needs_scoring = not row.rating_only
    # A row without author that may train nothing was erased at a person's wish: the author doesn't come back.
    if row.consent or row.author_name or row.author_hashes:
        row.author_name = read.author_name[:120] or row.author_name
        row.author_hashes = list(dict.fromkeys([*read.author_hashes, *row.author_hashes]))
        row.country = raw.country or row.country
    # Consent can be withdrawn here, not given: a file without such a column says nothing.
    row.consent = row.consent and raw.consent
    row.verified = row.verified if raw.verified is None else raw.verified
    row.written_at = raw.written_at or row.written_at
    if raw.product_ref and raw.product_ref != row.product_ref:
        row.product_ref, row.product_id = raw.product_ref, products.get(raw.product_ref)
    elif row.product_id is None:
        row.product_id = products.get(row.product_ref)
    return words or rated


def _write_flags(store: Store, fresh: list[tuple[Item, Review]], reread: list[tuple[Item, Review]]) -> None:
    """New flags; those of edited reviews anew, except where a person has decided."""
    ids = [row.pk for _item, row in reread]
    if ids:
        Flag.objects.filter(review__in=ids, upheld=None, kind__in=BY_CONTENT).delete()
        # Nothing is left to read: the old words' judgement would never be replaced.
        Judgement.objects.filter(review__in=[row.pk for _item, row in reread if row.rating_only]).delete()
    Flag.objects.bulk_create(
        [
            Flag(store=store, review=row, kind=flag.kind, reason=flag.reason, evidence=flag.evidence)
            for item, row in [*fresh, *reread]
            for flag in item.read.flags
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


def delete_expired_raw() -> int:
    """Delete the unmasked words whose days are over, of all stores; returns of how many reviews."""
    return Review.objects.filter(raw_expires_at__lte=timezone.now()).update(raw=None, raw_expires_at=None)
