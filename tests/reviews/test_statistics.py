"""The numbers behind the dashboard: exact to the day, and no more said than the data bear."""

import math
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.http import QueryDict

from ml.aspects import ASPECTS
from products.models import Category
from reviews import effective, findings, review_search, statistics
from reviews.filters import Filters
from reviews.models import Opinion, Review
from reviews.statistics import Numbers, mean_band, wilson
from tests.factories import make_product
from tests.reviews.factories import make_review
from tests.reviews.test_effective import judge

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 25)


def ask(store, query: str = "", today: date = TODAY) -> Filters:
    return Filters.from_query(store, QueryDict(query), today=today)


@pytest.fixture
def busy(store, other_store):
    """300 reviews over 14 months, three products in two categories, languages, sources; and another store's."""
    rng = random.Random(5)
    top = Category.objects.create(store=store, name="Kitchen", path="Kitchen")
    below = Category.objects.create(store=store, name="Mugs", path="Kitchen > Mugs", parent=top)
    products = [
        make_product(store, "Mug", category=below), make_product(store, "Pan", category=top), make_product(store, "Lamp"), None,
    ]  # fmt: skip
    made = []
    for i in range(300):
        review = make_review(
            store if i % 10 else other_store, f"text {i}", product=products[rng.randrange(4)] if i % 10 else None,
            rating=rng.choice(["1", "2", "3.5", "4", "5", None]), language=rng.choice(["en", "de", "zh"]),
            source=rng.choice(["csv", "api"]), written_at=datetime(2026, 11, 25, 23, 30, tzinfo=UTC) - timedelta(hours=rng.randrange(430 * 24)),
        )  # fmt: skip
        judge(
            review,
            sentiment=rng.choice([-1, 0, 1]),
            expected=rng.uniform(1, 5),
            **{a: rng.choice([-1, 0, 1]) for a in rng.sample(ASPECTS, 2)},
        )
        made.append(review.pk)
    effective.refresh(made)
    return products


PERIODS = [
    "period=7", "period=30", "period=90", "period=365", "period=all", "from=2026-02-11&to=2026-07-02", "from=2026-03-01&to=2026-03-31",
]  # fmt: skip
SCOPES = [
    "", "language=de", "source=api", "language=de&source=api", "product=Mug", "product=Pan&language=en", "category=Kitchen",
    "category=Kitchen&source=csv&language=zh",
]  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
def test_every_number_is_that_of_the_reviews_behind_it(store, busy, scope):
    scope = scope.replace("category=Kitchen", f"category={Category.objects.get(path='Kitchen').pk}")
    for period in PERIODS:
        filters = ask(store, f"{period}&{scope}")
        assert filters.errors == {}
        behind = list(review_search.find(filters).prefetch_related("opinions"))
        numbers = statistics.total(filters)
        assert numbers.n == len(behind)
        assert (numbers.negative, numbers.positive) == (
            sum(r.sentiment == -1 for r in behind),
            sum(r.sentiment == 1 for r in behind),
        )
        given = [float(r.rating) for r in behind if r.rating is not None]
        assert numbers.rated == len(given) and (not given or numbers.rating == pytest.approx(sum(given) / len(given)))
        assert sum(numbers.aspects) == sum(len(r.opinions.all()) for r in behind)
        buckets = statistics.over_time(filters)
        assert statistics.sum_of(buckets) == numbers
        assert buckets[0].start == filters.start and buckets[-1].end == filters.end
        for bucket in buckets:
            inside = filters.within(bucket.start, bucket.end)
            assert bucket.numbers.n == sum(inside.start <= r.written_at.date() <= inside.end for r in behind)
        products = statistics.by_product(filters)
        assert sum(n.n for n in products.values()) == sum(r.product_id is not None for r in behind)
        for extra in (
            "sentiment=negative",
            "stars=4",
            "aspect=price",
            "aspect=price&polarity=negative",
            "flag=any",
            "verified=no",
        ):
            listed = ask(store, f"{period}&{scope}&{extra}")
            assert review_search.count(listed) == (review_search.find(listed).count(), False), extra


