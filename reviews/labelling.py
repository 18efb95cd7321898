"""What people say about reviews: corrections that win over the machine, second looks, gold, and who looks at what.

Nothing is overwritten. A label is a row; the newest that isn't a second look counts, and "back to the machine's" is a
row too (value null).
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, JSONField, OuterRef, QuerySet, Value
from django.utils import timezone

from ecomai.models import Store, User
from ml.aspects import ASPECTS, POLARITIES
from reviews import effective
from reviews.models import CountedReview, Flag, Label, LabelClaim, Opinion, Review, StoreDay
from reviews.models.review import UNDETERMINED

CLAIM = timedelta(minutes=10)
CLAIM_ATTEMPTS = 50  # more people than that don't take the same review in the same instant
ORDERS = ("uncertain", "random", "blind")
WORDS = {-1: "negative", 0: "neutral", 1: "positive"}
Z95 = 1.959963984540054


class BadLabel(ValueError):
    """The field, aspect or value is none that a label can have; the text says which."""


def checked(field: str, aspect: str, value: object) -> object:
    """The value as it is kept. Raises BadLabel. None stands for "the machine's again"."""
    if field not in Label.Field.values:
        raise BadLabel(f"field={field!r}: one of {', '.join(Label.Field.values)}")
    if (field == Label.Field.ASPECT) != bool(aspect) or (aspect and aspect not in ASPECTS):
        raise BadLabel(f"aspect={aspect!r}: one of {', '.join(ASPECTS)}" if field == "aspect" else f"aspect={aspect!r}")
    if value is None:
        return None
    if field == Label.Field.STARS:
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5:
            raise BadLabel(f"value={value!r}: stars are 1 to 5")
    elif field == Label.Field.ASPECT:
        if value not in POLARITIES:
            raise BadLabel(f"value={value!r}: one of {', '.join(POLARITIES)}")
    elif field == Label.Field.LANGUAGE:
        if not isinstance(value, str) or not value or len(value) > 12 or not value.replace("-", "").isalnum():
            raise BadLabel(f"value={value!r}: a language like en or zh")
    elif value in ("true", "false"):
        value = value == "true"
    elif not isinstance(value, bool):
        raise BadLabel(f"value={value!r}: true or false")
    return value


def newest(review: Review, field: str, aspect: str = "", *, blind: bool = False) -> Label | None:
    """The label that decides, or None."""
    rows = Label.objects.filter(review=review, field=field, aspect=aspect, blind=blind)
    return rows.order_by("-made_at", "-id").first()


def effective_value(review: Review, field: str, aspect: str = "") -> object:
    """What counts now: whole stars, a polarity or "absent", a language, or whether it is spam; None for unknown."""
    if field == Label.Field.STARS:
        stars = Review.objects.values_list("stars", flat=True).get(pk=review.pk)
        return None if stars is None else max(1, min(5, math.floor(stars + 0.5)))
    if field == Label.Field.ASPECT:
        polarity = Opinion.objects.filter(review=review, aspect=aspect).values_list("polarity", flat=True).first()
        return "absent" if polarity is None else WORDS[polarity]
    if field == Label.Field.LANGUAGE:
        return Review.objects.values_list("language", flat=True).get(pk=review.pk)
    said = newest(review, Label.Field.SPAM)
    if said is not None and said.value is not None:
        return said.value
    return Flag.objects.filter(review=review, upheld=True, kind__in=effective.SPAM_KINDS).exists()


@transaction.atomic
def label(*, review: Review, by: User, field: str, aspect: str = "", value: object, blind: bool = False) -> Label:
    """Write down a person's word and make it count (unless it is a blind second look). Saying the same again adds no
    row. Raises BadLabel."""
    value = checked(field, aspect, value)
    # One writer a review: the old value is the one that this label replaced.
    Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    last = newest(review, field, aspect, blind=blind)
    if last is not None and last.value == value and last.by_id == by.pk:
        return last
    if last is not None and blind and last.by_id == by.pk:
        old: object = last.value
    else:
        old = None if blind else effective_value(review, field, aspect)
    if value is None and last is None:
        raise BadLabel("there is no label to take back")
    row = Label.objects.create(
        store_id=review.store_id, review=review, field=field, aspect=aspect, value=_json(value), old_value=old,
        blind=blind, by=by, made_at=_after(last),
    )  # fmt: skip
    row.value = value
    if not blind:
        if field == Label.Field.LANGUAGE:
            _set_language(review, value)
        effective.refresh([review.pk])
    return row


def _json(value: object) -> object:
    """JSON's null instead of SQL's: the column holds a word, and "the machine's again" is one."""
    return Value(None, JSONField()) if value is None else value


def _after(last: Label | None) -> datetime:
    """Now, and later than the label before: the newest must be the last that was said, whatever the clock does."""
    now = timezone.now()
    return max(now, last.made_at + timedelta(microseconds=1)) if last else now


def _set_language(review: Review, value: object) -> None:
    """A language that a person names is sure; taken back, the one before the first label comes again. The text is read
    anew by the machine: temperatures differ between languages."""
    if value is None:
        first = Label.objects.filter(review=review, field="language", blind=False).order_by("made_at", "id").first()
        value = (first.old_value if first else None) or UNDETERMINED
    Review.objects.filter(pk=review.pk).update(language=value, language_confidence=1.0, needs_scoring=True)


def clear(*, review: Review, by: User, field: str, aspect: str = "", blind: bool = False) -> Label:
    """Back to what the machine says: a new label of value null. Raises BadLabel where there is none to take back."""
    return label(review=review, by=by, field=field, aspect=aspect, value=None, blind=blind)


@transaction.atomic
def undo(*, review: Review, by: User, blind: bool = False) -> Label | None:
    """Take the person's last word on the review back: a new label with the value that was there before, or null where
    the machine had spoken. Returns it; None when there is nothing to undo."""
    mine = Label.objects.filter(review=review, by=by, blind=blind).order_by("-made_at", "-id").first()
    if mine is None:
        return None
    before = (
        Label.objects.filter(review=review, field=mine.field, aspect=mine.aspect, blind=blind)
        .exclude(pk=mine.pk)
        .order_by("-made_at", "-id")
        .first()
    )
    value = before.value if before else None
    if value == mine.value:
        return None
    return label(review=review, by=by, field=mine.field, aspect=mine.aspect, value=value, blind=blind)


# --- who looks at what next
def labelled(*, blind: bool = False) -> Exists:
    """Condition: people have said something about the stars or an aspect."""
    return Exists(Label.objects.filter(review=OuterRef("pk"), blind=blind, field__in=["stars", "aspect"]))


def readable(store: Store) -> QuerySet[Review]:
    """Reviews that a label would teach something: with words, no copy of another, and counted (so neither hidden nor
    called spam)."""
    counted = CountedReview.objects.filter(review_id=OuterRef("pk"))
    rows = Review.objects.filter(Exists(counted), store=store, rating_only=False, duplicate_of=None)
    return rows.exclude(text="", title="")


def queue(store: Store, *, order: str = "uncertain", language: str = "", by: User | None = None) -> QuerySet[Review]:
    """Reviews to look at, best first.

    uncertain: judged, without a person's label, the least sure first. random: without a label, in an order that the
    reviews' hashes fix (a fair sample, the same for all). blind: labelled by another person than `by`, without a second
    look. Reviews that somebody else than `by` has before them now are left out.
    """
    if order not in ORDERS:
        raise ValueError(order)
    rows = readable(store).filter(language=language) if language else readable(store)
    taken = LabelClaim.objects.filter(review=OuterRef("pk"), until__gt=timezone.now())
    rows = rows.filter(~Exists(taken.exclude(by=by) if by else taken))
    if order == "blind":
        first = Label.objects.filter(review=OuterRef("pk"), blind=False, field__in=["stars", "aspect"])
        own = first.filter(by=by) if by else first.none()
        return rows.filter(Exists(first), ~labelled(blind=True), ~Exists(own)).order_by("words_hash", "id")
    rows = rows.filter(~labelled())
    if order == "random":
        return rows.order_by("words_hash", "id")
    return rows.filter(judgement__store=store).order_by("-judgement__uncertainty", "id")


def claim(store: Store, by: User, *, order: str, language: str = "", skip: Sequence[int] = ()) -> Review | None:
    """The next review for this person, theirs for ten minutes, so that two people don't get the same one.

    `skip`: reviews that they passed over. A review that they have before them already comes again.
    """
    passed = list(skip)
    now = timezone.now()
    LabelClaim.objects.filter(store=store, until__lte=now).delete()
    for _attempt in range(CLAIM_ATTEMPTS):
        # The claim's row decides between two people. A lock on the review wouldn't: tasks hold those of whole imports.
        rows = queue(store, order=order, language=language, by=by).exclude(pk__in=passed)
        found = rows.filter(label_claim__by=by).first() or rows.first()
        if found is None:
            return None
        with suppress(IntegrityError), transaction.atomic():  # the review is erased in between: the next one
            row, _new = LabelClaim.objects.get_or_create(
                review=found, defaults={"store": store, "by": by, "until": now + CLAIM}
            )
            if row.by_id == by.pk:
                LabelClaim.objects.filter(pk=row.pk).update(until=now + CLAIM)
                return found
        passed.append(found.pk)
    return None


def release(store: Store, by: User, review_id: int) -> None:
    """Let others have it."""
    LabelClaim.objects.filter(store=store, by=by, review_id=review_id).delete()


# --- how far people agree
@dataclass(frozen=True)
class Agreement:
    """Of one field (an aspect stands for itself): n pairs of first and second look, share that agrees, Cohen's kappa
    with its 95 % interval; kappa is None where it isn't defined (all say the same one thing)."""

    field: str
    n: int
    observed: float
    expected: float
    kappa: float | None
    low: float | None
    high: float | None


