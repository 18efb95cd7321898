"""Experiments through their pages: draft, plan, texts, start, verdict, finish, publish, undo; who may do what."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from products import experiment_results, experiments
from products.models import Arm, ArmText, Experiment, ExperimentSettings, Product, ProductDay
from tests.factories import make_product, upload
from tests.products.experiment_factories import START, arm, draft, events, running, visitors
from tests.products.test_experiments import _asset

pytestmark = pytest.mark.django_db
URL = "/s/alice/experiments/"


def act(client: Client, experiment: Experiment, action: str, **data):
    return client.post(f"{URL}{experiment.pk}/act/", {"action": action, **data})


def plan(experiment: Experiment, **changes) -> dict:
    """What the browser would send of the plan's form."""
    from products.experiment_forms import PlanForm

    form = PlanForm(experiment=experiment)
    data = {"whole": "1"}
    for name, field in form.fields.items():
        value = form.get_initial_for_field(field, name)
        if value is True:
            data[name] = "on"
        elif value not in (False, None):
            data[name] = value
    return data | changes


def test_from_nothing_to_a_published_winner_and_back(store, alice, as_user):
    client, mug = as_user(alice), make_product(store)
    _asset(mug, "Hand-thrown stoneware mug")
    assert b"No experiments yet" in client.get(URL).content
    response = client.post(f"{URL}new/", {"name": "Mug titles", "unit": "visitor"})
    experiment = Experiment.objects.get()
    edit = f"{URL}{experiment.pk}/edit/"
    assert response["Location"] == edit and b"at least one product" in client.get(edit).content

    found = client.get(f"{URL}{experiment.pk}/find/", {"q": "stone"}, headers={"HX-Request": "true"})
    assert b"Stoneware mug" in found.content and b"<html" not in found.content
    client.post(f"{URL}{experiment.pk}/products/", {"action": "add", "ids": mug.pk, "fields": "title", "locale": "en"})
    row = ArmText.objects.get()
    assert row.text == "Hand-thrown stoneware mug" and row.asset is not None

    sent = plan(experiment, metric="click", effect="20", rail_purchase="5", hypothesis="Handmade sells")
    panel = client.post(edit, sent, headers={"HX-Request": "true"})
    assert b'id="planner"' in panel.content and b"<html" not in panel.content
    experiment.refresh_from_db()
    assert (experiment.metric, experiment.effect) == ("click", 0.2)
    assert experiment.guardrails == [{"metric": "purchase", "margin": 0.05}]

    assert act(client, experiment, "start")["Location"] == f"{URL}{experiment.pk}/"
    page = client.get(f"{URL}{experiment.pk}/").content.decode()
    assert "Not yet: no visitor has seen it." in page

    Experiment.objects.update(started_at=START)
    visitors(arm(experiment, "A"), 2000, 200, kind="click", value=None)
    visitors(arm(experiment, "B"), 2000, 320, kind="click", value=None)
    act(client, experiment, "look")
    page = client.get(f"{URL}{experiment.pk}/").content.decode()
    assert "“B” wins against “As it is”: 60% more clicks per visitor" in page
    assert page.count('<svg class="x-interval"') == 1 and "2,000" in page and "Where the true values" in page
    assert "“B” wins" in client.get(URL).content.decode()

    b = arm(experiment, "B")
    act(client, experiment, "finish", winner=b.pk, conclusion="Handmade it is")
    page = client.get(f"{URL}{experiment.pk}/").content.decode()
    assert "Handmade it is" in page and "Publish “B”" in page
    act(client, experiment, "publish")
    mug.refresh_from_db()
    assert mug.title == "Hand-thrown stoneware mug"
    assert "1 text published" in client.get(f"{URL}{experiment.pk}/").content.decode()
    act(client, experiment, "undo")
    mug.refresh_from_db()
    assert mug.title == "Stoneware mug"
    page = client.get(f"{URL}{experiment.pk}/").content.decode()
    for words in ("started", "finished", "published the winner", "took the texts back"):
        assert words in page


