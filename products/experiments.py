"""Experiments and what people do with them: draft, arms, texts, start, pause, finish. Every change is in the history.

What the analysis rests on can be changed in a draft only; from the start on name, hypothesis and the rules that act by
themselves may change, nothing else.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib.text import clean_line
from ecomai.models import Store, User
from ml import ab_sequential
from products import channels, feed_tests
from products.experiment_checks import LISTING, problems, too_long
from products.models import (
    AdAsset,
    Arm,
    ArmText,
    Experiment,
    ExperimentChange,
    Product,
    WeightChange,
)

__all__ = [
    "add_arm", "add_products", "create", "discard", "finish", "pause", "problems", "record", "remove_arm",
    "remove_product", "remove_unwritten", "rename_arm", "resume", "set_text", "set_weights", "start", "touch", "tuning", "update",
]  # fmt: skip

LATER = frozenset({"name", "hypothesis", "auto_finish", "auto_publish"})
PLAN = frozenset({
    "unit", "mode", "design", "traffic", "group", "group_from", "group_to", "locales", "segments", "metric",
    "custom_event", "guardrails", "window_hours", "winsorise", "level", "effect", "min_per_arm", "min_days",
    "planned_per_arm", "planned_days", "bandit_floor", "bandit_minutes", "period_days", "washout_days",
})  # fmt: skip
MOST_ARMS, MOST_PRODUCTS = 8, 20_000
Status = Experiment.Status


def record(experiment: Experiment, by: User | None, action: str, **details: Any) -> None:
    """Write an entry of the history."""
    ExperimentChange.objects.create(
        store_id=experiment.store_id, experiment=experiment, by=by, action=action, details=details
    )
    touch(experiment)


def touch(experiment: Experiment) -> None:
    """Let every cache see that something changed."""
    Experiment.objects.filter(pk=experiment.pk).update(version=F("version") + 1)
    experiment.refresh_from_db(fields=["version"])


def tuning(experiment: Experiment) -> int:
    """N* of the confidence sequence: the visitors of two arms at which it is tightest. Follows from the plan, so it stands
    as long as the plan does."""
    return 2 * experiment.planned_per_arm if experiment.planned_per_arm else ab_sequential.TUNING


def _lock(experiment: Experiment, *allowed: str) -> Experiment:
    """The row under lock; the caller's object gets its present state. Raises ValidationError in another state."""
    Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
    experiment.refresh_from_db()
    if experiment.status not in allowed:
        raise ValidationError(
            _("The experiment is in the state “%(state)s”: this can't be done now.")
            % {"state": experiment.get_status_display()}
        )
    return experiment


def _plain(value: Any) -> Any:
    """A value as the history keeps it."""
    return getattr(value, "pk", value)


def _checked(experiment: Experiment, values: Mapping[str, Any]) -> dict[str, list]:
    """Set the values. Returns {field: [old, new]} of what differs. Raises ValidationError naming the field."""
    changes = {}
    for name, new in values.items():
        old = getattr(experiment, name)
        if old != new:
            if isinstance(new, float) and not math.isfinite(new):
                raise ValidationError({name: _("Write a number.")})
            setattr(experiment, name, new)
            changes[name] = [_plain(old), _plain(new)]
    group = experiment.group
    if group is not None and group.store_id != experiment.store_id:
        raise ValidationError({"group": _("Choose one of the store's own groups.")})
    experiment.full_clean(exclude=["created_by", "winner", "salt"])
    return changes


@transaction.atomic
def create(*, store: Store, by: User | None, name: str, **fields: Any) -> Experiment:
    """A draft with the control and one variant. Raises ValidationError naming the field."""
    unknown = set(fields) - PLAN - LATER
    if unknown:
        raise ValidationError(f"unknown fields: {', '.join(sorted(unknown))}")
    experiment = Experiment(store=store, created_by=by)
    _checked(experiment, {"name": clean_line(name), **fields})
    experiment.save()
    Arm.objects.create(store=store, experiment=experiment, position=0, name=_("As it is"), is_control=True, weight=0.5)
    Arm.objects.create(store=store, experiment=experiment, position=1, name="B", weight=0.5)
    record(experiment, by, "created", name=experiment.name)
    return experiment


