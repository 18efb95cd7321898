"""Experiments: drafts, what can't start, the course, and what nobody may change any more."""

import pytest
from django.core.exceptions import ValidationError

from products import experiments
from products.models import AdAsset, ArmText, CopyRequest, Experiment, ExperimentGroup, WeightChange
from tests.factories import make_product
from tests.products.experiment_factories import START, arm, draft, running

pytestmark = pytest.mark.django_db
TITLE = {"field": "title", "locale": "en"}


def _asset(product, text, field="google_merchant.title", status="approved"):
    order = CopyRequest.objects.create(
        store=product.store, product=product, channels=["seo"], locale="en", tone="neutral"
    )
    return AdAsset.objects.create(
        store=product.store, request=order, product=product, field=field, locale="en", tone="neutral", angle="feature",
        position=1, text=text, machine_text=text, model_label="m", inputs_hash="0", status=status,
    )  # fmt: skip


def test_a_draft_has_a_control_and_a_variant(store, alice):
    experiment = experiments.create(store=store, by=alice, name=" Titles \n of mugs", metric="click", traffic=0.5)
    assert experiment.name == "Titles of mugs" and experiment.status == "draft"
    assert [(a.is_control, a.weight) for a in experiment.arms.all()] == [(True, 0.5), (False, 0.5)]
    entry = experiment.history.get()
    assert (entry.action, entry.by, experiment.version) == ("created", alice, 1)


def test_names_are_unique_in_a_store_and_values_are_checked(store, other_store):
    experiments.create(store=store, by=None, name="Titles")
    experiments.create(store=other_store, by=None, name="Titles")
    for name, fields in (
        ("Titles", {}),
        ("", {}),
        ("x", {"traffic": 1.5}),
        ("x", {"metric": "love"}),
        ("x", {"level": float("nan")}),
    ):
        with pytest.raises(ValidationError):
            experiments.create(store=store, by=None, name=name, **fields)
    with pytest.raises(ValidationError):
        experiments.create(
            store=store, by=None, name="x", group=ExperimentGroup.objects.create(store=other_store, name="g")
        )
    assert Experiment.objects.count() == 2


def test_arms_come_and_go_with_their_texts(store):
    experiment = draft(store)
    c = experiments.add_arm(experiment=experiment, by=None)
    assert (c.name, c.position) == ("C", 2)
    assert [round(a.weight, 4) for a in experiment.arms.all()] == [0.3333, 0.3333, 0.3333]
    assert c.texts.get().text == "", "the product that is tested waits for its text"
    experiments.remove_arm(arm=arm(experiment, "B"), by=None)
    assert [a.name for a in experiment.arms.all()] == ["As it is", "C"]
    for other in experiment.arms.all():
        with pytest.raises(ValidationError):
            experiments.remove_arm(arm=other, by=None)


def test_shares_are_scaled_to_one(store):
    experiment = draft(store)
    a, b = arm(experiment, "A"), arm(experiment, "B")
    experiments.set_weights(experiment=experiment, by=None, weights={a.pk: 30, b.pk: 10})
    assert [x.weight for x in experiment.arms.all()] == [0.75, 0.25]
    for weights in ({a.pk: 1}, {a.pk: 0, b.pk: 1}, {a.pk: float("inf"), b.pk: 1}):
        with pytest.raises(ValidationError):
            experiments.set_weights(experiment=experiment, by=None, weights=weights)


def test_products_bring_their_approved_texts(store, other_store):
    mug, bowl = make_product(store), make_product(store, "Bowl")
    for text in ("First title of a mug", "Second title of a mug"):
        _asset(mug, text)
    _asset(mug, "Never approved", status="proposed")
    experiment = experiments.create(store=store, by=None, name="Titles")
    experiments.add_arm(experiment=experiment, by=None)
    assert (
        experiments.add_products(experiment=experiment, by=None, products=[mug, bowl], fields=["title"], locale="en")
        == 4
    )
    texts = list(ArmText.objects.order_by("product", "arm").values_list("product__title", "text"))
    assert {t for p, t in texts if p == "Stoneware mug"} == {"First title of a mug", "Second title of a mug"}
    assert [t for p, t in texts if p == "Bowl"] == ["", ""]
    assert ArmText.objects.filter(asset__isnull=False).count() == 2
    assert experiments.add_products(experiment=experiment, by=None, products=[mug], fields=["title"], locale="en") == 0
    with pytest.raises(ValidationError):
        experiments.add_products(
            experiment=experiment, by=None, products=[make_product(other_store)], fields=["title"], locale="en"
        )
    experiments.remove_product(experiment=experiment, by=None, product=bowl)
    assert ArmText.objects.count() == 2