def test_the_form_says_what_is_wrong_and_keeps_what_was(store, alice, as_user):
    experiment = draft(store)
    client, edit = as_user(alice), f"{URL}{experiment.pk}/edit/"
    for changes in (
        {"traffic": "150"},
        {"level": "0.5"},
        {"segments": "mobile"},
        {"name": ""},
        {"mode": "magic"},
        {"rail_click": "-1"},
    ):
        response = client.post(edit, plan(experiment, **changes))
        assert response.status_code == 422, changes
        part = client.post(edit, plan(experiment, **changes), headers={"HX-Request": "true"})
        assert part.status_code == 200 and b"Not saved" in part.content
    other = draft(store, product=make_product(store, "Bowl"), name="Other")
    assert client.post(edit, plan(experiment, name=other.name)).status_code == 422
    experiment.refresh_from_db()
    assert (experiment.traffic, experiment.name, experiment.history.filter(action="changed").count()) == (
        1.0,
        "Mug titles",
        0,
    )


def test_the_whole_form_is_kept_as_it_was_shown(store, alice, as_user):
    experiment = draft(store, locales=["en"], segments={"device": ["mobile", "tablet"]}, auto_finish=True, effect=0.07)
    client, edit = as_user(alice), f"{URL}{experiment.pk}/edit/"
    assert client.post(edit, plan(experiment)).status_code == 302
    assert experiment.history.filter(action="changed").count() == 0
    data = plan(experiment)
    del data["auto_finish"], data["locales"]
    client.post(edit, data)
    experiment.refresh_from_db()
    assert (
        not experiment.auto_finish
        and experiment.locales == []
        and experiment.segments == {"device": ["mobile", "tablet"]}
    )


def test_variants_and_texts(store, alice, as_user):
    experiment, client = draft(store), as_user(alice)
    client.post(f"{URL}{experiment.pk}/arms/", {"action": "add"})
    arms = {a.name: a for a in experiment.arms.all()}
    data = {"action": "save", f"name-{arms['B'].pk}": "Long", f"name-{arms['C'].pk}": "Short"}
    data |= {f"share-{a.pk}": s for a, s in zip(arms.values(), ("50", "30", "20,0"), strict=True)}
    client.post(f"{URL}{experiment.pk}/arms/", data)
    assert [(a.name, a.weight) for a in experiment.arms.all()] == [("As it is", 0.5), ("Long", 0.3), ("Short", 0.2)]
    row = arms["C"].texts.get()
    client.post(f"{URL}{experiment.pk}/texts/", {f"text-{row.pk}": "A mug", f"asset-{row.pk}": ""})
    row.refresh_from_db()
    assert row.text == "A mug"
    asset = _asset(row.product, "An approved mug")
    client.post(f"{URL}{experiment.pk}/texts/", {f"text-{row.pk}": "A mug", f"asset-{row.pk}": asset.pk})
    row.refresh_from_db()
    assert (row.text, row.asset) == ("An approved mug", asset)
    response = client.post(f"{URL}{experiment.pk}/texts/", {f"text-{row.pk}": "x" * 501}, follow=True)
    assert "501 of at most 500." in response.content.decode()
    client.post(f"{URL}{experiment.pk}/arms/", {"action": f"remove-{arms['C'].pk}"})
    assert experiment.arms.count() == 2
    client.post(f"{URL}{experiment.pk}/products/", {"action": "remove", "product": row.product_id})
    assert not ArmText.objects.exists()


