"""The Django admin of reviews: every list and row opens; staff see their own stores; numbers follow a deletion."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from ecomai.models import User
from reviews import intake
from reviews.models import Flag, Opinion, Review, ReviewSettings, StoreDay, Topic, TopicSet
from reviews.reading import RawReview
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db
MODELS = sorted(apps.get_app_config("reviews").get_models(), key=lambda model: model.__name__)


@pytest.fixture
def rows(store):
    review = make_review(store, "Too <b>small</b>")
    Opinion.objects.create(store=store, review=review, aspect="size_fit", polarity=-1)
    Flag.objects.create(store=store, review=review, kind="question", reason="asks")
    ReviewSettings.objects.create(store=store, webhook_secret="rws_hidden")
    group = TopicSet.objects.create(store=store, language="en", model_label="m", inputs_hash="0")
    Topic.objects.create(store=store, group=group, name="too small", centroid=[0.1] * 384, model_label="m")
    return review


@pytest.fixture
def root(as_user):
    return as_user(User.objects.create_superuser("root@example.com", "x"))


def at(model, page="changelist", *args) -> str:
    return reverse(f"admin:reviews_{model._meta.model_name}_{page}", args=args)


def test_every_model_is_there():
    assert [model.__name__ for model in MODELS if not admin.site.is_registered(model)] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_its_list_and_its_rows_open(root, rows, model):
    assert root.get(at(model)).status_code == 200
    for row in model.objects.all():
        page = root.get(at(model, "change", row.pk))
        assert page.status_code == 200 and b"<b>small" not in page.content and b"rws_hidden" not in page.content


def test_staff_see_their_own_stores_only(alice, as_user, rows, other_store):
    theirs = make_review(other_store, "Their secret")
    alice.is_staff = True
    alice.save()
    client = as_user(alice)
    page = client.get(at(Review)).content.decode()
    assert "Too &lt;b&gt;small" in page and "secret" not in page
    assert client.get(at(Review, "change", theirs.pk)).status_code == 302
    client.post(at(Review, "delete", theirs.pk), {"post": "yes"})
    assert Review.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("several", [False, True])
def test_deleting_there_moves_the_numbers(root, store, several):
    outcome = intake.receive(store=store, items=[RawReview(text="Lovely mug", rating="5")], source="csv")
    if several:
        chosen = {"action": "delete_selected", "_selected_action": outcome.ids, "post": "yes"}
        root.post(at(Review), chosen)
    else:
        root.post(at(Review, "delete", outcome.ids[0]), {"post": "yes"})
    assert not Review.objects.exists() and not StoreDay.objects.filter(n__gt=0).exists()


def test_nothing_that_came_in_is_changed_there(root, rows):
    root.post(at(Review, "change", rows.pk), {"text": "changed"})
    rows.refresh_from_db()
    assert rows.text == "Too <b>small</b>"
