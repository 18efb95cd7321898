"""What is counted: window, bots, other arms, capped revenue, own events, the time before, days and segments."""

from datetime import date, timedelta

import pytest

from products import experiment_data
from products.models import Assignment, Event
from tests.factories import make_product
from tests.products.experiment_factories import START, arm, events, running, visitors

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NOW = START + timedelta(days=10)


@pytest.fixture
def experiment(store):
    return running(store)


def counted(experiment, metric="purchase", **options):
    options.setdefault("until", NOW)
    return [(a.n, a.x) for a in experiment_data.arms(experiment, metric, **options)]


def test_each_visitor_counts_once(experiment):
    ids = visitors(arm(experiment, "B"), 10, 4)
    events(experiment.store, ids[:2], product=experiment.arms.last().texts.get().product, at=START + 2 * HOUR)
    assert counted(experiment) == [(0, 0), (10, 4)]


def test_the_window_begins_with_the_first_exposure(experiment):
    b, mug = arm(experiment, "B"), arm(experiment, "B").texts.get().product
    ids = visitors(b, 5)
    for i, after in enumerate(
        [-HOUR, timedelta(0), timedelta(hours=71, minutes=59), timedelta(hours=72), timedelta(days=5)]
    ):
        events(experiment.store, ids[i : i + 1], product=mug, at=START + after)
    assert counted(experiment) == [(0, 0), (5, 2)]
    assert counted(experiment, until=START + HOUR) == [(0, 0), (5, 1)], "later events are not seen by an earlier look"
    assert counted(experiment, until=START - HOUR) == [(0, 0), (0, 0)]
    assert counted(experiment, joined=START - HOUR) == [(0, 0), (0, 0)]


def test_bots_and_visitors_of_several_arms_are_out(experiment):
    b = arm(experiment, "B")
    ids = visitors(b, 6, 6)
    Assignment.objects.filter(visitor=ids[0]).update(is_bot=True)
    Assignment.objects.filter(visitor=ids[1]).update(other_arm=True)
    Event.objects.filter(visitor=ids[2]).update(is_bot=True)
    assert counted(experiment) == [(0, 0), (4, 3)]
    assert [(a.n, a.bots, a.in_several) for a in experiment_data.arrivals(experiment, until=NOW)] == [
        (0, 0, 0),
        (4, 1, 1),
    ]


def test_only_what_is_tested_counts(experiment, other_store):
    b = arm(experiment, "B")
    ids = visitors(b, 6)
    store = experiment.store
    events(store, ids[:1], product=make_product(store, "Bowl"), at=START + HOUR)
    events(store, ids[1:2], product=None, sku="UNKNOWN", at=START + HOUR)
    events(store, ids[2:3], product=None, at=START + HOUR)
    events(store, ids[3:4], product=b.texts.get().product, kind="click", at=START + HOUR)
    events(other_store, ids[4:5], product=b.texts.get().product, at=START + HOUR)
    assert counted(experiment) == [(0, 0), (6, 1)], "the order without a product is the only one"
    assert counted(experiment, "click") == [(0, 0), (6, 1)]


def test_an_own_event_has_a_name(store):
    experiment = running(store, metric="custom", custom_event="newsletter")
    ids = visitors(arm(experiment, "B"), 5)
    events(store, ids[:2], kind="custom", name="newsletter", value=None, at=START + HOUR)
    events(store, ids[2:3], kind="custom", name="quiz", value=None, at=START + HOUR)
    assert counted(experiment, "custom") == [(0, 0), (5, 2)]
    assert counted(experiment, "custom", name="quiz") == [(0, 0), (5, 1)]


def test_revenue_is_per_visitor_capped_with_the_raw_beside_it(experiment):
    a, b = arm(experiment, "A"), arm(experiment, "B")
    mug = b.texts.get().product
    ids = visitors(b, 150, 99, value="10")
    events(experiment.store, ids[99:100], product=mug, value="5000", at=START + HOUR)
    events(experiment.store, ids[:1], product=mug, value="5", at=START + 2 * HOUR)
    visitors(a, 100)
    control, found = experiment_data.arms(experiment, "revenue", until=NOW)
    # 100 buyers: the 99th percentile lies 1 % of the way from the second largest (15) to the largest (5000).
    assert found.cap == pytest.approx(15 + 0.01 * 4985)
    assert (found.n, found.x) == (150, 100)
    assert found.raw_total == pytest.approx(98 * 10 + 15 + 5000)
    assert found.total == pytest.approx(98 * 10 + 15 + found.cap)
    assert found.squares == pytest.approx(98 * 100 + 225 + found.cap**2)
    assert (control.n, control.total, control.raw_squares) == (100, 0, 0)
    fixed = experiment_data.arms(experiment, "revenue", until=NOW, cap=12.0)[1]
    assert fixed.total == pytest.approx(98 * 10 + 12 + 12)