def test_a_period_without_reviews_of_late_shows_all_time_unasked(store):
    review = make_review(store, written_at=datetime(2020, 5, 1, tzinfo=UTC))
    effective.refresh([review.pk])
    filters = ask(store)
    assert filters.period == "all" and statistics.total(filters).n == 1
    assert ask(store, "period=30").period == "30"


def test_filters_survive_the_address_and_say_what_they_dont_understand(store, busy):
    query = "period=custom&from=2026-01-05&to=2026-03-01&language=de&source=api&sentiment=negative&aspect=price&polarity=positive&stars=4&verified=yes&flag=any&q=%E4%B8%8D%E5%B7%AE&show=all"
    filters = ask(store, query)
    assert ask(store, filters.query().lstrip("?")) == filters and filters.q == "不差" and filters.errors == {}
    bad = ask(
        store,
        "period=9&from=x&sentiment=angry&stars=7&category=99999999&product=nothing-like-it&aspect=smell&period=custom&to=2026-13-01",
    )
    assert set(bad.errors) == {"from", "to", "sentiment", "stars", "category", "product", "aspect"}
    turned = ask(store, "from=2026-03-01&to=2026-01-05")
    assert turned.start < turned.end and "from" in turned.errors
    assert ask(store, "product=lam").product.title == "Lamp"


def test_another_stores_products_and_categories_are_unknown(store, other_store, busy):
    foreign = make_product(other_store, "Theirs")
    filters = ask(store, f"product={foreign.pk}")
    assert filters.product is None and "product" in filters.errors


def test_wilson_agrees_with_published_values():
    low, high = wilson(15, 100)
    assert (round(low, 4), round(high, 4)) == (0.0931, 0.2328)
    assert wilson(0, 0) is None and wilson(0, 10)[0] == 0 and wilson(10, 10)[1] == pytest.approx(1)


def test_a_band_around_a_mean_narrows_with_the_root_of_n_and_never_to_nothing():
    few, many = mean_band(500 * 3, 500 * 500 * 3, 3), mean_band(500 * 300, 500 * 500 * 300, 300)
    assert few[0] < many[0] < 5 == many[1]
    rng = random.Random(1)
    inside = 0
    for _ in range(400):
        sample = [rng.choice([1, 2, 4, 5, 5, 5]) * 100 for _ in range(40)]
        low, high = mean_band(sum(sample), sum(x * x for x in sample), 40)
        inside += low <= 22 / 6 <= high
    assert inside >= 370
    assert mean_band(500, 250000, 1) is None


def test_two_proportions_and_the_false_discovery_rule_agree_with_worked_examples():
    z, p = findings.two_proportions(30, 100, 15, 100)
    assert z == pytest.approx(2.5400, abs=1e-3) and p == pytest.approx(0.01108, abs=1e-4)
    assert findings.two_proportions(0, 10, 0, 10) == (0.0, 1.0)
    # Benjamini and Hochberg (1995), section 3.2: of these fifteen, the first four are rejected at 0.05.
    paper = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert findings.discoveries(paper, 0.05) == [True] * 4 + [False] * 11
    assert findings.discoveries([]) == []


def _said(store, product, aspect, polarities, when):
    reviews = [
        make_review(store, f"{when} {product} {i} {polarity}", product=product, written_at=when, rating=None)
        for i, polarity in enumerate(polarities)
    ]
    for review, polarity in zip(reviews, polarities, strict=True):
        judge(review, sentiment=polarity, expected=3, **{aspect: polarity})
    effective.refresh([r.pk for r in reviews])


