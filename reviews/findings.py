"""What the sums say: changes against the period before, aspects, movers that are more than noise, ranked products."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ml.aspects import ASPECTS
from products.models import Product
from reviews import statistics
from reviews.filters import SENTIMENTS, Filters
from reviews.statistics import Numbers, wilson

# Shares of fewer reviews than this in either period are not compared, nor products of fewer ranked.
FLOOR = 10
FALSE_DISCOVERIES = 0.10


@dataclass(frozen=True)
class Change:
    """A figure now and in the period before; None where there is none."""

    now: float | None
    before: float | None

    @property
    def difference(self) -> float | None:
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def ratio(self) -> float | None:
        """Relative change, 0.25 for a quarter more."""
        return (self.now - self.before) / self.before if self.now is not None and self.before else None


@dataclass(frozen=True)
class Summary:
    """`whole`: the period before has reviews from its first day on, so that numbers of reviews can be compared too."""

    now: Numbers
    before: Numbers | None
    whole: bool = True

    def _change(self, figure, *, is_count: bool = False) -> Change:
        comparable = self.before is not None and (self.whole or not is_count)
        return Change(figure(self.now), figure(self.before) if comparable else None)

    @property
    def volume(self) -> Change:
        return self._change(lambda numbers: numbers.n, is_count=True)

    @property
    def rating(self) -> Change:
        return self._change(lambda numbers: numbers.rating)

    @property
    def stars(self) -> Change:
        return self._change(lambda numbers: numbers.stars)

    @property
    def positive(self) -> Change:
        return self._change(lambda numbers: numbers.share("positive"))

    @property
    def negative(self) -> Change:
        return self._change(lambda numbers: numbers.share("negative"))

    @property
    def flagged(self) -> Change:
        return self._change(lambda numbers: numbers.flagged, is_count=True)

    @property
    def safety(self) -> Change:
        return self._change(lambda numbers: numbers.safety, is_count=True)


@dataclass(frozen=True)
class HeatCell:
    polarity: str
    n: int
    share: float
    level: int


@dataclass(frozen=True)
class HeatRow:
    """Opinions on one aspect. `reach`: part of the reviews that speak of it."""

    aspect: str
    n: int
    reach: float
    cells: list[HeatCell]
    negative: Change

    @property
    def is_thin(self) -> bool:
        return self.n < FLOOR


def heat_map(now: Numbers, before: Numbers | None) -> list[HeatRow]:
    """Aspects with opinions, most spoken of first. A cell's `level`, 0 to 5, is its share in steps of a fifth, rounded
    up, so that one opinion is never shown as none."""
    rows = []
    for aspect in ASPECTS:
        counts = now.aspect(aspect)
        n = sum(counts)
        if not n:
            continue
        cells = [
            HeatCell(polarity, count, count / n, math.ceil(5 * count / n))
            for polarity, count in zip(SENTIMENTS, counts, strict=True)
        ]
        old = before.aspect(aspect) if before else (0, 0, 0)
        was = old[0] / sum(old) if sum(old) >= FLOOR and n >= FLOOR else None
        rows.append(HeatRow(aspect, n, n / now.n if now.n else 0, cells, Change(counts[0] / n, was)))
    return sorted(rows, key=lambda row: -row.n)


def two_proportions(k1: int, n1: int, k2: int, n2: int) -> tuple[float, float]:
    """(z, two-sided p) of the hypothesis that two shares are equal: the pooled two-proportion z-test,

    z = (k1/n1 - k2/n2) / √(p(1-p)(1/n1 + 1/n2)), p = (k1+k2)/(n1+n2), p-value erfc(|z|/√2).
    """
    p = (k1 + k2) / (n1 + n2)
    error = math.sqrt(p * (1 - p) * (1 / n1 + 1 / n2))
    if not error:
        return 0.0, 1.0
    z = (k1 / n1 - k2 / n2) / error
    return z, math.erfc(abs(z) / math.sqrt(2))


def discoveries(p_values: Sequence[float], rate: float = FALSE_DISCOVERIES) -> list[bool]:
    """Which hypotheses to reject so that at most `rate` of the rejected are expected to be false: the step-up procedure
    of Benjamini and Hochberg (1995), all up to the largest i with p(i) <= i·rate/m."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    last = max((i for i, at in enumerate(order, 1) if p_values[at] <= i * rate / len(order)), default=0)
    kept = set(order[:last])
    return [i in kept for i in range(len(p_values))]


