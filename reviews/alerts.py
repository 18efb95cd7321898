"""Alerts: look at a store's newest day, open or update what is unusual, tell people once, keep what they said to it.

`look` may run any number of times for a day and leaves the same rows. An alert is an episode: it opens with its first
unusual window and is updated while the numbers stay unusual; it never hides a review.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai import webhooks
from ecomai.models import Store, User
from ml.aspects import ASPECTS
from products.models import Product
from reviews import bursts
from reviews import change_detection as detect
from reviews.models import Alert, AlertMute, CountedReview, Flag, Review

QUIET_DAYS = 3  # an episode goes on when it is unusual again within so many days
SAFETY_DAYS = 30
# All products of a store together give at most so many false alarms a year and kind; one alone no more than any series.
PRODUCTS_FALSE_ALARMS = 2.0
EVENT = "review_alert.opened"

STORE_DAYS = """
SELECT day, sum(n)::int, sum(negative)::int, {aspects} FROM reviews_storeday
WHERE store_id = %(store)s AND day > %(first)s AND day <= %(day)s GROUP BY day
"""
PRODUCT_DAYS = """
SELECT day, count(*)::int, count(*) FILTER (WHERE sentiment = -1)::int, {aspects} FROM reviews_countedreview
WHERE store_id = %(store)s AND product_id = %(product)s AND day > %(first)s AND day <= %(day)s GROUP BY day
"""


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def series(store: Store, day: date, product: Product | None = None) -> dict[str, list[int]]:
    """Reviews a day, oldest first, ending with `day`: "all", "negative", and each aspect's negatives.

    Begins with the first day that has a review, at most 84 + 7 days back.
    """
    length = detect.MAX_DAYS + max(detect.WINDOWS)
    keys = list(ASPECTS)
    if product is None:
        # The flat array holds negative, neutral, positive of each aspect in turn.
        aspects = ", ".join(f"sum(aspects[{3 * i + 1}])::int" for i in range(len(keys)))
        sql = STORE_DAYS
    else:
        aspects = ", ".join(f"count(*) FILTER (WHERE aspects[{i + 1}] = 1)::int" for i in range(len(keys)))
        sql = PRODUCT_DAYS
    given = {
        "store": store.pk, "product": product and product.pk, "day": day, "first": day - timedelta(days=length),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql.format(aspects=aspects), given)
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    if not rows:
        return {}
    known = (day - min(rows)).days + 1
    days = [day - timedelta(days=n) for n in range(known - 1, -1, -1)]
    zero = (0,) * (2 + len(keys))
    columns = list(zip(*(rows.get(d, zero) for d in days), strict=True))
    return dict(zip(["all", "negative", *keys], map(list, columns), strict=True))


def look(store: Store, day: date | None = None) -> list[Alert]:
    """Test the store, its products with at least ten reviews in the last week, safety flags and bursts up to `day`
    (UTC, included; today). Opens or updates alerts and returns those that opened now and aren't muted."""
    day = day or timezone.now().date()
    opened = [*_look_at(store, day, None, detect.alpha_for()), *_look_safety(store, day), *_look_bursts(store, day)]
    week = CountedReview.objects.filter(
        store=store, day__gt=day - timedelta(days=7), day__lte=day, product_id__isnull=False
    )
    busy = week.values("product_id").annotate(n=Count("review_id")).filter(n__gte=detect.FLOOR)
    products = Product.objects.filter(store=store, pk__in=[row["product_id"] for row in busy])
    each = min(detect.FALSE_ALARMS_PER_YEAR, PRODUCTS_FALSE_ALARMS / max(1, len(products)))
    for product in products:
        opened += _look_at(store, day, product, detect.alpha_for(each))
    return [alert for alert in opened if not alert.muted]


def _look_at(store: Store, day: date, product: Product | None, alpha: float) -> list[Alert]:
    counts = series(store, day, product)
    if not counts:
        return []
    opened = []
    tests = [(Alert.Kind.VOLUME, "", counts["all"], detect.volume(counts["all"], alpha=alpha)),
             (Alert.Kind.NEGATIVE, "", counts["negative"], detect.share(counts["negative"], counts["all"], alpha=alpha))]  # fmt: skip
    for aspect in ASPECTS:
        found = detect.share(counts[aspect], counts["all"], alpha=alpha)
        tests.append((Alert.Kind.ASPECT, aspect, counts[aspect], found))
    for kind, aspect, values, signal in tests:
        if signal is None:
            continue
        alert = _record(
            store=store, kind=kind, severity=Alert.Severity.WARNING, product=product, aspect=aspect,
            start=_start(day - timedelta(days=signal.days - 1)), end=_start(day + timedelta(days=1)),
            observed=signal.observed, total=signal.total, expected=signal.expected, p_value=signal.p_value,
            formula=signal.formula, numbers=_numbers(signal, values, counts["all"], day),
        )  # fmt: skip
        if alert:
            opened.append(alert)
    return opened


