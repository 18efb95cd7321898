"""Sign-in, languages, roles, keys, jobs, health, the admin. Members and invitations are in test_members."""

import re

import pytest
from django.core.cache import cache
from django.test import Client

from ecomai import api_keys, jobs
from ecomai.logging import mask, without_personal_data
from ecomai.models import ApiKey, Job, Membership, Role, Store, User
from ecomai.permissions import PERMISSIONS
from ecomai.tasks import recover_jobs
from tests.conftest import PASSWORD
from tests.factories import make_product

pytestmark = pytest.mark.django_db


def test_sign_in_leads_to_the_first_store_and_out_again(alice):
    client = Client()
    assert client.get("/").status_code == 302
    response = client.post("/sign-in/", {"username": "ALICE@example.com", "password": PASSWORD}, follow=True)
    assert response.redirect_chain[-1][0] == "/s/alice/"
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/s/alice/").status_code == 302


def test_a_wrong_password_says_so_and_stays(alice):
    response = Client().post("/sign-in/", {"username": "alice@example.com", "password": "wrong"})
    assert response.status_code == 200 and b"alert-bad" in response.content


def test_guessing_passwords_is_stopped_for_that_account_and_a_right_one_resets_the_count(alice, bob):
    cache.clear()
    guess = {"username": "alice@example.com", "password": "wrong"}
    right = {"username": "alice@example.com", "password": PASSWORD}
    for _ in range(9):
        Client().post("/sign-in/", guess)
    assert Client().post("/sign-in/", right).status_code == 302
    for _ in range(10):
        Client().post("/sign-in/", guess)
    stopped = Client().post("/sign-in/", right)
    assert stopped.status_code == 200 and b"Too many wrong tries" in stopped.content
    assert Client().post("/sign-in/", {"username": "bob@example.com", "password": PASSWORD}).status_code == 302
    cache.clear()


def test_a_language_is_kept_with_the_person_and_comes_along_to_another_browser(alice, as_user):
    client = as_user(alice)
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/s/alice/"})
    assert 'lang="zh-hans"' in client.get("/s/alice/").content.decode()
    other = Client()
    page = other.post("/sign-in/", {"username": "alice@example.com", "password": PASSWORD}, follow=True)
    assert 'lang="zh-hans"' in page.content.decode()
    other.post("/profile/", {"first_name": "Al", "last_name": "Ice", "language": "en"})
    alice.refresh_from_db()
    assert (alice.first_name, alice.language) == ("Al", "en")
    assert 'lang="en"' in other.get("/profile/").content.decode()
    assert other.post("/profile/", {"first_name": "Al", "language": "xx"}).status_code == 200


def test_a_password_is_changed_with_the_old_one_only_and_the_session_goes_on(alice, as_user):
    client = as_user(alice)
    new = {"new_password1": "another long secret 7", "new_password2": "another long secret 7"}
    assert client.post("/profile/", {"old_password": "wrong", **new}).status_code == 200
    assert client.post("/profile/", {"old_password": PASSWORD, **new}).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(new["new_password1"]) and client.get("/profile/").status_code == 200


def test_a_forgotten_password_is_set_by_the_link_of_the_mail(alice, mailoutbox):
    Client().post("/password/", {"email": "alice@example.com"})
    link = re.search(r"/password/\S+/\S+/", mailoutbox[0].body)[0]
    client = Client()
    form = client.get(link)["Location"]
    client.post(form, {"new_password1": "another long secret 7", "new_password2": "another long secret 7"})
    alice.refresh_from_db()
    assert alice.check_password("another long secret 7")
    assert b"expired" in Client().get(link, follow=True).content


@pytest.mark.parametrize("permission", ["store.manage", "keys.manage", "catalogue.import"])
def test_an_agent_lacks_what_the_table_says(permission, bob, as_user):
    path = {"store.manage": "settings/", "keys.manage": "keys/", "catalogue.import": "imports/"}[permission]
    assert Role.AGENT not in PERMISSIONS[permission]
    assert as_user(bob).get(f"/s/alice/{path}").status_code == 403
    assert f'href="/s/alice/{path}"' not in as_user(bob).get("/s/alice/").content.decode()


def test_an_owner_makes_a_store_and_switches(alice, as_user):
    client = as_user(alice)
    client.post("/stores/new/", {"name": "Second", "slug": "second", "currency": "usd", "default_locale": "de"})
    assert Store.objects.get(slug="second").currency == "USD"
    assert b"Second" in client.get("/s/alice/").content
    bad = client.post("/stores/new/", {"name": "X", "slug": "Not OK", "currency": "EU", "default_locale": "de"})
    assert bad.status_code == 200 and not Store.objects.filter(name="X").exists()


