"""Pages of ad copy: ask for it, watch it, decide on it; the channels' limits."""

import csv
import io
from collections import defaultdict

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.lib.formulas import safe
from ecomai.lib.htmx import render_page_or_part
from ecomai.lib.text import measure
from ecomai.permissions import allowed
from ecomai.tasks import send
from ml.generator import GenerationError
from products import copywriting
from products.channels import ANGLES, CHANNELS, TONES, limits, set_limit
from products.models import AdAsset, ChannelField, CopyRequest, Product

COPY_LOCALES = [(code, name) for code, name in LOCALES if code in ("en", "zh-Hans", "es", "de", "fr", "ja")]
RULES = {
    "empty": gettext_lazy("empty"), "too_long": gettext_lazy("over the channel's limit"), "too_short": gettext_lazy("too short"),
    "markup": gettext_lazy("contains markup"), "link": gettext_lazy("contains a link or a number to call"), "emoji": gettext_lazy("emoji or half-width signs"),
    "punctuation": gettext_lazy("repeated punctuation"), "decoration": gettext_lazy("decorative signs"), "exclamation": gettext_lazy("an exclamation mark too many"),
    "capitals": gettext_lazy("words in capitals"), "leak": gettext_lazy("repeats the order"), "language": gettext_lazy("in another language"), "untranslated": gettext_lazy("leaves words untranslated"),
    "unsure": gettext_lazy("the model itself found it unlikely"),
    "unfinished": gettext_lazy("breaks off"), "repetition": gettext_lazy("repeats itself"), "only_title": gettext_lazy("only the title again"),
    "amazon": gettext_lazy("breaks Amazon's title rules"), "promo": gettext_lazy("promotional wording"), "unbalanced": gettext_lazy("open bracket or quote"),
    "duplicate": gettext_lazy("too much like another one"), "claim_number": gettext_lazy("a number that no fact holds"),
    "claim_price": gettext_lazy("a price that no fact holds"), "claim_colour": gettext_lazy("a colour that no fact holds"),
    "claim_material": gettext_lazy("a material that no fact holds"), "claim_proof": gettext_lazy("a property that no fact holds"),
    "claim_place": gettext_lazy("an origin that no fact holds"), "claim_code": gettext_lazy("a model name that no fact holds"),
    "claim_contradiction": gettext_lazy("denies what a fact says"), "claim_comparison": gettext_lazy("a comparison that no fact makes"),
    "claim_ungrounded": gettext_lazy("says nothing about this product"),
    "claim_name": gettext_lazy("a name that no fact holds"), "claim_brand": gettext_lazy("another product's brand"), "claim_superlative": gettext_lazy("a superlative"), "claim_urgency": gettext_lazy("false urgency"),
    "claim_health": gettext_lazy("a health promise"), "claim_cliché": gettext_lazy("a worn phrase"),
}  # fmt: skip


def marked(asset: AdAsset) -> SafeString:
    """The text with the words that a fact supports marked; everything escaped."""
    out, at = [], 0
    for span in asset.facts:
        start, end = span["start"], span["end"]
        if start < at or end > len(asset.text):
            continue
        fact = escape(f"{span['name']}: {span['value']}" if span["value"] else span["name"])
        out.append(escape(asset.text[at:start]))
        shown = escape(asset.text[start:end])
        out.append(f'<mark class="fact" tabindex="0" data-fact="{fact}" aria-description="{fact}">{shown}</mark>')
        at = end
    out.append(escape(asset.text[at:]))
    return mark_safe("".join(out))


