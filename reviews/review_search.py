"""Find reviews: the filters of the address, words in any script, three orders, keyset pages in both directions."""

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from products.catalogue_search import category_and_below
from products.models import Product
from reviews import statistics
from reviews.filters import SENTIMENTS, Filters
from reviews.models import Flag, Label, Opinion, Review

PAGE_SIZE = 25
COUNT_CAP = 2_000
# order → (column, how its value comes back from a cursor)
SORTS = {
    "newest": ("written_at", datetime.fromisoformat),
    "telling": ("counted__telling", int),
    "uncertain": ("judgement__uncertainty", float),
}


def find(filters: Filters, *, sort: str = "newest") -> QuerySet[Review]:
    """The store's reviews that meet the filters, unordered: those that count, or all with `show=all`.

    Each word of `q` must occur in the title or the text: a substring match, so scripts without spaces work too.
    """
    f = filters
    found = Review.objects.filter(store=f.store)
    if f.show != "all" or sort == "telling":
        found = found.filter(counted__isnull=False)
    # The index of the order serves the filters best when both are columns of one table.
    at = "counted__" if sort == "telling" else ""
    if at:
        found = found.filter(counted__store=f.store)
    if f.period != "all":
        if at:
            found = found.filter(counted__day__range=(f.start, f.end))
        else:
            first = datetime.combine(f.start, time(), UTC)
            found = found.filter(
                written_at__gte=first, written_at__lt=datetime.combine(f.end, time(), UTC) + timedelta(1)
            )
    if f.product:
        found = found.filter(**{f"{at}product_id": f.product.pk})
    if f.category:
        below = Product.objects.filter(store=f.store, category_id__in=category_and_below(f.store, f.category.pk))
        found = found.filter(**{f"{at}product_id__in": below.values("pk")})
    if f.language:
        found = found.filter(**{f"{at}language": f.language})
    if f.source:
        found = found.filter(**{f"{at}source": f.source})
    if f.sentiment:
        found = found.filter(**{f"{at}sentiment": SENTIMENTS[f.sentiment]})
    if f.aspect:
        said = Opinion.objects.filter(review=OuterRef("pk"), aspect=f.aspect)
        found = found.filter(Exists(said.filter(polarity=SENTIMENTS[f.polarity]) if f.polarity else said))
    elif f.polarity:
        found = found.filter(Exists(Opinion.objects.filter(review=OuterRef("pk"), polarity=SENTIMENTS[f.polarity])))
    if f.stars:
        # Halves round up, as in the sums.
        found = found.filter(rating__gte=f.stars - 0.5, rating__lt=f.stars + 0.5)
    if f.verified:
        found = found.filter(verified=True) if f.verified == "yes" else found.exclude(verified=True)
    if f.flag:
        flags = Flag.objects.filter(review=OuterRef("pk")).exclude(upheld=False)
        found = found.filter(Exists(flags if f.flag == "any" else flags.filter(kind=f.flag)))
    for word in f.q.split()[:12]:
        found = found.filter(Q(text__icontains=word) | Q(title__icontains=word))
    if sort == "uncertain":
        found = found.filter(judgement__store=f.store)
    return found


def count(filters: Filters, page: "Page | None" = None) -> tuple[int, bool]:
    """(how many reviews, whether there are more): exact from the sums where they know it, else counted up to a cap.
    A `page` that is the only one has been counted already."""
    if page is not None and not page.next and not page.previous:
        return len(page.items), False
    f = filters
    narrowed = [
        name
        for name in ("sentiment", "aspect", "polarity", "stars", "verified", "flag", "q", "show")
        if getattr(f, name)
    ]
    numbers = statistics.total(f) if len(narrowed) < 2 or set(narrowed) == {"aspect", "polarity"} else None
    if numbers is not None:
        if not narrowed:
            return numbers.n, False
        if narrowed == ["sentiment"]:
            return getattr(numbers, f.sentiment), False
        if narrowed == ["stars"] and f.stars:
            return numbers.histogram[f.stars - 1], False
        if narrowed == ["flag"] and f.flag in ("any", Flag.Kind.SAFETY):
            return (numbers.flagged if f.flag == "any" else numbers.safety), False
        if narrowed == ["verified"]:
            return (numbers.verified if f.verified == "yes" else numbers.n - numbers.verified), False
        if f.aspect:
            counts = dict(zip(SENTIMENTS, numbers.aspect(f.aspect), strict=True))
            return (counts[f.polarity] if f.polarity else sum(counts.values())), False
    counted = find(f).order_by()[: COUNT_CAP + 1].values("pk").count()
    return min(counted, COUNT_CAP), counted > COUNT_CAP


