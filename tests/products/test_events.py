"""Events of shoppers: counted once, checked one by one, credited to the arm that was shown; their sums; a person's own."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connections

from ecomai import privacy
from ecomai.models import ApiKey
from products import events, exposure_tokens, tasks
from products.assignment import Viewer, show, visitor_id
from products.models import Assignment, Event, Exposure, ProductDay, UnknownSku
from tests.factories import make_product
from tests.products.storefront_factories import ROBOT, api_client, make_experiment

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture
def mug(store):
    return make_product(store, "Stoneware mug", sku="MUG")


@pytest.fixture
def shop(store):
    return api_client(store)


def event(kind="view", **fields) -> dict:
    return {"id": str(uuid4()), "visitor": "v1", "kind": kind, **fields}


def post(client, sent, headers=None, **more):
    body = json.dumps({"events": sent, **more})
    return client.post(URL, body, content_type="application/json", headers=headers or {})


def counts(answer) -> tuple:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["accepted"], body["duplicates"], body["unknown_skus"], len(body["rejected"])


def test_a_batch_is_kept_with_its_product_value_and_time(store, mug):
    sent = [
        event("view", product="stoneware-mug", locale="de", at="2026-11-20T10:29:00+01:00"),
        event("purchase", sku="MUG", quantity=2, value="33.80", currency="usd", at="2026-11-20T09:00:00"),
        event("add_to_cart", product=mug.pk, value=16.9),
        event("custom", name="newsletter"),
    ]
    receipt = events.receive(store, sent, bot=False, now=NOW)
    assert receipt == events.Receipt(4, 0, 0, [], 0)
    view, order, cart, custom = (Event.objects.get(client_id=e["id"]) for e in sent)
    assert (view.store, view.product, view.visitor, view.locale) == (store, mug, visitor_id(store, "v1"), "de")
    assert view.at == NOW - timedelta(minutes=1) and view.received_at == NOW and not view.is_bot
    assert (order.product, order.quantity, order.value, order.currency) == (mug, 2, Decimal("33.8"), "USD")
    assert order.at == NOW - timedelta(minutes=30)
    assert (cart.product, cart.value, cart.currency, cart.at) == (mug, Decimal("16.9"), "EUR", NOW)
    assert (custom.name, custom.product, custom.value, custom.currency) == ("newsletter", None, None, "")


def test_sending_it_again_in_whole_or_in_part_changes_nothing(mug, shop):
    sent = [event("purchase", sku="MUG", value=5), event("click", sku="NONE"), event("click", sku="NONE")]
    assert counts(post(shop, sent)) == (3, 0, 2, 0)
    assert counts(post(shop, sent)) == (0, 3, 0, 0)
    assert counts(post(shop, [*sent[::-1], event(), sent[0], sent[0]])) == (1, 5, 0, 0)
    assert Event.objects.count() == 4 and UnknownSku.objects.get().count == 2


def test_an_unknown_sku_is_counted_and_does_no_harm(store, mug, shop):
    answer = post(
        shop, [event("view", sku="GONE"), event("view", product="nothing"), event("view", sku="MUG"), event()]
    )
    assert counts(answer) == (4, 0, 2, 0)
    assert dict(UnknownSku.objects.values_list("sku", "count")) == {"GONE": 1, "nothing": 1}
    assert Event.objects.get(sku="GONE").product is None
    assert counts(post(shop, [event("view", sku="GONE", product="stoneware-mug")])) == (1, 0, 0, 0)
    assert UnknownSku.objects.get(sku="GONE").count == 1


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ("no object", ""), (None, ""), ({"id": "7"}, "id"), ({"id": None}, "id"), ({"id": 7}, "id"), ({"visitor": ""}, "visitor"),
        ({"visitor": "x" * 201}, "visitor"), ({"visitor": ["a"]}, "visitor"), ({"visitor": True}, "visitor"), ({"kind": "stare"}, "kind"),
        ({"kind": "custom"}, "name"), ({"sku": "x" * 256}, "sku"), ({"sku": "a\0b"}, "sku"), ({"sku": "\ud800"}, "sku"),
        ({"product": 10**30}, "product"), ({"quantity": 0}, "quantity"), ({"quantity": 1.5}, "quantity"), ({"quantity": True}, "quantity"),
        ({"quantity": 10**7}, "quantity"), ({"value": -1}, "value"), ({"value": "1e11"}, "value"), ({"value": "NaN"}, "value"),
        ({"value": "9" * 50}, "value"), ({"value": {}}, "value"), ({"value": 1, "currency": "EURO"}, "currency"),
        ({"value": 1, "currency": "XQX"}, "currency"), ({"at": "yesterday"}, "at"), ({"at": 1700000000}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"), ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
        ({"locale": "x" * 13}, "locale"), ({"exposure_token": "x" * 400}, "exposure_token"), ({"exposure_token": 5}, "exposure_token"),
    ],
)  # fmt: skip
def test_a_bad_event_is_rejected_by_index_and_field_and_the_others_go_in(shop, bad, field):
    item = event() | bad if isinstance(bad, dict) else bad
    body = post(shop, [event(), item, event()]).json()
    assert (body["accepted"], [(r["index"], r["field"]) for r in body["rejected"]]) == (2, [(1, field)])
    assert body["rejected"][0]["message"] and Event.objects.count() == 2


def test_times_are_never_after_receipt_nor_older_than_seven_days(store):
    sent = [
        event(at="2026-11-20T12:00:00Z"), event(at="2026-11-13T09:30:00Z"), event(at="2026-11-13T09:29:59Z"), event(at="1999-01-01"),
    ]  # fmt: skip
    receipt = events.receive(store, sent, bot=False, now=NOW)
    assert (receipt.accepted, [(r.index, r.field) for r in receipt.rejected]) == (2, [(2, "at"), (3, "at")])
    assert "7 days" in receipt.rejected[0].message
    assert Event.objects.get(client_id=sent[0]["id"]).at == NOW


def test_a_clock_that_is_wrong_is_set_right_by_the_time_of_sending(store):
    behind, ahead = event(at="2026-11-10T09:00:00Z"), event(at="2031-01-01T00:00:00Z")
    sent_at = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
    assert events.receive(store, [behind], bot=False, now=NOW, sent_at=sent_at).accepted == 1
    assert Event.objects.get(client_id=behind["id"]).at == NOW - timedelta(minutes=30)
    sent_at = datetime(2031, 1, 1, 0, 0, 10, tzinfo=UTC)
    events.receive(store, [ahead], bot=False, now=NOW, sent_at=sent_at)
    assert Event.objects.get(client_id=ahead["id"]).at == NOW - timedelta(seconds=10)


@pytest.mark.parametrize(
    "body",
    ["[]", '{"events": []}', '{"events": {}}', "5", '{"events": [1], "sent_at": "now"}', '{"events": [1], "sent_at": {}}', "{", '{"a": NaN}'],
)  # fmt: skip
def test_what_is_no_batch_is_400(shop, body):
    assert shop.post(URL, body, content_type="application/json").status_code == 400


def test_a_batch_has_at_most_a_hundred(shop):
    assert counts(post(shop, [event() for _ in range(100)])) == (100, 0, 0, 0)
    answer = post(shop, [event() for _ in range(101)])
    assert answer.status_code == 400 and answer.json()["errors"][0]["attr"] == "events" and Event.objects.count() == 100


def test_robots_are_flagged(store, shop):
    robot, server = api_client(store, agent=ROBOT), api_client(store, ApiKey.Kind.SECRET, agent="python-httpx/0.28")
    for client, headers in ((robot, {}), (shop, {}), (server, {}), (server, {"x-buyer-user-agent": ROBOT})):
        post(client, [event()], headers)
    assert list(Event.objects.order_by("pk").values_list("is_bot", flat=True)) == [True, False, False, True]


# --- Credit and alarms


def _token(store, mug, visitor="v1"):
    (shown,) = show(store, Viewer(visitor_id(store, visitor), "en"), mug.pk)
    return shown


def test_a_token_credits_the_arm_that_was_shown(store, mug, shop):
    made = make_experiment(store, {mug: {"title": "B"}})
    shown = _token(store, mug)
    body = post(shop, [event("click", sku="MUG", exposure_token=shown.token), event("click", sku="MUG")]).json()
    assert (body["accepted"], body["bad_tokens"]) == (2, 0)
    assert list(Event.objects.order_by("experiment").values_list("experiment", "arm")) == [
        (made.pk, shown.arm_id), (None, None),
    ]  # fmt: skip
    assert not Assignment.objects.get().other_arm


def test_the_token_of_another_arm_raises_the_alarm_on_that_visitor_only(store, mug, shop):
    made = make_experiment(store, {mug: {"title": "B"}})
    names = {n: _token(store, mug, f"v{n}") for n in range(20)}
    one = names[0]
    other = next(shown for shown in names.values() if shown.arm_id != one.arm_id)
    post(shop, [event("view", visitor="v0", exposure_token=other.token)])
    row = Assignment.objects.get(visitor=visitor_id(store, "v0"))
    assert row.other_arm and row.arm_id == one.arm_id
    assert Assignment.objects.filter(experiment=made, other_arm=True).count() == 1


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: "9" + t, lambda t: "nonsense"])
def test_a_spoiled_token_credits_nobody_and_the_event_stays(store, mug, shop, spoil):
    make_experiment(store, {mug: {"title": "B"}})
    body = post(shop, [event("purchase", sku="MUG", value=3, exposure_token=spoil(_token(store, mug).token))]).json()
    assert (body["accepted"], body["bad_tokens"]) == (1, 1) and Event.objects.get().arm is None


def test_the_token_of_a_deleted_experiment_credits_nobody(store, mug, shop):
    made = make_experiment(store, {mug: {"title": "B"}})
    token = _token(store, mug).token
    made.delete()
    assert counts(post(shop, [event("click", sku="MUG", exposure_token=token)])) == (1, 0, 0, 0)
    assert Event.objects.get().experiment is None


def test_another_stores_products_tokens_and_events_are_apart(store, other_store, mug, shop):
    theirs = make_product(other_store, "Their mug", sku="THEIRS")
    make_experiment(other_store, {theirs: {"title": "B"}})
    token = _token(other_store, theirs).token
    sent = [event("click", sku="THEIRS"), event("click", product=theirs.pk), event("click", exposure_token=token)]
    body = post(shop, sent).json()
    assert (body["accepted"], body["unknown_skus"], body["bad_tokens"]) == (3, 2, 1)
    assert list(Event.objects.values_list("store", "product", "arm").distinct()) == [(store.pk, None, None)]
    assert not UnknownSku.objects.filter(store=other_store).exists() and not Assignment.objects.get().other_arm
    # The same client id is another event in another store.
    assert counts(post(api_client(other_store), sent)) == (3, 0, 0, 0)
    assert Event.objects.filter(store=other_store, product=theirs).count() == 2


def test_a_token_signed_for_our_store_with_their_arm_credits_nobody(store, other_store, mug, shop):
    made = make_experiment(other_store, {make_product(other_store, "Theirs"): {"title": "B"}})
    forged = exposure_tokens.sign(
        exposure_tokens.Token(store.pk, made.pk, made.arms.first().pk, UUID(int=1), mug.pk, NOW)
    )
    post(shop, [event("click", exposure_token=forged)])
    assert Event.objects.get().arm is None


@pytest.mark.django_db(transaction=True)
def test_two_clients_that_send_the_same_at_once_are_counted_once(store):
    from concurrent.futures import ThreadPoolExecutor

    make_product(store, "Stoneware mug", sku="MUG")
    sent = [event("click", sku="MUG" if n % 2 else "NONE") for n in range(100)]

    def send(order):
        try:
            return events.receive(store, order, bot=False)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(send, [sent, sent[::-1], sent[50:] + sent[:50], sent[1:]]))
    assert sum(r.accepted for r in receipts) == Event.objects.count() == 100
    assert sum(r.unknown_skus for r in receipts) == UnknownSku.objects.get().count == 50
    assert all(r.accepted + r.duplicates == n for r, n in zip(receipts, (100, 100, 100, 99), strict=True))


# --- Days


def test_a_day_is_summed_the_same_however_often(store, other_store, mug):
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = lambda kind, days=0, **fields: event(
        kind, sku="MUG", at=(today - timedelta(days, seconds=-1)).isoformat(), **fields
    )
    events.receive(store, [
        day("view"), day("view"), day("click"), day("add_to_cart"), day("purchase", value=5), day("purchase", value="7.25"),
        day("purchase", value=100, currency="JPY"), day("custom", name="x", value=9), day("view", 1), day("view", 6), event("view"),
    ], bot=False)  # fmt: skip
    events.receive(store, [day("view"), day("purchase", value=99)], bot=True)
    make_product(other_store, "Theirs", sku="MUG")
    events.receive(other_store, [day("view")], bot=False)
    for _ in range(2):
        tasks.sum_storefront_days(2)
    row = ProductDay.objects.get(store=store, day=today.date())
    assert (row.product, row.source) == (mug, "storefront")
    assert (row.impressions, row.clicks, row.add_to_carts, row.purchases, row.revenue) == (2, 1, 1, 3, Decimal("12.25"))
    assert ProductDay.objects.filter(store=store).count() == 2
    tasks.sum_storefront_days(9)
    assert ProductDay.objects.filter(store=store).count() == 3
    assert ProductDay.objects.get(store=other_store).impressions == 1


def test_a_day_follows_late_events_and_erased_ones_and_leaves_imported_days_alone(store, mug):
    now = datetime.now(UTC)
    ProductDay.objects.create(store=store, product=mug, source="google", day=now.date(), impressions=7)
    events.receive(store, [event("view", sku="MUG")], bot=False)
    tasks.sum_storefront_days(2)
    events.receive(store, [event("view", sku="MUG", visitor="v2")], bot=False)
    tasks.sum_storefront_days(2)
    rows = ProductDay.objects.filter(source="storefront")
    assert rows.get().impressions == 2
    Event.objects.all().delete()
    events.receive(store, [event("view")], bot=False)
    tasks.sum_storefront_days(2)
    assert not rows.exists() and ProductDay.objects.get().impressions == 7


# --- A person


def test_a_persons_events_and_assignments_are_found_exported_and_erased(store, other_store, mug):
    for shop, product in ((store, mug), (other_store, make_product(other_store, "Theirs"))):
        make_experiment(shop, {product: {"title": "B"}})
        for visitor in ("C-1001", "C-1002"):
            _token(shop, product, visitor)
            events.receive(shop, [event("click", visitor=visitor, sku="MUG")], bot=False)
    person = privacy.person_of("C-1001")
    found = privacy.find(store, person)["storefront"]
    assert list(found.values()) == [1, 1, 1]
    keeper = privacy._keepers["storefront"]
    files = keeper.export(store, person, lambda done, total: None)
    assert (
        files["events"][0]["product__title"] == "Stoneware mug"
        and files["assignments"][0]["experiment__name"] == "Titles"
    )
    assert files["exposures"][0]["product__title"] == "Stoneware mug"
    assert "C-1001" not in json.dumps(files, default=str)
    erased = {"events": 1, "assignments": 1, "exposures": 1}
    assert keeper.erase(store, person, False) == erased
    assert keeper.erase(store, person, False) == dict.fromkeys(erased, 0)
    for rows in (Event, Assignment, Exposure):
        assert rows.objects.filter(store=store).count() == 1 and rows.objects.filter(store=other_store).count() == 2


def test_a_day_is_a_utc_day():
    from products.storefront_days import _start

    assert _start(date(2026, 11, 20)) == datetime(2026, 11, 20, tzinfo=UTC)
