"""Outgoing webhooks: events written with the change that caused them, sent later, signed, tried again for half a day.

A receiver checks `EcomAI-Signature: t=<unix time>,v1=<hex>[,v1=<hex>]`: HMAC-SHA256 of "<t>.<body>" under its secret
(two values while an old secret still holds), and refuses times too far from its own. `EcomAI-Event-Id` stays the same
over all tries.
"""

import hashlib
import hmac
import json
import secrets
import smtplib
import time
import uuid
from datetime import datetime, timedelta

import httpx
import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib import net, sealed
from ecomai.models import Membership, Role, Store, User, WebhookAttempt, WebhookDelivery, WebhookEndpoint

EVENTS = ("review_alert.opened", "webhook.test")
GIVE_UP = timedelta(hours=12)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=2)
LEASE = timedelta(minutes=2)
DISABLE_AFTER = timedelta(days=3)
OLD_SECRET_HOLDS = timedelta(hours=24)
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
WHOLE_CALL = 20.0  # seconds, against receivers that answer a byte at a time
PURPOSE = "webhook-secret"
log = structlog.get_logger(__name__)


def create(*, store: Store, url: str, events: list[str], by: User | None = None, description: str = "") -> tuple[WebhookEndpoint, str]:  # fmt: skip
    """A new endpoint and its secret, which isn't shown again. Raises net.Refused for an address that can't be called."""
    net.check_url(url)
    secret = "whsec_" + secrets.token_urlsafe(32)
    endpoint = WebhookEndpoint.objects.create(
        store=store, url=url, events=[e for e in events if e in EVENTS], description=description,
        secret=sealed.seal(secret.encode(), PURPOSE), created_by=by,
    )  # fmt: skip
    return endpoint, secret


def rotate(endpoint: WebhookEndpoint) -> str:
    """A new secret; the old one signs too for another day, so that the receiver can be changed in peace."""
    secret = "whsec_" + secrets.token_urlsafe(32)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        old_secret=F("secret"), old_secret_until=timezone.now() + OLD_SECRET_HOLDS,
        secret=sealed.seal(secret.encode(), PURPOSE),
    )  # fmt: skip
    return secret


