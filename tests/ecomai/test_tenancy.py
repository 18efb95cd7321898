"""Nobody sees another store: every page and every API route, found by walking the resolver."""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from ecomai import api_keys
from ecomai.models import ApiKey, Invitation, Job, Membership
from ecomai.privacy_models import PrivacyRequest
from products import catalogue_import
from products.models import AdAsset, AssetRevision, CatalogueImport, Category, CopyBatch, CopyBrief, CopyRequest
from reviews import review_import
from reviews.models import Flag
from tests.factories import make_product, upload
from tests.products.experiment_factories import draft
from tests.reviews.factories import make_review

pytestmark = pytest.mark.django_db


def routes(prefix: str) -> list[str]:
    """Every route below a prefix, with its <converters>."""
    found = []

    def walk(patterns, at):
        for pattern in patterns:
            path = at + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern) and path.startswith(prefix):
                found.append(path)

    walk(get_resolver().url_patterns, "")
    return found


STORE_ROUTES = routes("s/<slug:store>/")
API_ROUTES = routes("api/v1/")
# Route → which object its <int:pk> (or <str:ref>) names. A new route with an id must be added here, or the test fails.
OBJECTS = {
    "members/<int:pk>/": "membership", "invitations/<int:pk>/revoke/": "invitation", "keys/<int:pk>/revoke/": "key",
    "jobs/<int:pk>/cancel/": "job", "products/<int:pk>/": "product", "products/<int:pk>/edit/": "product",
    "products/<int:pk>/delete/": "product", "variants/<int:pk>/": "variant", "categories/<int:pk>/": "category",
    "imports/<int:pk>/": "import", "imports/<int:pk>/settings/": "import", "imports/<int:pk>/confirm/": "import",
    "imports/<int:pk>/undo/": "import", "imports/<int:pk>/report.csv": "import", "products/<int:pk>/copy/": "product",
    "copy/<int:pk>/": "copy", "copy/<int:pk>/approved.csv": "copy", "copy/assets/<int:pk>/edit/": "asset",
    "copy/assets/<int:pk>/check/": "asset",
    "copy/assets/<int:pk>/decide/": "asset", "copy/assets/<int:pk>/rewrite/": "asset", "copy/assets/<int:pk>/use/": "asset",
    "copy/assets/<int:pk>/history/": "asset", "copy/assets/<int:pk>/comment/": "asset",
    "copy/revisions/<int:pk>/restore/": "revision", "copy/briefs/<int:pk>/": "brief", "copy/briefs/<int:pk>/delete/": "brief",
    "copy/batches/<int:pk>/": "batch", "copy/batches/<int:pk>/go-on/": "batch", "copy/batches/<int:pk>/review/": "batch",
    "products/<str:ref>/": "product", "products/<str:ref>/copy/": "product",
    "experiments/<int:pk>/": "experiment", "experiments/<int:pk>/act/": "experiment",
    "experiments/<int:pk>/edit/": "experiment", "experiments/<int:pk>/find/": "experiment",
    "experiments/<int:pk>/products/": "experiment", "experiments/<int:pk>/arms/": "experiment",
    "experiments/<int:pk>/texts/": "experiment",
    "reviews/alerts/<int:pk>/": "alert", "reviews/alerts/<int:pk>/acknowledge/": "alert", "reviews/alerts/<int:pk>/mute/": "alert",
    "reviews/alerts/mutes/<int:pk>/end/": "alert_mute", "reviews/topics/<int:pk>/": "topic",
    "reviews/topics/<int:pk>/rename/": "topic", "reviews/topics/other/<int:pk>/": "topic_set",
    "webhooks/<int:pk>/change/": "webhook", "webhooks/deliveries/<int:pk>/": "delivery",
    "webhooks/deliveries/<int:pk>/resend/": "delivery",
    "reviews/<int:pk>/": "review", "reviews/<int:pk>/label/": "review", "reviews/<int:pk>/visibility/": "review",
    "reviews/imports/<int:pk>/": "review_import", "reviews/imports/<int:pk>/settings/": "review_import",
    "reviews/imports/<int:pk>/go-on/": "review_import", "reviews/imports/<int:pk>/report.csv": "review_import",
    "reviews/webhook/<str:store>/<str:source>/": "store",
    "reviews/<int:pk>/reply/": "review", "reviews/flags/<int:pk>/": "flag", "privacy/<int:pk>/archive.zip": "privacy",
}  # fmt: skip


