"""What the page of an experiment shows, from its newest look: cards, charts, alarms, segments, history. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from babel.dates import format_skeleton
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ecomai.lib import money
from products import experiment_charts, publishing
from products.channel_rules import INITIAL
from products.channels import CHANNELS
from products.experiment_charts import Line
from products.experiment_checks import LISTING
from products.experiment_words import (
    chance,
    guardrail_name,
    locale,
    number,
    per_unit,
    percent,
    sentence,
    signed,
    warnings,
)
from products.models import AdAsset, ArmText, Experiment, ExperimentLook, PublishedText
from products.publishing import first_locale

Metric = Experiment.Metric
SHOWN_TEXTS = 20


@dataclass(frozen=True)
class Card:
    """One arm as the page shows it; texts are ready to be read."""

    tone: int
    name: str
    is_control: bool
    is_winner: bool
    share: str
    n: str
    x: str
    value: str
    best: str
    loss: str
    lift: str
    interval: str
    bar: SafeString | str
    raw: str
    text: str


def share_words(experiment: Experiment) -> str:
    return per_unit(experiment.metric, experiment.custom_event, experiment.unit)


def _amount(data: dict, value: float | None, currency: str, digits: int = 2) -> str:
    """A value of the main metric: money, a share, or a number per product and day."""
    if value is None:
        return "–"
    if data["metric"] == Metric.REVENUE:
        return money.show(Decimal(str(round(value, 4))).quantize(Decimal("0.01")), currency)
    return number(value, digits) if data["unit"] == Experiment.Unit.PRODUCT else percent(value, 2)


def _loss(data: dict, value: float | None, currency: str) -> str:
    if value is None:
        return "–"
    if data["metric"] == Metric.REVENUE or data["unit"] == Experiment.Unit.PRODUCT:
        return _amount(data, value, currency, 3)
    return _("%(n)s points") % {"n": number(100 * value, 3)}


def only_texts(experiment: Experiment, products: list[dict]) -> dict[int, str]:
    """Arm id → its text, where a single text of a single product is tested; the control's as long as it stands."""
    if len(products) != 1 or len(products[0]["fields"]) != 1:
        return {}
    field = products[0]["fields"][0]
    said = {arm.pk: row.text for arm, row in field["rows"] if row}
    if experiment.status != Experiment.Status.FINISHED:
        said |= dict.fromkeys(experiment.arms.filter(is_control=True).values_list("pk", flat=True), field["now"])
    return said


def cards(experiment: Experiment, look: ExperimentLook, said: dict[int, str]) -> list[Card]:
    """`said`: arm id → the one text that it shows."""
    data, currency = look.data, experiment.store.currency
    verdict = data["verdict"]
    compared = {c["arm"]: c for c in verdict["comparisons"]}
    told = [(c["lift_low"], c["lift_high"]) for c in compared.values() if c["lift_low"] is not None]
    edges = experiment_charts.edges(told)
    weights = {arm.pk: arm.weight for arm in experiment.arms.all()}
    out = []
    for i, arm in enumerate(data["arms"]):
        c = compared.get(i)
        value = _value(data, i, arm, compared)
        bar: SafeString | str = ""
        if c and c["lift_low"] is not None and c["lift_high"] is not None:
            middle = c["lift"] if c["lift"] is not None else (c["lift_low"] + c["lift_high"]) / 2
            words = _("%(low)s to %(high)s") % {"low": signed(c["lift_low"]), "high": signed(c["lift_high"])}
            bar = experiment_charts.interval(c["lift_low"], middle, c["lift_high"], edges=edges, tone=i, label=words)
        best, losses = verdict["probability_best"], verdict["expected_loss"]
        raw = ""
        if data["metric"] == Metric.REVENUE and "raw_total" in arm and arm["n"]:
            raw = _amount(data, arm["raw_total"] / arm["n"], currency)
        out.append(
            Card(
                tone=i, name=arm["name"], is_control=arm["is_control"],
                is_winner=experiment.winner_id == arm["arm_id"] or (experiment.winner_id is None and verdict["winner"] == i),
                share=percent(weights.get(arm["arm_id"])), n=number(arm["n"]), x=number(arm["x"]) if "x" in arm else "",
                value=_amount(data, value, currency),
                best=chance(best[i]) if i < len(best) and _told(data) else "–",
                loss=_loss(data, losses[i], currency) if i < len(losses) and _told(data) else "–",
                lift=signed(c["lift"]) if c else "", interval=_interval(data, c, currency) if c else "", bar=bar, raw=raw,
                text=said.get(arm["arm_id"], ""),
            )
        )  # fmt: skip
    return out


