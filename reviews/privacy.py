"""What reviews know about a person: found by keyed hashes, and in unmasked words where those are kept."""

import re
from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from ecomai.models import Store
from ecomai.privacy import Person
from ml import snapshots
from reviews import effective, raw_store
from reviews.models import Label, Reply, Review, ReviewImport, ReviewImportIssue
from reviews.reading import author_hash

Progress = Callable[[int, int], None]
CHUNK = 500
NAMES = {
    "reviews": lazy("reviews"), "labels": lazy("labels"), "unmasked_texts": lazy("unmasked texts"),
    "import_files": lazy("uploaded files"), "replies": lazy("replies"), "import_issues": lazy("rows of import reports"),
    "training_rows": lazy("rows of training sets"),
    "reviews_naming_the_person": lazy("reviews that name the person"),
}  # fmt: skip


def _regions(store: Store) -> tuple[str, ...]:
    """Countries that a phone without country code may belong to: those of the store's languages and reviews."""
    own = {code.partition("-")[2].upper() for code in [store.default_locale, *store.locales]}
    seen = Review.objects.filter(store=store).exclude(country="").values_list("country", flat=True).distinct()[:60]
    return tuple(sorted(code for code in {*own, *seen} if re.fullmatch(r"[A-Z]{2}", code)))


def _in_words(text: str, identifiers: tuple[str, ...]) -> bool:
    """Whether unmasked words hold one of the identifiers; phones are compared by their last nine digits."""
    folded, digits = text.casefold(), re.sub(r"\D", "", text)
    for identifier in identifiers:
        number = re.sub(r"\D", "", identifier)
        if re.fullmatch(r"\+?[\d\s().\-/]{7,24}", identifier) and len(number) >= 7:
            if number[-9:] in digits:
                return True
        elif re.search(rf"(?<![\w.+-]){re.escape(identifier.casefold())}(?![\w-])", folded):
            return True
    return False


def _by_hash(store: Store, person: Person) -> list[int]:
    # A phone without country code may have been read in any of the regions.
    hashes = {author_hash(store.pk, i, region) for i in person.identifiers for region in ("", *_regions(store))}
    rows = Review.objects.filter(store=store, author_hashes__overlap=sorted(hashes - {""}))
    return list(rows.order_by("id").values_list("pk", flat=True))


def _by_raw(store: Store, person: Person, known: set[int]) -> list[int]:
    """Reviews of anybody that name the person in their unmasked words."""
    rows = Review.objects.filter(store=store, raw__isnull=False).exclude(pk__in=known).only("raw").order_by("id")
    found = []
    for review in rows.iterator(chunk_size=CHUNK):
        if _in_words(raw_text(review), person.identifiers):
            found.append(review.pk)
    return found


def raw_text(review: Review) -> str:
    """The unmasked words, or nothing where they aren't kept or no key opens them any more."""
    try:
        return raw_store.unseal(bytes(review.raw)) if review.raw is not None else ""
    except raw_store.Unsealable:
        return ""


def _issues(store: Store, person: Person):
    """Rows of import reports that quote an identifier."""
    wanted = Q()
    for identifier in person.identifiers:
        wanted |= Q(value__icontains=identifier)
    return ReviewImportIssue.objects.filter(store=store).filter(wanted)


def find(store: Store, person: Person) -> dict[str, int]:
    """What → how many."""
    own = _by_hash(store, person)
    return {
        _("reviews written"): len(own),
        _("reviews that name the person"): len(_by_raw(store, person, set(own))),
        _("replies"): Reply.objects.filter(review__in=own).count(),
        _("rows of import reports"): _issues(store, person).count(),
    }


def _row(review: Review) -> dict:
    judgement = getattr(review, "judgement", None)
    reply = getattr(review, "reply", None)
    names = (
        "id", "source", "source_id", "product_ref", "title", "text", "masked", "author_name", "country", "verified",
        "consent", "rating", "rating_given", "language", "status", "hidden_reason", "sentiment", "stars", "written_at",
        "created_at", "edited_at",
    )  # fmt: skip
    return {
        **{name: getattr(review, name) for name in names},
        "product": review.product.title if review.product else None,
        "unmasked": raw_text(review) or None,
        "flags": [{"kind": f.kind, "reason": f.reason, "confirmed": f.upheld} for f in review.flags.all()],
        "judgement": judgement
        and {
            "model": judgement.model_label, "stars": judgement.stars, "aspects": judgement.aspects,
            "made_at": judgement.made_at,
        },
        "labels": [
            {"what": row.field, "aspect": row.aspect, "value": row.value, "made_at": row.made_at}
            for row in review.labels.all()
        ],
        "reply": reply and {"text": reply.text, "status": reply.status},
    }  # fmt: skip


def export(store: Store, person: Person, progress: Progress) -> dict[str, list[dict]]:
    """Name of a file → rows."""
    own = _by_hash(store, person)
    named = _by_raw(store, person, set(own))
    out: dict[str, list[dict]] = {"reviews": [], "reviews_naming_the_person": []}
    for name, ids in (("reviews", own), ("reviews_naming_the_person", named)):
        for start in range(0, len(ids), CHUNK):
            rows = Review.objects.filter(store=store, pk__in=ids[start : start + CHUNK]).order_by("id")
            rows = rows.select_related("product", "judgement", "reply").prefetch_related("flags", "labels")
            out[name] += [_row(review) for review in rows]
            progress(sum(map(len, out.values())), len(own) + len(named))
    issues = _issues(store, person).order_by("id")
    out["import_issues"] = list(issues.values("line", "column", "value", "message"))
    return out


@transaction.atomic
def erase(store: Store, person: Person, keep_text: bool) -> dict[str, int]:
    """Erase in one transaction; the numbers follow. Returns what → how many; called again it finds nothing.

    With `keep_text` the masked words and stars stay, without author and unmasked words, and never train a model again;
    else the reviews are deleted with all that hangs on them. Uploaded files that the reviews came from are deleted,
    too. Reviews of others that name the person lose their unmasked words.
    """
    own = _by_hash(store, person)
    named = _by_raw(store, person, set(own))
    rows = Review.objects.filter(store=store, pk__in=own)
    labels = Label.objects.filter(review__in=own).count()
    counts = {"reviews": len(own), "labels": labels, "unmasked_texts": len(named)}
    runs = ReviewImport.objects.filter(store=store, reviews__in=own, status__in=["done", "failed", "cancelled"])
    counts["import_files"] = _delete_files(list(runs.exclude(file="").distinct()))
    counts["replies"] = Reply.objects.filter(review__in=own).delete()[0]
    counts["import_issues"] = _issues(store, person).update(value="")
    # Before the rows go: after them nobody would know which lines to look for.
    counts["training_rows"] = snapshots.forget(store, "reviews", own)
    touched = [*own]
    if keep_text:
        rows.update(raw=None, raw_expires_at=None, author_name="", author_hashes=[], country="", consent=False)
    else:
        touched += Review.objects.filter(store=store, duplicate_of__in=own).values_list("pk", flat=True)
        rows.delete()
    Review.objects.filter(store=store, pk__in=named).update(raw=None, raw_expires_at=None)
    effective.refresh(touched)
    return counts


def _delete_files(runs: list[ReviewImport]) -> int:
    """Once it is sure that the rows are gone; the rows that were shown before the import are the file's, too."""
    for run in runs:
        storage, name = run.file.storage, run.file.name
        ReviewImport.objects.filter(pk=run.pk).update(file="", detected={**run.detected, "sample": []})
        transaction.on_commit(partial(storage.delete, name))
    return len(runs)