def set_active(endpoint: WebhookEndpoint, active: bool) -> None:
    """Turn it on or off; turning it on forgets earlier failures."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(active=active, failing_since=None, disabled_reason="")


def emit(store: Store, event: str, payload: dict, *, only: WebhookEndpoint | None = None) -> int:
    """Write a delivery for each endpoint that wants the event, in the caller's transaction; a task sends them.

    Raises ValueError for an event that isn't in EVENTS. Returns how many were written.
    """
    if event not in EVENTS:
        raise ValueError(event)
    wanted = WebhookEndpoint.objects.filter(store=store, active=True)
    wanted = wanted.filter(pk=only.pk) if only else wanted.filter(events__contains=[event])
    now, number = timezone.now(), uuid.uuid4()
    payload = json.loads(json.dumps(payload, cls=DjangoJSONEncoder))
    rows = [
        WebhookDelivery(
            store=store, endpoint=endpoint, event=event, event_id=number, payload=payload, give_up_at=now + GIVE_UP,
            next_attempt_at=now, created_at=now,
        )
        for endpoint in wanted
    ]  # fmt: skip
    WebhookDelivery.objects.bulk_create(rows)
    return len(rows)


def resend(delivery: WebhookDelivery) -> None:
    """Try a finished delivery again, with a new half day; its earlier tries stay in the log."""
    now = timezone.now()
    WebhookDelivery.objects.filter(pk=delivery.pk).exclude(status=WebhookDelivery.Status.WAITING).update(
        status=WebhookDelivery.Status.WAITING,
        next_attempt_at=now,
        give_up_at=now + GIVE_UP,
        finished_at=None,
        lease=None,
    )


def sign(secrets_: list[str], body: bytes, at: int) -> str:
    """Value of the signature header: HMAC-SHA256 (RFC 2104) of "<at>.<body>", one v1 a secret."""
    message = f"{at}.".encode() + body
    return ",".join([f"t={at}", *(f"v1={hmac.new(s.encode(), message, hashlib.sha256).hexdigest()}" for s in secrets_)])


def _secrets(endpoint: WebhookEndpoint) -> list[str]:
    held = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > timezone.now():
        held.append(endpoint.old_secret)
    return [sealed.unseal(secret, PURPOSE).decode() for secret in held]


def _claim(now: datetime) -> WebhookDelivery | None:
    """Take one due delivery: while the lease lasts nobody else sends it, and after a kill it comes due again."""
    due = Q(status=WebhookDelivery.Status.WAITING, next_attempt_at__lte=now, endpoint__active=True)
    with transaction.atomic():
        found = (
            WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(due).order_by("next_attempt_at", "pk").first()
        )  # fmt: skip
        if found is None:
            return None
        found.lease, found.attempts, found.next_attempt_at = uuid.uuid4(), found.attempts + 1, now + LEASE
        found.save(update_fields=["lease", "attempts", "next_attempt_at"])
    return WebhookDelivery.objects.select_related("endpoint", "store").get(pk=found.pk)


def send_due(limit: int = 50) -> int:
    """Send what is due, at most `limit`. Returns how many were tried."""
    for done in range(limit):
        delivery = _claim(timezone.now())
        if delivery is None:
            return done
        _try(delivery)
    return limit


def _call(delivery: WebhookDelivery) -> tuple[int | None, str, str, float]:
    """One POST: (HTTP status, error, beginning of the answer, seconds). Redirects aren't followed."""
    endpoint, begun = delivery.endpoint, time.monotonic()
    body = json.dumps(
        {"id": str(delivery.event_id), "event": delivery.event, "store": delivery.store.slug,
         "created_at": delivery.created_at.isoformat(), "data": delivery.payload},
        ensure_ascii=False, separators=(",", ":"),
    ).encode()  # fmt: skip
    status, error, answer = None, "", b""
    try:
        to = net.pin(endpoint.url, private_hosts=settings.WEBHOOK_PRIVATE_HOSTS)
        headers = {
            "Host": to.host_header, "Content-Type": "application/json", "User-Agent": f"EcomAI/{settings.VERSION}",
            "Accept-Encoding": "identity", "EcomAI-Event": delivery.event, "EcomAI-Event-Id": str(delivery.event_id),
            "EcomAI-Signature": sign(_secrets(endpoint), body, int(time.time())),
        }  # fmt: skip
        with (
            httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client,
            client.stream(
                "POST", to.url, content=body, headers=headers, extensions={"sni_hostname": to.host}
            ) as response,
        ):
            status = response.status_code
            if not 200 <= status < 300:
                error = _("Redirects are not followed.") if 300 <= status < 400 else f"HTTP {status}"
            for part in response.iter_raw():
                answer += part
                if len(answer) > 500 or time.monotonic() - begun > WHOLE_CALL:
                    break
    except net.Refused as problem:
        error = str(problem)
    except sealed.CannotOpen:
        error = _("The secret can't be read any more: change it.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
        if status is None or not 200 <= status < 300:
            error = f"{type(problem).__name__}: {problem}"
    text = answer[:500].decode("utf-8", "replace").replace("\0", "")[:500]
    return status, error[:300], text, time.monotonic() - begun


def wait_after(attempts: int) -> timedelta:
    """30 s, 1 min, 2 min … at most 2 h after the try of that number."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20))


def _try(delivery: WebhookDelivery) -> None:
    status, error, answer, seconds = _call(delivery)
    now = timezone.now()
    with transaction.atomic():
        mine = WebhookDelivery.objects.filter(pk=delivery.pk, lease=delivery.lease)
        WebhookAttempt.objects.get_or_create(
            delivery=delivery, number=delivery.attempts,
            defaults={"store": delivery.store, "http_status": status, "error": error, "answer": answer, "seconds": seconds},
        )  # fmt: skip
        if not error:
            mine.update(status=WebhookDelivery.Status.DELIVERED, finished_at=now, lease=None)
            WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(failing_since=None)
            return
        WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failing_since=None).update(failing_since=now)
        following = now + wait_after(delivery.attempts)
        if following > delivery.give_up_at:
            mine.update(status=WebhookDelivery.Status.FAILED, finished_at=now, lease=None)
        else:
            mine.update(next_attempt_at=following, lease=None)
        disabled = WebhookEndpoint.objects.filter(
            pk=delivery.endpoint_id, active=True, failing_since__lt=now - DISABLE_AFTER
        ).update(active=False, disabled_reason=error[:200])
    log.info("webhook_failed", delivery=delivery.pk, attempt=delivery.attempts, status=status)
    if disabled:
        _tell_owners(delivery.endpoint)


def _tell_owners(endpoint: WebhookEndpoint) -> None:
    owners = Membership.objects.filter(store=endpoint.store, role=Role.OWNER).values_list("user__email", flat=True)
    subject = " ".join((_("A webhook of %(store)s was turned off") % {"store": endpoint.store.name}).split())
    text = _(
        "%(url)s has not accepted an event for %(n)d days. It was turned off; turn it on again on the webhooks page."
    )
    try:
        send_mail(subject, text % {"url": endpoint.url, "n": DISABLE_AFTER.days}, None, list(owners))
    except (OSError, smtplib.SMTPException) as error:
        log.warning("webhook_notice_not_mailed", error=type(error).__name__)