def _told(data: dict) -> bool:
    """Whether there is anything to be said of a chance."""
    return bool(data["verdict"]["comparisons"]) and all(arm["n"] for arm in data["arms"])


def _value(data: dict, i: int, arm: dict, compared: dict) -> float | None:
    if data["unit"] == Experiment.Unit.PRODUCT:
        c = compared.get(i) or next(iter(compared.values()), None)
        return None if c is None else c["control"] if arm["is_control"] else c["treatment"]
    return arm["total"] / arm["n"] if arm["n"] else None


def _interval(data: dict, c: dict, currency: str) -> str:
    if c["lift_low"] is not None and c["lift_high"] is not None:
        return _("%(low)s to %(high)s") % {"low": signed(c["lift_low"]), "high": signed(c["lift_high"])}
    if c["low"] is None or c["high"] is None:
        return "–"
    return _("%(low)s to %(high)s") % {"low": _loss(data, c["low"], currency), "high": _loss(data, c["high"], currency)}


# --- charts
SIZES = (("wide", 480), ("narrow", 340))


def _drawn(draw) -> list[tuple[str, SafeString]]:
    """A chart wide and narrow, so that its letters keep their size on a phone."""
    return [(name, draw(width)) for name, width in SIZES]


def _short(day: str) -> str:
    return format_skeleton("MMMd", date.fromisoformat(day), locale=locale())


def charts(experiment: Experiment, look: ExperimentLook) -> dict[str, list[tuple[str, SafeString]]]:
    """{what: [(size, picture)]}; a chart without data is left out, and a line of a single day: the cards say as much."""
    data, currency = look.data, experiment.store.currency
    days, names = data["days"], [arm["name"] for arm in data["arms"]]
    out = {}
    if len(days) > 1:
        labels = [_short(d["day"]) for d in days]
        means = [Line(i, name, [d["means"][i] for d in days]) for i, name in enumerate(names)]
        tips = [
            f"{label}: " + ", ".join(f"{name} {_amount(data, d['means'][i], currency)}" for i, name in enumerate(names))
            for label, d in zip(labels, days, strict=True)
        ]
        out["means"] = _drawn(lambda width: experiment_charts.lines(
            means, label=_("By day: %(what)s") % {"what": share_words(experiment)}, names=labels, tips=tips,
            show=lambda v: _amount(data, v, currency), width=width,
        ))  # fmt: skip
        told = [d for d in days if d.get("lifts")]
        if len(told) > 1:
            out["lifts"] = _lifts(told, names)
    if data.get("densities"):
        curves = [(i, x, y) for i, (x, y) in enumerate(data["densities"])]
        out["densities"] = _drawn(lambda width: experiment_charts.densities(
            curves, label=_("Where the true values probably lie"), show=lambda v: _amount(data, v, currency), width=width
        ))  # fmt: skip
    return out


def _lifts(days: Sequence[dict], names: Sequence[str]) -> list[tuple[str, SafeString]]:
    labels = [_short(d["day"]) for d in days]
    series = []
    for i, name in enumerate(names[1:], 1):
        rows = [d["lifts"][i - 1] for d in days]
        bands = [(row[1], row[2]) if row[1] is not None and row[2] is not None else None for row in rows]
        series.append(Line(i, name, [row[0] for row in rows], bands))
    tips = [
        f"{label}: " + ", ".join(
            f"{line.name} {signed(line.values[k])}" + (f" ({signed(b[0])} … {signed(b[1])})" if (b := line.bands[k]) else "")
            for line in series
        )
        for k, label in enumerate(labels)
    ]  # fmt: skip
    return _drawn(lambda width: experiment_charts.lines(
        series, label=_("Lift over the control with all days so far, and its interval"), names=labels, tips=tips,
        show=signed, width=width, zero=True, clip=(-0.75, 2.0),
    ))  # fmt: skip


