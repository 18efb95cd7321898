"""An experiment's verdict, alarms and numbers in words."""

import math
from datetime import datetime
from typing import Any

from babel.dates import format_date
from babel.numbers import format_percent
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ecomai.lib.shown import locale, number
from products.models import Experiment, ExperimentLook

Metric = Experiment.Metric


def percent(share: float | None, digits: int | None = None) -> str:
    """A share; small ones with a decimal, unless told how many."""
    if share is None:
        return "–"
    places = (
        digits if digits is not None else (0 if abs(share) >= 0.1 or share == 0 else 1 if abs(share) >= 0.01 else 2)
    )
    space = " " if locale().language in ("de", "fr", "sv", "fi", "cs") else ""
    return format_percent(share, f"#,##0{'.' + '0' * places if places else ''}{space}%", locale=locale())


def chance(share: float | None) -> str:
    """A probability; never rounded to certainty."""
    if share is None:
        return "–"
    if share > 0.999:
        return f"> {percent(0.999, 1)}"
    if share < 0.001:
        return f"< {percent(0.001, 1)}"
    return percent(share, 1)


def p_value(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"= {number(p, 3)}"


def signed(share: float | None) -> str:
    """A relative change with its sign."""
    if share is None:
        return "–"
    return ("+" if share > 0 else "−" if share < 0 else "±") + percent(abs(share))


def day(value: str | datetime) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return format_date(at, "medium", locale=locale())


def per_unit(metric: str, custom: str = "", unit: str = Experiment.Unit.VISITOR) -> str:
    """What is compared, as it stands in a sentence."""
    visitor = unit == Experiment.Unit.VISITOR
    return {
        Metric.CLICK: _("clicks per visitor") if visitor else _("clicks per product and day"),
        Metric.ADD_TO_CART: _("visitors who add to the cart"),
        Metric.PURCHASE: _("visitors who buy") if visitor else _("purchases per product and day"),
        Metric.REVENUE: _("revenue per visitor") if visitor else _("revenue per product and day"),
        Metric.CUSTOM: _("visitors with “%(name)s”") % {"name": custom},
    }.get(metric, metric)  # type: ignore[call-overload]


def guardrail_name(rail: dict) -> str:
    if rail.get("metric") == Metric.CUSTOM and rail.get("name"):
        return f"“{rail['name']}”"
    return str(Metric(rail["metric"]).label) if rail.get("metric") in Metric.values else str(rail.get("metric"))


def _name(data: dict, position: int) -> str:
    arms = data.get("arms", [])
    return arms[position]["name"] if 0 <= position < len(arms) else "?"


def _range(c: dict, data: dict) -> str:
    """The interval of a comparison: relative where there is one, else in the metric's own unit."""
    level = percent(data.get("level", 0.95), 0)
    if c["lift_low"] is not None and c["lift_high"] is not None:
        return _("between %(low)s and %(high)s, at %(level)s confidence") % {
            "low": signed(c["lift_low"]), "high": signed(c["lift_high"]), "level": level,
        }  # fmt: skip
    if c["low"] is None:
        return ""
    if data.get("metric") == Metric.REVENUE or data.get("unit") == Experiment.Unit.PRODUCT:
        low, high = number(c["low"], 2), number(c["high"], 2)
    else:
        low, high = (
            _("%(n)s points") % {"n": number(100 * c["low"], 2)},
            _("%(n)s points") % {"n": number(100 * c["high"], 2)},
        )
    return _("between %(low)s and %(high)s, at %(level)s confidence") % {"low": low, "high": high, "level": level}


def _lift(c: dict) -> str:
    return percent(abs(c["lift"])) if c["lift"] is not None else ""


def sentence(look: ExperimentLook) -> str:
    """The verdict of a look in one or two sentences."""
    data = look.data
    verdict, what = data["verdict"], per_unit(data["metric"], data.get("custom_event", ""), data.get("unit", "visitor"))
    compared = {c["arm"]: c for c in verdict["comparisons"]}
    if verdict["status"] == "winner":
        c = compared[verdict["winner"]]
        values = {
            "arm": _name(data, c["arm"]),
            "control": _name(data, 0),
            "what": what,
            "lift": _lift(c),
            "range": _range(c, data),
        }
        if values["lift"]:
            return _("“%(arm)s” wins against “%(control)s”: %(lift)s more %(what)s (%(range)s).") % values
        return _("“%(arm)s” wins against “%(control)s”: more %(what)s (%(range)s).") % values
    if verdict["status"] == "loser":
        c = min(compared.values(), key=lambda c: -c["difference"])
        values = {"arm": _name(data, c["arm"]), "control": _name(data, 0), "what": what, "range": _range(c, data)}
        return (
            _("Keep “%(control)s”: no variant is better. The best of them, “%(arm)s”, changes %(what)s by %(range)s.")
            % values
        )
    if verdict["status"] == "no_difference":
        c = max(compared.values(), key=lambda c: c["difference"])
        return _("No difference worth having: “%(arm)s” against “%(control)s” lies %(range)s. Choose what you like better.") % {
            "arm": _name(data, c["arm"]), "control": _name(data, 0), "range": _range(c, data)}  # fmt: skip
    if verdict["status"] == "stopped_harm":
        c = next(c for c in compared.values() if c["harms"])
        rails = {rail["key"]: guardrail_name(rail) for rail in data.get("guardrails", [])}
        harmed = ", ".join(what if h == "primary" else rails.get(h, h) for h in c["harms"])
        return _("Stop “%(arm)s”: it clearly harms %(harmed)s.") % {"arm": _name(data, c["arm"]), "harmed": harmed}
    return _not_yet(data, look.experiment)


def _not_yet(data: dict, experiment: Experiment) -> str:
    verdict = data["verdict"]
    reasons = verdict["reasons"]
    if "sample_ratio" in reasons:
        return _("This result can't be trusted: the visitors are not split as planned. Find the cause and start anew.")
    if "multiple_exposure" in reasons:
        return _("This result can't be trusted: too many visitors were shown more than one variant.")
    if data.get("cut_short"):
        return _("It ended before its planned size: there is no verdict.")
    if data.get("unit") == Experiment.Unit.PRODUCT:
        return _feed(data)
    if "no_visitors" in reasons and not any(arm["n"] for arm in data["arms"]):
        return _("Not yet: no visitor has seen it.")
    needed, days = verdict["needed_per_arm"], verdict["needed_days"]
    if experiment.status == Experiment.Status.FINISHED:
        return _("It ended without a verdict: the data leave open which is better.")
    if needed:
        more = ngettext("%(n)s more visitor", "%(n)s more visitors", needed) % {"n": number(_rounded(needed))}
        pace = wait(data, needed)
        if pace is None:
            return _("Not yet: each variant needs about %(more)s.") % {"more": more}
        pace = max(pace, math.ceil(days or 0))
        in_days = ngettext("%(n)s day", "%(n)s days", pace) % {"n": number(pace)}
        return _("Not yet: each variant needs about %(more)s, %(days)s at the present pace.") % {
            "more": more, "days": in_days}  # fmt: skip
    if days:
        left = math.ceil(days)
        return ngettext("Not yet: it runs for at least %(n)s more day.", "Not yet: it runs for at least %(n)s more days.", left) % {
            "n": number(left)}  # fmt: skip
    return _("Not yet: the data leave open which is better.")


def _feed(data: dict) -> str:
    done, planned = data["days_reported"], data["days_planned"]
    if not data["reported"]:
        return _("Not yet: import the channel's report; there are no numbers of these products.")
    if done < planned:
        left = planned - done
        return ngettext(
            "Not yet: reports of %(n)s more day are missing.", "Not yet: reports of %(n)s more days are missing.", left
        ) % {"n": number(left)}
    if "few_events" in data["verdict"]["reasons"]:
        return _("No verdict: the reports hold too few numbers of these products.")
    return _("It ended without a verdict: the data leave open which is better.")


def wait(data: dict[str, Any], needed: int) -> int | None:
    """Days until each variant has `needed` more visitors at the pace so far; None while there is none."""
    run, least = data.get("days_run") or 0, min((arm["n"] for arm in data["arms"]), default=0)
    return max(1, math.ceil(needed * run / least)) if least and run >= 0.25 else None


def _rounded(n: int) -> int:
    """Two digits that count: it is an estimate."""
    size = 10 ** max(0, len(str(n)) - 2)
    return math.ceil(n / size) * size


def warnings(look: ExperimentLook) -> list[str]:
    """Alarms and cautions of a look, the gravest first."""
    data, found = look.data, []
    verdict = data["verdict"]
    ratio = verdict.get("sample_ratio") or {}
    if ratio.get("alarm"):
        counts = ", ".join(
            f"{arm['name']}: {number(arm['n'])} / {number(round(expected))}"
            for arm, expected in zip(data["arms"], ratio["expected"], strict=True)
        )
        found.append(
            _("The split is not as planned (%(counts)s; p = %(p)s). Usual causes: a cache that keeps one variant, a page "
              "that reports only some visitors, bots.") % {"counts": counts, "p": f"{max(ratio['p_value'], 1e-9):.1g}"}
        )  # fmt: skip
    if "multiple_exposure" in verdict["reasons"]:
        found.append(
            _("%(n)s visitors were shown more than one variant: is a page cached without the visitor?")
            % {"n": number(data["in_several"])}
        )
    for c in verdict["comparisons"]:
        for harmed in c["harms"]:
            rail = next((r for r in data.get("guardrails", []) if r["key"] == harmed), None)
            if rail:
                found.append(
                    _("“%(arm)s” worsens the guardrail %(name)s by more than %(margin)s.")
                    % {"arm": _name(data, c["arm"]), "name": guardrail_name(rail), "margin": percent(rail["margin"])}
                )
    if "stray" in verdict["warnings"]:
        found.append(_("Some visitors are in a variant that should get none."))
    if "few_items" in verdict["warnings"]:
        found.append(_("Fewer than 1,000 products: trust the direction, and look at the interval before the number."))
    if "carry_over" in verdict["warnings"]:
        found.append(_("The first text seems to have an effect beyond the swap: the wash-out may have been too short."))
    if data.get("foreign"):
        found.append(
            ngettext(
                "%(n)s purchase was in another currency and is not in the revenue.",
                "%(n)s purchases were in another currency and are not in the revenue.",
                data["foreign"],
            )
            % {"n": number(data["foreign"])}
        )
    return found
