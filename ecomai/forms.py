"""Forms of the store's own pages."""

from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, PasswordResetForm, SetPasswordForm
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from ecomai import attempts
from ecomai.models import ApiKey, Role, Store, User

LOCALES = [
    ("en", _("English")),
    ("zh-Hans", _("Chinese (simplified)")),
    ("es", _("Spanish")),
    ("de", _("German")),
    ("fr", _("French")),
    ("ja", _("Japanese")),
    ("pt-BR", _("Portuguese (Brazil)")),
    ("it", _("Italian")),
    ("nl", _("Dutch")),
    ("ko", _("Korean")),
]
CSS = {forms.Select: "select", forms.Textarea: "textarea"}


class Styled:
    """Gives each widget the class of its kind and ties it to its hint and errors."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field.widget, (forms.CheckboxInput, forms.CheckboxSelectMultiple, forms.RadioSelect)):
                continue
            field.widget.attrs.setdefault("class", CSS.get(type(field.widget), "input"))
            if self.is_bound and name in self.errors:
                field.widget.attrs["aria-invalid"] = "true"


class SignInForm(Styled, AuthenticationForm):
    username = forms.EmailField(
        label=_("Email address"), widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"})
    )

    def clean_username(self) -> str:
        return self.cleaned_data["username"].lower()

    def clean(self) -> dict:
        caller, email = self.request.META.get("REMOTE_ADDR", ""), self.cleaned_data.get("username", "")
        if attempts.blocked(caller, email):
            raise forms.ValidationError(_("Too many wrong tries. Wait a quarter of an hour, or set a new password."))
        try:
            data = super().clean()
        except forms.ValidationError:
            attempts.failed(caller, email)
            raise
        attempts.succeeded(caller, email)
        return data


class ResetForm(Styled, PasswordResetForm):
    """Asks for a link by mail."""


class NewPasswordForm(Styled, SetPasswordForm):
    """Behind the link of the mail."""


class PasswordForm(Styled, PasswordChangeForm):
    """In the profile: the old one is asked for."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # It is the page's second form: the page begins at its top.
        self.fields["old_password"].widget.attrs.pop("autofocus")


class StoreForm(Styled, forms.ModelForm):
    default_locale = forms.ChoiceField(label=_("Main language"), choices=LOCALES)

    class Meta:
        model = Store
        fields = ["name", "slug", "currency", "default_locale"]

    def clean_currency(self) -> str:
        return self.cleaned_data["currency"].upper()


class StoreSettingsForm(StoreForm):
    locales = forms.MultipleChoiceField(
        label=_("Languages of your shop"), choices=LOCALES, widget=forms.CheckboxSelectMultiple, required=False
    )
    url = forms.URLField(label=_("Shop address"), required=False, assume_scheme="https")
    timezone = forms.ChoiceField(label=_("Time zone"), choices=[(z, z) for z in sorted(available_timezones())])

    class Meta(StoreForm.Meta):
        fields = ["name", "slug", "url", "currency", "timezone", "default_locale", "locales"]

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        main = data.get("default_locale")
        if main and main not in data.get("locales", []):
            data["locales"] = [main, *data.get("locales", [])]
        return data


class InviteForm(Styled, forms.Form):
    email = forms.EmailField(label=_("Email address"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.AGENT)


class ApiKeyForm(Styled, forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("Where the key is used, like “storefront”."))
    kind = forms.ChoiceField(label=_("Kind"), choices=ApiKey.Kind.choices)
    origins = forms.CharField(
        label=_("Allowed origins"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("For publishable keys: one a line, like https://shop.example"),
    )

    def clean_origins(self) -> list[str]:
        lines = [line.strip().rstrip("/") for line in self.cleaned_data["origins"].splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            if not line.startswith(("https://", "http://")) or line.count("/") != 2:
                raise forms.ValidationError(
                    _("Line %(n)d: “%(value)s” is not an origin like https://shop.example"),
                    params={"n": number, "value": line},
                )
        return lines


class AcceptForm(Styled, forms.Form):
    first_name = forms.CharField(label=_("First name"), max_length=150)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    password = forms.CharField(
        label=_("Password"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    def clean_password(self) -> str:
        validate_password(self.cleaned_data["password"])
        return self.cleaned_data["password"]


def _interface_languages() -> list[tuple[str, str]]:
    names = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
    return [("", _("As the browser asks")), *names]


class ProfileForm(Styled, forms.ModelForm):
    language = forms.ChoiceField(label=_("Language"), required=False, choices=_interface_languages)

    class Meta:
        model = User
        fields = ["first_name", "last_name", "language"]