def test_many_products_at_once_and_those_without_texts_out_again(store, alice, as_user):
    for i in range(30):
        product = make_product(store, f"Mug {i}")
        if i < 22:
            _asset(product, f"Mug {i} by hand")
    experiment, client = experiments.create(store=store, by=alice, name="Many"), as_user(alice)
    client.post(
        f"{URL}{experiment.pk}/products/", {"action": "add", "all": "1", "q": "mug", "fields": "title", "locale": "en"}
    )
    assert ArmText.objects.count() == 30
    page = client.get(f"{URL}{experiment.pk}/edit/").content.decode()
    assert "8 texts to write" in page and page.count('<article class="asset') == 20
    assert client.get(f"{URL}{experiment.pk}/edit/?from=20").content.decode().count('<article class="asset') == 10
    client.post(f"{URL}{experiment.pk}/products/", {"action": "remove_empty"})
    assert ArmText.objects.count() == 22 and experiments.problems(experiment) == []


def test_a_product_page_leads_into_an_experiment(store, alice, other_store, as_user):
    mug, theirs = make_product(store), make_product(other_store)
    client = as_user(alice)
    client.post(f"{URL}new/", {"name": "One", "unit": "visitor", "product": mug.pk})
    client.post(f"{URL}new/", {"name": "Two", "unit": "visitor", "product": theirs.pk})
    assert [row.product for row in ArmText.objects.all()] == [mug]
    assert client.post(f"{URL}new/", {"name": "One", "unit": "visitor"}).status_code == 422
    assert client.post(f"{URL}new/", {"name": "Three", "unit": "planets"}).status_code == 422


def test_after_the_start_only_a_little_can_be_changed(store, alice, as_user):
    experiment, client = running(store), as_user(alice)
    edit = f"{URL}{experiment.pk}/edit/"
    client.post(edit, plan(experiment, name="New name", level="0.9", auto_finish="on"))
    experiment.refresh_from_db()
    assert (experiment.name, experiment.level, experiment.auto_finish) == ("New name", 0.95, True)
    page = client.get(edit).content.decode()
    assert "stands since the start" in page and 'id="texts"' not in page
    row = ArmText.objects.get()
    client.post(f"{URL}{experiment.pk}/texts/", {f"text-{row.pk}": "Changed"})
    client.post(f"{URL}{experiment.pk}/arms/", {"action": "add"})
    client.post(f"{URL}{experiment.pk}/products/", {"action": "remove", "product": row.product_id})
    row.refresh_from_db()
    assert row.text == "Hand-thrown stoneware mug" and experiment.arms.count() == 2
    experiments.finish(experiment=experiment, by=alice)
    assert client.post(edit, plan(experiment, hypothesis="Later thought")).status_code == 302
    experiment.refresh_from_db()
    assert experiment.hypothesis == "Later thought"


def test_pause_resume_and_discard(store, alice, as_user):
    experiment, client = running(store), as_user(alice)
    act(client, experiment, "pause")
    experiment.refresh_from_db()
    assert experiment.status == "paused" and "Go on" in client.get(f"{URL}{experiment.pk}/").content.decode()
    act(client, experiment, "resume")
    act(client, experiment, "discard")
    experiment.refresh_from_db()
    assert experiment.status == "running"
    other = draft(store, product=make_product(store, "Bowl"), name="Draft")
    assert act(client, other, "discard")["Location"] == URL
    assert not Experiment.objects.filter(pk=other.pk).exists()
    assert act(client, experiment, "explode").status_code == 422


def test_an_agent_looks_and_changes_nothing(store, bob, as_user):
    experiment, client = running(store), as_user(bob)
    pending = draft(store, product=make_product(store, "Bowl"), name="Draft")
    for path in ("", f"{experiment.pk}/", f"{pending.pk}/", "method/"):
        page = client.get(URL + path)
        assert page.status_code == 200 and b'name="action"' not in page.content
    for path in ("new/", f"{experiment.pk}/edit/", f"{experiment.pk}/find/", "reports/"):
        assert client.get(URL + path).status_code == 403
    for path in ("act/", "products/", "arms/", "texts/"):
        assert client.post(f"{URL}{experiment.pk}/{path}", {"action": "pause"}).status_code == 403
    experiment.refresh_from_db()
    assert experiment.status == "running"


