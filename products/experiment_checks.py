"""What stands in the way of an experiment's start, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ecomai.lib.text import measure
from ecomai.models import Store
from products import channels
from products.models import ArmText, Experiment, ProductDay

LEAST_PRODUCTS = 20  # a feed test of fewer has no distribution to speak of
Metric, Unit, Mode = Experiment.Metric, Experiment.Unit, Experiment.Mode


@dataclass(frozen=True)
class Listing:
    """A field of the listing: its column, how long it may be, and the field of ad copy that is written for it."""

    column: str
    most: int
    asset: str


LISTING = {
    "title": Listing("title", 500, "google_merchant.title"),
    "description": Listing("description_raw", 20_000, "google_merchant.description"),
    "seo_title": Listing("seo_title", 300, "seo.title"),
    "seo_description": Listing("seo_description", 1000, "seo.description"),
}


def too_long(store: Store, field: str, text: str, bounds: Mapping[str, channels.Limit] | None = None) -> str:
    """Why the text doesn't fit the field, or "". Raises ValidationError for an unknown field."""
    if field in LISTING:
        most, length = LISTING[field].most, len(text)
    else:
        limit = (channels.limits(store) if bounds is None else bounds).get(field)
        if limit is None:
            raise ValidationError(_("“%(field)s” is no field of a listing or channel.") % {"field": field[:60]})
        most, length = limit.limit, getattr(measure(text), limit.unit)
    return "" if length <= most else _("%(n)d of at most %(most)d.") % {"n": length, "most": most}


def source_of(experiment: Experiment) -> str:
    """Whose numbers a feed test is measured by: the channel of its texts, or the storefront for the listing's own."""
    fields = ArmText.objects.filter(arm__experiment=experiment).values_list("field", flat=True).distinct()
    channels = {field.split(".")[0] for field in fields if "." in field}
    return min(channels) if channels else "storefront"


def problems(experiment: Experiment) -> list[str]:
    """Why it can't start (or go on); empty when it can."""
    return [*_plan(experiment), *_arms(experiment), *_texts(experiment), *_others(experiment)]


def _plan(e: Experiment) -> list[str]:
    found = []
    if not 0 < e.traffic <= 1:
        found.append(_("The share of traffic must lie between 0 and 100 %."))
    if not 0.5 <= e.level <= 0.999:
        found.append(_("The level of confidence must lie between 50 % and 99.9 %."))
    if not 0.005 <= e.effect <= 10:
        found.append(_("The smallest effect that matters must lie between 0.5 % and 1000 %."))
    if not 0.5 <= e.winsorise <= 1:
        found.append(_("Revenue is capped at a percentile between 50 % and 100 %."))
    if not 1 <= e.window_hours <= 24 * 60:
        found.append(_("The conversion window must lie between an hour and 60 days."))
    if e.metric == Metric.CUSTOM and not e.custom_event:
        found.append(_("Name the own event that is the main metric."))
    if e.group_id and e.group_from >= e.group_to:
        found.append(_("The slice of the exclusive group is empty."))
    if e.auto_publish and not e.auto_finish:
        found.append(_("It can publish the winner by itself only where it finishes by itself."))
    for rail in e.guardrails:
        if rail.get("metric") == e.metric and not (e.metric == Metric.CUSTOM and rail.get("name") != e.custom_event):
            found.append(_("The main metric can't be a guardrail of itself."))
    if e.unit == Unit.VISITOR and e.mode == Mode.FIXED and not e.planned_per_arm:
        found.append(
            _("A fixed split needs its size before the start: write how many visitors each variant shall have.")
        )
    if e.unit == Unit.PRODUCT:
        if e.mode != Mode.FIXED:
            found.append(_("A feed test is looked at once, at its end: choose the fixed mode."))
        if e.period_days < 1 or (e.design == Experiment.Design.CROSSOVER and e.washout_days < 0):
            found.append(_("A period has at least one day."))
        if e.metric not in (Metric.CLICK, Metric.PURCHASE, Metric.REVENUE):
            found.append(_("A feed's report knows clicks, purchases and revenue; choose one of them."))
    return found


