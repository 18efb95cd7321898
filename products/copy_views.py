"""Pages of ad copy: ask for it, watch it, review it, take the approved texts along."""

import csv
import io
from collections import defaultdict

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from ecomai import jobs
from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.lib.formulas import safe
from ecomai.lib.htmx import render_page_or_part
from ecomai.tasks import send
from products import briefs, copy_presentation, copywriting
from products.briefs import COPY_LOCALES
from products.channels import CHANNELS, TONES, limits
from products.models import AdAsset, CopyBrief, CopyRequest, Product
from products.praise import praise


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def write_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose channels, tone, language and number of variants for a product, by hand or from a brief."""
    product = get_object_or_404(
        Product.objects.select_related("brand", "category", "store"), pk=pk, store=request.store
    )
    error = ""
    chosen: dict = {
        "channels": ["google_rsa", "meta"], "locale": request.store.default_locale, "tone": "neutral", "variants": 3,
    }  # fmt: skip
    named = (request.POST if request.method == "POST" else request.GET).get("brief", "")
    brief = CopyBrief.objects.filter(store=request.store, pk=named).first() if named.isdigit() else None
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
            order = copywriting.request_copy(
                store=request.store, product=product, by=request.user, brief=brief, **chosen
            )
            start(order, request.user)
            return redirect("products:copy_request", store=request.store.slug, pk=order.pk)
    elif brief:
        chosen = {name: getattr(brief, name) for name in briefs.ORDERED_FIELDS}
    fields = defaultdict(list)
    for limit in limits(request.store).values():
        fields[limit.channel].append(limit)
    facts, said = copywriting.facts_of(product), praise(product)
    demands = briefs.of(briefs.frozen(brief), chosen["locale"], praise=said, voice={}) if brief else None
    context = {
        "product": product, "channels": [(key, name, fields[key]) for key, name in CHANNELS.items()], "tones": TONES,
        "locales": COPY_LOCALES, "chosen": chosen, "error": error, "facts": facts, "brief": brief,
        "briefs": CopyBrief.objects.filter(store=request.store), "praise": copy_presentation.praise_lines(said.as_json(), {p.aspect: p.quote for p in said.praised}),
        "lacking": [briefs.ANGLES[angle] for angle in demands.lacking(facts)] if demands else [],
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
    rows = CopyRequest.objects.filter(store=request.store, batch=None).select_related("product", "job")
    page = Paginator(rows.prefetch_related("assets"), 25).get_page(request.GET.get("page"))
    for order in page:
        order.waiting = sum(a.status == AdAsset.Status.PROPOSED for a in order.assets.all())
        order.approved = sum(a.status == AdAsset.Status.APPROVED for a in order.assets.all())
        order.channel_names = [CHANNELS[c] for c in order.channels if c in CHANNELS]
        order.language = dict(LOCALES).get(order.locale, order.locale)
    return render(request, "products/copy_requests.html", {"page": page, "tones": TONES, "tab": "requests"})


def _neighbours(order: CopyRequest) -> dict:
    """The written products before and after this one in its bulk order."""
    if order.batch_id is None:
        return {}
    others = CopyRequest.objects.filter(batch=order.batch_id, assets__isnull=False)
    return {
        "previous": others.filter(pk__lt=order.pk).order_by("-pk").first(),
        "following": others.filter(pk__gt=order.pk).order_by("pk").first(),
    }


@store_view("copy.view")
@require_GET
def copy_request(request: HttpRequest, pk: int) -> HttpResponse:
    """Progress while it is written, then the texts side by side."""
    orders = CopyRequest.objects.select_related("product", "job", "store", "batch__job")
    order = get_object_or_404(orders, pk=pk, store=request.store)
    assets = list(copy_presentation.cards(order.assets.all()))
    job = order.job or (order.batch.job if order.batch else None)
    context = {
        "order": order, "job": job, "groups": copy_presentation.groups(order, assets, limits(request.store)),
        "tone": TONES.get(order.tone, order.tone), "language": dict(LOCALES).get(order.locale, order.locale),
        "busy": order.finished_at is None and not order.problem and job is not None and job.is_open,
        "delivered": len(assets), "wanted": sum(order.asked.values()),
        "praise": copy_presentation.praise_lines(order.brief.get("praise", {})),
        "angles": [briefs.ANGLES[a] for a in order.brief.get("angles", ()) if a in briefs.ANGLES],
        **_neighbours(order),
    }  # fmt: skip
    return render_page_or_part(
        request, "products/copy_request.html", "products/_copy_request.html", context, target="copy-request"
    )


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
