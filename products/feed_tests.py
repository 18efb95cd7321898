"""Tests that split products instead of visitors, because visitors of a shopping feed can't be split (the method of Google's
FeedX): which text a product shows on which day, and what the reports say of it.

Products are split at random within strata of past clicks. The largest ones ("heroes") would outweigh all others: they are
left out and show the listing. A crossover swaps the texts halfway; the days after the swap are a wash-out and don't count.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Sum
from django.utils import timezone

from ecomai.models import Store
from ml import ab_design, ab_stats
from products.experiment_checks import source_of
from products.models import Arm, ArmText, Experiment, Product, ProductDay, ProductInTest

PAST = timedelta(days=28)
HEROES = 0.01
HERO_SHARE = 0.1  # of all clicks: so large a product is a hero, however few products there are
COLUMN = {"click": "clicks", "purchase": "purchases", "revenue": "revenue"}


@dataclass(frozen=True)
class Schedule:
    """Days since the start (0 is the first): when texts change and which days count, both as [from, to)."""

    days: int
    swap: int | None
    counted: tuple[tuple[int, int], ...]


def schedule(e: Experiment) -> Schedule:
    """The course of a feed test."""
    period, washout = e.period_days, e.washout_days
    if e.design == Experiment.Design.CROSSOVER:
        days = 2 * period + washout
        return Schedule(days, period, ((0, period), (period + washout, days)))
    return Schedule(washout + period, None, ((washout, washout + period),))


def first_day(e: Experiment) -> date:
    """The day after the start, in the store's time: a feed is fetched once a day."""
    return e.started_at.astimezone(ZoneInfo(e.store.timezone)).date() + timedelta(days=1)


def past_clicks(e: Experiment, product_ids: Iterable[int], before: date) -> dict[int, int]:
    """{product id: clicks of the 28 days before}; products without a report are left out."""
    rows = ProductDay.objects.filter(
        store_id=e.store_id, source=source_of(e), day__lt=before, day__gte=before - PAST, product__in=list(product_ids)
    )
    return {row["product_id"]: row["n"] for row in rows.values("product_id").annotate(n=Sum("clicks"))}


def split(e: Experiment, *, now: datetime | None = None) -> int:
    """Give every product of the test its first arm. The salt decides, so the same test splits the same way. Returns how
    many products take part after the heroes are out."""
    arms = list(e.arms.all())
    control = next(arm for arm in arms if arm.is_control)
    ids = list(
        ArmText.objects.filter(arm__experiment=e).order_by("product_id").values_list("product_id", flat=True).distinct()
    )
    today = (now or timezone.now()).astimezone(ZoneInfo(e.store.timezone)).date()
    clicks = past_clicks(e, ids, today + timedelta(days=1))
    past = [clicks.get(pk, 0) for pk in ids]
    kept, whole = ab_design.trim_heroes(past, HEROES).kept, sum(past)
    rng = random.Random(e.salt)
    rows, block = [], []
    # Neighbours by past clicks form a block, and each block is dealt out over the arms.
    for pk, n, stays in sorted(zip(ids, past, kept, strict=True), key=lambda row: (-row[1], row[0])):
        if not stays or (whole and n > HERO_SHARE * whole and len(ids) > 1 / HERO_SHARE):
            rows.append(ProductInTest(store_id=e.store_id, experiment=e, product_id=pk, arm=control, trimmed="hero"))
            continue
        if not block:
            block = rng.sample(arms, len(arms))
        rows.append(ProductInTest(store_id=e.store_id, experiment=e, product_id=pk, arm=block.pop()))
    ProductInTest.objects.filter(experiment=e).delete()
    ProductInTest.objects.bulk_create(rows, batch_size=2000)
    return sum(not row.trimmed for row in rows)


def arm_on(e: Experiment, arms: list[Arm], begins: int, on: date) -> Arm | None:
    """The arm that a product which began with `begins` (an arm's id) shows on a day; None before and after the test."""
    course, number = schedule(e), (on - first_day(e)).days
    if not 0 <= number < course.days:
        return None
    turned = course.swap is not None and number >= course.swap
    own = next((arm for arm in arms if arm.pk == begins), None)
    return next((arm for arm in arms if arm.pk != begins), None) if turned else own