def weights(experiment: Experiment) -> dict[str, Any] | None:
    """A bandit's shares over time: a picture and the last changes."""
    changes = list(experiment.weight_changes.order_by("at", "pk"))
    if experiment.mode != Experiment.Mode.BANDIT or not changes:
        return None
    arms = list(experiment.arms.all())
    shown = changes[-60:]
    labels = [
        format_skeleton("MMMd" if (shown[-1].at - shown[0].at) > timedelta(days=2) else "Hm", c.at, locale=locale())
        for c in shown
    ]
    series = [Line(i, arm.name, [c.weights.get(str(arm.pk)) for c in shown]) for i, arm in enumerate(arms)]
    tips = [
        f"{label}: " + ", ".join(f"{arm.name} {percent(c.weights.get(str(arm.pk)))}" for arm in arms)
        for label, c in zip(labels, shown, strict=True)
    ]
    chart = _drawn(lambda width: experiment_charts.lines(
        series, label=_("Shares of the variants over time"), names=labels, tips=tips, show=lambda v: percent(v, 0), width=width,
        zero=True,
    ))  # fmt: skip
    return {"chart": chart, "changes": len(changes) - 1}


# --- tables
def segments(look: ExperimentLook) -> dict[str, Any] | None:
    found = look.data.get("segments") or {}
    if not found.get("groups"):
        return None
    groups = []
    for group in found["groups"]:
        rows = [
            {
                "value": row["value"] or _("(none)"), "n": [number(n) for n in row["n"]],
                "lifts": [_lift_words(lift) if row["enough"] else "" for lift in row["lifts"]],
                "enough": row["enough"], "notable": row.get("notable", False),
            }
            for row in group["rows"]
        ]  # fmt: skip
        groups.append({"key": _("Language") if group["key"] == "locale" else group["key"], "rows": rows})
    return {"groups": groups, "comparisons": found["comparisons"]}


def _lift_words(lift: Sequence[float | None]) -> str:
    middle, low, high = lift
    if middle is None:
        return "–"
    return signed(middle) + (f" ({signed(low)} … {signed(high)})" if low is not None and high is not None else "")


def guardrails(experiment: Experiment, look: ExperimentLook) -> list[dict]:
    out = []
    for rail in look.data.get("guardrails", []):
        money_ = rail["metric"] == Metric.REVENUE
        show = lambda v, m=money_: "–" if v is None else (
            money.show(Decimal(str(round(v, 2))), experiment.store.currency) if m else percent(v, 2)
        )  # fmt: skip
        out.append({
            "name": guardrail_name(rail), "margin": percent(rail["margin"]), "means": [show(v) for v in rail["means"]],
            "lifts": [_lift_words(lift) for lift in rail["lifts"]], "harmed": any(rail["harmed"]),
        })  # fmt: skip
    return out


def _actions() -> dict[str, str]:
    return {
        "created": _("created"), "changed": _("changed"), "arm_added": _("added a variant"), "arm_removed": _("removed a variant"),
        "arm_renamed": _("renamed a variant"), "weights": _("changed the shares"), "products_added": _("added products"),
        "product_removed": _("removed a product"),
        "products_removed": _("removed products without texts"), "text": _("wrote a text"), "started": _("started"), "paused": _("paused"),
        "resumed": _("went on"), "finished": _("finished"), "published": _("published the winner"), "undone": _("took the texts back"),
    }  # fmt: skip


def history(experiment: Experiment, most: int = 40) -> list[dict]:
    """Who did what; texts that were written one after the other are one entry."""
    out: list[dict] = []
    names = _actions()
    for row in experiment.history.select_related("by")[: 4 * most]:
        last = out[-1] if out else None
        if last and last["action"] == row.action == "text" and last["by"] == row.by:
            last["count"] += 1
            continue
        words = row.details.get("conclusion") or row.details.get("title") or row.details.get("name") or ""
        if row.action == "changed":
            words = ", ".join(
                str(Experiment._meta.get_field(name).verbose_name) for name in row.details.get("changes", {})
            )
        out.append({"action": row.action, "words": names.get(row.action, row.action), "by": row.by, "at": row.at,
                    "details": words, "count": 1})  # fmt: skip
    return out[:most]