@transaction.atomic
def update(*, experiment: Experiment, by: User | None, **fields: Any) -> dict[str, list]:
    """Change fields; after the start only name, hypothesis and the rules that act by themselves.

    Returns {field: [old, new]}. Raises ValidationError naming the field.
    """
    _lock(experiment, *Status.values)
    allowed = PLAN | LATER if experiment.status == Status.DRAFT else LATER
    if experiment.status == Status.FINISHED:
        allowed = frozenset({"name", "hypothesis"})
    known = PLAN | LATER
    fixed = sorted(n for n in set(fields) - allowed if n not in known or getattr(experiment, n) != fields[n])
    if fixed:
        text = _("This stands since the start: changing it now would make the result worthless.")
        raise ValidationError({name: text for name in fixed if name in known} or ", ".join(fixed))
    if "name" in fields:
        fields["name"] = clean_line(fields["name"])
    changes = _checked(experiment, {name: value for name, value in fields.items() if name in allowed})
    if changes:
        experiment.save(update_fields=list(changes))
        record(experiment, by, "changed", changes=changes)
    return changes


# --- arms
def _share_equally(experiment: Experiment) -> None:
    arms = list(experiment.arms.all())
    for arm in arms:
        arm.weight = 1 / len(arms)
    Arm.objects.bulk_update(arms, ["weight"])


@transaction.atomic
def add_arm(*, experiment: Experiment, by: User | None, name: str = "") -> Arm:
    """One more variant, with empty texts for what is tested already; traffic is shared equally again."""
    _lock(experiment, Status.DRAFT)
    arms = list(experiment.arms.all())
    if len(arms) >= MOST_ARMS:
        raise ValidationError(_("At most %(n)d variants.") % {"n": MOST_ARMS})
    taken = {arm.name for arm in arms}
    letter = next(letter for letter in "BCDEFGHIJ" if letter not in taken)
    position = max((arm.position for arm in arms), default=-1) + 1
    arm = Arm.objects.create(
        store_id=experiment.store_id, experiment=experiment, position=position, name=clean_line(name)[:80] or letter
    )
    _fill(experiment, [arm], _keys(experiment))
    _share_equally(experiment)
    record(experiment, by, "arm_added", arm=arm.pk, name=arm.name)
    return arm


@transaction.atomic
def remove_arm(*, arm: Arm, by: User | None) -> None:
    """Take a variant and its texts out of a draft. The control stays, and one variant beside it."""
    experiment = _lock(arm.experiment, Status.DRAFT)
    if arm.is_control or experiment.arms.filter(is_control=False).count() < 2:
        raise ValidationError(_("An experiment needs the control and at least one variant."))
    record(experiment, by, "arm_removed", name=arm.name)
    arm.delete()
    _share_equally(experiment)


@transaction.atomic
def rename_arm(*, arm: Arm, by: User | None, name: str) -> None:
    """Give a variant of a draft another name."""
    experiment = _lock(arm.experiment, Status.DRAFT)
    name = clean_line(name)[:80]
    if not name:
        raise ValidationError(_("A variant needs a name."))
    if name != arm.name:
        record(experiment, by, "arm_renamed", arm=arm.pk, names=[arm.name, name])
        arm.name = name
        arm.save(update_fields=["name"])


@transaction.atomic
def set_weights(*, experiment: Experiment, by: User | None, weights: Mapping[int, float]) -> None:
    """The arms' shares of a draft, {arm id: share}; they are scaled to a sum of 1. Raises ValidationError."""
    _lock(experiment, Status.DRAFT)
    arms = list(experiment.arms.all())
    if set(weights) != {arm.pk for arm in arms} or not all(math.isfinite(w) and w > 0 for w in weights.values()):
        raise ValidationError(_("Every variant needs a share above 0."))
    whole = sum(weights.values())
    new = {arm.pk: round(weights[arm.pk] / whole, 6) for arm in arms}
    if any(abs(arm.weight - new[arm.pk]) > 1e-6 for arm in arms):
        record(experiment, by, "weights", shares={str(pk): w for pk, w in new.items()})
        for arm in arms:
            arm.weight = new[arm.pk]
        Arm.objects.bulk_update(arms, ["weight"])