def test_a_text_must_fit_its_field(store, other_store):
    experiment = draft(store)
    b, product = arm(experiment, "B"), make_product(store, "Bowl")
    row = experiments.set_text(arm=b, product=product, text="  A\u202e bowl \n for soup ", by=None, **TITLE)
    assert row.text == "A bowl for soup"
    for field, text in (("title", "x" * 501), ("google_merchant.title", "x" * 151), ("price", "1")):
        with pytest.raises(ValidationError):
            experiments.set_text(arm=b, product=product, field=field, locale="en", text=text, by=None)
    with pytest.raises(ValidationError):
        experiments.set_text(arm=arm(experiment, "A"), product=product, text="x", by=None, **TITLE)
    with pytest.raises(ValidationError):
        experiments.set_text(arm=b, product=make_product(other_store), text="x", by=None, **TITLE)


def test_an_asset_is_remembered_only_with_its_own_words(store):
    experiment = draft(store)
    b, product = arm(experiment, "B"), make_product(store, "Bowl")
    asset = _asset(product, "A bowl by hand")
    assert (
        experiments.set_text(arm=b, product=product, text="A bowl by hand", asset=asset, by=None, **TITLE).asset
        == asset
    )
    assert (
        experiments.set_text(arm=b, product=product, text="A bowl by foot", asset=asset, by=None, **TITLE).asset is None
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "fixed"}, "size before the start"),
        ({"metric": "custom"}, "own event"),
        ({"traffic": 0.0}, "share of traffic"),
        ({"level": 0.2}, "level of confidence"),
        ({"auto_publish": True}, "finishes by itself"),
        ({"guardrails": [{"metric": "purchase", "margin": 0.1}]}, "guardrail of itself"),
        ({"mode": "bandit", "bandit_floor": 0.6}, "least share"),
        ({"unit": "product", "mode": "fixed", "planned_per_arm": 10}, "at least 20 products"),
        ({"unit": "product", "metric": "custom", "custom_event": "x"}, "one of them"),
    ],
)
def test_what_stands_against_a_start_is_said(store, fields, words):
    experiment = draft(store, **fields)
    assert any(words in problem for problem in experiments.problems(experiment)), experiments.problems(experiment)
    with pytest.raises(ValidationError, match=words):
        experiments.start(experiment=experiment, by=None)
    experiment.refresh_from_db()
    assert experiment.status == "draft"


def test_empty_missing_and_unchanged_texts_can_not_start(store):
    experiment = experiments.create(store=store, by=None, name="Titles")
    assert "at least one product" in experiments.problems(experiment)[0]
    mug = make_product(store)
    experiments.add_products(experiment=experiment, by=None, products=[mug], fields=["title"], locale="en")
    assert experiments.problems(experiment) == ["1 text is still empty."]
    b = arm(experiment, "B")
    experiments.set_text(arm=b, product=mug, text="Stoneware mug", by=None, **TITLE)
    assert "says already" in experiments.problems(experiment)[0]
    experiments.set_text(arm=b, product=mug, text="Another mug", by=None, **TITLE)
    assert experiments.problems(experiment) == []
    c = experiments.add_arm(experiment=experiment, by=None)
    ArmText.objects.filter(arm=c).delete()
    assert "lacks a text" in experiments.problems(experiment)[0]


