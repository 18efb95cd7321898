"""The weekly digest: last week's numbers, what moved, and the most telling reviews, by mail in the reader's language."""

from datetime import UTC, date, datetime, timedelta
from smtplib import SMTPException
from urllib.parse import urljoin

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from ecomai.models import Membership, Role, Store, User
from reviews import dashboards
from reviews.filters import Filters
from reviews.models import DigestMail, ReviewSettings

# A claim that was never followed by a mail belongs to a worker that died.
CLAIM_LASTS = timedelta(minutes=15)
log = structlog.get_logger(__name__)


def last_week(now: datetime | None = None) -> date:
    """The Monday (UTC) of the last week that is over."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    return today - timedelta(days=today.weekday() + 7)


def recipients(store: Store) -> list[User]:
    """Owners and managers with a mail address who are still let in."""
    members = Membership.objects.filter(store=store, role__in=[Role.OWNER, Role.MANAGER], user__is_active=True)
    return [member.user for member in members.select_related("user").order_by("user_id") if member.user.email]


def _claim(store: Store, user: User, week: date) -> bool:
    """Take this person's mail of this week; False when it was sent or another worker is at it."""
    now = timezone.now()
    _mail, made = DigestMail.objects.get_or_create(store=store, user=user, week=week, defaults={"claimed_at": now})
    if made:
        return True
    unsent = DigestMail.objects.filter(store=store, user=user, week=week, sent_at=None)
    return bool(unsent.filter(Q(claimed_at__lt=now - CLAIM_LASTS)).update(claimed_at=now))


def mail(store: Store, user: User, week: date) -> EmailMultiAlternatives | None:
    """The digest of the week for one person, plain and HTML; None for a week without reviews."""
    with translation.override(user.language or store.default_locale or settings.LANGUAGE_CODE):
        params = {"period": "custom", "from": week.isoformat(), "to": (week + timedelta(days=6)).isoformat()}
        filters = Filters.from_query(store, params)
        listing = urljoin(settings.SITE_URL, reverse("reviews:reviews", args=[store.slug]))
        board = dashboards.build(filters, base=listing)
        if not board.numbers.n:
            return None
        context = {
            "store": store, "board": board, "filters": filters, "list": listing,
            "dashboard": urljoin(settings.SITE_URL, reverse("reviews:dashboard", args=[store.slug])) + filters.query(),
        }  # fmt: skip
        subject = _("%(store)s: what customers said, %(week)s") % {"store": store.name, "week": board.period}
        message = EmailMultiAlternatives(
            " ".join(subject.split()), render_to_string("reviews/digest.txt", context).strip() + "\n", to=[user.email]
        )
        message.attach_alternative(render_to_string("reviews/digest.html", context), "text/html")
        return message


def send_due(now: datetime | None = None) -> int:
    """Send last week's digest to everybody who hasn't had it, in the stores that want one; returns how many mails went.

    Safe to run twice and to kill: a mail is claimed before it is sent, and a claim without a mail is taken over after
    CLAIM_LASTS. A mail server that fails is tried again with the next run.
    """
    week, sent = last_week(now), 0
    for chosen in ReviewSettings.objects.filter(digest=True).select_related("store").order_by("store_id"):
        for user in recipients(chosen.store):
            if not _claim(chosen.store, user, week):
                continue
            mine = DigestMail.objects.filter(store=chosen.store, user=user, week=week)
            message = mail(chosen.store, user, week)
            try:
                if message is not None:
                    message.send()
                    sent += 1
                mine.update(sent_at=timezone.now())
            except (SMTPException, OSError) as error:
                log.warning("digest_not_sent", store=chosen.store_id, user=user.pk, error=str(error)[:200])
                mine.filter(sent_at=None).delete()
    return sent
