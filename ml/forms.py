"""The form of a retraining: its fields come from the capability's configuration."""

from dataclasses import MISSING, fields
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store
from ml.capabilities import Capability, checked_config, load
from ml.models import TrainingRun

CHOICES: dict[str, tuple[str, ...]] = {
    "objective": ("review", "classes", "contrastive", "mlm"),
    "schedule": ("linear", "cosine", "constant"),
    "precision": ("auto", "fp32", "bf16"),
    "adversarial": ("none", "fgm", "pgd"),
}
HELP = {
    "method": _("LoRA is quick and small; AdaLoRA spends its rank where it helps; adapters sit beside each block; full trains every weight and wants the most data."),
    "objective": _("What is learned: the review heads, plain classes, nearness of pairs, or the store's own words (no labels needed)."),
    "sft": _("SFT learns to write like the approved texts; DPO learns from pairs which of two texts was preferred, and starts best from the live version."),
    "beta": _("DPO: how tightly the model is held to where it started. More changes less."),
    "dpo_learning_rate": _("DPO: peak of the rate; a quarter of the rate for approved texts or less."),
    "dpo_epochs": _("DPO: passes over the pairs, at most."),
    "pairs_per_step": _("DPO: pairs that make a step."),
    "chosen_weight": _("DPO: weight of the plain loss of the preferred texts beside the pairs, which keeps the model writing whole texts."),
    "l2": _("Pull of the coefficients towards zero; 0 tries several and keeps the best on the held-out pairs."),
    "rank": _("Size of a LoRA adapter. More learns more and forgets more."),
    "alpha": _("Scale of the LoRA adapter, usually twice the rank."),
    "dropout": _("Share of the inputs of the heads that are dropped while training."),
    "bottleneck": _("Width of a bottleneck adapter."),
    "learning_rate": _("Peak of the rate after the warm-up."),
    "head_learning_rate": _("The same for the heads."),
    "weight_decay": _("Pull of the weights towards zero."),
    "schedule": _("How the rate falls after the warm-up."),
    "warmup_share": _("Share of the steps in which the rate rises."),
    "epochs": _("Passes over the data, at most: it stops early when the held-out part gets no better."),
    "max_steps": _("Steps at most; 0 for as many as the epochs have."),
    "batch_tokens": _("Tokens of one forward pass. Fewer need less memory."),
    "accumulate": _("Passes that make a step: a larger batch in the same memory."),
    "max_tokens": _("Longer texts are cut here."),
    "precision": _("bf16 is faster on chips that have it; auto looks."),
    "gradient_checkpointing": _("Less memory for a third more time."),
    "adversarial": _("Trains on small perturbations too, against typos and odd spelling. Twice the time for its share."),
    "epsilon": _("Size of the perturbation."),
    "adversarial_share": _("Share of the batches that are perturbed."),
    "rdrop": _("Weight of the agreement between two passes with other dropout; 0 is off."),
    "label_smoothing": _("How much of each label is spread over the others."),
    "class_balance": _("0 takes classes as they come, 1 weighs rare ones up fully."),
    "dp_noise": _("Noise of differentially private training (DP-SGD); 0 is off. About 1 gives a strong promise and costs accuracy."),
    "dp_clip": _("Each row's gradient is cut to this length first."),
    "patience": _("Looks at the held-out part without a gain before it stops."),
    "evaluate_every": _("Steps between looks; 0 looks after each epoch."),
    "trials": _("Settings that a search tries first; 0 takes yours."),
    "seed": _("The same seed, data and settings give the same model."),
    "sequences_per_step": _("Packed sequences that make a step."),
}  # fmt: skip
TITLES = {
    "lora": "LoRA", "adalora": "AdaLoRA", "adapter": _("Bottleneck adapter"), "full": _("All weights"), "fgm": "FGM", "pgd": "PGD",
    "bradley-terry": "Bradley-Terry", "sft": _("Approved texts (SFT)"), "dpo": _("Preferences (DPO)"),
}  # fmt: skip


OF_DPO = frozenset({"beta", "dpo_learning_rate", "dpo_epochs", "pairs_per_step", "chosen_weight"})


class RetrainForm(forms.Form):
    """`capability` decides which settings there are; only stores of `stores` can be chosen, the house only by `house`."""

    def __init__(self, found: Capability, *args: Any, stores: Any, house: bool, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.found = found
        self.fields["store"] = forms.ModelChoiceField(
            Store.objects.none(), label=_("Store"), required=not house,
            empty_label=_("House: every store without a version of its own") if house else "---------",
        )  # fmt: skip
        self.fields["store"].queryset = stores  # type: ignore[attr-defined]
        self.fields["start_from"] = forms.ChoiceField(
            choices=TrainingRun.Start.choices, label=_("Start from"), initial=TrainingRun.Start.LIVE,
            help_text=_("The live version keeps what it has learned; the plain base starts over."),
        )  # fmt: skip
        kind = load(found.config)
        names = {f.name: f for f in fields(kind)}
        methods = "method" in names
        order = [name for name in found.options if name in names]
        if methods and "method" not in order:
            order.insert(0, "method")
        self.first = ["store", "start_from", *order]
        self.more = [name for name in names if name not in order]
        for name in [*order, *self.more]:
            made = self._field(name, found.defaults.get(name, names[name].default))
            if made is None:
                self.more = [other for other in self.more if other != name]
            else:
                self.fields[name] = made
        self._settings = [name for name in names if name in self.fields]

    def _field(self, name: str, default: Any) -> forms.Field | None:
        objectives = self.found.objectives
        about = HELP.get("sft" if name == "objective" and default == "sft" else name, "")
        label = name.replace("_", " ").capitalize().replace("Dpo", "DPO")
        common = {"label": label, "help_text": about, "initial": default, "required": False}
        known = self.found.methods if name == "method" else CHOICES.get(name)
        if name == "objective" and (objectives or default not in CHOICES["objective"]):
            known = objectives
        if (name == "objective" and not known) or (name in OF_DPO and "dpo" not in objectives):
            return None
        if known:
            return forms.ChoiceField(choices=[(v, TITLES.get(v, v)) for v in known], **common)
        if isinstance(default, bool):
            return forms.BooleanField(**common)
        if isinstance(default, int):
            return forms.IntegerField(**common)
        if isinstance(default, float):
            return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **common)
        return None if default is MISSING or not isinstance(default, str) else forms.CharField(**common)

    def first_fields(self) -> list[forms.BoundField]:
        """What everybody looks at."""
        return [self[name] for name in self.first]

    def more_fields(self) -> list[forms.BoundField]:
        """The other settings."""
        return [self[name] for name in self.more]

    @property
    def more_is_wrong(self) -> bool:
        """Whether an error hides among the other settings."""
        return any(name in self.errors for name in self.more)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen = {name: data[name] for name in self._settings if data.get(name) not in (None, "")}
        if not self.errors:
            try:
                data["config"] = checked_config(self.found, chosen)
            except (TypeError, ValueError) as error:
                name = str(error).split("=")[0]
                self.add_error(name if name in self.fields else None, str(error))
        return data