def _numbers(signal: detect.Signal, values: Sequence[int], totals: Sequence[int], day: date) -> dict:
    return {
        "days": signal.days, "upper": signal.upper, "alpha": signal.alpha, "baseline_days": signal.baseline_days,
        "dispersion": signal.dispersion, "false_alarms_per_year": signal.alpha * detect.TESTS_PER_YEAR,
        "last_day": day.isoformat(), "series": list(values)[-56:], "totals": list(totals)[-56:],
    }  # fmt: skip


@transaction.atomic
def _record(*, store: Store, kind: str, severity: str, product: Product | None, aspect: str, start: datetime,
            end: datetime, observed: float, total: int | None, expected: float, p_value: float | None, formula: str,
            numbers: dict, review_ids: Iterable[int] = (), quiet: timedelta = timedelta(days=QUIET_DAYS)) -> Alert | None:  # fmt: skip
    """Open an alert, or update the episode that this window belongs to. Returns the alert when it opened, or when an
    acknowledged one got new reviews that make it open again."""
    # One look at a store at a time: two workers would open the same episode twice with different beginnings.
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    ids = sorted(set(review_ids))
    episode = (
        Alert.objects.filter(store=store, kind=kind, product=product, aspect=aspect, language="")
        .filter(window_end__gte=start - quiet, window_start__lt=end + quiet)
        .order_by("-window_end")
        .first()
    )
    now = timezone.now()
    if episode is None:
        muted = is_muted(store, kind=kind, product=product, aspect=aspect)
        alert = Alert.objects.create(
            store=store, kind=kind, severity=severity, product=product, aspect=aspect, window_start=start, window_end=end,
            observed=observed, total=total, expected=expected, p_value=p_value, formula=formula, numbers=numbers,
            review_ids=ids, muted=muted,
        )  # fmt: skip
        if not muted:
            webhooks.emit(store, EVENT, payload(alert))
        return alert
    fresh = sorted(set(ids) - set(episode.review_ids))
    changed = {"window_start": min(episode.window_start, start), "window_end": max(episode.window_end, end)}
    peak = p_value is not None and episode.p_value is not None and p_value <= episode.p_value
    if fresh:
        merged = sorted(set(episode.review_ids) | set(ids))
        changed |= {"review_ids": merged, "observed": len(merged), "numbers": numbers}
    elif not ids and (peak or end > episode.window_end):
        changed |= {"numbers": numbers}
        if peak:
            changed |= {
                "observed": observed, "total": total, "expected": expected, "p_value": p_value, "formula": formula,
            }  # fmt: skip
    reopened = bool(fresh) and severity == Alert.Severity.URGENT and episode.status == Alert.Status.ACKNOWLEDGED
    if reopened:
        changed |= {"status": Alert.Status.OPEN, "mailed_at": None, "mail_claimed_at": None}
    if all(getattr(episode, name) == value for name, value in changed.items()):
        return None
    for name, value in {**changed, "updated_at": now}.items():
        setattr(episode, name, value)
    episode.save(update_fields=[*changed, "updated_at"])
    if reopened and not episode.muted:
        webhooks.emit(store, EVENT, payload(episode))
        return episode
    return None


def _look_safety(store: Store, day: date) -> list[Alert]:
    """One safety flag is enough, and urgent."""
    flags = (
        Flag.objects.filter(store=store, kind=Flag.Kind.SAFETY)
        .filter(Q(upheld=None) | Q(upheld=True))
        .filter(review__written_at__gte=_start(day - timedelta(days=SAFETY_DAYS)))
        .filter(review__written_at__lt=_start(day + timedelta(days=1)))
        .select_related("review__product")
        .order_by("review__written_at", "review_id")
    )
    by_product: dict[int | None, list[Review]] = {}
    for flag in flags:
        by_product.setdefault(flag.review.product_id, []).append(flag.review)
    opened = []
    for found in by_product.values():
        alert = _record(
            store=store, kind=Alert.Kind.SAFETY, severity=Alert.Severity.URGENT, product=found[0].product, aspect="",
            start=_start(found[0].written_at.astimezone(UTC).date()), end=found[-1].written_at + timedelta(seconds=1),
            observed=len(found), total=None, expected=0, p_value=None, formula="one is enough",
            numbers={"days": SAFETY_DAYS}, review_ids=[review.pk for review in found],
            quiet=timedelta(days=SAFETY_DAYS),
        )  # fmt: skip
        if alert:
            opened.append(alert)
    return opened


def _look_bursts(store: Store, day: date) -> list[Alert]:
    opened = []
    for burst in bursts.find(store, _start(day - timedelta(days=2)), _start(day + timedelta(days=1))):
        bursts.flag(store, burst)
        alert = _record(
            store=store, kind=Alert.Kind.BURST, severity=Alert.Severity.WARNING, product=burst.product, aspect="",
            start=burst.start, end=burst.end, observed=len(burst.review_ids), total=None, expected=burst.expected,
            p_value=burst.p_value, formula="Poisson", numbers={"reason": burst.reason, "minutes": burst.minutes},
            review_ids=burst.review_ids, quiet=timedelta(hours=1),
        )  # fmt: skip
        if alert:
            opened.append(alert)
    return opened