def kappa(pairs: Sequence[tuple[object, object]]) -> tuple[float, float, float | None, float | None, float | None]:
    """(observed, expected, kappa, low, high) of pairs of labels.

    kappa = (po - pe) / (1 - pe) of Cohen (1960), pe = Σ p1(k)·p2(k). The interval is kappa ± 1.96·s with the large-sample
    variance of Fleiss, Cohen and Everitt (1969), cut to [-1, 1]:

    s² = [Σk pkk·(1 - (p1k + p2k)(1 - κ))² + (1 - κ)²·Σ(i≠j) pij·(p2i + p1j)² - (κ - pe(1 - κ))²] / (n·(1 - pe)²)
    """
    n = len(pairs)
    cells = Counter(pairs)
    one, two = Counter(a for a, _b in pairs), Counter(b for _a, b in pairs)
    observed = sum(count for (a, b), count in cells.items() if a == b) / n
    expected = sum(one[k] * two[k] for k in one) / n**2
    if expected >= 1:
        return observed, expected, None, None, None
    k = (observed - expected) / (1 - expected)
    same = sum(c / n * (1 - (one[a] + two[a]) / n * (1 - k)) ** 2 for (a, b), c in cells.items() if a == b)
    apart = sum(c / n * ((two[a] + one[b]) / n) ** 2 for (a, b), c in cells.items() if a != b)
    variance = (same + (1 - k) ** 2 * apart - (k - expected * (1 - k)) ** 2) / (n * (1 - expected) ** 2)
    reach = Z95 * math.sqrt(max(0.0, variance))
    return observed, expected, k, max(-1.0, k - reach), min(1.0, k + reach)


