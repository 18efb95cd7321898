"""Mail about alerts, to the addresses of the store's review settings: once an alert, again when it opens again."""

import smtplib
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from reviews import alerts
from reviews.models import Alert, ReviewSettings

CLAIM = timedelta(minutes=5)
# An alert this old is no news: who sets an address today isn't told of last month.
NEWS = timedelta(days=2)
log = structlog.get_logger(__name__)


def send_due() -> int:
    """Mail what nobody was told of. A worker takes an alert for five minutes; after a kill another one sends it."""
    sent = 0
    now = timezone.now()
    waiting = Alert.objects.filter(mailed_at=None, muted=False, updated_at__gte=now - NEWS).filter(
        Q(mail_claimed_at=None) | Q(mail_claimed_at__lt=now - CLAIM)
    )
    addresses = dict(
        ReviewSettings.objects.filter(store__in=waiting.values("store_id"))
        .exclude(alert_emails=[]).values_list("store_id", "alert_emails")
    )  # fmt: skip
    for alert in waiting.filter(store_id__in=addresses).select_related("store", "product"):
        mine = Alert.objects.filter(pk=alert.pk, mailed_at=None).filter(
            Q(mail_claimed_at=None) | Q(mail_claimed_at__lt=now - CLAIM)
        )
        if not mine.update(mail_claimed_at=now):
            continue
        if _send(alert, addresses[alert.store_id]):
            Alert.objects.filter(pk=alert.pk, mail_claimed_at=now).update(mailed_at=timezone.now())
            sent += 1
    return sent


def _send(alert: Alert, to: list[str]) -> bool:
    with translation.override(alert.store.default_locale.lower()):
        title = alerts.headline(alert)
        link = settings.SITE_URL + reverse("reviews:alert", args=[alert.store.slug, alert.pk])
        lines = [title, alert.product.title if alert.product else alert.store.name]
        text = "\n".join([*lines, "", _("The numbers and the reviews behind them:"), link])
    try:
        send_mail(" ".join(f"{alert.store.name}: {title}".split()), text, None, to)
    except (OSError, smtplib.SMTPException) as error:
        log.warning("alert_not_mailed", alert=alert.pk, error=type(error).__name__)
        return False
    return True
