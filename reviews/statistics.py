"""The numbers behind the dashboard, from sums that stand ready: no review is read to answer a question about many.

A store's days come from StoreDay. A product or category comes from ProductMonth for the whole months of the period and
from CountedReview for the days at its edges, so that every number is exact to the day.
"""

import calendar
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from datetime import date, timedelta

from django.db import connection

from ml.aspects import ASPECTS
from products.catalogue_search import category_and_below
from reviews.effective import SUMS
from reviews.filters import Filters

Z95 = 1.959964


@dataclass(slots=True)
class Numbers:
    """Sums over reviews; ratings and stars in hundredths. `aspects`: negative, neutral, positive of each aspect."""

    n: int = 0
    rated: int = 0
    rating_sum: int = 0
    rating_squares: int = 0
    star1: int = 0
    star2: int = 0
    star3: int = 0
    star4: int = 0
    star5: int = 0
    read: int = 0
    stars_sum: int = 0
    stars_squares: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    safety: int = 0
    flagged: int = 0
    verified: int = 0
    aspects: tuple[int, ...] = (0,) * (3 * len(ASPECTS))

    def __add__(self, other: "Numbers") -> "Numbers":
        *mine, my_aspects = self.values()
        *theirs, their_aspects = other.values()
        sums: list = [a + b for a, b in zip(mine, theirs, strict=True)]
        sums.append(tuple(a + b for a, b in zip(my_aspects, their_aspects, strict=True)))
        return Numbers(*sums)

    def values(self) -> list:
        return [getattr(self, f.name) for f in dataclass_fields(self)]

    @property
    def rating(self) -> float | None:
        """Mean of the ratings that shoppers gave, 1 to 5."""
        return self.rating_sum / self.rated / 100 if self.rated else None

    @property
    def stars(self) -> float | None:
        """Mean of the stars that count: a person's, else read from the text, else given."""
        return self.stars_sum / self.read / 100 if self.read else None

    @property
    def judged(self) -> int:
        """Reviews with a sentiment."""
        return self.negative + self.neutral + self.positive

    @property
    def histogram(self) -> list[int]:
        """Given ratings at 1, 2, 3, 4 and 5 stars, halves rounded up."""
        return [self.star1, self.star2, self.star3, self.star4, self.star5]

    def share(self, sentiment: str) -> float | None:
        """Part of the judged reviews that is negative, neutral or positive."""
        return getattr(self, sentiment) / self.judged if self.judged else None

    @property
    def negative_share(self) -> float | None:
        return self.share("negative")

    def aspect(self, name: str) -> tuple[int, int, int]:
        """(negative, neutral, positive) opinions on one aspect."""
        at = 3 * ASPECTS.index(name)
        return self.aspects[at], self.aspects[at + 1], self.aspects[at + 2]

    @property
    def rating_band(self) -> tuple[float, float] | None:
        return mean_band(self.rating_sum, self.rating_squares, self.rated)

    @property
    def stars_band(self) -> tuple[float, float] | None:
        return mean_band(self.stars_sum, self.stars_squares, self.read)

    def share_band(self, sentiment: str) -> tuple[float, float] | None:
        return wilson(getattr(self, sentiment), self.judged)


def wilson(k: int, n: int, z: float = Z95) -> tuple[float, float] | None:
    """95 % confidence interval of a share k of n: Wilson's score interval (Wilson 1927),

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = k/n; None without observations.
    """
    if n <= 0:
        return None
    p, z2 = k / n, z * z
    middle, reach = p + z2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (middle - reach) / (1 + z2 / n)), min(1.0, (middle + reach) / (1 + z2 / n))


def mean_band(total: int, squares: int, n: int) -> tuple[float, float] | None:
    """95 % confidence interval of a mean of stars, in stars, from sums of hundredths and of their squares.

    The normal interval m ± z s/√n, with the unbiased variance s² = (Σx² - n m²)/(n - 1), cut to 1…5. With few or equal
    ratings s is too small to trust, so two more ratings, a 1 and a 5, are added to the variance (not to the mean), as
    Agresti and Coull add two of each to a share. None below two ratings.
    """
    if n < 2:
        return None
    mean = total / n
    padded, m = n + 2, (total + 600) / (n + 2)
    variance = max(0.0, (squares + 100**2 + 500**2 - padded * m * m) / (padded - 1))
    reach = Z95 * math.sqrt(variance / n)
    return max(1.0, (mean - reach) / 100), min(5.0, (mean + reach) / 100)


def _month_ends(day: date) -> tuple[date, date]:
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _whole_months(filters: Filters) -> tuple[date, date] | None:
    """First and last day of the whole months within the period; a period that reaches over all reviews counts to the
    ends of its months, since nothing lies there."""
    start, end = filters.start, filters.end
    if filters.span and start <= filters.span[0]:
        start = _month_ends(start)[0]
    if filters.span and end >= filters.span[1]:
        end = _month_ends(end)[1]
    first, last = _month_ends(start)
    if start != first:
        first = last + timedelta(days=1)
    end_first, end_last = _month_ends(end)
    last = end if end == end_last else end_first - timedelta(days=1)
    return (first, last) if first <= last else None


# What a list of products shows; the index product_month_store holds just these.
_NARROW = ("n", "rated", "rating_sum", "negative", "neutral", "positive")


def _adding(columns: Sequence[str]) -> str:
    """SQL that sums columns of a tally."""
    cells = "ARRAY[" + ", ".join(f"sum(aspects[{i}])" for i in range(1, 3 * len(ASPECTS) + 1)) + "]::int[]"
    return ", ".join(cells if name == "aspects" else f"sum({name})::bigint" for name in columns)


