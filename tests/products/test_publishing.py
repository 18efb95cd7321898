"""Publishing: into the listing or beside it, once, with history, and back unless something newer stands there."""

import pytest
from django.core.exceptions import ValidationError

from products import catalogue, experiments, publishing
from products.models import ProductChange, PublishedText
from tests.factories import make_product
from tests.products.experiment_factories import arm, running

pytestmark = pytest.mark.django_db
TITLE = {"field": "title", "locale": "en"}


def test_the_listing_gets_the_text_with_its_history(store, alice):
    mug = make_product(store)
    done = publishing.publish(store=store, product=mug, text="Hand-thrown mug", by=alice, **TITLE)
    mug.refresh_from_db()
    assert (mug.title, done.before, mug.is_dirty) == ("Hand-thrown mug", "Stoneware mug", True)
    assert "hand-thrown" in mug.search_text
    change = ProductChange.objects.get()
    assert (change.source, change.user, change.changes) == (
        "copy",
        alice,
        {"title": ["Stoneware mug", "Hand-thrown mug"]},
    )
    publishing.undo(published=done, by=alice)
    mug.refresh_from_db()
    assert mug.title == "Stoneware mug" and ProductChange.objects.count() == 2
    publishing.undo(published=done, by=alice)
    assert ProductChange.objects.count() == 2


def test_twice_is_once(store, alice):
    mug = make_product(store)
    first = publishing.publish(store=store, product=mug, text="Hand-thrown mug", by=alice, **TITLE)
    again = publishing.publish(store=store, product=mug, text="Hand-thrown mug", by=alice, **TITLE)
    other = publishing.publish(store=store, product=mug, field="meta.headline", locale="de", text="Becher", by=alice)
    assert (
        publishing.publish(store=store, product=mug, field="meta.headline", locale="de", text="Becher", by=None)
        == other
    )
    assert first == again and PublishedText.objects.count() == 2 and ProductChange.objects.count() == 1


def test_a_description_is_cleaned(store, alice):
    mug = make_product(store, description_raw="<p>Old</p>")
    text = "<p>New &amp; <b>bold</b></p><script>alert(1)</script>"
    done = publishing.publish(store=store, product=mug, field="description", locale="en", text=text, by=alice)
    mug.refresh_from_db()
    assert mug.description_html == "<p>New &amp; <b>bold</b></p>" and mug.description_text == "New & bold"
    publishing.undo(published=done, by=alice)
    mug.refresh_from_db()
    assert (mug.description_raw, mug.description_text) == ("<p>Old</p>", "Old")


def test_other_languages_and_channels_live_beside_the_listing(store, alice):
    mug, bowl = make_product(store), make_product(store, "Bowl")
    put = lambda **more: publishing.publish(store=store, product=mug, by=alice, **more)
    put(field="title", locale="de", text="Becher")
    put(field="google_merchant.title", locale="en", text="Mug for a feed")
    put(field="title", locale="en", text="Mug in the listing")
    mug.refresh_from_db()
    assert mug.title == "Mug in the listing"
    assert publishing.texts([mug.pk, bowl.pk], "de") == {mug.pk: {"title": "Becher"}}
    assert publishing.texts([mug.pk, bowl.pk], "en") == {mug.pk: {"google_merchant.title": "Mug for a feed"}}


def test_undo_gives_back_what_was_published_before(store, alice):
    mug = make_product(store)
    put = lambda text: publishing.publish(store=store, product=mug, field="title", locale="de", text=text, by=alice)
    put("Becher")
    second = put("Großer Becher")
    assert publishing.texts([mug.pk], "de") == {mug.pk: {"title": "Großer Becher"}}
    publishing.undo(published=second, by=alice)
    assert publishing.texts([mug.pk], "de") == {mug.pk: {"title": "Becher"}}
    publishing.undo(published=PublishedText.objects.get(text="Becher"), by=alice)
    assert publishing.texts([mug.pk], "de") == {}
    third = put("Neuer Becher")
    assert third.before == "" and publishing.texts([mug.pk], "de") == {mug.pk: {"title": "Neuer Becher"}}


def test_nothing_newer_is_overwritten_by_an_undo(store, alice):
    mug = make_product(store)
    done = publishing.publish(store=store, product=mug, text="Hand-thrown mug", by=alice, **TITLE)
    catalogue.update_product(mug, {"title": "A person's title"}, alice)
    with pytest.raises(ValidationError, match="changed since"):
        publishing.undo(published=done, by=alice)
    newer = publishing.publish(store=store, product=mug, text="Newer mug", by=alice, **TITLE)
    with pytest.raises(ValidationError):
        publishing.undo(published=done, by=alice)
    publishing.undo(published=newer, by=alice)
    mug.refresh_from_db()
    assert mug.title == "A person's title"


def test_what_can_not_be_published(store, other_store, alice):
    mug = make_product(store)
    for options in (
        {"product": make_product(other_store), "text": "x", **TITLE},
        {"product": mug, "text": "  ", **TITLE},
        {"product": mug, "text": "x" * 501, **TITLE},
        {"product": mug, "text": "x", "field": "price", "locale": "en"},
    ):
        with pytest.raises(ValidationError):
            publishing.publish(store=store, by=alice, **options)
    assert not PublishedText.objects.exists()


def test_the_winner_of_an_experiment_and_back(store, alice):
    experiment = running(store)
    mug = arm(experiment, "B").texts.get().product
    with pytest.raises(ValidationError):
        publishing.publish_winner(experiment=experiment, by=alice)
    experiments.finish(experiment=experiment, by=alice, winner=arm(experiment, "B"))
    for _ in range(2):
        assert len(publishing.publish_winner(experiment=experiment, by=alice)) == 1
    mug.refresh_from_db()
    assert mug.title == "Hand-thrown stoneware mug" and PublishedText.objects.get().experiment == experiment
    assert publishing.undo_winner(experiment=experiment, by=alice) == (1, 0)
    assert publishing.undo_winner(experiment=experiment, by=alice) == (0, 0)
    mug.refresh_from_db()
    assert mug.title == "Stoneware mug"
    actions = list(experiment.history.values_list("action", flat=True))
    assert actions.count("published") == 1 and actions.count("undone") == 1
    publishing.publish_winner(experiment=experiment, by=alice)
    catalogue.update_product(mug, {"title": "A person's title"}, alice)
    assert publishing.undo_winner(experiment=experiment, by=alice) == (0, 1)


def test_a_control_that_won_publishes_nothing(store, alice):
    experiment = running(store)
    experiments.finish(experiment=experiment, by=alice, winner=arm(experiment, "A"))
    assert publishing.publish_winner(experiment=experiment, by=alice) == []
    other = running(store, product=make_product(store, "Bowl"), name="Bowls")
    experiments.finish(experiment=other, by=alice)
    with pytest.raises(ValidationError):
        publishing.publish_winner(experiment=other, by=alice)