def _alerts_topics_webhooks(store) -> dict:
    from datetime import UTC, datetime

    from ecomai import webhooks
    from ecomai.models import WebhookDelivery
    from reviews.models import Alert, AlertMute, Topic, TopicSet

    at = datetime(2026, 11, 1, tzinfo=UTC)
    group = TopicSet.objects.create(store=store, language="en", model_label="m", inputs_hash="0")
    endpoint, _secret = webhooks.create(store=store, url="https://their.example/hook", events=["webhook.test"])
    webhooks.emit(store, "webhook.test", {"message": "secret"})
    return {
        "alert": Alert.objects.create(store=store, kind="volume", severity="warning", window_start=at, window_end=at, observed=12, expected=3, formula="Poisson").pk,
        "alert_mute": AlertMute.objects.create(store=store, kind="volume", until=datetime(2099, 1, 1, tzinfo=UTC)).pk,
        "topic_set": group.pk,
        "topic": Topic.objects.create(store=store, group=group, name="secret", centroid=[0.1] * 384, model_label="m").pk,
        "webhook": endpoint.pk, "delivery": WebhookDelivery.objects.get(store=store).pk,
    }  # fmt: skip


@pytest.fixture
def theirs(other_store, charlie, settings, tmp_path):
    """One object of each kind in Charlie's store."""
    settings.MEDIA_ROOT = tmp_path
    product = make_product(other_store, "Their secret mug", sku="THEIRS")
    copy = CopyRequest.objects.create(
        store=other_store, product=product, channels=["seo"], locale="en", tone="neutral", asked={"seo.title": 1}
    )
    asset = AdAsset.objects.create(
        store=other_store, request=copy, product=product, field="seo.title", locale="en", tone="neutral", angle="feature",
        position=1, text="Their secret text", machine_text="Their secret text", model_label="m", inputs_hash="0",
    )  # fmt: skip
    brief = CopyBrief.objects.create(store=other_store, name="Their secret brief", locale="en", channels=["seo"])
    batch = CopyBatch.objects.create(store=other_store, brief=brief, settings={"name": "Their secret order"})
    revision = AssetRevision.objects.create(store=other_store, asset=asset, text="Their secret text", origin="machine")
    from django.core.files import File
    from django.utils.timezone import now, timedelta

    review = make_review(other_store, "Their secret review")
    reviews = review_import.open_run(
        store=other_store, file=File(upload("text,rating\nTheir secret,5\n", "r.csv")), filename="secret.csv"
    )
    extra = _alerts_topics_webhooks(other_store)
    run = catalogue_import.open_run(store=other_store, file=File(upload("Handle,Title\na,A\n")), filename="a.csv")
    return {
        **extra, "brief": brief.pk, "batch": batch.pk, "revision": revision.pk,
        "experiment": draft(other_store, product=product, text="Their secret title").pk, "review_import": reviews.pk, "store": other_store.slug, "product": product.pk, "variant": product.variants.get().pk, "copy": copy.pk, "asset": asset.pk, "import": run.pk,
        "category": Category.objects.create(store=other_store, name="C", path="C").pk,
        "review": review.pk, "flag": Flag.objects.create(store=other_store, review=review, kind="spam_link", reason="x").pk,
        "privacy": PrivacyRequest.objects.create(store=other_store, kind="export", fingerprint="f").pk,
        "job": Job.objects.create(store=other_store, kind="x", title="x", task="x").pk,
        "membership": Membership.objects.get(user=charlie).pk,
        "key": api_keys.create(store=other_store, kind=ApiKey.Kind.SECRET, name="k")[0].pk,
        "invitation": Invitation.objects.create(store=other_store, email="x@example.com", role="agent", token_hash="h", expires_at=now() + timedelta(1)).pk,
    }  # fmt: skip