@dataclass(frozen=True)
class Mover:
    """A negative share that changed by more than chance explains: of a product's reviews, or of the opinions on an
    aspect (then `product` is None)."""

    product: Product | None
    aspect: str
    now: float
    before: float
    n: int
    n_before: int
    p: float

    @property
    def difference(self) -> float:
        return self.now - self.before

    @property
    def is_worse(self) -> bool:
        return self.difference > 0


def movers(
    filters: Filters, now: Numbers, before: Numbers | None, products: dict[int, Numbers], limit: int = 8
) -> list[Mover]:
    """Aspects and products whose negative share moved against the period before, largest move first.

    Only shares with at least FLOOR opinions in both periods are tested (`two_proportions`), all in one family; of those
    named, at most a tenth are expected to be chance (`discoveries`).
    """
    earlier = filters.previous()
    if earlier is None or before is None:
        return []
    tested: list[tuple[int | None, str, int, int, int, int]] = []
    for aspect in ASPECTS:
        a, b = now.aspect(aspect), before.aspect(aspect)
        tested.append((None, aspect, a[0], sum(a), b[0], sum(b)))
    if filters.product is None:
        old = statistics.by_product(earlier)
        for pk, numbers in products.items():
            if pk in old:
                tested.append((pk, "", numbers.negative, numbers.judged, old[pk].negative, old[pk].judged))
    tested = [row for row in tested if row[3] >= FLOOR and row[5] >= FLOOR]
    p_values = [two_proportions(k, n, k0, n0)[1] for _pk, _aspect, k, n, k0, n0 in tested]
    real = [(row, p) for row, p, kept in zip(tested, p_values, discoveries(p_values), strict=True) if kept]
    real.sort(key=lambda item: -abs(item[0][2] / item[0][3] - item[0][4] / item[0][5]))
    known = Product.objects.filter(store=filters.store).in_bulk([row[0] for row, _p in real if row[0]])
    found = [
        Mover(known.get(pk) if pk else None, aspect, k / n, k0 / n0, n, n0, p)
        for (pk, aspect, k, n, k0, n0), p in real
        if not pk or pk in known
    ]
    return found[:limit]


@dataclass(frozen=True)
class Ranked:
    product: Product
    numbers: Numbers


RANKINGS = ("reviewed", "worst", "best")


def ranking(filters: Filters, products: dict[int, Numbers], order: str = "reviewed", limit: int = 10) -> list[Ranked]:
    """Products by number of reviews; or, of those with at least FLOOR judged reviews, by the lower end of the Wilson
    interval of their negative (worst) or positive share (best), so that few reviews can't lead."""

    def low(sentiment: str):
        return lambda pk: -(wilson(getattr(products[pk], sentiment), products[pk].judged) or (0, 0))[0]

    if order == "reviewed":
        ids = sorted(products, key=lambda pk: (-products[pk].n, pk))
    else:
        enough = [pk for pk, numbers in products.items() if numbers.judged >= FLOOR]
        ids = sorted(enough, key=low("negative" if order == "worst" else "positive"))
    known = Product.objects.filter(store=filters.store).in_bulk(ids[: limit + 5])
    return [Ranked(known[pk], products[pk]) for pk in ids if pk in known][:limit]


@dataclass(frozen=True)
class Versus:
    """One line of a comparison: shares of two products and whether they differ by more than chance (p < 0.05)."""

    aspect: str
    sentiment: str
    one: float | None
    two: float | None
    n_one: int
    n_two: int
    p: float | None

    @property
    def differs(self) -> bool:
        return self.p is not None and self.p < 0.05


def compare(one: Numbers, two: Numbers) -> list[Versus]:
    """Negative share of the whole (aspect "") and of each aspect that both or either have; tested from FLOOR on."""
    lines = []
    for aspect in ("", *ASPECTS):
        a = one.aspect(aspect) if aspect else (one.negative, one.neutral, one.positive)
        b = two.aspect(aspect) if aspect else (two.negative, two.neutral, two.positive)
        n_a, n_b = sum(a), sum(b)
        if n_a or n_b:
            p = two_proportions(a[0], n_a, b[0], n_b)[1] if n_a >= FLOOR and n_b >= FLOOR else None
            lines.append(
                Versus(aspect, "negative", a[0] / n_a if n_a else None, b[0] / n_b if n_b else None, n_a, n_b, p)
            )
    return lines
