"""Pages of exports to advertising channels: choose, see what would be left out and why, download."""

from collections import defaultdict

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from ecomai.access import store_view
from ecomai.forms import LOCALES, Styled
from ecomai.models import Store
from products.ad_exports import registry
from products.ad_exports.checks import LEVELS, REASONS
from products.ad_exports.source import Choice
from products.feed_texts import first_locale
from products.models import AdAsset, CopyBatch

# Fields that one channel alone asks for: the page shows them with its format.
ONLY = {
    "campaign": "for-google",
    "paused": "for-google",
    "pin": "for-google",
    "product_type": "for-amazon",
    "gtin_exempt": "for-amazon",
}
COPY_CODES = ("no_copy", "too_few")  # what more ad copy would mend


class StoresChoices(forms.Form):
    """Fills the choices in before `Styled` asks for errors."""

    def __init__(self, store: Store, *args, **kwargs):
        super().__init__(*args, **kwargs)
        names = dict(LOCALES)
        used = AdAsset.objects.filter(store=store, status=AdAsset.Status.APPROVED).values_list("locale", flat=True)
        codes = dict.fromkeys([first_locale(store), *store.locales, *sorted(set(used.distinct()))])
        self.fields["export"].choices = [(key, export.name) for key, export in registry.EXPORTS.items()]
        self.fields["locale"].choices = [(code, names.get(code, code)) for code in codes]
        orders = CopyBatch.objects.filter(store=store)[:100]
        self.fields["batch"].choices = [("", _("none in particular")), *((order.pk, str(order)) for order in orders)]


class AdExportForm(Styled, StoresChoices):
    export = forms.ChoiceField(label=_("Format"))
    locale = forms.ChoiceField(label=_("Language"), help_text=_("A file is in one language."))
    which = forms.ChoiceField(
        label=_("Products"), required=False,
        choices=[("approved", _("with approved texts of the channel")), ("all", _("all active products"))],
    )  # fmt: skip
    batch = forms.TypedChoiceField(label=_("Only of a bulk order"), required=False, coerce=int, empty_value=None)
    q = forms.CharField(
        label=_("Only those with the words"), required=False, max_length=200,
        help_text=_("In title, handle, brand, SKU, GTIN or tags"),
    )  # fmt: skip
    campaign = forms.CharField(label=_("Campaign"), required=False, max_length=128, help_text=_("Google Ads only"))
    paused = forms.BooleanField(label=_("Google Ads: new ads are paused"), required=False)
    pin = forms.BooleanField(
        label=_("Google Ads: pin the first headline and description to the first place"), required=False
    )
    product_type = forms.RegexField(
        r"^[A-Za-z0-9_]*$", label=_("Amazon's product type"), required=False, max_length=100,
        help_text=_("Amazon only, as in its template, like drinking_cup"),
    )  # fmt: skip
    gtin_exempt = forms.BooleanField(label=_("Amazon: articles without a GTIN too (you are exempt)"), required=False)
    bom = forms.BooleanField(label=_("For Excel: mark the file as UTF-8"), required=False)

    def clean(self) -> dict:
        data = super().clean()
        if data.get("export") == "amazon" and not data.get("product_type") and "product_type" not in self.errors:
            self.add_error("product_type", _("Amazon wants one: write the product type of the category's template."))
        return data

    def choice(self) -> Choice:
        """What a valid form asks for."""
        data = self.cleaned_data
        return Choice(
            export=data["export"], locale=data["locale"], approved_only=data["which"] != "all", batch=data["batch"],
            query=data["q"].replace("\0", ""), campaign=data["campaign"], paused=data["paused"], pin=data["pin"],
            product_type=data["product_type"], gtin_exempt=data["gtin_exempt"], bom=data["bom"],
        )  # fmt: skip


def _reasons(report: registry.Report) -> list[dict]:
    """What keeps how much out, the most frequent first, with one problem as the example; `differ`: others read otherwise."""
    found = defaultdict(list)
    for problem in report.problems:
        found[problem.level, problem.column, problem.code].append(problem)
    return [
        {"level": level, "label": LEVELS[level], "column": column, "count": count, "code": code, "reason": REASONS[code],
         "example": next(iter(found[level, column, code]), None),
         "differ": len({problem.reason for problem in found[level, column, code]}) > 1}
        for (level, column, code), count in report.reasons.most_common()
    ]  # fmt: skip


def _form(request) -> AdExportForm:
    if "export" in request.GET:
        return AdExportForm(request.store, request.GET)
    start = {"export": "google_ads", "locale": first_locale(request.store), "which": "approved", "paused": True}
    return AdExportForm(request.store, initial={**start, "campaign": request.store.name, **request.GET.dict()})


@store_view("catalogue.export")
@require_GET
def ad_export(request: HttpRequest) -> HttpResponse:
    """Choose a format; once chosen, what the file would hold and what not."""
    form = _form(request)
    context: dict = {"form": form, "exports": registry.EXPORTS, "only": ONLY}
    if form.is_bound and form.is_valid():
        choice = form.choice()
        report = registry.check(request.store, choice)
        query: QueryDict = request.GET.copy()
        context |= {
            "report": report, "export": registry.EXPORTS[choice.export], "query": query.urlencode(),
            "reasons": _reasons(report), "has_texts": any(problem.text for problem in report.problems), "copy_codes": COPY_CODES,
        }  # fmt: skip
    return render(request, "products/ad_export.html", context, status=422 if form.errors else 200)


def _send(request, pieces, name: str, ending: str, mime: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type=f"{mime}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{request.store.slug}-{name}.{ending}"'
    response["Cache-Control"] = "private, no-store"
    return response


@store_view("catalogue.export")
@require_GET
def ad_export_file(request: HttpRequest) -> HttpResponse:
    """The file, without what the channel would refuse."""
    form = AdExportForm(request.store, request.GET)
    if not form.is_valid():
        return render(
            request, "products/ad_export.html", {"form": form, "exports": registry.EXPORTS, "only": ONLY}, status=422
        )
    choice = form.choice()
    export = registry.EXPORTS[choice.export]
    pieces = registry.write(request.store, choice)
    return _send(request, pieces, f"{choice.export.replace('_', '-')}-{choice.locale}", export.ending, export.mime)


@store_view("catalogue.export")
@require_GET
def ad_export_problems(request: HttpRequest) -> HttpResponse:
    """All that the file leaves out or changes, as a table."""
    form = AdExportForm(request.store, request.GET)
    if not form.is_valid():
        return render(
            request, "products/ad_export.html", {"form": form, "exports": registry.EXPORTS, "only": ONLY}, status=422
        )
    pieces = registry.problems_csv(request.store, form.choice(), get_language() or "en")
    return _send(request, pieces, f"{form.cleaned_data['export'].replace('_', '-')}-problems", "csv", "text/csv")