def fill(route: str, store: str, ids: dict) -> str:
    path = "/" + route.replace("<slug:store>", store)
    if "<" in path:
        tail = route.removeprefix("s/<slug:store>/").removeprefix("api/v1/")
        name = OBJECTS[tail]
        path = path.replace("<int:pk>", str(ids[name])).replace("<str:ref>", str(ids[name]))
        path = path.replace("<str:store>", str(ids[name])).replace("<str:source>", "judgeme")
    assert "<" not in path, f"say in OBJECTS what {route} names"
    return path


def test_there_are_routes_to_walk():
    assert len(STORE_ROUTES) >= 30 and len(API_ROUTES) >= 6


# The routes are walked in a loop: making all of a store's objects takes longer than asking all routes for them. What
# answers wrongly is collected, so that one test names every such route.
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_of_another_store_is_404(method, alice, as_user, theirs):
    client = as_user(alice)
    answers = {route: getattr(client, method)(fill(route, "charlie", theirs)).status_code for route in STORE_ROUTES}
    assert {route: code for route, code in answers.items() if code != 404} == {}


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_object_of_another_store_is_404_below_ones_own(method, alice, as_user, theirs):
    client, wrong = as_user(alice), {}
    for route in STORE_ROUTES:
        if "<int:pk>" not in route:
            continue
        path = fill(route, "alice", theirs)
        response = getattr(client, method)(path)
        if response.status_code == 405:
            other = {"get": "post", "post": "get"}[method]
            response = getattr(client, other)(path)
        if response.status_code != 404:
            wrong[route] = response.status_code
    assert wrong == {}


def test_a_stranger_is_sent_to_the_sign_in(store, theirs):
    answers = {route: Client().get(fill(route, "alice", theirs)) for route in STORE_ROUTES}
    sent = {r: a.get("Location", "") if a.status_code == 302 else str(a.status_code) for r, a in answers.items()}
    assert {route: to for route, to in sent.items() if not to.startswith("/sign-in/")} == {}


def test_a_member_of_nothing_gets_404(store, as_user, theirs):
    from ecomai.models import User

    client = as_user(User.objects.create_user("nobody@example.com", "x"))
    answers = {route: client.get(fill(route, "alice", theirs)).status_code for route in STORE_ROUTES}
    assert {route: code for route, code in answers.items() if code != 404} == {}


@pytest.mark.parametrize("kind", list(ApiKey.Kind))
@pytest.mark.parametrize("method", ["get", "post", "patch"])
def test_the_api_knows_only_the_keys_own_store(method, kind, store, theirs):
    _key, secret = api_keys.create(store=store, kind=kind, name="k")
    client, wrong = Client(headers={"authorization": f"Bearer {secret}"}), {}
    for route in API_ROUTES:
        response = getattr(client, method)(fill(route, "", theirs), data={}, content_type="application/json")
        if "<" in route:
            # An incoming webhook knows no keys, only its signature.
            fine = response.status_code in ((401, 405) if "/webhook/" in route else (403, 404, 405))
        else:
            fine = method != "get" or response.status_code != 200 or response.json()["items"] == []
        if not fine or b"secret" in response.content:
            wrong[route] = response.status_code
    assert wrong == {}


def test_the_api_without_a_key_is_401(theirs):
    answers = {route: Client().get(fill(route, "", theirs)).status_code for route in API_ROUTES}
    assert {route: code for route, code in answers.items() if code not in (401, 405)} == {}


def test_the_imports_of_the_two_stores_are_apart(alice, as_user, theirs):
    page = as_user(alice).get("/s/alice/imports/")
    assert b"a.csv" not in page.content and CatalogueImport.objects.count() == 1