# --- texts
def _keys(experiment: Experiment) -> list[tuple[int, str, str]]:
    """(product, field, locale) that some arm has a text for."""
    rows = ArmText.objects.filter(arm__experiment=experiment).order_by("product_id", "field", "locale")
    return list(rows.values_list("product_id", "field", "locale").distinct())


def _fill(experiment: Experiment, arms: Iterable[Arm], keys: Iterable[tuple[int, str, str]]) -> None:
    """Empty texts to be written, where an arm has none yet."""
    rows = [
        ArmText(store_id=experiment.store_id, arm=arm, product_id=pk, field=field, locale=locale, text="")
        for arm in arms
        for pk, field, locale in keys
    ]
    ArmText.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)


@transaction.atomic
def add_products(
    *, experiment: Experiment, by: User | None, products: Iterable[Product], fields: Iterable[str], locale: str
) -> int:
    """Take products into a draft: each variant gets the newest approved texts of the product, one after the other, and an
    empty one where there are no more. Returns how many texts are new. Raises ValidationError."""
    _lock(experiment, Status.DRAFT)
    products, fields = list(products), list(dict.fromkeys(fields))
    known = {*LISTING, *channels.limits(experiment.store)}
    if not fields or not set(fields) <= known:
        raise ValidationError(_("Choose which texts to test."))
    if not locale or len(locale) > 12:
        raise ValidationError(_("Choose a language."))
    if any(product.store_id != experiment.store_id for product in products):
        raise ValidationError(_("Choose the store's own products."))
    before = ArmText.objects.filter(arm__experiment=experiment)
    present = set(before.values_list("product_id", flat=True).distinct())
    if len(present | {p.pk for p in products}) > MOST_PRODUCTS:
        raise ValidationError(_("At most %(n)d products.") % {"n": MOST_PRODUCTS})
    count = before.count()
    variants = [arm for arm in experiment.arms.all() if not arm.is_control]
    ready: dict[tuple[int, str], list[AdAsset]] = {}
    ids = [product.pk for product in products]
    approved = AdAsset.objects.filter(product__in=ids, status=AdAsset.Status.APPROVED, locale=locale)
    for asset in approved.order_by("-decided_at", "pk"):
        ready.setdefault((asset.product_id, asset.field), []).append(asset)
    rows = []
    for product in products:
        for field in fields:
            texts = ready.get((product.pk, LISTING[field].asset if field in LISTING else field), [])
            for number, arm in enumerate(variants):
                asset = texts[number] if number < len(texts) else None
                rows.append(ArmText(store_id=experiment.store_id, arm=arm, product=product, field=field, locale=locale,
                                    text=asset.text if asset else "", asset=asset))  # fmt: skip
    ArmText.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
    new = ArmText.objects.filter(arm__experiment=experiment).count() - count
    if new:
        record(experiment, by, "products_added", products=len(products), fields=fields, locale=locale)
    return new


@transaction.atomic
def remove_product(*, experiment: Experiment, by: User | None, product: Product) -> None:
    """Take a product and its texts out of a draft."""
    _lock(experiment, Status.DRAFT)
    gone, _rows = ArmText.objects.filter(arm__experiment=experiment, product=product).delete()
    if gone:
        record(experiment, by, "product_removed", product=product.pk, title=product.title[:120])


@transaction.atomic
def remove_unwritten(*, experiment: Experiment, by: User | None) -> int:
    """Take the products out of a draft that lack a text. Returns how many."""
    _lock(experiment, Status.DRAFT)
    mine = ArmText.objects.filter(arm__experiment=experiment)
    ids = list(mine.filter(text="").values_list("product_id", flat=True).distinct())
    if ids:
        mine.filter(product__in=ids).delete()
        record(experiment, by, "products_removed", products=len(ids))
    return len(ids)


