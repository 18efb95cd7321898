"""Forms of reviews."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from ecomai.forms import Styled
from reviews.models import ReviewSettings

TONES = [
    ("friendly", _("friendly")), ("warm", _("warm")), ("formal", _("formal")), ("brief", _("brief")),
    ("cheerful", _("cheerful")),
]  # fmt: skip
MAX_ADDRESSES = 20


class ReviewSettingsForm(Styled, forms.ModelForm):
    """What the store keeps, how its replies sound, who is told of alerts."""

    tone = forms.ChoiceField(label=_("Tone"), choices=TONES)
    alert_emails = forms.CharField(
        label=_("Alert addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One address a line. They get a mail when an alert opens."),
    )

    class Meta:
        model = ReviewSettings
        fields = ["keep_raw", "retention_days", "mask_names", "tone", "signature", "policies", "digest", "alert_emails"]
        widgets = {"policies": forms.Textarea(attrs={"rows": 5, "maxlength": 4000})}
        labels = {
            "keep_raw": _("Keep the unmasked words, encrypted"), "retention_days": _("Days they are kept"),
            "mask_names": _("Mask first names in texts, too"), "signature": _("Signature"),
            "policies": _("What replies may refer to"), "digest": _("Weekly digest by mail"),
        }  # fmt: skip
        help_texts = {
            "keep_raw": _("Off: mail addresses, phone numbers and the like are gone for good once a review is read."),
            "retention_days": _("Counted from the day a review arrives; then only the masked words stay."),
            "mask_names": _("For reviews that come from now on."),
            "signature": _("Stands below every reply, like “Your team at Stoneware & Co.”"),
            "policies": _("Returns, warranty, opening hours: a reply promises nothing that isn't written here."),
            "digest": _("On Mondays: what changed, what was praised, what went wrong."),
        }  # fmt: skip

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        tone = self.instance.tone
        if tone not in dict(TONES):
            self.fields["tone"].choices = [*TONES, (tone, tone)]
        self.initial["alert_emails"] = "\n".join(self.instance.alert_emails)
        self.fields["retention_days"].min_value = 1
        self.fields["retention_days"].widget.attrs |= {"min": 1, "max": 3650}

    def clean_retention_days(self) -> int:
        days = self.cleaned_data["retention_days"]
        if not 1 <= days <= 3650:
            raise ValidationError(_("Between 1 and 3650 days."))
        return days

    def clean_policies(self) -> str:
        text = self.cleaned_data["policies"]
        if len(text) > 4000:
            raise ValidationError(_("At most 4000 characters."))
        return text

    def clean_alert_emails(self) -> list[str]:
        found = list(dict.fromkeys(a for a in re.split(r"[\s,;]+", self.cleaned_data["alert_emails"]) if a))
        for address in found:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(_("“%(value)s” is no mail address."), params={"value": address}) from None
        if len(found) > MAX_ADDRESSES:
            raise ValidationError(_("At most %(n)d addresses."), params={"n": MAX_ADDRESSES})
        return found