def agreement(store: Store) -> list[Agreement]:
    """First look against blind second look of another person: stars, spam, language, every aspect, and all aspects
    together; fields without a pair are left out. An aspect that neither touched is no pair."""
    latest: dict[tuple, Label] = {}
    for row in Label.objects.filter(store=store).order_by("made_at", "id"):
        latest[row.review_id, row.field, row.aspect, row.blind] = row
    pairs: dict[str, list[tuple[object, object]]] = defaultdict(list)
    for (review, field, aspect, blind), second in latest.items():
        if not blind:
            continue
        first = latest.get((review, field, aspect, False))
        if first is None or first.by_id == second.by_id or first.value is None or second.value is None:
            continue
        pairs[aspect or field].append((first.value, second.value))
        if aspect:
            pairs["aspects"].append((first.value, second.value))
    names = ["stars", "aspects", *ASPECTS, "spam", "language"]
    return [Agreement(name, len(pairs[name]), *kappa(pairs[name])) for name in names if pairs.get(name)]


def disagreements(store: Store, limit: int = 50) -> list[tuple[Label, Label]]:
    """(first, second) labels that differ, newest second look first: what a third person should settle."""
    found = []
    seconds = Label.objects.filter(store=store, blind=True).select_related("review", "by").order_by("-made_at", "-id")
    for second in seconds[: limit * 10]:
        first = newest(second.review, second.field, second.aspect)
        if first and first.value is not None and second.value is not None and first.value != second.value:
            if first.by_id != second.by_id:
                found.append((first, second))
        if len(found) == limit:
            break
    return found


