"""Bursts: many alike reviews within minutes. A signal of how they came, never of what they think: any rating counts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from rapidfuzz import fuzz

from ecomai.models import Store
from products.models import Product
from reviews import effective
from reviews.models import Flag, Review

SPAN = timedelta(minutes=10)
SAME_WORDS = 5  # near-identical texts within SPAN
SAME_RATING = 10  # the same rating within SPAN
ALIKE = 90  # rapidfuzz token_sort_ratio
BASELINE = timedelta(days=28)
ALPHA = 1e-6


@dataclass(frozen=True)
class Burst:
    """Reviews of one product (None: of none) that came together."""

    product: Product | None
    start: datetime
    end: datetime  # exclusive
    review_ids: tuple[int, ...]
    reason: str
    expected: float
    p_value: float

    @property
    def minutes(self) -> int:
        return max(1, round((self.end - self.start).total_seconds() / 60))


def _timed(review: Review) -> bool:
    """Whether its time tells when it was written: a date alone is read as midnight, and a review without a date gets
    the time of its import."""
    at = review.written_at
    if at.minute == 0 and at.second == 0 and at.microsecond == 0 and at.hour in (0, 12):
        return False
    return abs((review.created_at - at).total_seconds()) > 1 or not review.run_id


def _windows(rows: Sequence[Review], least: int) -> Iterator[list[Review]]:
    """Longest stretches in which each SPAN holds at least `least` rows."""
    first, group = 0, set()
    for last in range(len(rows)):
        while rows[last].written_at - rows[first].written_at > SPAN:
            first += 1
        if last - first + 1 >= least:
            if group and first > max(group):
                yield [rows[i] for i in sorted(group)]
                group = set()
            group |= set(range(first, last + 1))
    if group:
        yield [rows[i] for i in sorted(group)]


def _alike(rows: Sequence[Review]) -> list[list[Review]]:
    """Groups of near-identical texts: same folded words, or words that differ little."""
    groups: list[list[Review]] = []
    for row in rows:
        for group in groups:
            first = group[0]
            if (row.words_hash and row.words_hash == first.words_hash) or (
                row.text and first.text and fuzz.token_sort_ratio(row.text[:500], first.text[:500]) >= ALIKE
            ):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


def find(store: Store, start: datetime, end: datetime) -> list[Burst]:
    """Bursts among the reviews written from `start` to before `end`, by product."""
    fields = ["id", "text", "words_hash", "rating", "written_at", "created_at", "run_id", "product"]
    rows = (
        Review.objects.filter(store=store, written_at__gte=start, written_at__lt=end)
        .select_related("product").only(*fields, "product__title").order_by("written_at", "id")
    )  # fmt: skip
    by_product: dict[int | None, list[Review]] = defaultdict(list)
    for row in rows:
        if _timed(row):
            by_product[row.product_id].append(row)
    found: list[Burst] = []
    for mine in by_product.values():
        if len(mine) < SAME_WORDS:
            continue
        taken: set[int] = set()
        for window in _windows(mine, SAME_WORDS):
            for group in _alike([row for row in window if row.text]):
                for part in _windows(group, SAME_WORDS):
                    found.append(_burst(store, part, _("%(n)d near-identical texts within %(m)d minutes")))
                    taken |= {row.pk for row in part}
        ratings = defaultdict(list)
        for row in mine:
            if row.rating is not None and row.pk not in taken:
                ratings[row.rating].append(row)
        for same in ratings.values():
            for part in _windows(same, SAME_RATING):
                burst = _burst(store, part, _("%(n)d reviews with the same rating within %(m)d minutes"))
                if burst.p_value < ALPHA:
                    found.append(burst)
    return found


def _burst(store: Store, rows: Sequence[Review], reason: str) -> Burst:
    """With the count that the product's last 28 days make one expect in that time, and its Poisson tail."""
    from scipy import stats

    start, end = rows[0].written_at, rows[-1].written_at + timedelta(seconds=1)
    before = Review.objects.filter(
        store=store, product_id=rows[0].product_id, written_at__gte=start - BASELINE, written_at__lt=start
    ).count()
    # ten times the mean rate leaves room for the busiest hours of a day
    expected = 10 * (before + 1) * (max(end - start, SPAN) / BASELINE)
    burst = Burst(
        rows[0].product, start, end, tuple(row.pk for row in rows), "", expected,
        float(stats.poisson.sf(len(rows) - 1, expected)),
    )  # fmt: skip
    return Burst(**{**burst.__dict__, "reason": reason % {"n": len(rows), "m": burst.minutes}})


@transaction.atomic
def flag(store: Store, burst: Burst) -> None:
    """Say at each of its reviews that it is part of a burst; what a person decided about it stays."""
    evidence = {"from": burst.start.isoformat(), "until": burst.end.isoformat(), "count": len(burst.review_ids)}
    known = set(
        Flag.objects.filter(kind=Flag.Kind.BURST, review_id__in=burst.review_ids).values_list("review_id", flat=True)
    )
    fresh = [pk for pk in burst.review_ids if pk not in known]
    if not fresh:
        return
    flags = [
        Flag(store=store, review_id=pk, kind=Flag.Kind.BURST, reason=burst.reason[:300], evidence=evidence)
        for pk in fresh
    ]
    Flag.objects.bulk_create(flags, ignore_conflicts=True)
    effective.refresh(fresh)