def texts_of(
    store: Store, locale: str, on: date, product_ids: Iterable[int] | None = None
) -> dict[int, dict[str, str]]:
    """{product id: {field: text}} of what running feed tests show on that day; control and heroes are not in it."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    running = Experiment.objects.running().filter(store=store, unit=Experiment.Unit.PRODUCT).select_related("store")
    for e in running.order_by("pk"):
        arms = list(e.arms.all())
        shows = {arm.pk: arm_on(e, arms, arm.pk, on) for arm in arms}
        places = ProductInTest.objects.filter(experiment=e, trimmed="")
        rows = ArmText.objects.filter(arm__experiment=e, locale=locale)
        if product_ids is not None:
            ids = list(product_ids)
            places, rows = places.filter(product__in=ids), rows.filter(product__in=ids)
        begins = dict(places.values_list("product_id", "arm_id"))
        for pk, arm_id, field, text in rows.values_list("product_id", "arm_id", "field", "text").iterator():
            shown = shows.get(begins.get(pk, 0))
            if shown is not None and shown.pk == arm_id and text:
                found[pk].setdefault(field, text)
    return dict(found)


def text_of(product: Product, field: str, locale: str, on: date) -> str | None:
    """The text of a running feed test that the product shows in the field on that day; None: what it shows otherwise."""
    return texts_of(product.store, locale, on, [product.pk]).get(product.pk, {}).get(field)


# --- what the reports say
def reported(e: Experiment) -> tuple[date, date] | None:
    """The first and the last day of which there are reports of the test's products."""
    days = ProductDay.objects.filter(
        store_id=e.store_id, source=source_of(e), product__in=e.products.values("product_id")
    ).order_by("day")
    first, last = days.values_list("day", flat=True).first(), days.values_list("day", flat=True).last()
    return (first, last) if first and last else None


def complete(e: Experiment) -> bool:
    """Whether the reports reach the last day of the test."""
    found = reported(e)
    return found is not None and found[1] >= first_day(e) + timedelta(days=schedule(e).days - 1)


def _means(e: Experiment, ids: list[int], start: int, stop: int) -> list[float]:
    """Mean per day of each product in the days [start, stop) since the first; a day without a row counts 0."""
    first, days = first_day(e), max(stop - start, 1)
    rows = ProductDay.objects.filter(
        store_id=e.store_id, source=source_of(e), product__in=ids, day__gte=first + timedelta(days=start),
        day__lt=first + timedelta(days=stop),
    ).values("product_id").annotate(whole=Sum(COLUMN[e.metric]))  # fmt: skip
    whole = {row["product_id"]: float(row["whole"]) for row in rows}
    return [whole.get(pk, 0.0) / days for pk in ids]


def effects(e: Experiment, ended: int) -> list[tuple[Arm, ab_design.ItemEffect | None]]:
    """What each variant did to its products per day, by the reports of the first `ended` days."""
    arms = list(e.arms.all())
    control = next(arm for arm in arms if arm.is_control)
    course = schedule(e)
    spans = [(start, min(stop, ended)) for start, stop in course.counted]
    begins = dict(ProductInTest.objects.filter(experiment=e, trimmed="").values_list("product_id", "arm_id"))
    level = 1 - (1 - e.level) / max(1, len(arms) - 1)
    out = []
    for arm in arms:
        if arm.is_control:
            continue
        ids = sorted(pk for pk, began in begins.items() if began in (arm.pk, control.pk))
        treated = [begins[pk] == arm.pk for pk in ids]
        effect = None
        if min(sum(treated), len(ids) - sum(treated)) < 2 or spans[0][1] <= spans[0][0]:
            pass
        elif course.swap is not None and spans[1][1] > spans[1][0]:
            first, second = (_means(e, ids, *days) for days in spans)
            effect = ab_design.crossover(first, second, treated, level=level)
        elif course.swap is not None:
            # Before the swap has counted days only the halves can be compared.
            effect = ab_design.item_effect(_means(e, ids, *spans[0]), treated, adjust="none", level=level)
        else:
            before = _means(e, ids, -e.period_days, 0)
            effect = ab_design.item_effect(_means(e, ids, *spans[0]), treated, before, adjust="difference", level=level)
        out.append((arm, effect))
    return out