# --- gold
def _draw(review: Review, seed: int) -> float:
    key = review.words_hash or review.text_hash
    return int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:13], 16) / 16**13


@transaction.atomic
def freeze_gold(store: Store, *, share: float = 0.2, most: int = 500, seed: int = 7) -> dict[str, int]:
    """Mark labelled reviews as gold: per language those whose hash falls into the `share`, at most `most`.

    A copy of a gold text falls on the same side. Gold only grows: what measured yesterday measures tomorrow. Returns
    language → how many are gold. Raises ValueError for a share outside 0…1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share}: 0 to 1")
    rows = Review.objects.filter(store=store, rating_only=False, consent=True)
    have = Counter(rows.filter(gold=True).values_list("language", flat=True))
    drawn: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for review in rows.filter(labelled(), gold=False).only("id", "language", "words_hash", "text_hash"):
        draw = _draw(review, seed)
        if draw < share:
            drawn[review.language].append((draw, review.pk))
    for language, found in drawn.items():
        chosen = [pk for _draw_, pk in sorted(found)[: max(0, most - have[language])]]
        have[language] += Review.objects.filter(pk__in=chosen).update(gold=True)
    return {language: n for language, n in sorted(have.items()) if n}


@dataclass(frozen=True)
class Progress:
    """People's labels of a store: reviews labelled, of them since the last training took its data, second looks, gold."""

    reviews: int
    new: int
    blind: int
    gold: int


def progress(store: Store, since: datetime | None = None) -> Progress:
    """How far labelling is; `since` is when the last training took its data."""
    mine = Label.objects.filter(store=store, blind=False, field__in=["stars", "aspect"])
    new = mine.filter(made_at__gt=since) if since else mine
    return Progress(
        mine.values("review").distinct().count(),
        new.values("review").distinct().count(),
        Label.objects.filter(store=store, blind=True).values("review").distinct().count(),
        Review.objects.filter(store=store, gold=True).count(),
    )


# --- what the pages ask
def last_of(store: Store, by: User, *, blind: bool = False) -> Review | None:
    """The review that this person labelled last."""
    row = Label.objects.filter(store=store, by=by, blind=blind).select_related("review").order_by("-made_at", "-id")
    found = row.first()
    return found.review if found else None


def own_labels(review: Review, by: User, *, blind: bool = False) -> dict[str, object]:
    """ "stars" or the aspect → what this person said of it."""
    rows = Label.objects.filter(review=review, by=by, blind=blind).order_by("made_at", "id")
    found = {row.aspect or row.field: row.value for row in rows}
    return {name: value for name, value in found.items() if value is not None}


def languages_of(store: Store) -> list[str]:
    """Languages of the store's reviews that count."""
    return sorted(set(StoreDay.objects.filter(store=store, n__gt=0).values_list("language", flat=True)) - {""})


def gold_counts(store: Store) -> list[tuple[str, int]]:
    """(language, gold reviews)."""
    return sorted(Counter(Review.objects.filter(store=store, gold=True).values_list("language", flat=True)).items())
