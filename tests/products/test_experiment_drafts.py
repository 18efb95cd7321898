"""From approved texts straight into a draft, and from the draft's page with all that it shows into a running experiment."""

import pytest

from products import experiments
from products.models import AdAsset, ArmText, CopyRequest, Experiment
from tests.factories import make_product
from tests.products.experiment_factories import START, arm, draft, visitors
from tests.products.test_experiment_pages import URL, act, plan

pytestmark = pytest.mark.django_db


def _order(product, *texts, field="seo.title", status="approved") -> CopyRequest:
    order = CopyRequest.objects.create(
        store=product.store, product=product, channels=[field.split(".")[0]], locale="en", tone="neutral",
        asked={field: len(texts)}, finished_at=START,
    )  # fmt: skip
    for position, text in enumerate(texts, 1):
        AdAsset.objects.create(
            store=product.store, request=order, product=product, field=field, locale="en", tone="neutral", angle="feature",
            position=position, text=text, machine_text=text, model_label="m", inputs_hash="0", status=status,
        )  # fmt: skip
    return order


def _offer(client, order, field="seo.title"):
    return client.post(f"{URL}from-copy/", {"order": order.pk, "field": field})


def test_approved_texts_become_the_variants_of_a_draft(store, alice, as_user):
    mug, client = make_product(store, seo_title="Mug"), as_user(alice)
    order = _order(mug, "Mug by hand", "Mug", "Warm coffee", "Warm coffee")
    _order(mug, "Of another order")
    page = client.get(f"/s/alice/copy/{order.pk}/").content.decode()
    assert "Test these against each other" in page
    assert _offer(client, order)["Location"] == f"{URL}{Experiment.objects.get().pk}/edit/"
    made = Experiment.objects.get()
    assert made.name == "Stoneware mug: SEO title" and experiments.problems(made) == []
    rows = [(row.arm.name, row.field, row.text) for row in ArmText.objects.order_by("arm__position")]
    assert rows == [("B", "seo_title", "Mug by hand"), ("C", "seo_title", "Warm coffee")]
    assert [round(a.weight, 3) for a in made.arms.all()] == [0.333, 0.333, 0.333]
    assert all(row.asset.text == row.text for row in ArmText.objects.select_related("asset"))

    _offer(client, order)
    assert Experiment.objects.count() == 1, "a draft of just these texts is taken up again"
    experiments.start(experiment=made, by=alice)
    _offer(client, order)
    assert set(Experiment.objects.values_list("name", flat=True)) == {made.name, f"{made.name} (2)"}


def test_what_can_not_be_tested_is_said_and_makes_no_draft(store, alice, as_user):
    mug, client = make_product(store, seo_title="Mug"), as_user(alice)
    for order in (_order(mug, "Mug"), _order(mug, "Proposed", status="proposed")):
        response = client.post(f"{URL}from-copy/", {"order": order.pk, "field": "seo.title"}, follow=True)
        assert "Nothing to test" in response.content.decode()
    assert _offer(client, order, "seo.nonsense").status_code == 302
    assert not Experiment.objects.exists()


def test_offers_are_the_stores_own_and_for_those_who_may(store, alice, bob, other_store, as_user):
    theirs, mine = _order(make_product(other_store), "Theirs"), _order(make_product(store), "Mine")
    assert _offer(as_user(alice), theirs).status_code == 404
    assert client_status(as_user(alice), "x") == client_status(as_user(alice), "9" * 30) == 404
    assert _offer(as_user(bob), mine).status_code == 403
    assert b"Test it against" not in as_user(bob).get(f"/s/alice/copy/{mine.pk}/").content
    assert not Experiment.objects.exists()


def client_status(client, order: str) -> int:
    return client.post(f"{URL}from-copy/", {"order": order, "field": "seo.title"}).status_code


def test_the_start_takes_along_what_the_page_shows(store, alice, as_user):
    made, client = draft(store), as_user(alice)
    edit, b = f"{URL}{made.pk}/edit/", arm(made, "B")
    row = ArmText.objects.get()
    shown = plan(made, metric="click", start="1") | {f"text-{row.pk}": "Typed last", f"name-{b.pk}": "Bold"}
    shown |= {f"name-{made.arms.first().pk}": "As it is", f"share-{made.arms.first().pk}": "80", f"share-{b.pk}": "20"}
    for wrong in ({f"text-{row.pk}": "x" * 501}, {"traffic": "150"}, {f"share-{b.pk}": "0"}, {f"text-{row.pk}": ""}):
        assert client.post(edit, shown | wrong).status_code == 422
        part = client.post(edit, shown | wrong, headers={"HX-Request": "true"})
        assert part.status_code == 200 and b'id="planner"' in part.content and b"HX-Redirect" not in part.content
        made.refresh_from_db()
        assert made.status == "draft"
    answer = client.post(edit, shown, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == f"{URL}{made.pk}/"
    made.refresh_from_db()
    assert (made.status, made.metric) == ("running", "click")
    assert [(a.name, a.weight) for a in made.arms.all()] == [("As it is", 0.8), ("Bold", 0.2)]
    row.refresh_from_db()
    assert row.text == "Typed last" and made.history.filter(action="started").count() == 1
    assert client.post(edit, shown)["Location"] == f"{URL}{made.pk}/", "a second press changes nothing"
    assert made.history.filter(action="started").count() == 1


def test_a_text_is_kept_as_one_types(store, alice, as_user):
    made, client = draft(store), as_user(alice)
    row = ArmText.objects.get()
    part = client.post(f"{URL}{made.pk}/texts/", {f"text-{row.pk}": ""}, headers={"HX-Request": "true"})
    text = part.content.decode()
    assert "1 text is still empty." in text and "Saved." in text and "<html" not in text
    assert 'id="to-write"' in text and "hx-swap-oob" in text and "data-problems" in text
    part = client.post(f"{URL}{made.pk}/texts/", {f"text-{row.pk}": "A mug"}, headers={"HX-Request": "true"})
    assert b"data-problems" not in part.content and ArmText.objects.get().text == "A mug"


def test_one_click_finishes_and_publishes(store, alice, as_user):
    made, client = experiments.start(experiment=draft(store, metric="click"), by=alice, now=START), as_user(alice)
    for letter, clicks in (("A", 200), ("B", 320)):
        visitors(arm(made, letter), 2000, clicks, kind="click", value=None)
    act(client, made, "look")
    page = client.get(f"{URL}{made.pk}/").content.decode()
    assert "Finish and publish the winner" in page and page.count("Hand-thrown stoneware mug") >= 2
    act(client, made, "finish_publish", winner="")
    made.refresh_from_db()
    assert made.status == "running"
    act(client, made, "finish_publish", winner=arm(made, "B").pk)
    made.refresh_from_db()
    assert made.status == "finished" and made.winner == arm(made, "B") and made.published.count() == 1
    assert b"Take the published texts back" in client.get(f"{URL}{made.pk}/").content