def _with_parts(found: QuerySet[Review]) -> QuerySet[Review]:
    """What a row shows besides its own columns, in five queries for any number of rows."""
    return (
        found.select_related("product", "judgement", "counted")
        .prefetch_related(
            "opinions", "flags",
            Prefetch("labels", Label.objects.filter(blind=False).order_by("made_at", "pk"), to_attr="said"),
        )
        .defer("raw", "product__description_raw", "product__description_html", "product__embedding")
    )  # fmt: skip


@dataclass(frozen=True)
class Page:
    items: list[Review]
    next: str = ""
    previous: str = ""


def _encode(value, pk: int, back: bool) -> str:
    value = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([value, pk, back]).encode()).decode().rstrip("=")


def _decode(cursor: str, convert):
    """(value, pk, back) of a cursor; None for one that isn't ours."""
    try:
        value, pk, back = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not 0 < int(pk) < 2**63:
            return None
        value = convert(value)
        if isinstance(value, datetime) and value.tzinfo is None:
            return None
        return value, int(pk), bool(back)
    except (ValueError, TypeError, OverflowError):
        return None


def page(filters: Filters, *, sort: str = "newest", cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """One page by keyset, as fast at the end as at the start; the highest value comes first."""
    column, convert = SORTS[sort]
    found = _with_parts(find(filters, sort=sort))
    decoded = _decode(cursor, convert) if cursor else None
    back = bool(decoded and decoded[2])
    key = "counted__review_id" if sort == "telling" else "pk"
    if decoded:
        value, pk, _back = decoded
        op = "gt" if back else "lt"
        # The first condition bounds the index scan, the second is exact.
        found = found.filter(
            Q(**{f"{column}__{op}e": value}), Q(**{f"{column}__{op}": value}) | Q(**{column: value, f"{key}__{op}": pk})
        )
    order = [F(name).asc() if back else F(name).desc() for name in (column, key)]
    rows = list(found.order_by(*order)[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if back:
        rows.reverse()
    if not rows:
        return Page([])

    def value_of(review: Review):
        owner, _sep, name = column.rpartition("__")
        return getattr(getattr(review, owner) if owner else review, name)

    has_next, has_previous = (True, more) if back else (more, bool(decoded))
    return Page(
        rows,
        next=_encode(value_of(rows[-1]), rows[-1].pk, False) if has_next else "",
        previous=_encode(value_of(rows[0]), rows[0].pk, True) if has_previous else "",
    )


def recent(filters: Filters, limit: int = 4) -> list[Review]:
    """The newest reviews with words."""
    return list(_with_parts(find(filters).filter(rating_only=False)).order_by("-written_at", "-pk")[:limit])


def most_telling(filters: Filters, each: int = 2) -> list[Review]:
    """The most telling negative and positive reviews: those that say most, clearly, at a length that is read.

    `reviews.effective.TELLING` is the measure: the probabilities of a review's opinions added up, at most five, less
    for texts below 60 or above 900 bytes.
    """
    found: list[Review] = []
    for sentiment in ("negative", "positive"):
        rows = find(replace(filters, sentiment=sentiment, show=""), sort="telling").filter(counted__telling__gt=0)
        found += _with_parts(rows).order_by("-counted__telling", "-counted__review_id")[:each]
    return found
