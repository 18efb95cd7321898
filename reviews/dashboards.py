"""Everything that one page of numbers shows, put together once: the dashboard, the report, the comparison, the digest."""

from dataclasses import dataclass, replace

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from products.models import Product
from reviews import charts, findings, review_search, statistics
from reviews.charts import Axis, Series
from reviews.filters import Filters, aspect_names
from reviews.findings import HeatRow, Mover, Ranked, Summary
from reviews.models import Review
from reviews.presentation import Card, Row, axis_label, cards, compact, day_range, number, percent, row
from reviews.statistics import Bucket, Numbers


@dataclass(frozen=True)
class Line:
    """One row of the table beside a chart."""

    name: str
    query: str
    numbers: Numbers


@dataclass(frozen=True)
class Star:
    stars: int
    n: int
    percent: int
    query: str


@dataclass(frozen=True)
class Dashboard:
    filters: Filters
    earlier: Filters | None
    numbers: Numbers
    cards: list[Card]
    charts: dict[str, list[SafeString]]
    lines: list[Line]
    stars: list[Star]
    heat: list[HeatRow]
    movers: list[Mover]
    ranking: list[Ranked]
    telling: list[Row]
    recent: list[Row]
    waiting: int
    period: str
    earlier_period: str


# In the two-column card, and on a phone.
SIZES = ((540, 240), (330, 220))
WIDE = ((980, 260), (330, 220))


def _rating_chart(filters: Filters, buckets: list[Bucket], names, links, size) -> SafeString:
    given = [b.numbers.rating for b in buckets]
    tips = [
        _("%(when)s: %(n)s reviews, average rating %(mean)s")
        % {"when": day_range(b.start, b.end), "n": number(b.numbers.n), "mean": number(b.numbers.rating, 2)}
        for b in buckets
    ]
    read = any(b.numbers.rated == 0 and b.numbers.read for b in buckets) and not any(v is not None for v in given)
    series = Series("accent", _("Average rating"), given, [b.numbers.rating_band for b in buckets])
    if read:  # reviews without ratings: the stars that were read from the text
        series = Series(
            "accent", _("Stars read"), [b.numbers.stars for b in buckets], [b.numbers.stars_band for b in buckets]
        )
    axis = Axis(1, 5, [(v, str(v)) for v in (1, 2, 3, 4, 5)])
    return charts.time_chart(
        buckets, [series], axis, label=_("Average rating over time, with the number of reviews"), names=names, tips=tips,
        links=links, show=compact, width=size[0], height=size[1],
    )  # fmt: skip


def _share_chart(filters: Filters, buckets: list[Bucket], names, links, size) -> SafeString:
    """Positive and negative shares; of the opinions on one aspect when the filters name one."""

    def counts(numbers: Numbers) -> tuple[int, int, int]:
        return (
            numbers.aspect(filters.aspect) if filters.aspect else (numbers.negative, numbers.neutral, numbers.positive)
        )

    all_counts = [counts(b.numbers) for b in buckets]
    series = [
        Series(
            tone, name, [c[at] / sum(c) if sum(c) else None for c in all_counts],
            [statistics.wilson(c[at], sum(c)) for c in all_counts],
        )
        for tone, name, at in (("pos", _("Positive"), 2), ("neg", _("Negative"), 0))
    ]  # fmt: skip
    tips = [
        _("%(when)s: %(n)s opinions, %(pos)s positive, %(neg)s negative")
        % {"when": day_range(b.start, b.end), "n": number(sum(c)), "pos": percent(c[2] / sum(c) if sum(c) else None),
           "neg": percent(c[0] / sum(c) if sum(c) else None)}
        for b, c in zip(buckets, all_counts, strict=True)
    ]  # fmt: skip
    axis = Axis(0, 1, [(v, percent(v)) for v in (0, 0.25, 0.5, 0.75, 1)])
    return charts.time_chart(
        buckets, series, axis, label=_("Positive and negative shares over time, with the number of reviews"), names=names,
        tips=tips, links=links, show=compact, width=size[0], height=size[1],
    )  # fmt: skip