def _dress(asset: AdAsset, bounds) -> AdAsset:
    """Give an asset what its card shows."""
    asset.limit = bounds[asset.field]
    asset.length = measure(asset.text)
    asset.counted = getattr(asset.length, asset.limit.unit)
    asset.marked = marked(asset)
    asset.angle_label = ANGLES.get(asset.angle, asset.angle)
    return asset


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def write_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose channels, tone, language and number of variants for a product."""
    product = get_object_or_404(Product.objects.select_related("brand", "category"), pk=pk, store=request.store)
    error = ""
    chosen = {
        "channels": ["google_rsa", "meta"],
        "locale": request.store.default_locale,
        "tone": "neutral",
        "variants": 3,
    }
    if request.method == "POST":
        variants = request.POST.get("variants", "3")
        chosen = {
            "channels": [c for c in request.POST.getlist("channels") if c in CHANNELS],
            "locale": request.POST.get("locale", ""), "tone": request.POST.get("tone", ""),
            "variants": int(variants) if variants.isdigit() else 0,
        }  # fmt: skip
        if not chosen["channels"]:
            error = _("Choose at least one channel.")
        elif (
            chosen["locale"] not in dict(COPY_LOCALES)
            or chosen["tone"] not in TONES
            or not 1 <= chosen["variants"] <= 10
        ):
            error = _("Choose a language, a tone and between 1 and 10 variants.")
        else:
            order = copywriting.request_copy(store=request.store, product=product, by=request.user, **chosen)
            start(order, request.user)
            return redirect("products:copy_request", store=request.store.slug, pk=order.pk)
    fields = defaultdict(list)
    for limit in limits(request.store).values():
        fields[limit.channel].append(limit)
    context = {
        "product": product, "channels": [(key, name, fields[key]) for key, name in CHANNELS.items()], "tones": TONES,
        "locales": COPY_LOCALES, "chosen": chosen, "error": error, "facts": copywriting.facts_of(product),
    }  # fmt: skip
    return render(request, "products/write_copy.html", context, status=422 if error else 200)


def start(order: CopyRequest, user) -> None:
    """Give a copy request its job and send it."""
    job = jobs.create(
        store=order.store, kind="copy", title=_("Write copy for %(product)s") % {"product": order.product.title},
        task="products.tasks.write_copy", queue="live", unit=_("candidates"), created_by=user,
        url=reverse("products:copy_request", args=[order.store.slug, order.pk]),
    )  # fmt: skip
    CopyRequest.objects.filter(pk=order.pk).update(job=job)
    send(job)


@store_view("copy.view")
@require_GET
def copy_requests(request: HttpRequest) -> HttpResponse:
    rows = CopyRequest.objects.filter(store=request.store).select_related("product", "job").prefetch_related("assets")
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    for order in page:
        order.waiting = sum(a.status == AdAsset.Status.PROPOSED for a in order.assets.all())
        order.approved = sum(a.status == AdAsset.Status.APPROVED for a in order.assets.all())
        order.channel_names = [CHANNELS[c] for c in order.channels if c in CHANNELS]
    return render(request, "products/copy_requests.html", {"page": page, "tones": TONES})


@store_view("copy.view")
@require_GET
def copy_request(request: HttpRequest, pk: int) -> HttpResponse:
    """Progress while it is written, then the assets by channel."""
    order = get_object_or_404(CopyRequest.objects.select_related("product", "job"), pk=pk, store=request.store)
    bounds = limits(request.store)
    groups = []
    assets = [_dress(a, bounds) for a in order.assets.select_related("edited_by", "decided_by")]
    for channel in order.channels:
        fields = []
        for key, limit in bounds.items():
            if limit.channel == channel and key in order.asked:
                own = [a for a in assets if a.field == key]
                thrown = [
                    {"rule": RULES.get(rule, rule), **entry}
                    for rule, entry in sorted(order.thrown_away.get(key, {}).items(), key=lambda i: -i[1]["count"])
                ]
                fields.append({"limit": limit, "assets": own, "asked": order.asked[key], "thrown": thrown,
                               "missing": max(0, order.asked[key] - len(own))})  # fmt: skip
        groups.append({"key": channel, "name": CHANNELS.get(channel, channel), "fields": fields})
    tops = defaultdict(list)  # what an ad would show: up to three texts of a field, approved ones first
    for asset in sorted(assets, key=lambda a: (a.field, a.status != AdAsset.Status.APPROVED, a.position)):
        if asset.status != AdAsset.Status.REJECTED and len(tops[asset.field]) < 3:
            tops[asset.field].append(asset.text)
    context = {
        "order": order, "job": order.job, "groups": groups, "tone": TONES.get(order.tone, order.tone),
        "language": dict(LOCALES).get(order.locale, order.locale),
        "busy": order.finished_at is None and order.job is not None and order.job.is_open, "delivered": len(assets),
        "wanted": sum(order.asked.values()), "tops": tops,
    }  # fmt: skip
    return render_page_or_part(
        request, "products/copy_request.html", "products/_copy_request.html", context, target="copy-request"
    )


def _asset(request, pk: int) -> AdAsset:
    rows = AdAsset.objects.select_related("product__brand", "product__category", "store", "request")
    return get_object_or_404(rows, pk=pk, store=request.store)


def _card(request, asset: AdAsset, **more) -> HttpResponse:
    if request.htmx:
        context = {"asset": _dress(asset, limits(request.store)), **more}
        return render(request, "products/_asset.html", context)
    if more.get("error"):
        messages.error(request, more["error"])
    return redirect("products:copy_request", store=request.store.slug, pk=asset.request_id)


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def asset_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit in place. Rules warn; only the channel's limit forbids."""
    asset = _asset(request, pk)
    if request.method == "GET":
        return _card(request, asset, editing="cancel" not in request.GET)
    try:
        broken, checked = copywriting.edit(asset, request.POST.get("text", ""), request.user)
    except ValueError as error:
        return _card(request, asset, editing=True, error=RULES[str(error)], draft=request.POST.get("text", ""))
    return _card(request, asset, warnings=_warnings(broken, checked))


