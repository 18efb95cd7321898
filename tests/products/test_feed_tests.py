"""Tests that split products: who gets what on which day, reports of a channel, and what they say."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from ecomai.lib.tablefile import TableError
from products import experiment_planner, experiment_results, experiment_rules, experiments, feed_tests, report_import
from products.models import Experiment, Product, ProductDay, ProductInTest, Variant
from tests.products.experiment_factories import START, arm

pytestmark = pytest.mark.django_db
FIRST = date(2026, 11, 3)  # the day after the start
FIELD = "google_merchant.title"
SOURCE = "google_merchant"


@pytest.fixture
def products(store):
    rows = [
        Product(store=store, title=f"Mug {i}", handle=f"mug-{i}", external_id=str(1000 + i), status="active")
        for i in range(40)
    ]
    return Product.objects.bulk_create(rows)


def history(products, clicks, *, days=28, until=FIRST) -> None:
    ProductDay.objects.bulk_create(
        ProductDay(store=p.store, product=p, source=SOURCE, day=until - timedelta(days=n + 1), clicks=clicks(i))
        for i, p in enumerate(products)
        for n in range(days)
    )


def feed_test(store, products, *, start=True, **fields):
    fields = {"unit": "product", "mode": "fixed", "metric": "click", "planned_per_arm": 1, **fields}
    experiment = experiments.create(store=store, by=None, name="Feed titles", **fields)
    Experiment.objects.filter(pk=experiment.pk).update(salt="1234567890abcdef")
    experiments.add_products(experiment=experiment, by=None, products=products, fields=[FIELD], locale="en")
    for row in arm(experiment, "B").texts.select_related("product"):
        row.text = f"{row.product.title}, hand-thrown"
        row.save()
    return experiments.start(experiment=experiment, by=None, now=START) if start else experiment


def test_products_are_split_evenly_within_strata_of_past_clicks(store, products):
    history(products, lambda i: 40 - i)
    experiment = feed_test(store, products)
    places = {row.product_id: row.arm.name for row in ProductInTest.objects.select_related("arm")}
    names = [places[p.pk] for p in products]
    assert names.count("B") == 20
    assert all({names[i], names[i + 1]} == {"As it is", "B"} for i in range(0, 40, 2)), (
        "each pair of neighbours is dealt out"
    )
    assert feed_tests.split(experiment, now=START) == 40
    assert {row.product_id: row.arm.name for row in ProductInTest.objects.select_related("arm")} == places


def test_heroes_are_left_out(store, products):
    history(products, lambda i: 500 if i == 7 else 3)
    feed_test(store, products)
    hero = ProductInTest.objects.exclude(trimmed="").get()
    assert (hero.product, hero.trimmed, hero.arm.is_control) == (products[7], "hero", True)
    assert feed_tests.text_of(products[7], FIELD, "en", FIRST) is None


def test_a_crossover_swaps_and_then_shows_the_listing_again(store, products):
    experiment = feed_test(store, products, period_days=14, washout_days=7)
    began = {row.product_id: row.arm.is_control for row in ProductInTest.objects.select_related("arm")}
    one = next(p for p in products if not began[p.pk])
    two = next(p for p in products if began[p.pk])
    assert feed_tests.schedule(experiment) == feed_tests.Schedule(35, 14, ((0, 14), (21, 35)))
    shows = lambda p, n: feed_tests.text_of(p, FIELD, "en", FIRST + timedelta(days=n))
    assert [shows(one, n) is not None for n in (-1, 0, 13, 14, 20, 34, 35)] == [
        False,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [shows(two, n) is not None for n in (-1, 0, 13, 14, 20, 34, 35)] == [
        False,
        False,
        False,
        True,
        True,
        True,
        False,
    ]
    assert shows(one, 0) == f"{one.title}, hand-thrown"
    assert feed_tests.text_of(one, FIELD, "de", FIRST) is None and feed_tests.text_of(one, "title", "en", FIRST) is None
    every = feed_tests.texts_of(store, "en", FIRST)
    assert len(every) == 20 and every[one.pk] == {FIELD: f"{one.title}, hand-thrown"}
    assert experiment.planned_days == 35
    experiments.finish(experiment=experiment, by=None)
    assert shows(one, 0) is None


def test_the_day_is_the_stores(store, products):
    store.timezone = "Pacific/Auckland"
    store.save()
    experiment = feed_test(store, products)
    assert feed_tests.first_day(experiment) == date(2026, 11, 3)  # it is 21:00 on the second there
    experiment.started_at = START.replace(hour=12)
    assert feed_tests.first_day(experiment) == date(2026, 11, 4)


def test_a_feed_test_can_not_be_paused(store, products):
    experiment = feed_test(store, products)
    with pytest.raises(Exception, match="calendar"):
        experiments.pause(experiment=experiment, by=None)


def _report(experiment, lift: float, seed: int = 3, noise: float = 0.5, days: int | None = None) -> None:
    """Clicks of every day of the test; the text multiplies them by 1 + lift where it is shown."""
    rng = np.random.default_rng(seed)
    arms, course = list(experiment.arms.all()), feed_tests.schedule(experiment)
    places = list(ProductInTest.objects.filter(experiment=experiment).select_related("product"))
    level = {row.product_id: rng.gamma(4, 5) for row in places}
    before = experiment.period_days if experiment.design == "pre_period" else 0
    rows = []
    for number in range(-before, days if days is not None else course.days):
        on = FIRST + timedelta(days=number)
        season = 1 + 0.3 * np.sin(number / 3)
        for row in places:
            shown = feed_tests.arm_on(experiment, arms, row.arm_id, on)
            mean = level[row.product_id] * season * (1 + lift * (shown is not None and not shown.is_control))
            clicks = max(0, round(rng.normal(mean, noise * mean**0.5)))
            rows.append(ProductDay(store=row.store, product=row.product, source=SOURCE, day=on, clicks=clicks,
                                   revenue=Decimal(clicks) / 2))  # fmt: skip
    ProductDay.objects.filter(day__gte=FIRST - timedelta(days=before)).delete()
    ProductDay.objects.bulk_create(rows)


@pytest.mark.parametrize("design", ["crossover", "pre_period"])
@pytest.mark.parametrize(("lift", "status"), [(0.25, "winner"), (-0.25, "loser"), (0.0, "no_difference")])
def test_the_reports_tell_the_right_winner(store, products, design, lift, status):
    history(products, lambda i: 10, days=14)
    experiment = feed_test(store, products, design=design)
    _report(experiment, lift)
    course = feed_tests.schedule(experiment)
    found = experiment_results.look(experiment, START + timedelta(days=course.days + 2))
    assert found.status == status, found.data["verdict"]
    effect = found.data["verdict"]["comparisons"][0]
    # A 95 % interval misses now and then, but never by much.
    assert effect["lift_low"] - 0.03 <= lift <= effect["lift_high"] + 0.03 and abs(effect["lift"] - lift) < 0.08
    assert "few_items" in found.data["verdict"]["warnings"]
    assert len(found.data["days"]) == course.days
    assert experiment_results.sentence(found)


def test_before_the_last_day_is_reported_there_is_no_verdict(store, products):
    experiment = feed_test(store, products, auto_finish=True)
    found = experiment_results.look(experiment, START)
    assert experiment_results.sentence(found) == (
        "Not yet: import the channel's report; there are no numbers of these products."
    )
    for days in (1, 14, 22, 34):
        _report(experiment, 0.3, days=days)
        found = experiment_results.look(experiment, START + timedelta(days=40))
        assert found.status == "not_yet" and f"{35 - days} more day" in experiment_results.sentence(found)
    assert experiment_rules.look_at_all(START + timedelta(days=40)) == (1, [])
    experiment.refresh_from_db()
    assert experiment.status == "running"
    _report(experiment, 0.3)
    experiment_rules.look_at_all(START + timedelta(days=40))
    experiment.refresh_from_db()
    assert experiment.status == "finished" and experiment.winner.name == "B"


def test_several_variants_against_the_time_before(store, products):
    history(products, lambda i: 10, days=14)
    experiment = feed_test(store, products, design="pre_period", start=False)
    experiments.add_arm(experiment=experiment, by=None)
    for row in arm(experiment, "C").texts.select_related("product"):
        row.text = f"{row.product.title}, dishwasher-safe"
        row.save()
    experiments.start(experiment=experiment, by=None, now=START)
    _report(experiment, 0.3)
    found = experiment_results.look(experiment, START + timedelta(days=25))
    assert found.status == "winner" and [c["arm"] for c in found.data["verdict"]["comparisons"]] == [1, 2]


def test_the_planner_simulates_on_the_reports(store, products):
    experiment = feed_test(store, products, start=False)
    assert experiment_planner.feed_plan(experiment, FIRST) == experiment_planner.FeedPlan(40, 35, 0)
    rng = np.random.default_rng(1)
    history(products, lambda i: int(rng.poisson(30 + i)), days=70)
    plan = experiment_planner.feed_plan(experiment, FIRST)
    assert (
        plan.history == 70 and len(plan.power) == len(plan.lifts) and plan.power[-1] > 0.9 and plan.false_alarms < 0.12
    )


# --- reports
def load(store, tmp_path, text: str | bytes, name="report.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return report_import.load(store=store, source=SOURCE, path=path, filename=name)


def test_a_google_ads_report(store, products, tmp_path):
    text = (
        "Shopping products report\nNovember 3, 2026 - November 4, 2026\n"
        "Item ID,Day,Impr.,Clicks,Conversions,Conv. value,Cost\n"
        '1000,2026-11-03,"1,200",30,2.00,"1,045.50",12.40\n'
        "1000,2026-11-03,100,5,0,0,1.10\n"
        "shopify_DE_1001_77,2026-11-04,50,2,1,20,--\n"
        'Total: Account,,"1,350",37,3,"1,065.50",13.50\n'
    )
    report = load(store, tmp_path, text)
    assert (report.rows, report.products, report.refused) == (3, 2, 0)
    assert (report.first, report.last) == (FIRST, FIRST + timedelta(days=1))
    row = ProductDay.objects.get(product=products[0])
    assert (row.impressions, row.clicks, row.purchases, row.revenue, row.cost) == (
        1300, 35, 2, Decimal("1045.50"), Decimal("13.50"),
    )  # fmt: skip
    assert ProductDay.objects.get(product=products[1]).cost == 0
    again = load(store, tmp_path, text)
    assert again.rows == 3 and ProductDay.objects.count() == 2
    row.refresh_from_db()
    assert row.clicks == 35


def test_utf16_tabs_and_the_decimal_comma(store, products, tmp_path):
    text = "Artikel-ID\tTag\tImpressionen\tKlicks\tConv.-Wert\tKosten\n1002\t03.11.2026\t1.500\t12\t1.234,50 €\t3,20\n"
    assert load(store, tmp_path, text.encode("utf-16")).rows == 1
    row = ProductDay.objects.get()
    assert (row.impressions, row.revenue, row.cost) == (1500, Decimal("1234.50"), Decimal("3.20"))


def test_lines_that_can_not_be_taken_are_named(store, other_store, products, tmp_path):
    Product.objects.create(store=other_store, title="Theirs", handle="theirs", external_id="T1")
    text = "Item ID,Day,Clicks\n1000,2026-11-03,5\nT1,2026-11-03,5\n1001,yesterday,5\n1001,2026-02-30,5\n1002,2026-11-03,many\n1003,2026-11-03,-4\n"
    report = load(store, tmp_path, text)
    assert (report.rows, report.refused) == (1, 5)
    assert [p.line for p in report.problems] == [3, 4, 5, 6, 7]
    assert "T1" in report.problems[0].text and "yesterday" in report.problems[1].text
    assert ProductDay.objects.count() == 1


def test_a_report_touches_only_its_own_columns(store, products, tmp_path):
    load(store, tmp_path, "id,date,clicks,cost\n1000,2026-11-03,5,2\n")
    load(store, tmp_path, "id,date,conversions\n1000,2026-11-03,1\n")
    row = ProductDay.objects.get()
    assert (row.clicks, row.purchases, row.cost) == (5, 1, 2)


def test_products_are_found_by_sku_too_and_slashes_are_read(store, products, tmp_path):
    Variant.objects.create(store=store, product=products[3], sku="MUG-3")
    load(store, tmp_path, "SKU,Date,Clicks\nMUG-3,11/25/2026,5\nmug-4,11/3/2026,6\n")
    assert {(d.product, d.day.day, d.clicks) for d in ProductDay.objects.all()} == {
        (products[3], 25, 5),
        (products[4], 3, 6),
    }


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Item ID,Clicks\n1,2\n", b"\x00\x01\x02\xff\xfe" * 100])
def test_what_is_no_report_is_refused(store, tmp_path, text):
    with pytest.raises(TableError):
        load(store, tmp_path, text)