def test_nothing_of_another_store_can_be_reached_or_brought_in(store, other_store, alice, charlie, as_user):
    theirs = draft(other_store, name="Their secret titles", text="Their secret title")
    mine = draft(store)
    client = as_user(alice)
    for path in ("", "edit/", "find/"):
        assert client.get(f"{URL}{theirs.pk}/{path}").status_code == 404
        assert client.get(f"/s/charlie/experiments/{theirs.pk}/{path}").status_code == 404
    for path, data in (("act/", {"action": "start"}), ("products/", {"action": "remove_empty"}), ("arms/", {"action": "add"}),
                       ("texts/", {}), ("edit/", {"name": "x"})):  # fmt: skip
        assert client.post(f"{URL}{theirs.pk}/{path}", data).status_code == 404
    product, row = theirs.arms.last().texts.get().product, theirs.arms.last().texts.get()
    client.post(f"{URL}{mine.pk}/products/", {"action": "add", "ids": product.pk, "fields": "title", "locale": "en"})
    assert client.post(f"{URL}{mine.pk}/products/", {"action": "remove", "product": product.pk}).status_code == 404
    assert client.post(f"{URL}{mine.pk}/arms/", {"action": f"remove-{theirs.arms.last().pk}"}).status_code == 404
    client.post(f"{URL}{mine.pk}/texts/", {f"text-{row.pk}": "Stolen"})
    act(client, mine, "start")
    act(client, mine, "finish", winner=theirs.arms.last().pk)
    row.refresh_from_db()
    mine.refresh_from_db()
    assert row.text == "Their secret title" and ArmText.objects.filter(store=store).count() == 1
    assert mine.status == "finished" and mine.winner is None
    for path in ("", f"{mine.pk}/", "reports/"):
        assert b"secret" not in client.get(URL + path).content


def test_every_state_of_a_verdict_has_a_page(store, alice, as_user):
    client = as_user(alice)
    cases = {
        "winner": {"A": (2000, 100), "B": (2000, 200)}, "loser": {"A": (2000, 200), "B": (2000, 100)},
        "not_yet": {"A": (300, 10), "B": (300, 12)}, "empty": {}, "split": {"A": (1000, 50), "B": (1500, 50)},
    }  # fmt: skip
    for number, (name, counts) in enumerate(cases.items()):
        for mode, metric in (("sequential", "revenue"), ("bandit", "purchase"), ("fixed", "purchase")):
            experiment = running(
                store, product=make_product(store, f"Product {number} {mode}"), name=f"{name} {mode}", mode=mode, metric=metric,
                planned_per_arm=200, guardrails=[{"metric": "click", "margin": 0.02}],
            )  # fmt: skip
            for letter, (n, x) in counts.items():
                visitors(arm(experiment, letter), n, x, segment={"device": "mobile"}, locale="en")
                visitors(arm(experiment, letter), 40, 5, segment={"device": "<b>desktop</b>"}, locale="de")
            experiment_results.look(experiment)
            page = client.get(f"{URL}{experiment.pk}/")
            assert page.status_code == 200
            text = page.content.decode()
            assert "<b>desktop" not in text and (not counts or "&lt;b&gt;desktop" in text or metric == "x")
            assert not re.search(r"<(script|style)[ >](?![^>]*(src|nonce))", text.split("<main", 1)[-1])