def test_a_key_is_shown_once_hashed_and_revocable(alice, as_user, store):
    client = as_user(alice)
    page = client.post("/s/alice/keys/", {"name": "shop", "kind": "secret", "origins": ""})
    secret = re.search(r"sk_[\w-]{20,}", page.content.decode())[0]
    assert secret not in client.get("/s/alice/keys/").content.decode()
    assert ApiKey.objects.get().key_hash != secret
    api = Client(headers={"authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/products/").status_code == 200
    client.post(f"/s/alice/keys/{ApiKey.objects.get().pk}/revoke/")
    assert api.get("/api/v1/products/").status_code == 401


def test_a_publishable_key_is_bound_to_its_origins_and_reads_active_products_without_numbers(store):
    make_product(store, "Visible", sku="V", stock=3)
    make_product(store, "Hidden", status="draft")
    _key, secret = api_keys.create(store=store, kind="publishable", name="web", origins=["https://shop.example"])
    api = Client(headers={"authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/products/", headers={"origin": "https://evil.example"}).status_code == 401
    found = api.get("/api/v1/products/", headers={"origin": "https://shop.example"}).json()["items"]
    assert [p["title"] for p in found] == ["Visible"]
    assert "stock" not in found[0]["variants"][0] and found[0]["variants"][0]["available"] is True
    assert (
        api.patch(f"/api/v1/products/{found[0]['id']}/", {"title": "x"}, content_type="application/json").status_code
        == 403
    )
    bad = api.get("/api/v1/products/?limit=101")
    assert bad.status_code == 400 and bad.json()["errors"][0]["attr"] == "limit"


def test_a_secret_key_changes_a_product_with_history_and_etag(store):
    product = make_product(store, "Old")
    _key, secret = api_keys.create(store=store, kind="secret", name="server")
    api = Client(headers={"authorization": f"Bearer {secret}"})
    first = api.get("/api/v1/products/old/")
    assert api.get("/api/v1/products/old/", headers={"if-none-match": first["ETag"]}).status_code == 304
    changed = api.patch(f"/api/v1/products/{product.pk}/", {"title": "New"}, content_type="application/json")
    assert changed.json()["title"] == "New" and changed.json()["variants"][0]["stock"] == 5
    assert product.changes.get().changes["title"] == ["Old", "New"]


def test_a_job_is_taken_once_and_a_stale_one_again(store):
    from django.utils.timezone import now, timedelta

    job = jobs.create(store=store, kind="x", title="x", task="nothing")
    first = jobs.claim(job.pk)
    assert first is not None and jobs.claim(job.pk) is None
    Job.objects.filter(pk=job.pk).update(heartbeat_at=now() - timedelta(minutes=2))
    assert [j.pk for j in jobs.stale()] == [job.pk]
    second = jobs.claim(job.pk)
    assert second.lease != first.lease and second.attempts == 2
    run = jobs.Run(first)
    with pytest.raises(jobs.LeaseLost):
        run.advance(1)


@pytest.mark.django_db(transaction=True)
def test_cancel_stops_a_running_job_and_failure_is_written_down(store, alice, as_user):
    job = jobs.create(store=store, kind="x", title="x", task="nothing")
    with jobs.running(job.pk) as run:
        as_user(alice).post(f"/s/alice/jobs/{job.pk}/cancel/")
        with pytest.raises(jobs.Cancelled):
            run.advance(1)
        raise jobs.Cancelled
    job.refresh_from_db()
    assert job.status == "cancelled"
    other = jobs.create(store=store, kind="x", title="x", task="nothing")
    with pytest.raises(ValueError), jobs.running(other.pk):
        raise ValueError("why")
    other.refresh_from_db()
    assert (other.status, other.message) == ("failed", "why")


def test_the_drawer_shows_progress_rate_and_time_left(store, alice, as_user):
    from django.utils.timezone import now, timedelta

    Job.objects.create(store=store, kind="x", title="Long work", task="x", status="running", done=50, total=200,
                       unit="rows", started_at=now() - timedelta(seconds=10), heartbeat_at=now())  # fmt: skip
    page = as_user(alice).get("/s/alice/jobs/", headers={"hx-request": "true"}).content.decode()
    assert "Long work" in page and "50 / 200 rows · 25 %" in page and "5 per second" in page
    assert re.search(r"3\d seconds left", page)


@pytest.mark.django_db(transaction=True)
def test_a_lost_message_is_sent_again(store):
    from celery import current_app
    from django.utils.timezone import now, timedelta

    job = jobs.create(store=store, kind="x", title="x", task="products.tasks.embed_products", queue="lost")
    Job.objects.filter(pk=job.pk).update(created_at=now() - timedelta(minutes=1))
    assert recover_jobs() == 1
    with current_app.connection_or_acquire() as connection:
        message = connection.SimpleQueue("lost").get(timeout=5)
        message.ack()
    assert message.payload[0] == [job.pk]


def test_readyz_says_what_is_missing_and_healthz_only_that_it_lives(client):
    assert client.get("/healthz").json() == {"ok": True}
    answer = client.get("/readyz")
    checks = answer.json()["checks"]
    assert checks["database"] == checks["broker"] == checks["migrations"] == "ok"
    assert answer.status_code == 503 and "silent" in checks["workers"]


def test_logs_hold_no_personal_data():
    assert mask("mail alice@example.com, +49 30 1234567, sk_abcdefghijk") == "mail [mail], [phone], [key]"
    event = without_personal_data(
        None, "", {"event": "hi bob@example.com", "password": "x", "request": "GET /?token=1"}
    )
    assert event == {"event": "hi [mail]", "password": "[hidden]", "request": "GET /"}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_renders_in_both_languages_without_inline_scripts(language, alice, as_user, store):
    product = make_product(store, "Mug <script>alert(1)</script>")
    client = as_user(alice)
    client.cookies["django_language"] = language
    pages = ["", "settings/", "members/", "keys/", "jobs/", "products/", "products/new/", f"products/{product.pk}/",
             f"products/{product.pk}/edit/", f"products/{product.pk}/copy/", f"variants/{product.variants.get().pk}/",
             "categories/", "imports/", "export/", "copy/", "channels/"]  # fmt: skip
    for page in pages:
        response = client.get(f"/s/alice/{page}")
        text = response.content.decode()
        assert response.status_code == 200, page
        assert "<script>alert" not in text and not re.search(r"\son\w+=|\sstyle=|<script>", text), page
        assert (
            "script-src" in response["Content-Security-Policy"] and "unsafe" not in response["Content-Security-Policy"]
        )
        assert f'lang="{language}"' in text
    assert User.objects.count() == 1


def test_home_says_what_is_missing_and_leads_to_the_products_that_lack_it(store, alice, as_user):
    make_product(store, "Mug", sku="M")
    page = as_user(alice).get("/s/alice/").content.decode()
    assert 'aria-label="Approved ad copy: 0 %"' in page and 'aria-label="Price: 100 %"' in page
    assert "Mug" in as_user(alice).get("/s/alice/products/?missing=copy").content.decode()


def test_the_job_counter_asks_again_only_while_jobs_run(store, alice, as_user):
    client = as_user(alice)
    assert "every" not in client.get("/s/alice/jobs/count/").content.decode()
    jobs.create(store=store, kind="x", title="x", task="nothing")
    assert "every 4s" in client.get("/s/alice/jobs/count/").content.decode()


def test_staff_see_and_change_in_the_admin_what_their_role_in_that_store_allows(store, other_store, charlie, as_user):
    mine, theirs = make_product(other_store, "Mine"), make_product(store, "Theirs")
    seen = Membership.objects.create(user=charlie, store=store, role=Role.AGENT)
    api_keys.create(store=store, kind="secret", name="their key")
    User.objects.filter(pk=charlie.pk).update(is_staff=True)
    client = as_user(charlie)
    listed = client.get("/admin/products/product/").content.decode()
    assert "Mine" in listed and "Theirs" in listed
    assert client.get(f"/admin/products/product/{mine.pk}/change/").context["has_change_permission"]
    assert not client.get(f"/admin/products/product/{theirs.pk}/change/").context["has_change_permission"]
    assert "their key" not in client.get("/admin/ecomai/apikey/").content.decode()
    assert client.get("/admin/ecomai/membership/add/").status_code == 403
    client.post(f"/admin/ecomai/membership/{seen.pk}/change/", {"user": charlie.pk, "store": store.pk, "role": "owner"})
    client.post("/admin/products/brand/add/", {"store": store.pk, "name": "Forged"})
    seen.refresh_from_db()
    assert seen.role == "agent" and not store.brands.exists()
    seen.delete()
    assert client.get(f"/admin/products/product/{theirs.pk}/change/").status_code == 302


def test_the_api_reference_keeps_to_the_content_security_policy(client, settings):
    page = client.get("/api/docs/").content.decode()
    assert "<style>" not in page and not re.search(r"<script>", page) and "swagger-ui" in page