def _arms(e: Experiment) -> list[str]:
    arms = list(e.arms.all())
    found = []
    if sum(arm.is_control for arm in arms) != 1 or len(arms) < 2:
        found.append(_("An experiment needs the control and at least one variant."))
        return found
    if e.status == Experiment.Status.DRAFT and abs(sum(arm.weight for arm in arms) - 1) > 1e-4:
        found.append(_("The shares of the variants don't add up to 100 %."))
    if any(arm.weight <= 0 for arm in arms):
        found.append(_("Every variant needs a share above 0."))
    if len({arm.name for arm in arms}) < len(arms):
        found.append(_("Two variants have the same name."))
    if e.mode == Mode.BANDIT and not 0 < e.bandit_floor * len(arms) <= 1:
        found.append(_("The least share of a bandit's variants must be above 0 and leave room for all of them."))
    if e.unit == Unit.PRODUCT and e.design == Experiment.Design.CROSSOVER and len(arms) > 2:
        found.append(_("A crossover swaps two variants: take out the others, or compare with the time before."))
    return found


def _texts(e: Experiment) -> list[str]:
    rows = ArmText.objects.filter(arm__experiment=e)
    count = rows.count()
    if not count:
        return [_("Choose at least one product and write what the variants show.")]
    found = []
    empty = rows.filter(text="").count()
    if empty:
        found.append(
            ngettext("%(n)d text is still empty.", "%(n)d texts are still empty.", empty) % {"n": empty},
        )
    variants = e.arms.filter(is_control=False).count()
    keys = rows.values("product_id", "field", "locale").distinct().count()
    if count != keys * variants:
        found.append(_("A variant lacks a text that another one has."))
    first = (e.store.locales or [e.store.default_locale])[0]
    same = Q()
    for field, listing in LISTING.items():
        same |= Q(field=field, locale=first, text=F(f"product__{listing.column}"))
    unchanged = rows.exclude(text="").filter(same).count()
    if unchanged:
        found.append(
            ngettext(
                "%(n)d text is what the listing says already: nothing would be tested.",
                "%(n)d texts are what the listing says already: nothing would be tested.",
                unchanged,
            )
            % {"n": unchanged}
        )
    bounds = channels.limits(e.store)
    long = sum(bool(too_long(e.store, *row, bounds)) for row in rows.values_list("field", "text").iterator())
    if long:
        found.append(ngettext("%(n)d text is too long.", "%(n)d texts are too long.", long) % {"n": long})
    if e.unit == Unit.PRODUCT:
        found += _feed(e, rows)
    return found


def _feed(e: Experiment, rows) -> list[str]:
    found = []
    products = rows.values("product_id").distinct().count()
    if products < LEAST_PRODUCTS:
        found.append(_("A feed test needs at least %(n)d products.") % {"n": LEAST_PRODUCTS})
    fields = set(rows.values_list("field", flat=True).distinct())
    if len({field.split(".")[0] for field in fields if "." in field} | {"" for f in fields if "." not in f}) > 1:
        found.append(_("A feed test is about the texts of one channel."))
    if e.design == Experiment.Design.PRE_PERIOD and e.status == Experiment.Status.DRAFT:
        history = ProductDay.objects.filter(
            store_id=e.store_id, source=source_of(e), product__in=rows.values("product")
        )
        if not history.exists():
            found.append(_("There is no report about the time before: import one, or choose the crossover."))
    return found


def _others(e: Experiment) -> list[str]:
    """Running experiments about the same texts, unless an exclusive group keeps their visitors apart."""
    mine = ArmText.objects.filter(arm__experiment=e).values("product_id", "field", "locale").distinct()
    others = Experiment.objects.filter(
        store_id=e.store_id, unit=e.unit, status__in=[Experiment.Status.RUNNING, Experiment.Status.PAUSED]
    ).exclude(pk=e.pk)
    found = []
    keys = set(mine.values_list("product_id", "field", "locale"))
    for other in others:
        apart = other.group_id and other.group_id == e.group_id and (
            other.group_to <= e.group_from or e.group_to <= other.group_from
        )  # fmt: skip
        if apart:
            continue
        theirs = ArmText.objects.filter(arm__experiment=other, product__in=mine.values("product_id"))
        shared = keys & set(theirs.values_list("product_id", "field", "locale"))
        if shared:
            found.append(
                _(
                    "“%(name)s” runs with the same texts of %(n)d products; finish it, or use separate slices of a group."
                )
                % {"name": other.name, "n": len({product for product, _field, _locale in shared})}
            )
    return found