def texts(experiment: Experiment, most: int = SHOWN_TEXTS, start: int = 0) -> tuple[list[dict], int]:
    """(products with what each arm shows, how many products there are), a page of them."""
    rows = ArmText.objects.filter(arm__experiment=experiment)
    ids = list(rows.order_by("product__title", "product_id").values_list("product_id", flat=True).distinct())
    page = ids[start : start + most]
    arms = [arm for arm in experiment.arms.all() if not arm.is_control]
    found: dict[int, dict] = {pk: {} for pk in page}
    for row in (
        rows.filter(product__in=page).select_related("product", "asset").order_by("field", "locale", "arm__position")
    ):
        entry = found[row.product_id]
        entry.setdefault("product", row.product)
        field = entry.setdefault("fields", {}).setdefault(
            (row.field, row.locale), {"field": row.field, "locale": row.locale}
        )
        field.setdefault("by_arm", {})[row.arm_id] = row
    store, out = experiment.store, []
    choices = approved(experiment, page)
    published = {
        code: publishing.texts(page, code) for code in {loc for e in found.values() for _f, loc in e.get("fields", {})}
    }
    for pk in page:
        entry = found[pk]
        fields = []
        for (name, code), field in entry["fields"].items():
            field["label"] = field_label(name)
            field["now"] = listed(entry["product"], name, code, first_locale(store), published[code].get(pk, {}))
            field["rows"] = [(arm, field["by_arm"].get(arm.pk)) for arm in arms]
            field["choices"] = choices.get((pk, code), [])
            fields.append(field)
        out.append({"product": entry["product"], "fields": fields})
    return out, len(ids)


def listed(product, field: str, code: str, first: str, published: dict[str, str]) -> str:
    """What the control shows."""
    if field in published:
        return published[field]
    return getattr(product, LISTING[field].column) if field in LISTING and code == first else ""


def field_label(key: str) -> str:
    """A field of the listing or of a channel, in words."""
    own = {
        "title": _("Title"),
        "description": _("Description"),
        "seo_title": _("SEO title"),
        "seo_description": _("SEO description"),
    }
    if key in own:
        return own[key]
    limit = INITIAL.get(key)
    return f"{CHANNELS.get(limit.channel, limit.channel)}: {limit.label}" if limit else key


def approved(experiment: Experiment, product_ids: Sequence[int]) -> dict[tuple[int, str], list[AdAsset]]:
    """{(product id, language): approved texts}, the newest first."""
    out: dict[tuple[int, str], list[AdAsset]] = {}
    rows = AdAsset.objects.filter(store=experiment.store, product__in=product_ids, status=AdAsset.Status.APPROVED)
    for asset in rows.order_by("-decided_at", "pk"):
        asset.label = field_label(asset.field)  # type: ignore[attr-defined]
        out.setdefault((asset.product_id, asset.locale), []).append(asset)
    return out


def context(experiment: Experiment, look: ExperimentLook | None) -> dict[str, Any]:
    """Everything but the buttons' rights."""
    published = PublishedText.objects.filter(experiment=experiment, undone_at=None).count()
    shown, products = texts(experiment)
    out: dict[str, Any] = {
        "experiment": experiment, "look": look, "published": published, "products": shown, "product_count": products,
        "history": history(experiment), "what": share_words(experiment), "arms": list(experiment.arms.all()),
        "more_products": max(0, products - len(shown)), "weights": weights(experiment), "sentence": "",
    }  # fmt: skip
    if look is not None:
        out |= {
            "sentence": sentence(look), "warnings": warnings(look),
            "cards": cards(experiment, look, only_texts(experiment, shown)),
            "charts": charts(experiment, look), "segments": segments(look), "guardrails": guardrails(experiment, look),
            "data": look.data, "level": percent(experiment.level, 0), "status": look.status,
            "reduction": percent(look.data["reduction"]) if look.data.get("reduction") else "",
            "adjusted": [_lift_words(row) for row in look.data.get("adjusted_lifts", [])],
            "raw_lifts": [_lift_words(row) for row in look.data.get("raw_lifts", [])],
            "cap": _amount(look.data, look.data["cap"], experiment.store.currency) if look.data.get("cap") else "",
            "bots": sum(row["bots"] for row in look.data.get("arrivals", [])),
        }  # fmt: skip
    return out
