"""Alerts: what is unusual opens one, once; people are told once; nothing is hidden."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core import mail

from ecomai import webhooks
from ecomai.models import WebhookDelivery
from reviews import alert_mail, alerts, effective
from reviews import change_detection as detect
from reviews.models import Alert, Flag, Review, ReviewSettings
from tests.factories import make_product
from tests.reviews.factories import make_review

TODAY = date(2026, 11, 20)


def day_reviews(store, day: date, number: int, *, rating: str = "5", **fields) -> list[Review]:
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    made = [
        make_review(store, f"{day} {rating} {i} {fields.get('product', '')}", rating=rating,
                    written_at=at + timedelta(minutes=17 * i), source="shop", **fields)
        for i in range(number)
    ]  # fmt: skip
    effective.refresh([review.pk for review in made])
    return made


def quiet_weeks(store, each: int = 3, **fields) -> None:
    for n in range(1, 31):
        day_reviews(store, TODAY - timedelta(days=n), each, **fields)


@pytest.mark.parametrize("kind", ["poisson", "weekday", "overdispersed"])
@pytest.mark.parametrize("test", ["volume", "share"])
def test_false_alarms_stay_below_the_stated_rate_and_spikes_are_found(kind, test):
    measured = detect.measure(seed=3, series=12, kind=kind, test=test, levels=(2.0, 8.0, 30.0), factor=5.0)
    print(kind, test, measured)
    # 12 series-years at 0.1 a year: 4 or more would come by chance once in 100
    assert measured.false_alarms <= 4
    assert measured.found >= 8 and measured.mean_delay_days <= 4


def test_few_reviews_are_never_a_spike():
    assert detect.volume([0] * 60 + [9]) is None
    assert detect.volume([0] * 60 + [10]) is not None
    assert detect.share([0] * 60 + [4], [1] * 60 + [12]) is None


@pytest.mark.django_db
def test_a_spike_opens_one_alert_and_a_second_look_changes_nothing(store, alice):
    webhooks.create(store=store, url="https://hooks.example/x", events=["review_alert.opened"])
    quiet_weeks(store)
    day_reviews(store, TODAY, 25)
    assert [alert.kind for alert in alerts.look(store, day=TODAY)] == ["volume"]
    before = list(Alert.objects.values())
    assert alerts.look(store, day=TODAY) == []
    assert list(Alert.objects.values()) == before
    assert WebhookDelivery.objects.count() == 1
    alert = Alert.objects.get()
    assert alert.observed == 25 and alert.p_value < alert.numbers["alpha"]
    assert alerts.reviews_of(alert).count() == 25
    day_reviews(store, TODAY + timedelta(days=1), 25)
    assert alerts.look(store, day=TODAY + timedelta(days=1)) == []
    alert.refresh_from_db()
    assert Alert.objects.count() == 1 and alert.window_end.date() == TODAY + timedelta(days=2)


@pytest.mark.django_db
def test_more_negatives_open_an_alert_of_the_product(store):
    product = make_product(store)
    for n in range(1, 31):
        day_reviews(store, TODAY - timedelta(days=n), 5, product=product)
    day_reviews(store, TODAY, 10, rating="1", product=product)
    found = alerts.look(store, day=TODAY)
    assert {(a.kind, a.product_id) for a in found} == {("negative", None), ("negative", product.pk)}


@pytest.mark.django_db
def test_one_safety_report_is_urgent_and_a_second_opens_the_alert_again(store, alice):
    review = make_review(store, "It exploded", written_at=datetime(2026, 11, 19, 8, 3, tzinfo=UTC))
    Flag.objects.create(store=store, review=review, kind=Flag.Kind.SAFETY, reason="exploded")
    (alert,) = alerts.look(store, day=TODAY)
    assert alert.severity == "urgent" and list(alerts.reviews_of(alert)) == [review]
    assert alerts.acknowledge(alert=alert, by=alice, note="Recalled")
    assert alerts.look(store, day=TODAY) == []
    again = make_review(store, "It burned", written_at=datetime(2026, 11, 20, 8, 3, tzinfo=UTC))
    Flag.objects.create(store=store, review=again, kind=Flag.Kind.SAFETY, reason="burned")
    assert [a.pk for a in alerts.look(store, day=TODAY)] == [alert.pk]
    alert.refresh_from_db()
    assert alert.status == "open" and alert.review_ids == [review.pk, again.pk] and alert.note == "Recalled"


@pytest.mark.django_db
def test_a_burst_of_alike_reviews_is_flagged_and_stays_visible(store):
    start = datetime(2026, 11, 20, 10, 7, tzinfo=UTC)
    made = [
        make_review(store, "Best product ever, buy it now", rating="1", source="shop",
                    written_at=start + timedelta(seconds=20 * i))
        for i in range(13)
    ]  # fmt: skip
    kinds = [alert.kind for alert in alerts.look(store, day=TODAY)]
    assert "burst" in kinds and "burst" not in [a.kind for a in alerts.look(store, day=TODAY)]
    assert Flag.objects.filter(kind=Flag.Kind.BURST).count() == 13
    assert Review.objects.filter(pk__in=[r.pk for r in made], status=Review.Status.PUBLISHED).count() == 13


@pytest.mark.django_db
def test_a_mute_is_kept_and_mail_goes_out_once(store, alice):
    ReviewSettings.objects.create(store=store, alert_emails=["team@example.com"])
    quiet_weeks(store)
    alerts.mute(store=store, by=alice, until=datetime(2099, 1, 1, tzinfo=UTC), kind="volume")
    day_reviews(store, TODAY, 25)
    assert alerts.look(store, day=TODAY) == [] and Alert.objects.get().muted
    assert alert_mail.send_due() == 0
    Alert.objects.update(muted=False)
    assert (alert_mail.send_due(), alert_mail.send_due(), len(mail.outbox)) == (1, 0, 1)
    assert "25 reviews" in mail.outbox[0].subject


@pytest.mark.django_db
def test_the_pages_show_the_alert_and_take_an_answer(store, alice, as_user):
    quiet_weeks(store)
    day_reviews(store, TODAY, 25)
    (alert,) = alerts.look(store, day=TODAY)
    client = as_user(alice)
    page = client.get("/s/alice/reviews/alerts/").content.decode()
    assert "25 reviews where" in page and "badge-bad ms-auto" in page
    detail = client.get(f"/s/alice/reviews/alerts/{alert.pk}/").content.decode()
    assert "alert-chart" in detail and alert.formula in detail
    client.post(f"/s/alice/reviews/alerts/{alert.pk}/acknowledge/", {"note": "<b>campaign</b>"})
    assert "&lt;b&gt;campaign" in client.get(f"/s/alice/reviews/alerts/{alert.pk}/").content.decode()
    client.post(f"/s/alice/reviews/alerts/{alert.pk}/mute/", {"days": "7"})
    assert "Tell me again" in client.get("/s/alice/reviews/alerts/").content.decode()