def _read(filters: Filters, *, by: str = "total", columns: Sequence[str] = tuple(SUMS)) -> dict:
    """Key → Numbers over the period. `by`: total (key None), day, week (key: its first day, weeks end on the last day
    of the period), month, product (key: its number)."""
    values = {
        "store": filters.store.pk, "start": filters.start, "end": filters.end, "language": filters.language,
        "source": filters.source, "product": filters.product.pk if filters.product else None,
    }  # fmt: skip
    rows = "store_id = %(store)s AND day BETWEEN %(start)s AND %(end)s"
    cuts = "".join(f" AND {name} = %({name})s" for name in ("language", "source") if getattr(filters, name))
    where = ""
    if filters.product:
        where = " AND product_id = %(product)s"
    if filters.category:
        values["categories"] = category_and_below(filters.store, filters.category.pk)
        where += (
            " AND product_id IN (SELECT id FROM products_product WHERE store_id = %(store)s"
            " AND category_id = ANY(%(categories)s))"
        )
    elif by == "product":
        where += " AND product_id IS NOT NULL"
    key = {
        "total": "NULL::date", "day": "day", "month": "date_trunc('month', day)::date", "product": "product_id",
        "week": "greatest(%(start)s::date, %(end)s::date - 6 - 7 * ((%(end)s::date - day) / 7))",
    }[by]  # fmt: skip
    parts: list[tuple[str, dict]] = []
    if not where and by != "product":
        parts.append((f"SELECT {key}, {_adding(columns)} FROM reviews_storeday WHERE {rows}{cuts} GROUP BY 1", values))
    else:
        facts = ", ".join(SUMS[name] for name in columns)
        sql = (
            f"SELECT {key}, {facts} FROM (SELECT 1 AS sign, * FROM reviews_countedreview"
            f" WHERE {rows}{cuts}{where}) c GROUP BY 1"
        )
        months = _whole_months(filters) if by in ("total", "month", "product") else None
        if months is None or (filters.language and filters.source):
            parts.append((sql, values))
        else:
            month_key = key.replace("day", "month")
            parts.append(
                (
                    f"SELECT {month_key}, {_adding(columns)} FROM reviews_productmonth WHERE store_id = %(store)s"
                    " AND month BETWEEN %(start)s AND %(end)s AND language = %(language)s AND source = %(source)s"
                    f"{where} GROUP BY 1",
                    {**values, "start": months[0], "end": months[1]},
                )
            )
            for first, last in ((filters.start, months[0] - timedelta(1)), (months[1] + timedelta(1), filters.end)):
                if first <= last:
                    parts.append((sql, {**values, "start": first, "end": last}))
    found: dict[date | int | None, list] = {}
    with connection.cursor() as cursor:
        for sql, parameters in parts:
            cursor.execute(sql, parameters)
            for group, *sums in cursor.fetchall():
                if sums[0] is None:
                    continue
                if (have := found.get(group)) is None:
                    found[group] = sums
                else:
                    found[group] = [
                        a + b if isinstance(a, int) else [x + y for x, y in zip(a, b, strict=True)]
                        for a, b in zip(have, sums, strict=True)
                    ]
    at = columns.index("aspects") if "aspects" in columns else None
    for sums in found.values():
        if at is not None:
            sums[at] = tuple(sums[at])
    return {group: Numbers(**dict(zip(columns, sums, strict=True))) for group, sums in found.items() if sums[0]}


def total(filters: Filters) -> Numbers:
    """The sums of the period within product, category, language and source."""
    return _read(filters).get(None, Numbers())


@dataclass(frozen=True)
class Bucket:
    """One stretch of the time axis, both days included."""

    start: date
    end: date
    numbers: Numbers


def unit_of(filters: Filters) -> str:
    """Days up to a month, weeks up to half a year, else months."""
    return "day" if filters.days <= 31 else "week" if filters.days <= 186 else "month"


def over_time(filters: Filters) -> list[Bucket]:
    """The period cut into days, weeks or months, empty ones included, oldest first."""
    unit = unit_of(filters)
    found = _read(filters, by=unit)
    buckets = []
    for start, end in _stretches(filters.start, filters.end, unit):
        key = start.replace(day=1) if unit == "month" else start
        buckets.append(Bucket(start, end, found.get(key, Numbers())))
    return buckets


def _stretches(start: date, end: date, unit: str) -> Iterator[tuple[date, date]]:
    at = start
    while at <= end:
        if unit == "day":
            last = at
        elif unit == "week":
            last = end - timedelta(days=7 * ((end - at).days // 7))
        else:
            last = _month_ends(at)[1]
        yield at, min(last, end)
        at = last + timedelta(days=1)


def sum_of(buckets: Sequence[Bucket]) -> Numbers:
    """All buckets together."""
    found = Numbers()
    for bucket in buckets:
        found += bucket.numbers
    return found


def by_product(filters: Filters) -> dict[int, Numbers]:
    """Product number → its sums of the period, without aspects."""
    return _read(filters, by="product", columns=_NARROW)


def choices(filters: Filters) -> tuple[list[str], list[str]]:
    """(languages, sources) that the store's reviews have, most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT language, source, sum(n) FROM reviews_storeday WHERE store_id = %s GROUP BY 1, 2 HAVING sum(n) > 0",
            [filters.store.pk],
        )
        languages: dict[str, int] = {}
        sources: dict[str, int] = {}
        for language, source, n in cursor.fetchall():
            languages[language] = languages.get(language, 0) + n
            sources[source] = sources.get(source, 0) + n
    return sorted(languages, key=lambda k: -languages[k]), sorted(sources, key=lambda k: -sources[k])
