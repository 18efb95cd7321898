"""The form of an experiment's plan. People write percentages; the experiment keeps shares."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ecomai.forms import LOCALES, Styled
from products.channels import CHANNELS
from products.experiments import LATER
from products.models import Experiment, ExperimentGroup

Metric = Experiment.Metric
# Form field → the share that it is a percentage of.
PERCENT = ("traffic", "group_from", "group_to", "effect", "winsorise", "bandit_floor")
RAILS = (Metric.CLICK, Metric.ADD_TO_CART, Metric.PURCHASE, Metric.REVENUE)
LEVELS = [("0.9", "90 %"), ("0.95", "95 %"), ("0.99", "99 %")]
CADENCES = [("15", _("every quarter of an hour")), ("60", _("every hour")), ("360", _("every six hours")), ("1440", _("once a day"))]  # fmt: skip
MARGIN = 2  # percent


def _percent(label, low: float, high: float, **more) -> forms.FloatField:
    return forms.FloatField(
        label=label, min_value=low, max_value=high, widget=forms.NumberInput(attrs={"step": "any"}), **more
    )


def _whole(label, low: int, high: int, **more) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=low, max_value=high, **more)


class Plan(forms.Form):
    """Everything of a draft but its variants and texts: `PlanForm` without its looks, which ask for errors at once and so
    come when all fields are there."""

    name = forms.CharField(label=_("Name"), max_length=120)
    hypothesis = forms.CharField(
        label=_("What do you expect, and why?"), required=False, widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One sentence that you can hold the result against."),
    )  # fmt: skip
    unit = forms.ChoiceField(label=_("What is split?"), choices=Experiment.Unit.choices, widget=forms.RadioSelect)
    mode = forms.ChoiceField(label=_("How is it judged?"), choices=Experiment.Mode.choices, widget=forms.RadioSelect)
    design = forms.ChoiceField(label=_("Design"), choices=Experiment.Design.choices, widget=forms.RadioSelect)
    metric = forms.ChoiceField(label=_("Main metric"), choices=Metric.choices)
    custom_event = forms.CharField(
        label=_("Name of the own event"), max_length=60, required=False, help_text=_("As the shop sends it.")
    )
    window_hours = _whole(
        _("Conversion window in hours"), 1, 1440, help_text=_("From the first time that a visitor saw it.")
    )
    effect = _percent(
        _("Smallest effect that matters, in %"), 0.5, 1000, help_text=_("Relative: 10 turns 2 % into 2.2 %.")
    )
    level = forms.ChoiceField(label=_("Confidence"), choices=LEVELS)
    traffic = _percent(_("Share of visitors who take part, in %"), 0.1, 100)
    locales = forms.MultipleChoiceField(
        label=_("Only these languages"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None means all."),
    )
    segments = forms.CharField(
        label=_("Only these segments"), required=False, widget=forms.Textarea(attrs={"rows": 2, "placeholder": "device: mobile, tablet"}),
        help_text=_("One a line: what the shop sends, and the values that take part."),
    )  # fmt: skip
    group = forms.ModelChoiceField(
        label=_("Exclusive group"), queryset=ExperimentGroup.objects.none(), required=False, empty_label=_("none"),
        help_text=_("Experiments of a group share no visitor: each takes a slice of it."),
    )  # fmt: skip
    group_from = _percent(_("Slice from, in %"), 0, 100)
    group_to = _percent(_("Slice to, in %"), 0, 100)
    min_per_arm = _whole(_("Least visitors per variant"), 2, 10_000_000, help_text=_("No verdict before."))
    min_days = _whole(_("Least days"), 0, 365, help_text=_("A week sees every weekday."))
    planned_per_arm = _whole(
        _("Planned visitors per variant"), 2, 100_000_000, required=False,
        help_text=_("A fixed split is judged when each variant has them; a sequential test is sharpest around them."),
    )  # fmt: skip
    planned_days = _whole(
        _("At most so many days"), 1, 730, required=False, help_text=_("A fixed split ends then at the latest.")
    )
    winsorise = _percent(_("Revenue is capped at the percentile"), 50, 100)
    bandit_floor = _percent(_("Least share of a variant, in %"), 0.01, 50)
    bandit_minutes = forms.ChoiceField(label=_("New shares"), choices=CADENCES)
    period_days = _whole(_("Days of a period"), 1, 180)
    washout_days = _whole(_("Days of wash-out"), 0, 60, help_text=_("After a text has changed; they don't count."))
    auto_finish = forms.BooleanField(label=_("Finish by itself when there is a verdict"), required=False)
    auto_publish = forms.BooleanField(label=_("and publish the winner by itself"), required=False)

    def __init__(self, data=None, *, experiment: Experiment):
        start = self.start(experiment)
        if data is not None:
            # What a form doesn't send keeps its value; an unticked box sends nothing, so a whole form says that it is one.
            data = data.copy()
            for name, value in start.items():
                if name not in data and not ("whole" in data and isinstance(value, bool | list)):
                    data.setlist(name, value) if isinstance(value, list) else data.__setitem__(name, value)
        super().__init__(data, initial=start)
        self.experiment = experiment
        store = experiment.store
        self.fields["group"].queryset = ExperimentGroup.objects.filter(store=store)
        names = dict(LOCALES)
        codes = dict.fromkeys([*(store.locales or []), store.default_locale, *experiment.locales])
        self.fields["locales"].choices = [(code, names.get(code, code)) for code in codes]
        for metric in RAILS:
            self.fields[f"rail_{metric}"] = forms.FloatField(
                label=metric.label, min_value=0, max_value=100, required=False,
                widget=forms.NumberInput(attrs={"class": "input", "step": "any", "placeholder": "–"}),
            )  # fmt: skip
        if experiment.status != Experiment.Status.DRAFT:
            for name in set(self.fields) - LATER:
                self.fields[name].disabled = True

    @staticmethod
    def start(e: Experiment) -> dict[str, Any]:
        """What the form shows of an experiment."""
        values = {name: getattr(e, name) for name in Plan.base_fields if hasattr(e, name)}
        for name in PERCENT:
            values[name] = _neat(100 * getattr(e, name))
        values |= {"level": f"{e.level:g}", "bandit_minutes": str(e.bandit_minutes), "group": e.group_id or ""}
        values["segments"] = "\n".join(f"{key}: {', '.join(map(str, found))}" for key, found in e.segments.items())
        rails = {rail.get("metric"): rail for rail in e.guardrails}
        for metric in RAILS:
            values[f"rail_{metric}"] = _neat(100 * rails[metric].get("margin", 0)) if metric in rails else ""
        return {name: "" if value is None else value for name, value in values.items()}

    @property
    def rails(self) -> list[forms.BoundField]:
        return [self[f"rail_{metric}"] for metric in RAILS]

    def clean_level(self) -> float:
        return float(self.cleaned_data["level"])

    def clean_bandit_minutes(self) -> int:
        return int(self.cleaned_data["bandit_minutes"])

    def clean_segments(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for number, line in enumerate(self.cleaned_data["segments"].splitlines(), 1):
            if not line.strip():
                continue
            key, colon, values = line.partition(":")
            found = [value.strip() for value in values.split(",") if value.strip()]
            if not colon or not key.strip() or not found or len(line) > 500:
                raise ValidationError(_("Line %(n)d: write a name, a colon and the values."), params={"n": number})
            out[key.strip()] = found
        return out

    def values(self) -> dict[str, Any]:
        """Of a valid form, as `experiments.update` takes them."""
        out = {name: self.cleaned_data[name] for name in Plan.base_fields}
        for name in PERCENT:
            out[name] = out[name] / 100
        out["guardrails"] = self._guardrails()
        if self.experiment.status != Experiment.Status.DRAFT:
            return {name: out[name] for name in LATER}
        return out

    def _guardrails(self) -> list[dict]:
        """Those of own events stay as they are: the form has no field for them."""
        kept = [rail for rail in self.experiment.guardrails if rail.get("metric") not in RAILS]
        found = [(metric, self.cleaned_data.get(f"rail_{metric}")) for metric in RAILS]
        return [
            {"metric": str(metric), "margin": margin / 100} for metric, margin in found if margin is not None
        ] + kept


class PlanForm(Styled, Plan):
    """The form of a plan."""


def _neat(value: float) -> float | int:
    value = round(value, 6)
    return int(value) if float(value).is_integer() else value


class ReportForm(Styled, forms.Form):
    """A channel's report to be read."""

    source = forms.ChoiceField(
        label=_("Of which channel?"), choices=list(CHANNELS.items()),
        help_text=_("A Google Ads report of Shopping ads belongs to the Merchant listing."), initial="google_merchant",
    )  # fmt: skip
    file = forms.FileField(
        label=_("Report"), help_text=_("CSV, TSV or XLSX with a row per product and day: item ID, day, impressions, clicks, conversions, value, cost."),
    )  # fmt: skip