def test_movers_name_what_changed_and_are_silent_about_noise_and_small_numbers(store):
    worse, same, small = make_product(store, "Worse"), make_product(store, "Same"), make_product(store, "Small")
    before, now = datetime(2026, 10, 10, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
    _said(store, worse, "quality", [1] * 36 + [-1] * 4, before)
    _said(store, worse, "quality", [1] * 20 + [-1] * 20, now)
    _said(store, same, "price", [1] * 30 + [-1] * 10, before)
    _said(store, same, "price", [1] * 29 + [-1] * 11, now)
    _said(store, small, "design", [1] * 9, before)
    _said(store, small, "design", [-1] * 9, now)
    filters = ask(store, "period=30")
    numbers, earlier = statistics.total(filters), statistics.total(filters.previous())
    found = findings.movers(filters, numbers, earlier, statistics.by_product(filters))
    assert {(m.product, m.aspect) for m in found} == {(worse, ""), (None, "quality")}
    assert all(m.is_worse and math.isclose(m.difference, 0.4) for m in found)


def test_a_ranking_is_not_led_by_a_product_with_few_reviews(store):
    few, many = make_product(store, "Few"), make_product(store, "Many")
    when = datetime(2026, 11, 10, tzinfo=UTC)
    _said(store, few, "quality", [1] * 10, when)
    _said(store, many, "quality", [1] * 95 + [-1] * 5, when)
    products = statistics.by_product(ask(store))
    assert [r.product for r in findings.ranking(ask(store), products, "best")] == [many, few]
    assert [r.product for r in findings.ranking(ask(store), products, "worst")] == [many, few]


def test_the_heat_map_never_shows_an_opinion_as_none(store):
    numbers = Numbers(n=60, aspects=(1, 0, 59) + (0,) * (3 * len(ASPECTS) - 3))
    (line,) = findings.heat_map(numbers, None)
    assert [cell.level for cell in line.cells] == [1, 0, 5] and line.negative.difference is None


@pytest.mark.parametrize("sort", ["newest", "telling", "uncertain"])
def test_pages_walk_all_reviews_once_both_ways(store, busy, sort):
    filters = ask(store, "period=all")
    seen, cursor, cursors = [], "", []
    while True:
        page = review_search.page(filters, sort=sort, cursor=cursor, size=40)
        seen += [r.pk for r in page.items]
        cursors.append(page.previous)
        if not page.next:
            break
        cursor = page.next
    assert len(seen) == len(set(seen)) == review_search.find(filters).count() == 270
    assert (
        cursors[0] == ""
        and [r.pk for r in review_search.page(filters, sort=sort, cursor=cursors[1], size=40).items] == seen[:40]
    )
    assert review_search.page(filters, sort=sort, cursor="nonsense", size=40).items[0].pk == seen[0]


def test_words_are_found_in_any_script_and_in_title_or_text(store):
    texts = {"这个杯子质量不差": "", "Der Becher ist schön": "GROSSARTIG", "Too small": ""}
    reviews = [make_review(store, text, title=title) for text, title in texts.items()]
    effective.refresh([r.pk for r in reviews])

    def found(q: str) -> set[str]:
        return set(review_search.find(ask(store, f"q={q}")).values_list("text", flat=True))

    assert found("不差") == {"这个杯子质量不差"} and found("杯子 不差") == {"这个杯子质量不差"}
    assert found("schön grossartig") == {"Der Becher ist schön"}
    assert found("%") == set() and found("SMALL") == {"Too small"}


def test_most_telling_are_those_that_say_most_at_a_length_that_is_read(store):
    short = make_review(store, "Bad.", rating="1")
    rich = make_review(
        store, "The handle broke after two weeks, the box was crushed and it came three weeks late.", rating="1"
    )
    endless = make_review(store, "It came late. " * 400, rating="1")
    for review in (short, rich, endless):
        judge(review, sentiment=-1, expected=1.2, quality=-1, shipping=-1, packaging=-1)
    effective.refresh([short.pk, rich.pk, endless.pk])
    assert [r.pk for r in review_search.most_telling(ask(store), each=1)] == [rich.pk]
    assert Opinion.objects.count() == 9 and Review.objects.get(pk=rich.pk).counted.telling == 240
