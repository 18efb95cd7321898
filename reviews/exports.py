"""Reviews and numbers as CSV: streamed, exact, and harmless in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator

from ecomai.lib.formulas import safe
from reviews import findings, statistics
from reviews.filters import Filters
from reviews.models import Review
from reviews.presentation import POLARITY_NAMES
from reviews.review_search import find

BATCH = 1000
BOM = "\ufeff"
REVIEW_COLUMNS = [
    "id", "written", "product", "product_ref", "source", "source_id", "language", "country", "verified", "rating", "stars",
    "sentiment", "title", "text", "author", "negative_aspects", "neutral_aspects", "positive_aspects", "flags", "model",
]  # fmt: skip
NUMBER_COLUMNS = [
    "table",
    "from",
    "to",
    "name",
    "reviews",
    "rated",
    "average_rating",
    "negative",
    "neutral",
    "positive",
]


class _Line:
    def write(self, value: str) -> str:
        return value


def lines(rows: Iterable[Iterable]) -> Iterator[str]:
    """CSV lines of rows, each cell neutralised where a spreadsheet would run it; begins with a byte order mark."""
    writer = csv.writer(_Line())
    yield BOM
    for row in rows:
        yield writer.writerow([safe("" if cell is None else str(cell)) for cell in row])


def _batches(filters: Filters) -> Iterator[list[Review]]:
    """The filters' reviews in id order, read a batch at a time, so that memory stays small."""
    found = find(filters).select_related("product", "judgement").prefetch_related("opinions", "flags").defer("raw")
    after = 0
    while batch := list(found.filter(pk__gt=after).order_by("pk")[:BATCH]):
        yield batch
        after = batch[-1].pk


def review_rows(filters: Filters) -> Iterator[list]:
    """Header and one row a review."""
    yield REVIEW_COLUMNS
    for batch in _batches(filters):
        for review in batch:
            judgement = getattr(review, "judgement", None)
            aspects: dict[int, list[str]] = {-1: [], 0: [], 1: []}
            for opinion in review.opinions.all():
                aspects[opinion.polarity].append(opinion.aspect)
            yield [
                review.pk, review.written_at.isoformat(), review.product.title if review.product else "",
                review.product_ref, review.source, review.source_id, review.language, review.country,
                {True: "yes", False: "no", None: ""}[review.verified], review.rating,
                "" if review.stars is None else f"{review.stars:.2f}",
                "" if review.sentiment is None else POLARITY_NAMES[review.sentiment], review.title, review.text,
                review.author_name, *(" ".join(sorted(aspects[p])) for p in (-1, 0, 1)),
                " ".join(sorted(flag.kind for flag in review.flags.all() if flag.upheld is not False)),
                judgement.model_label if judgement else "",
            ]  # fmt: skip


def number_rows(filters: Filters) -> Iterator[list]:
    """The dashboard's numbers as one table: over time, aspects, products."""
    scope = filters.scope
    yield NUMBER_COLUMNS
    buckets = statistics.over_time(scope)

    def tail(numbers) -> list:
        mean = "" if numbers.rating is None else f"{numbers.rating:.4f}"
        return [numbers.n, numbers.rated, mean, numbers.negative, numbers.neutral, numbers.positive]

    for bucket in buckets:
        yield ["time", bucket.start, bucket.end, "", *tail(bucket.numbers)]
    for row in findings.heat_map(statistics.sum_of(buckets), None):
        yield ["aspect", scope.start, scope.end, row.aspect, row.n, "", "", *(cell.n for cell in row.cells)]
    products = {} if scope.product else statistics.by_product(scope)
    for ranked in findings.ranking(scope, products, limit=len(products)):
        yield ["product", scope.start, scope.end, ranked.product.title, *tail(ranked.numbers)]