def payload(alert: Alert) -> dict:
    """What a webhook says about an alert: numbers and addresses, no words of a review."""
    return {
        "id": alert.pk, "kind": alert.kind, "severity": alert.severity, "product": alert.product_id, "aspect": alert.aspect,
        "window_start": alert.window_start.isoformat(), "window_end": alert.window_end.isoformat(),
        "observed": alert.observed, "of": alert.total, "expected": alert.expected, "p_value": alert.p_value,
        "formula": alert.formula, "path": reverse("reviews:alert", args=[alert.store.slug, alert.pk]),
    }  # fmt: skip


def headline(alert: Alert) -> str:
    """One line in the present language."""
    from reviews.filters import aspect_names

    n, total, expected = round(alert.observed), alert.total, f"{alert.expected:.1f}"
    if alert.kind == Alert.Kind.SAFETY:
        return _("Safety: %(n)d reviews report a danger") % {"n": n}
    if alert.kind == Alert.Kind.BURST:
        return _("%(n)d alike reviews within minutes") % {"n": n}
    if alert.kind == Alert.Kind.VOLUME:
        return _("%(n)d reviews where %(e)s were expected") % {"n": n, "e": expected}
    if alert.kind == Alert.Kind.ASPECT:
        name = aspect_names().get(alert.aspect, alert.aspect)
        return _("%(a)s: %(n)d of %(t)d reviews complain, %(e)s expected") % {
            "a": name, "n": n, "t": total, "e": expected,
        }  # fmt: skip
    return _("%(n)d of %(t)d reviews are negative, %(e)s expected") % {"n": n, "t": total, "e": expected}


def reviews_of(alert: Alert) -> QuerySet[Review]:
    """The reviews behind an alert, newest first."""
    found = Review.objects.filter(store_id=alert.store_id).select_related("product")
    if alert.kind in (Alert.Kind.SAFETY, Alert.Kind.BURST):
        return found.filter(pk__in=alert.review_ids).order_by("-written_at", "-pk")
    found = found.filter(
        written_at__gte=alert.window_start, written_at__lt=alert.window_end, status=Review.Status.PUBLISHED
    )
    if alert.product_id:
        found = found.filter(product_id=alert.product_id)
    if alert.kind == Alert.Kind.NEGATIVE:
        found = found.filter(sentiment=Review.Sentiment.NEGATIVE)
    if alert.kind == Alert.Kind.ASPECT:
        found = found.filter(opinions__aspect=alert.aspect, opinions__polarity=Review.Sentiment.NEGATIVE)
    return found.order_by("-written_at", "-pk")


def is_muted(store: Store, *, kind: str, product: Product | None, aspect: str = "") -> bool:
    """Whether a mute holds now. Safety is only silenced by a mute of its own kind."""
    kinds = Q(kind=kind) if kind == Alert.Kind.SAFETY else Q(kind=kind) | Q(kind="")
    return (
        AlertMute.objects.filter(kinds, store=store, until__gt=timezone.now())
        .filter(Q(product=None) | Q(product=product))
        .filter(Q(aspect="") | Q(aspect=aspect))
        .exists()
    )


def acknowledge(*, alert: Alert, by: User, note: str = "") -> bool:
    """Somebody saw to it. False when somebody did already."""
    now = timezone.now()
    done = Alert.objects.filter(pk=alert.pk, status=Alert.Status.OPEN).update(
        status=Alert.Status.ACKNOWLEDGED,
        acknowledged_by=by,
        acknowledged_at=now,
        note=note.strip()[:2000],
        updated_at=now,
    )
    alert.refresh_from_db()
    return bool(done)


def mute(*, store: Store, by: User, until: datetime, kind: str = "", product: Product | None = None, aspect: str = "") -> AlertMute:  # fmt: skip
    """Tell nobody until then; alerts still open and can be read. A second mute of the same changes the time."""
    found, _made = AlertMute.objects.update_or_create(
        store=store, kind=kind, product=product, aspect=aspect, defaults={"until": until, "by": by}
    )
    return found


def unmute(found: AlertMute) -> None:
    """Tell people again."""
    found.delete()


def open_count(store: Store) -> int:
    """Open alerts that aren't muted: the number in the navigation."""
    return Alert.objects.filter(store=store, status=Alert.Status.OPEN, muted=False).count()


def active_stores() -> QuerySet[Store]:
    """Stores whose numbers may have changed: a review was received in the last two days."""
    since = timezone.now() - timedelta(days=2)
    return Store.objects.filter(pk__in=Review.objects.filter(created_at__gte=since).values("store_id").distinct())