def build(filters: Filters, *, base: str, rank: str = "reviewed", sizes=SIZES) -> Dashboard:
    """Read the sums of the filters' period and of the period before, and draw them; `base` is the address of the list of
    reviews, which the charts link to."""
    scope = filters.scope
    buckets = statistics.over_time(scope)
    now = statistics.sum_of(buckets)
    earlier = scope.previous()
    before = statistics.total(earlier) if earlier else None
    whole = bool(earlier and filters.span and filters.span[0] <= earlier.start)
    summary = Summary(now, before, whole)
    products = {} if filters.product else statistics.by_product(scope)
    unit = statistics.unit_of(scope)
    names = [axis_label(b, unit) for b in buckets]
    queries = [
        scope.query(period="custom", from_=b.start.isoformat(), to=b.end.isoformat(), aspect=filters.aspect)
        for b in buckets
    ]
    links = [base + query for query in queries]
    drawn = {
        "rating": [_rating_chart(filters, buckets, names, links, size) for size in sizes],
        "sentiment": [_share_chart(filters, buckets, names, links, size) for size in sizes],
    }
    rated = max(1, now.rated)
    listed = replace(scope, aspect=filters.aspect)
    return Dashboard(
        filters=filters, earlier=earlier, numbers=now, cards=cards(scope, summary), charts=drawn,
        lines=[Line(day_range(b.start, b.end), q, b.numbers) for b, q in zip(buckets, queries, strict=True)],
        stars=[Star(k, now.histogram[k - 1], round(100 * now.histogram[k - 1] / rated), scope.query(stars=k)) for k in (5, 4, 3, 2, 1)],
        heat=findings.heat_map(now, before), movers=findings.movers(scope, now, before, products),
        ranking=findings.ranking(scope, products, rank),
        telling=[row(review) for review in review_search.most_telling(listed)],
        recent=[row(review) for review in review_search.recent(listed)],
        waiting=Review.objects.filter(store=filters.store, needs_scoring=True, rating_only=False).count(),
        period=day_range(filters.start, filters.end),
        earlier_period=day_range(earlier.start, earlier.end) if earlier else "",
    )  # fmt: skip


@dataclass(frozen=True)
class Side:
    product: Product
    numbers: Numbers
    telling: list[Row]
    query: str


@dataclass(frozen=True)
class Comparison:
    one: Side
    two: Side
    lines: list[findings.Versus]
    charts: list[SafeString]
    one_scope: Filters
    two_scope: Filters

    @property
    def sides(self) -> list[Side]:
        return [self.one, self.two]


def comparison(filters: Filters, one: Product, two: Product, *, base: str) -> Comparison:
    """Two products over the same period, language and source."""
    sides, bucketed, scopes = [], [], []
    for product in (one, two):
        scope = replace(filters.scope, product=product, category=None)
        buckets = statistics.over_time(scope)
        bucketed.append(buckets)
        scopes.append(scope)
        telling = [row(review) for review in review_search.most_telling(scope, each=1)]
        sides.append(Side(product, statistics.sum_of(buckets), telling, scope.query()))
    unit = statistics.unit_of(filters)
    series = [
        Series(tone, str(side.product), [b.numbers.rating for b in buckets], [b.numbers.rating_band for b in buckets])
        for tone, side, buckets in zip(("accent", "second"), sides, bucketed, strict=True)
    ]
    both = [Bucket(a.start, a.end, a.numbers + b.numbers) for a, b in zip(*bucketed, strict=True)]
    tips = [
        f"{day_range(a.start, a.end)}: {one} {number(a.numbers.rating, 2)} ({a.numbers.n}), {two} {number(b.numbers.rating, 2)} ({b.numbers.n})"
        for a, b in zip(*bucketed, strict=True)
    ]
    links = [
        base + replace(filters.scope, product=None, category=None).query(
            period="custom", from_=b.start.isoformat(), to=b.end.isoformat(), product=one.pk
        )
        for b in both
    ]  # fmt: skip
    axis = Axis(1, 5, [(v, str(v)) for v in (1, 2, 3, 4, 5)])
    drawn = [
        charts.time_chart(both, series, axis, label=_("Average ratings of the two products over time"),
                          names=[axis_label(b, unit) for b in both], tips=tips, links=links, show=compact,
                          width=width, height=height)
        for width, height in WIDE
    ]  # fmt: skip
    return Comparison(sides[0], sides[1], findings.compare(sides[0].numbers, sides[1].numbers), drawn, *scopes)


def aspect_options() -> list[tuple[str, str]]:
    return list(aspect_names().items())