def test_another_currency_adds_no_revenue_and_is_told(experiment):
    b = arm(experiment, "B")
    visitors(b, 4, 2, value="10", currency="EUR")
    visitors(b, 4, 3, value="10", currency="USD")
    found = experiment_data.arms(experiment, "revenue", until=NOW)[1]
    assert (found.n, found.x, found.raw_total, found.foreign) == (8, 5, 20, 3)


def test_the_time_before_is_fourteen_days(experiment):
    b = arm(experiment, "B")
    ids = visitors(b, 4, 2, value="10")
    bowl = make_product(experiment.store, "Bowl")
    for i, before in enumerate([timedelta(minutes=1), timedelta(days=13), timedelta(days=15), timedelta(0)]):
        events(experiment.store, ids[i : i + 1], product=bowl, value="8", at=START - before)
    found = experiment_data.arms(experiment, "revenue", until=NOW)[1]
    assert (found.pre_total, found.pre_squares, found.cross) == (16, 128, 160)
    found = experiment_data.arms(experiment, "purchase", until=NOW)[1]
    assert (found.pre_total, found.cross) == (2, 2)


def test_days_are_the_stores_and_of_the_first_exposure(experiment):
    store = experiment.store
    store.timezone = "America/New_York"
    store.save()
    experiment.refresh_from_db()
    b = arm(experiment, "B")
    visitors(b, 3, 1, at=START.replace(hour=3))  # the evening before in New York
    visitors(b, 5, 2, at=START)
    days = experiment_data.by_day(experiment, "purchase", until=NOW)
    assert [(day, rows[1].n, rows[1].x) for day, rows in days] == [(date(2026, 11, 1), 3, 1), (date(2026, 11, 2), 5, 2)]
    assert counted(experiment, day=date(2026, 11, 2)) == [(0, 0), (5, 2)]


def test_segments_are_what_the_shop_sends(experiment):
    a, b = arm(experiment, "A"), arm(experiment, "B")
    visitors(a, 4, 1, segment={"device": "mobile"}, locale="de")
    visitors(b, 6, 3, segment={"device": "mobile"})
    visitors(b, 2, 1, segment={"device": "desktop"})
    visitors(b, 1, 0)
    assert experiment_data.segment_keys(experiment) == ["locale", "device"]
    rows = experiment_data.by_segment(experiment, "purchase", "device", until=NOW)
    assert [(value, [(x.n, x.x) for x in data]) for value, data in rows] == [
        ("mobile", [(4, 1), (6, 3)]), ("desktop", [(0, 0), (2, 1)]), ("", [(0, 0), (1, 0)]),
    ]  # fmt: skip
    assert counted(experiment, segment={"device": "mobile"}) == [(4, 1), (6, 3)]
    assert counted(experiment, segment={"locale": "de"}) == [(4, 1), (0, 0)]
    assert counted(experiment, segment={"device') OR true --": "x"}) == [(0, 0), (0, 0)]


def test_when_every_arm_has_its_number(experiment):
    a, b = arm(experiment, "A"), arm(experiment, "B")
    visitors(a, 5, step=HOUR)
    visitors(b, 3, step=2 * HOUR)
    assert experiment_data.reached(experiment, 3) == START + 4 * HOUR
    assert experiment_data.reached(experiment, 4) is None


def test_who_came_between_changes_of_shares(experiment):
    visitors(arm(experiment, "A"), 6, step=HOUR)
    starts = [START, START + 2 * HOUR, START + 4 * HOUR]
    assert experiment_data.came_between(experiment, starts, START + 4 * HOUR) == [2, 2, 1]
    assert experiment_data.came_between(experiment, [], NOW) == []


def test_the_traffic_of_the_last_fortnight(store):
    mug = make_product(store)
    ids = visitors(arm(running(store, product=mug), "A"), 70)
    events(store, ids, product=mug, kind="view", value=None, at=START)
    events(store, ids[:7], product=mug, value="30", at=START + HOUR)
    events(store, ids[7:8], product=mug, value="30", at=START + timedelta(days=4))
    events(store, ids[8:9], product=make_product(store, "Bowl"), value="30", at=START + HOUR)
    found = experiment_data.traffic(store, [mug.pk], "purchase", window_hours=72, now=NOW)
    assert (found.visitors, found.converted, found.per_day, found.rate) == (70, 7, 5.0, 0.1)
    assert found.mean == pytest.approx(3.0)
    assert experiment_data.traffic(store, [], "purchase", window_hours=72, now=NOW).visitors == 0
    assert (
        experiment_data.traffic(store, [mug.pk], "purchase", window_hours=72, now=NOW + timedelta(days=14)).visitors
        == 0
    )