def numbers(e: Experiment, now: datetime, rules: ab_stats.Rules) -> tuple[str, dict]:
    """(status, data) of a look at a feed test; judged once, when the reports reach its last day."""
    found, course = reported(e), schedule(e)
    ended = min(course.days, max(0, (found[1] - first_day(e)).days + 1)) if found else 0
    finished = ended >= course.days
    arms = list(e.arms.all())
    verdicts = []
    for _arm, effect in effects(e, ended):
        level = 1 - (1 - e.level) / max(1, len(arms) - 1)
        verdicts.append(ab_stats.judge_items(effect, replace(rules, level=level), finished=finished))
    one = _joined(verdicts)
    places = list(ProductInTest.objects.filter(experiment=e).values_list("arm_id", "trimmed"))
    return one["status"], {
        "verdict": one,
        "arms": [
            {"arm_id": arm.pk, "name": arm.name, "is_control": arm.is_control,
             "n": sum(pk == arm.pk and not trimmed for pk, trimmed in places)}
            for arm in arms
        ],
        "heroes": sum(bool(trimmed) for _pk, trimmed in places),
        "first_day": first_day(e).isoformat(),
        "days_planned": course.days,
        "days_reported": ended,
        "reported": [day.isoformat() for day in found] if found else None,
        "counted": [list(days) for days in course.counted],
        "swap": course.swap,
        "days": _per_day(e, arms, ended),
        "level": e.level,
        "source": source_of(e),
        "due": None,
        "cut_short": e.ended_at is not None and not finished,
    }  # fmt: skip


def _joined(verdicts: list[ab_stats.Verdict]) -> dict:
    """One verdict over several variants: each compared with the control at its share of the error."""
    compared = [replace(v.comparisons[0], arm=i) for i, v in enumerate(verdicts, 1) if v.comparisons]
    winners = [c for c in compared if c.status == ab_stats.WINNER]
    told = {c.status for c in compared} if len(compared) == len(verdicts) else {ab_stats.NOT_YET}
    order = (ab_stats.NOT_YET, ab_stats.NO_DIFFERENCE, ab_stats.LOSER)
    status = ab_stats.WINNER if winners else next((s for s in order if s in told), ab_stats.NOT_YET)
    winner = max(winners, key=lambda c: c.difference).arm if winners else None
    best = [0.0] * (len(verdicts) + 1)
    if len(verdicts) == 1:
        best = list(verdicts[0].probability_best)
    return {
        "status": status, "winner": winner, "comparisons": [asdict(c) for c in compared],
        "reasons": sorted({r for v in verdicts for r in v.reasons}), "needed_per_arm": None, "needed_days": None,
        "probability_best": best if len(verdicts) == 1 else [],
        "expected_loss": list(verdicts[0].expected_loss) if len(verdicts) == 1 else [],
        "warnings": sorted({w for v in verdicts for w in v.warnings}), "sample_ratio": None,
    }  # fmt: skip


def _per_day(e: Experiment, arms: list[Arm], ended: int) -> list[dict]:
    """Per day and first arm: the mean of the metric per product."""
    begins = dict(ProductInTest.objects.filter(experiment=e, trimmed="").values_list("product_id", "arm_id"))
    first = first_day(e)
    rows = ProductDay.objects.filter(
        store_id=e.store_id, source=source_of(e), product__in=list(begins), day__gte=first,
        day__lt=first + timedelta(days=ended),
    ).values_list("day", "product_id", COLUMN[e.metric])  # fmt: skip
    sums: dict[date, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for day, pk, value in rows.iterator():
        sums[day][begins[pk]] += float(value)
    count = {arm.pk: sum(began == arm.pk for began in begins.values()) for arm in arms}
    return [
        {
            "day": day.isoformat(),
            "means": [sums[day][arm.pk] / count[arm.pk] if count[arm.pk] else None for arm in arms],
        }
        for day in sorted(sums)
    ]
