"""The form of a brief."""

from django import forms
from django.utils.translation import gettext_lazy as _

from ecomai.forms import Styled
from products.briefs import ANGLES, COPY_LOCALES, phrases
from products.channels import CHANNELS, TONES
from products.models import CopyBrief


class Phrases(forms.CharField):
    """Words or phrases, one a line or parted by commas."""

    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value) -> list[str]:
        return phrases(super().to_python(value) or "")

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, (list, tuple)) else value


class BriefForm(Styled, forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120)
    audience = forms.CharField(
        label=_("Audience"), max_length=200, required=False, help_text=_("For whom? Texts that suit them rank higher."),
        widget=forms.TextInput(attrs={"placeholder": _("parents with small children")}),
    )  # fmt: skip
    angles = forms.MultipleChoiceField(
        label=_("Angles"), choices=list(ANGLES.items()), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("None means all. Offer, proof and urgency are written only where a fact carries them."),
    )  # fmt: skip
    must_include = Phrases(
        label=_("Must be in every text"), required=False,
        help_text=_("One per line. “mug | cup” is met by either. Other texts are thrown away, so keep it short."),
    )  # fmt: skip
    banned = Phrases(
        label=_("Banned words"), required=False, help_text=_("One per line. No text with one of them is kept.")
    )
    channels = forms.MultipleChoiceField(
        label=_("Channels"), choices=list(CHANNELS.items()), widget=forms.CheckboxSelectMultiple
    )
    locale = forms.ChoiceField(label=_("Language"), choices=COPY_LOCALES)
    tone = forms.ChoiceField(label=_("Tone"), choices=list(TONES.items()))
    variants = forms.IntegerField(label=_("Variants of each text"), min_value=1, max_value=10)
    use_voice = forms.BooleanField(
        label=_("Prefer texts in the shop's own voice"), required=False, help_text=_("As measured from your approved texts."),
    )  # fmt: skip
    use_reviews = forms.BooleanField(
        label=_("Use what customers praise"), required=False,
        help_text=_("Only what at least 5 reviews support. What reviews contradict is never claimed."),
    )  # fmt: skip

    @staticmethod
    def start(brief: CopyBrief | None, locale: str) -> dict:
        """Initial values of a brief, or of a new one."""
        if brief is not None:
            return {name: getattr(brief, name) for name in BriefForm.base_fields}
        first = locale if locale in dict(COPY_LOCALES) else "en"
        return {"channels": ["google_rsa", "meta"], "locale": first, "tone": "neutral", "variants": 3, "use_voice": True,
                "use_reviews": True}  # fmt: skip