def test_the_course_is_written_down(store, alice):
    experiment = draft(store, planned_per_arm=4000)
    experiments.start(experiment=experiment, by=alice, now=START)
    assert (experiment.status, experiment.started_at) == ("running", START)
    started = experiment.history.get(action="started")
    assert started.details["tuning"] == 8000 and started.details["plan"]["level"] == 0.95
    assert started.details["salt"] == experiment.salt
    experiments.pause(experiment=experiment, by=alice)
    with pytest.raises(ValidationError):
        experiments.pause(experiment=experiment, by=alice)
    experiments.resume(experiment=experiment, by=alice)
    b = arm(experiment, "B")
    experiments.finish(experiment=experiment, by=alice, winner=b, conclusion="B it is")
    ended, version = experiment.ended_at, experiment.version
    experiments.finish(experiment=experiment, by=None, winner=None)
    assert (experiment.winner, experiment.ended_at, experiment.version) == (b, ended, version)
    assert list(experiment.history.order_by("pk").values_list("action", flat=True)) == [
        "created", "text", "started", "paused", "resumed", "finished",
    ]  # fmt: skip
    for action in (experiments.start, experiments.pause, experiments.resume):
        with pytest.raises(ValidationError):
            action(experiment=experiment, by=alice)


def test_after_the_start_the_plan_stands(store):
    experiment = running(store)
    experiments.update(experiment=experiment, by=None, name="New name", auto_finish=True, level=0.95)
    assert experiment.name == "New name" and experiment.auto_finish
    for field, value in (("level", 0.9), ("planned_per_arm", 5), ("metric", "click"), ("traffic", 0.1), ("salt", "x")):
        with pytest.raises(ValidationError):
            experiments.update(experiment=experiment, by=None, **{field: value})
    b = arm(experiment, "B")
    for change in (
        lambda: experiments.set_text(arm=b, product=b.texts.get().product, text="Late", by=None, **TITLE),
        lambda: experiments.add_arm(experiment=experiment, by=None),
        lambda: experiments.remove_arm(arm=b, by=None),
        lambda: experiments.rename_arm(arm=b, by=None, name="x"),
        lambda: experiments.set_weights(
            experiment=experiment, by=None, weights={a.pk: 1 for a in experiment.arms.all()}
        ),
        lambda: experiments.discard(experiment=experiment),
    ):
        with pytest.raises(ValidationError):
            change()
    experiment.refresh_from_db()
    assert experiment.level == 0.95 and b.texts.get().text == "Hand-thrown stoneware mug"


def test_every_change_moves_the_version(store):
    experiment = draft(store)
    seen = [experiment.version]
    for step in (
        lambda: experiments.update(experiment=experiment, by=None, traffic=0.4),
        lambda: experiments.add_arm(experiment=experiment, by=None),
        lambda: experiments.remove_arm(arm=arm(experiment, "C"), by=None),
        lambda: experiments.start(experiment=experiment, by=None),
        lambda: experiments.pause(experiment=experiment, by=None),
    ):
        step()
        experiment.refresh_from_db()
        seen.append(experiment.version)
    assert seen == sorted(set(seen))


def test_the_same_text_is_tested_once_unless_a_group_keeps_visitors_apart(store):
    mug = make_product(store)
    first = running(store, product=mug)
    second = draft(store, product=mug, name="Second", text="Yet another mug")
    assert "Mug titles" in experiments.problems(second)[0]
    with pytest.raises(ValidationError):
        experiments.start(experiment=second, by=None)
    group = ExperimentGroup.objects.create(store=store, name="Titles")
    Experiment.objects.filter(pk=first.pk).update(group=group, group_to=0.5)
    experiments.update(experiment=second, by=None, group=group, group_from=0.4)
    assert experiments.problems(second)
    experiments.update(experiment=second, by=None, group_from=0.5)
    assert experiments.problems(second) == []
    experiments.start(experiment=second, by=None)
    other = draft(store, product=make_product(store, "Bowl"), name="Third", text="A bowl")
    assert experiments.problems(other) == []


def test_a_paused_one_can_not_go_on_over_another(store):
    mug = make_product(store)
    first = running(store, product=mug)
    experiments.pause(experiment=first, by=None)
    second = draft(store, product=mug, name="Second", text="Yet another mug")
    assert experiments.problems(second), "a paused test may go on: its texts are taken"
    experiments.finish(experiment=first, by=None)
    experiments.start(experiment=second, by=None)


def test_a_bandit_notes_the_shares_that_it_began_with(store):
    experiment = running(store, mode="bandit")
    change = WeightChange.objects.get()
    assert change.weights == {str(a.pk): 0.5 for a in experiment.arms.all()} and change.at == START


def test_a_draft_can_be_thrown_away(store):
    experiments.discard(experiment=draft(store))
    assert not Experiment.objects.exists() and not ArmText.objects.exists()
