"""Outgoing webhooks against a real local receiver."""

import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.utils import timezone

from ecomai import webhooks
from ecomai.lib import net
from ecomai.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings):
    """A server that keeps what it gets; `answers` holds the statuses to give, then 200."""
    got, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            status = answers.pop(0) if answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"thanks")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    server.got, server.answers, server.url = got, answers, f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


def due() -> None:
    WebhookDelivery.objects.filter(status="waiting").update(next_attempt_at=timezone.now())


def test_a_delivery_is_signed_and_sent_once(store, receiver):
    _endpoint, secret = webhooks.create(store=store, url=receiver.url, events=["webhook.test"])
    assert webhooks.emit(store, "webhook.test", {"message": "é"}) == 1
    assert (webhooks.send_due(), webhooks.send_due()) == (1, 0)
    ((_path, headers, body),) = receiver.got
    at, value = headers["EcomAI-Signature"].split(",")
    wanted = hmac.new(secret.encode(), at[2:].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert value == f"v1={wanted}" and json.loads(body)["data"] == {"message": "é"}
    attempt = WebhookAttempt.objects.get()
    assert (attempt.http_status, attempt.answer, attempt.error) == (200, "thanks", "")


def test_failures_are_tried_again_with_growing_waits_for_half_a_day(store, receiver):
    webhooks.create(store=store, url=receiver.url, events=["webhook.test"])
    webhooks.emit(store, "webhook.test", {})
    receiver.answers += [500, 302]
    for _ in range(3):
        due()
        webhooks.send_due()
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == "delivered" and delivery.attempts == 3
    # the redirect was not followed
    assert [path for path, *_ in receiver.got] == ["/hook"] * 3
    waits = [webhooks.wait_after(n) for n in range(1, 40)]
    assert waits[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
    assert max(waits) == timedelta(hours=2)
    webhooks.resend(delivery)
    WebhookDelivery.objects.update(give_up_at=timezone.now())
    receiver.answers += [500]
    webhooks.send_due()
    delivery.refresh_from_db()
    assert delivery.status == "failed"


def test_an_endpoint_that_fails_for_days_is_turned_off_and_its_owner_told(store, alice, receiver):
    endpoint, _secret = webhooks.create(store=store, url=receiver.url, events=["webhook.test"])
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=4))
    webhooks.emit(store, "webhook.test", {})
    receiver.answers += [410]
    webhooks.send_due()
    endpoint.refresh_from_db()
    assert not endpoint.active and "410" in endpoint.disabled_reason
    assert mail.outbox[0].to == ["alice@example.com"]


@pytest.mark.parametrize("url", [
    "http://127.0.0.1/x", "http://localhost/x", "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/",
    "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://0.0.0.0/", "http://2130706433/",
])  # fmt: skip
def test_private_addresses_are_never_called(store, url):
    with pytest.raises(net.Refused):
        net.pin(url)
    WebhookEndpoint.objects.all().delete()
    webhooks.create(store=store, url=url, events=["webhook.test"])
    webhooks.emit(store, "webhook.test", {})
    webhooks.send_due()
    assert WebhookAttempt.objects.get().http_status is None


def test_a_changed_secret_overlaps_for_a_day(store, receiver):
    endpoint, old = webhooks.create(store=store, url=receiver.url, events=["webhook.test"])
    new = webhooks.rotate(endpoint)
    webhooks.emit(store, "webhook.test", {})
    webhooks.send_due()
    _path, headers, body = receiver.got[0]
    at, *values = headers["EcomAI-Signature"].split(",")
    assert ",".join([at, *values]) == webhooks.sign([new, old], body, int(at[2:]))
    assert old.encode() not in bytes(WebhookEndpoint.objects.get().secret)


def test_the_page_makes_tests_and_resends(store, alice, bob, as_user, receiver):
    client = as_user(alice)
    page = client.post("/s/alice/webhooks/", {"url": receiver.url, "events": ["review_alert.opened"]}).content.decode()
    assert page.count("whsec_") == 2 and "whsec_" not in client.get("/s/alice/webhooks/").content.decode()
    endpoint = WebhookEndpoint.objects.get()
    client.post(f"/s/alice/webhooks/{endpoint.pk}/change/", {"step": "test"})
    assert webhooks.send_due() == 1
    delivery = WebhookDelivery.objects.get()
    assert "thanks" in client.get(f"/s/alice/webhooks/deliveries/{delivery.pk}/").content.decode()
    client.post(f"/s/alice/webhooks/deliveries/{delivery.pk}/resend/")
    assert webhooks.send_due() == 1
    assert as_user(bob).get("/s/alice/webhooks/").status_code == 403