def _warnings(broken: list[str], checked) -> list[str]:
    unheld = [_("“%(text)s”: no fact holds this") % {"text": span.text} for span in checked.unsupported]
    return [str(RULES.get(rule, rule)) for rule in broken] + unheld


@store_view("copy.write")
@require_POST
def asset_check(request: HttpRequest, pk: int) -> HttpResponse:
    """What the rules and the facts say of a text while a person types it. Changes nothing."""
    asset = _asset(request, pk)
    warnings = _warnings(*copywriting.judge_edit(asset, request.POST.get("text", "")))
    return render(request, "products/_asset_warnings.html", {"asset": asset, "warnings": warnings})


@store_view("copy.approve")
@require_POST
def asset_decide(request: HttpRequest, pk: int) -> HttpResponse:
    asset = _asset(request, pk)
    try:
        copywriting.decide(asset, request.POST.get("status", ""), request.user, request.POST.get("reason", ""))
    except ValueError:
        return HttpResponse(status=422)
    return _card(request, asset)


@store_view("copy.write")
@require_POST
def asset_rewrite(request: HttpRequest, pk: int) -> HttpResponse:
    """One more try of the model, while the person waits (a few seconds)."""
    asset = _asset(request, pk)
    try:
        done = copywriting.rewrite(asset)
    except ValueError:
        return _card(request, asset, error=_("A person's text is not overwritten by the model."))
    except GenerationError as error:
        return _card(request, asset, error=str(error))
    asset = _asset(request, pk)
    return _card(request, asset, error="" if done else _("No candidate passed the checks this time. Try again."))


@store_view("copy.approve")
@require_POST
def asset_use(request: HttpRequest, pk: int) -> HttpResponse:
    asset = _asset(request, pk)
    try:
        copywriting.use_in_listing(asset, request.user)
    except ValueError:
        return HttpResponse(status=422)
    messages.success(request, _("The listing uses this text now."))
    return redirect("products:product", store=request.store.slug, pk=asset.product_id)


@store_view("copy.view")
@require_GET
def copy_export(request: HttpRequest, pk: int) -> HttpResponse:
    """The approved texts of a request as CSV, with their provenance."""
    order = get_object_or_404(CopyRequest, pk=pk, store=request.store)
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(["product", "field", "language", "text", "written by", "model", "written at"])
    for asset in order.assets.filter(status=AdAsset.Status.APPROVED).select_related("product"):
        row = [asset.product.handle, asset.field, asset.locale, asset.text, asset.origin, asset.model_label]
        writer.writerow([*map(safe, row), asset.written_at.isoformat()])
    response = HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="copy-{order.pk}.csv"'
    return response


@store_view("copy.view")
@require_http_methods(["GET", "POST"])
def channels(request: HttpRequest) -> HttpResponse:
    """The limits of every field; an owner or manager may change them."""
    error = ""
    if request.method == "POST":
        if not allowed(request.role, "copy.approve"):
            return HttpResponse(status=403)
        key = request.POST.get("key", "")
        try:
            set_limit(
                request.store, key, unit=request.POST.get("unit", ""), limit=int(request.POST.get("limit", "")),
                minimum=int(request.POST.get("minimum", "")), most=int(request.POST.get("most", "")),
            )  # fmt: skip
            messages.success(request, _("Saved."))
            return redirect("products:channels", store=request.store.slug)
        except (ValueError, KeyError):
            error = _("Write whole numbers: at least 1, and the minimum below the limit.")
    groups = defaultdict(list)
    for limit in limits(request.store).values():
        groups[limit.channel].append(limit)
    context = {
        "groups": [(CHANNELS[key], rows) for key, rows in groups.items()], "units": ChannelField.Unit.choices, "error": error
    }  # fmt: skip
    return render(request, "products/channels.html", context, status=422 if error else 200)