def test_untrusted_words_are_escaped(store, alice, as_user):
    bad = "<img src=x onerror=alert(1)>"
    experiment = draft(
        store, name=bad, text=bad + "mug", product=make_product(store, bad, handle="bad"), hypothesis=bad
    )
    experiments.rename_arm(arm=arm(experiment, "B"), by=None, name=bad)
    client = as_user(alice)
    pages = [client.get(f"{URL}{experiment.pk}/edit/"), client.get(f"{URL}{experiment.pk}/find/?q={bad}")]
    experiments.start(experiment=experiment, by=alice, now=START)
    visitors(experiment.arms.first(), 500, 20)
    visitors(experiment.arms.last(), 500, 60)
    experiment_results.look(experiment)
    pages += [client.get(f"{URL}{experiment.pk}/"), client.get(URL)]
    for page in pages:
        assert b"<img src=x" not in page.content and page.status_code == 200


def test_a_feed_test_and_its_reports(store, alice, as_user):
    client = as_user(alice)
    products = Product.objects.bulk_create(
        Product(store=store, title=f"Mug {i}", handle=f"m{i}", external_id=str(i), status="active") for i in range(24)
    )
    for product in products:
        _asset(product, f"{product.title} by hand")
    client.post(f"{URL}new/", {"name": "Feed", "unit": "product"})
    experiment = Experiment.objects.get()
    assert (experiment.mode, experiment.metric) == ("fixed", "click")
    client.post(
        f"{URL}{experiment.pk}/products/",
        {"action": "add", "all": "1", "q": "", "fields": "google_merchant.title", "locale": "en"},
    )
    act(client, experiment, "start")
    experiment.refresh_from_db()
    assert experiment.status == "running" and experiment.products.count() == 24
    page = client.get(f"{URL}{experiment.pk}/").content.decode()
    assert "import the channel" in page and "Pause" not in page
    lines = "\n".join(f"{i},2026-11-20,5" for i in range(24))
    response = client.post(
        f"{URL}reports/",
        {"source": "google_merchant", "file": upload(f"Item ID,Day,Clicks\n{lines}\nnope,2026-11-20,1\n", "r.csv")},
    )
    text = response.content.decode()
    assert "24 rows read" in text and "Line 26" in text and ProductDay.objects.count() == 24
    bad = client.post(f"{URL}reports/", {"source": "google_merchant", "file": upload("a,b\n1,2\n", "r.csv")})
    assert bad.status_code == 422 and "Item ID" in bad.content.decode()
    assert client.post(f"{URL}reports/", {"source": "moon", "file": upload("x", "r.csv")}).status_code == 422


def test_the_planner_speaks_of_the_traffic(store, alice, as_user):
    experiment, client = draft(store, metric="click"), as_user(alice)
    edit = f"{URL}{experiment.pk}/edit/"
    assert "a guess" in client.get(edit).content.decode()
    from django.utils import timezone

    mug = ArmText.objects.get().product
    old = running(store, product=make_product(store, "Bowl"), name="Old")
    ids = visitors(arm(old, "A"), 1400, product=mug)
    now = timezone.now()
    events(store, ids, product=mug, kind="view", value=None, at=now - timedelta(days=2))
    events(store, ids[:280], product=mug, kind="click", value=None, at=now - timedelta(days=1))
    page = client.get(edit).content.decode()
    assert "1,400 visitors of these products" in page and "20.00%" in page and "a guess" not in page
    assert "days at this traffic" in page


def test_the_holdout_is_set_in_the_admin(store, alice, other_store, as_user):
    alice.is_staff = True
    alice.save()
    client = as_user(alice)
    client.post("/admin/products/experimentsettings/add/", {"store": store.pk, "holdout": "0.05"})
    assert ExperimentSettings.objects.get().holdout == 0.05
    client.post("/admin/products/experimentgroup/add/", {"store": other_store.pk, "name": "Theirs"})
    client.post("/admin/products/experimentgroup/add/", {"store": store.pk, "name": "Titles"})
    assert [g.store for g in store.experiment_groups.all()] == [store] and not other_store.experiment_groups.exists()
    experiment = running(store)
    page = client.get(f"/admin/products/experiment/{experiment.pk}/change/")
    assert page.status_code == 200 and b'name="_save"' not in page.content
    assert Arm.objects.count() == 2