@transaction.atomic
def set_text(
    *, arm: Arm, product: Product, field: str, locale: str, text: str, by: User | None, asset: AdAsset | None = None
) -> ArmText:
    """What an arm of a draft shows in a field of a product; "" is a text still to be written.

    `asset` is remembered where the text is the asset's own. Raises ValidationError for an unknown field, a text that is
    too long, another store's product, or a text for the control.
    """
    experiment = _lock(arm.experiment, Status.DRAFT)
    if product.store_id != experiment.store_id or (asset is not None and asset.product_id != product.pk):
        raise ValidationError(_("Choose the store's own products."))
    if arm.is_control:
        raise ValidationError(_("The control shows what the listing says now; it has no texts of its own."))
    text = text.strip().replace("\0", "") if field == "description" else clean_line(text)
    over = too_long(experiment.store, field, text)
    if over:
        raise ValidationError({field: over})
    if asset is not None and asset.text != text:
        asset = None
    row, made = ArmText.objects.get_or_create(
        arm=arm, product=product, field=field, locale=locale,
        defaults={"store_id": experiment.store_id, "text": text, "asset": asset},
    )  # fmt: skip
    if made or row.text != text or row.asset_id != (asset.pk if asset else None):
        row.text, row.asset = text, asset
        row.save(update_fields=["text", "asset"])
        record(experiment, by, "text", arm=arm.pk, product=product.pk, field=field, locale=locale, text=text[:200])
    return row


# --- the course
@transaction.atomic
def start(*, experiment: Experiment, by: User | None, now: datetime | None = None) -> Experiment:
    """Freeze the plan and let the experiment run. Raises ValidationError with everything that stands against it."""
    # One at a time in a store: two that want the same text can't both find it free.
    Store.objects.select_for_update(no_key=True).get(pk=experiment.store_id)
    _lock(experiment, Status.DRAFT)
    found = problems(experiment)
    if found:
        raise ValidationError(found)
    now = now or timezone.now()
    experiment.status, experiment.started_at = Status.RUNNING, now
    if experiment.unit == Experiment.Unit.PRODUCT:
        feed_tests.split(experiment, now=now)
        experiment.planned_days = feed_tests.schedule(experiment).days
    experiment.save(update_fields=["status", "started_at", "planned_days"])
    shares = {str(arm.pk): arm.weight for arm in experiment.arms.all()}
    if experiment.mode == Experiment.Mode.BANDIT:
        WeightChange.objects.create(store_id=experiment.store_id, experiment=experiment, at=now, weights=shares)
    plan = {name: _plain(getattr(experiment, name)) for name in sorted(PLAN)}
    record(experiment, by, "started", plan=plan, salt=experiment.salt, tuning=tuning(experiment), shares=shares)
    return experiment


@transaction.atomic
def pause(*, experiment: Experiment, by: User | None) -> Experiment:
    """Nobody new takes part until it goes on."""
    _lock(experiment, Status.RUNNING)
    if experiment.unit == Experiment.Unit.PRODUCT:
        raise ValidationError(_("A feed test goes by the calendar and can't be paused; finish it instead."))
    experiment.status = Status.PAUSED
    experiment.save(update_fields=["status"])
    record(experiment, by, "paused")
    return experiment


@transaction.atomic
def resume(*, experiment: Experiment, by: User | None) -> Experiment:
    """Go on after a pause, if nothing has come in its way meanwhile. Raises ValidationError with what has."""
    Store.objects.select_for_update(no_key=True).get(pk=experiment.store_id)
    _lock(experiment, Status.PAUSED)
    found = problems(experiment)
    if found:
        raise ValidationError(found)
    experiment.status = Status.RUNNING
    experiment.save(update_fields=["status"])
    record(experiment, by, "resumed")
    return experiment


@transaction.atomic
def finish(
    *, experiment: Experiment, by: User | None, winner: Arm | None = None, conclusion: str = "",
    now: datetime | None = None,
) -> Experiment:  # fmt: skip
    """End it for good; everyone sees the listing again. A finished one stays as it is."""
    if winner is not None and winner.experiment_id != experiment.pk:
        raise ValidationError(_("Choose one of the experiment's variants."))
    _lock(experiment, Status.RUNNING, Status.PAUSED, Status.FINISHED)
    if experiment.status == Status.FINISHED:
        return experiment
    experiment.status, experiment.ended_at = Status.FINISHED, now or timezone.now()
    experiment.winner, experiment.conclusion = winner, clean_line(conclusion)[:300]
    experiment.save(update_fields=["status", "ended_at", "winner", "conclusion"])
    record(experiment, by, "finished", winner=winner.pk if winner else None, conclusion=experiment.conclusion)
    return experiment


@transaction.atomic
def discard(*, experiment: Experiment) -> None:
    """Delete a draft. What has run is kept."""
    _lock(experiment, Status.DRAFT)
    experiment.delete()
