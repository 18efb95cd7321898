"""Preference pairs from what people decided and what experiments found: which, how many, whose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from products import asset_history, copy_dataset, copy_editing, experiments, preferences, publishing
from products.copy_prompts import Facts, Order, prefix
from products.models import AdAsset, CopyRequest, ExperimentLook
from products.preferences import APPROVAL, EDIT, EXPERIMENT, Pair
from tests.factories import make_product
from tests.products import experiment_factories as made

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELD = "meta.headline"


def order(store, product=None, **fields) -> CopyRequest:
    product = product or make_product(store, attributes={"Material": "Stoneware"})
    return CopyRequest.objects.create(
        store=store, product=product, channels=["meta"], locale="en", tone="neutral", **fields
    )


def asset(request: CopyRequest, text: str, status: str = "proposed", **fields) -> AdAsset:
    values = {
        "field": FIELD,
        "locale": "en",
        "tone": "neutral",
        "angle": "feature",
        "origin": "machine",
        "machine_text": text,
    }
    values |= {"position": request.assets.count() + 1, "decided_at": AT, **fields}
    return AdAsset.objects.create(
        store=request.store, request=request, product=request.product, text=text, status=status, model_label="m",
        inputs_hash="0", **values,
    )  # fmt: skip


def told(store) -> list[tuple[str, str, str]]:
    return [(p.source, p.chosen, p.rejected) for p in preferences.of_store(store)]


def test_an_approved_text_is_preferred_to_the_rejected_ones_of_its_place(store):
    first = order(store)
    asset(first, "Glazed stoneware mug", "approved")
    asset(first, "A mug", "rejected", reason="says my customer Ann Smith")
    asset(first, "Stoneware for tea", "rejected", locale="de")
    asset(first, "Waiting", "proposed")
    asset(order(store, make_product(store, "Wool throw")), "Wool throw", "rejected")
    assert told(store) == [(APPROVAL, "Glazed stoneware mug", "A mug")]
    pair = preferences.of_store(store)[0]
    assert pair.order == Order(FIELD, "en", "neutral", "feature", copy_dataset.HOUSE_LIMITS[FIELD])
    assert pair.facts.attributes == {"Material": "Stoneware"} and pair.weight == 1 and pair.at == AT
    assert "Ann" not in repr(pair) and set(pair.ids) == {"asset", "over_asset"}


def test_a_rejected_text_meets_two_approved_ones_of_its_own_order_first(store):
    first = order(store)
    later = order(store, first.product)
    for request, text in ((later, "Later"), (first, "Own one"), (first, "Own two"), (first, "Own three")):
        asset(request, text, "approved", angle="use" if text == "Own one" else "feature")
    asset(first, "Dull", "rejected")
    assert told(store) == [(APPROVAL, "Own three", "Dull"), (APPROVAL, "Own two", "Dull")]
    assert {p.weight for p in preferences.of_store(store)} == {0.5}


def test_what_a_gate_threw_away_is_rejected_with_its_reason(store):
    thrown = {
        FIELD: {
            "claim_material": {"count": 9, "examples": [{"text": "A bamboo mug", "what": "bamboo"}, {"text": "Oak mug", "what": "oak"}]},
            "too_long": {"count": 1, "examples": [{"text": "x" * 90, "what": ""}]},
            "duplicate": {"count": 1, "examples": [{"text": "Same", "what": ""}]},
            "link": {"count": 1, "examples": [{"text": "y" * 200, "what": ""}]},
        },
        "meta.primary_text": {"emoji": {"count": 1, "examples": [{"text": "Mug 😀", "what": ""}]}},
    }  # fmt: skip
    first = order(store, thrown_away=thrown)
    assert told(store) == []
    asset(first, "Stoneware mug", "approved")
    found = preferences.of_store(store)
    assert [(p.rejected, p.reason, p.weight) for p in found] == [
        ("A bamboo mug", "claim_material", 0.5), ("x" * 90, "too_long", 0.5),
    ]  # fmt: skip
    asset(first, "Mug made of oak", "rejected")
    reasons = {p.rejected: p.reason for p in preferences.of_store(store)}
    assert reasons["Mug made of oak"] == "claim_material", "a rejected text is asked too"


def test_a_persons_text_is_preferred_to_the_machines_it_replaced(store, alice):
    first = order(store)
    one = asset(first, "Mug")
    copy_editing.edit(one, "Stoneware mug for tea", alice)
    copy_editing.edit(one, "Stoneware mug for slow tea", alice)
    gone = asset(first, "Bowl")
    copy_editing.edit(gone, "Stoneware bowl", alice)
    copy_editing.decide(gone, "rejected", alice)
    same = asset(first, "Cup")
    AdAsset.objects.filter(pk=same.pk).update(text="Cup ", origin="human")
    again = asset(first, "Jug")
    copy_editing.edit(again, "Stoneware jug", alice)
    copy_editing.put_back(again.revisions.get(text="Jug"), alice)
    assert told(store) == [(EDIT, "Stoneware mug for slow tea", "Mug")]
    # Written again before the edit: what the person saw is what counts.
    fresh = asset(first, "Second words", machine_text="Second words")
    asset_history.keep(fresh, None)
    AdAsset.objects.filter(pk=fresh.pk).update(text="Third words", machine_text="Third words")
    fresh.refresh_from_db()
    copy_editing.edit(fresh, "A person's words", alice)
    assert (EDIT, "A person's words", "Third words") in told(store)


def finished(store, *, verdict=None, status="winner", winner="B", **fields):
    """A finished experiment on a title with its look: B is the winner."""
    found = made.running(store, **fields)
    verdict = {
        "winner": 1, "probability_best": [0.03, 0.97], "comparisons": [{"arm": 1, "chance_to_win": 0.976, "status": "winner"}],
        **(verdict or {}),
    }  # fmt: skip
    ExperimentLook.objects.create(store=store, experiment=found, status=status, data={"verdict": verdict}, at=AT)
    return experiments.finish(experiment=found, by=None, winner=made.arm(found, winner), now=AT)


def test_an_experiments_winner_is_preferred_as_surely_as_it_won(store, alice):
    found = finished(store)
    wanted = [(EXPERIMENT, "Hand-thrown stoneware mug", "Stoneware mug")]
    assert told(store) == wanted
    pair = preferences.of_store(store)[0]
    assert pair.weight == 0.976 and pair.at == AT and pair.order.field == "google_merchant.title"
    # What the control showed is known after the winner stands in the listing, too.
    found.refresh_from_db()
    assert publishing.publish_winner(experiment=found, by=alice)
    assert told(store) == wanted


def test_no_verdict_or_another_choice_teaches_nothing(store):
    finished(store, status="not_yet", verdict={"winner": None})
    finished(store, winner="A", name="Other", product=make_product(store, "Jug"))
    assert told(store) == []


def test_two_variants_lose_to_the_best_of_three(store):
    product = make_product(store, "Clay mug")
    found = made.draft(store, product=product)
    c = experiments.add_arm(experiment=found, name="C", by=None)
    experiments.set_text(arm=c, product=product, field="title", locale="en", text="A mug of clay", by=None)
    experiments.start(experiment=found, by=None, now=made.START)
    verdict = {
        "winner": 1, "probability_best": [0.01, 0.9, 0.09],
        "comparisons": [{"arm": 1, "chance_to_win": 0.99}, {"arm": 2, "chance_to_win": 0.6}],
    }  # fmt: skip
    ExperimentLook.objects.create(store=store, experiment=found, status="winner", data={"verdict": verdict}, at=AT)
    experiments.finish(experiment=found, by=None, now=AT)
    assert {(p.rejected, p.weight) for p in preferences.of_store(store)} == {("Clay mug", 0.99), ("A mug of clay", 0.9)}


def test_of_two_that_contradict_each_other_the_stronger_source_counts_then_the_newer():
    facts, words = Facts("Mug"), Order(FIELD, "en", "neutral", "feature", 40)
    a_over_b = Pair(1, words, facts, "A", "B", APPROVAL, 1.0, AT, {})
    b_over_a = replace(a_over_b, chosen="B ", rejected=" A", source=EDIT, at=AT - timedelta(days=9))
    assert [p.chosen for p in preferences.settle([a_over_b, b_over_a])] == ["B"]
    shown = replace(a_over_b, source=EXPERIMENT, at=AT - timedelta(days=99))
    assert [p.chosen for p in preferences.settle([b_over_a, shown, a_over_b])] == ["A"]
    later = replace(b_over_a, source=APPROVAL, at=AT + timedelta(hours=1))
    assert [p.chosen for p in preferences.settle([later, a_over_b])] == ["B"]
    elsewhere = replace(later, order=replace(words, locale="de"))
    assert len(preferences.settle([a_over_b, a_over_b, elsewhere])) == 2
    empty = [
        replace(a_over_b, rejected=" a\u0301 ", chosen="\u00e1"),
        replace(a_over_b, rejected=""),
        replace(a_over_b, chosen="x" * 1001),
    ]
    assert preferences.settle(empty) == []
    assert len(preferences.settle([replace(a_over_b, chosen="MUG", rejected="Mug")])) == 1, "case is a preference too"


def test_pairs_are_a_stores_own_and_each_product_stays_in_one_part(store, other_store):
    for owner in (store, other_store):
        for i in range(30):
            request = order(owner, make_product(owner, f"Mug {i}"))
            asset(request, f"Stoneware mug {i}", "approved")
            asset(request, f"Mug {owner.slug} {i}", "rejected")
    found = preferences.of_store(store)
    assert len(found) == 30 and {p.rejected.split()[1] for p in found} == {store.slug}
    parts = {
        name: {r["id"] for r in rows if r["id"].startswith("p")} for name, rows in copy_dataset.for_store(store).items()
    }
    assert sum(map(len, parts.values())) == 30 and len(set.union(*parts.values())) == 30
    assert len(parts["train"]) > 15
    told_of = preferences.counts(store, found)
    assert told_of["source"] == {APPROVAL: 30} and told_of["part"] == {
        name: len(ids) for name, ids in parts.items() if ids
    }
    before = copy_dataset.for_store(store)
    asset(order(store, make_product(store, "New")), "New", "approved")
    after = copy_dataset.for_store(store)
    for name in parts:
        old = [row for row in before[name] if row["id"].startswith("p")]
        assert [row for row in after[name] if row["id"].startswith("p")][: len(old)] == old
    assert preferences.new_pairs(store) == 30 and preferences.new_pairs(store, AT) == 0
    assert preferences.new_pairs(store, AT - timedelta(seconds=1)) == 30


def test_rows_hold_texts_and_pairs_with_the_facts_that_the_model_read(store):
    praised = {"praise": {"praised": [["quality", 0.9, 20, "Lovely glaze"]], "contradicted": []}}
    first = order(store, brief={"audience": "tea lovers", "must_include": ["mug"], **praised})
    asset(first, "A mug that tea lovers keep", "approved")
    asset(first, "Mug", "rejected")
    rows = [row for part in copy_dataset.for_store(store).values() for row in part if row["id"].startswith("p")]
    (row,) = rows
    assert "Audience: tea lovers" in row["prefix"] and "Keywords: mug" in row["prefix"]
    assert row["prefix"] == prefix(preferences.of_store(store)[0].facts)
    assert [text for _suffix, text in row["completions"]] == ["A mug that tea lovers keep"]
    assert row["pairs"] == [
        {"suffix": f" {FIELD} | en | neutral | feature | 40\n", "chosen": "A mug that tea lovers keep", "rejected": "Mug",
         "source": APPROVAL, "weight": 1}
    ]  # fmt: skip


def test_the_page_shows_what_there_is_to_learn_and_only_to_its_store(store, other_store, alice, bob, charlie, as_user):
    first = order(store)
    asset(first, "Glazed <b>stoneware</b> mug", "approved")
    asset(first, "Mug made of oak", "rejected")
    copy_editing.edit(asset(first, "Bowl"), "Stoneware bowl", alice)
    path = f"/s/{store.slug}/copy/pairs/"
    page = as_user(alice).get(path)
    assert page.status_code == 200 and page.context["total"] == 2
    told = page.content.decode()
    assert "Glazed &lt;b&gt;stoneware&lt;/b&gt; mug" in told and "Mug made of oak" in told and "Stoneware bowl" in told
    assert "2 pairs" in told and "/admin/" not in told.split("<main")[1]
    assert {name: n for name, _label, n in page.context["sources"]} == {EXPERIMENT: 0, EDIT: 1, APPROVAL: 1}
    assert page.context["reasons"][0][1] == 1 and sum(page.context["parts"].values()) == 2
    edits = as_user(bob).get(path, {"source": EDIT, "page": "x"})
    assert [row["pair"].source for row in edits.context["rows"]] == [EDIT]
    assert as_user(alice).get(path, {"source": "none"}).context["rows"] == []
    assert as_user(charlie).get(path).status_code == 404
    empty = as_user(charlie).get(f"/s/{other_store.slug}/copy/pairs/").content.decode()
    assert "Nothing to learn from yet" in empty and "oak" not in empty


def test_retraining_offers_approved_texts_and_preferences_and_leads_to_the_pairs(store, alice, as_user):
    alice.is_staff = True
    alice.save()
    client = as_user(alice)
    form = client.get("/admin/ml/trainingrun/retrain/?capability=copy").content.decode()
    for words in (
        "Approved texts (SFT)",
        "Preferences (DPO)",
        "Beta",
        "DPO learning rate",
        f"/s/{store.slug}/copy/pairs/",
    ):
        assert words in form, words
    replies = client.get("/admin/ml/trainingrun/retrain/?capability=replies").content.decode()
    assert "Preferences (DPO)" not in replies and "Beta" not in replies and "/copy/pairs/" not in replies
    assert (
        "Pull of the coefficients"
        in client.get("/admin/ml/trainingrun/retrain/?capability=copy_ranking").content.decode()
    )
    assert "Retrain the writer" in client.get(f"/s/{store.slug}/copy/pairs/").content.decode()
