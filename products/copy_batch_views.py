"""Pages of bulk orders: estimate, start, watch, go on, review."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.lib.htmx import render_page_or_part
from ecomai.tasks import send
from products import briefs, copy_presentation
from products import copy_batches as room
from products.channels import CHANNELS, TONES, limits
from products.models import AdAsset, CopyBatch, CopyBrief, CopyRequest

STATE_NAMES = {
    "waiting": gettext_lazy("Waiting"), "written": gettext_lazy("Written"), "nothing": gettext_lazy("No text passed"),
    "skipped": gettext_lazy("Too few facts"), "failed": gettext_lazy("Failed"),
}  # fmt: skip
SHOWN_SKIPPED, SHOWN_PRODUCTS = 20, 12


def _selection(params: QueryDict) -> dict:
    """The products that an address names: `ids=1,2,3`, or with `all=1` everything that its filters find."""
    if params.get("all"):
        kept = [
            (name, value)
            for name, value in params.items()
            if value and name not in ("all", "ids", "brief", "cursor", "csrfmiddlewaretoken")
        ]
        return {"query": urlencode(sorted(kept))}
    ids = {int(part) for part in params.get("ids", "").split(",") if part.isdigit() and int(part) < 2**63}
    return {"ids": sorted(ids)[: room.MOST]}


@store_view("copy.write")
@require_POST
def copy_batch_select(request: HttpRequest) -> HttpResponse:
    """From the ticks of the product list to the page that estimates."""
    if request.POST.get("all"):
        query = {**request.GET.dict(), "all": "1"}
    else:
        query = {"ids": ",".join(i for i in request.POST.getlist("ids") if i.isdigit())}
    return redirect(f"{reverse('products:copy_batch_new', args=[request.store.slug])}?{urlencode(query)}")


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def copy_batch_new(request: HttpRequest) -> HttpResponse:
    """What an order over the selection would be; a POST gives it."""
    params = request.POST if request.method == "POST" else request.GET
    selection = _selection(params)
    rows = CopyBrief.objects.filter(store=request.store)
    named = params.get("brief", "")
    brief = rows.filter(pk=named).first() if named.isdigit() else rows.first()
    if request.method == "POST":
        if brief is None:
            return HttpResponse(status=422)
        try:
            batch = room.order(store=request.store, brief=brief, selection=selection, by=request.user)
        except ValueError:
            messages.error(request, _("No product is selected."))
            return redirect("products:products", store=request.store.slug)
        _start(batch, request.user)
        return redirect("products:copy_batch", store=request.store.slug, pk=batch.pk)
    products = list(room.selected(request.store, selection))
    estimate = room.estimate(request.store, brief, products) if brief and products else None
    context = {
        "products": products, "briefs": rows, "brief": brief, "estimate": estimate, "most": room.MOST,
        "hidden": [(name, value) for name, value in params.items() if name != "brief"],
        "skipped": estimate.skipped[:SHOWN_SKIPPED] if estimate else [],
        "lacking": [(briefs.ANGLES[angle], n) for angle, n in estimate.lacking.items()] if estimate else [],
        "channel_names": [CHANNELS[c] for c in brief.channels if c in CHANNELS] if brief else [],
        "more_products": max(0, len(products) - SHOWN_PRODUCTS),
        "more_skipped": max(0, len(estimate.skipped) - SHOWN_SKIPPED) if estimate else 0,
        "language": dict(LOCALES).get(brief.locale, brief.locale) if brief else "", "tone": TONES.get(brief.tone, "") if brief else "",
        "own_model": settings.GENERATOR_BACKEND == "local",
    }  # fmt: skip
    return render(request, "products/copy_batch_new.html", context)


def _start(batch: CopyBatch, user) -> None:
    """Give an order its job and send it, unless it has one."""
    with transaction.atomic():
        if CopyBatch.objects.select_for_update().get(pk=batch.pk).job_id is not None:
            return
        _job(batch, user)


def _job(batch: CopyBatch, user) -> None:
    job = jobs.create(
        store=batch.store, kind="copy_batch", title=_("Write copy: %(name)s") % {"name": batch.settings.get("name", "")},
        task="products.tasks.write_batch", queue="ml", total=batch.requests.count(), unit=_("products"), created_by=user,
        url=reverse("products:copy_batch", args=[batch.store.slug, batch.pk]),
    )  # fmt: skip
    CopyBatch.objects.filter(pk=batch.pk).update(job=job)
    send(job)


@store_view("copy.write")
@require_POST
def copy_batch_go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Write what is still missing."""
    batch = get_object_or_404(CopyBatch.objects.select_related("store"), pk=pk, store=request.store)
    with transaction.atomic():
        if room.reopen(batch):
            _job(batch, request.user)
        else:
            messages.info(request, _("Nothing is missing, or it is being written already."))
    return redirect("products:copy_batch", store=request.store.slug, pk=pk)


@store_view("copy.view")
@require_GET
def copy_batches(request: HttpRequest) -> HttpResponse:
    rows = (
        CopyBatch.objects.filter(store=request.store).select_related("job", "created_by").order_by("-created_at", "-pk")
    )
    counted = rows.annotate(
        products=Count("requests"), done=Count("requests", filter=Q(requests__finished_at__isnull=False))
    )
    page = Paginator(counted, 25).get_page(request.GET.get("page"))
    return render(request, "products/copy_batches.html", {"page": page, "tab": "batches"})


def _batch(request, pk: int) -> CopyBatch:
    return get_object_or_404(CopyBatch.objects.select_related("job", "store", "brief"), pk=pk, store=request.store)


@store_view("copy.view")
@require_GET
def copy_batch(request: HttpRequest, pk: int) -> HttpResponse:
    """The products of an order and what has become of each."""
    batch = _batch(request, pk)
    state = request.GET.get("state", "")
    found = room.with_state(batch.requests.select_related("product"), state).order_by("pk")
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    busy = batch.job is not None and batch.job.is_open
    for row in page:
        row.state = room.state_of(row)
        row.state_name = STATE_NAMES[row.state]
        row.wanted = sum(row.asked.values())
    numbers = room.counts(batch)
    texts = AdAsset.objects.filter(request__batch=batch).aggregate(
        proposed=Count("pk", filter=Q(status=AdAsset.Status.PROPOSED)),
        approved=Count("pk", filter=Q(status=AdAsset.Status.APPROVED)),
    )
    context = {
        "batch": batch, "job": batch.job, "busy": busy, "page": page, "state": state,
        "states": [(key, STATE_NAMES[key], n) for key, n in numbers.items() if n], "total": sum(numbers.values()),
        "missing": numbers["waiting"] + numbers["failed"] + numbers["skipped"], "written": numbers["written"],
        "tone": TONES.get(batch.settings.get("tone"), ""), "language": dict(LOCALES).get(batch.settings.get("locale"), ""),
        "channel_names": [CHANNELS[c] for c in batch.settings.get("channels", ()) if c in CHANNELS], **texts,
    }  # fmt: skip
    return render_page_or_part(
        request, "products/copy_batch.html", "products/_copy_batch.html", context, target="copy-batch"
    )


@store_view("copy.view")
@require_GET
def copy_batch_review(request: HttpRequest, pk: int) -> HttpResponse:
    """The texts of an order's products, side by side, a few products a page."""
    batch = _batch(request, pk)
    waiting = request.GET.get("show", "proposed") != "all"
    rows = CopyRequest.objects.filter(batch=batch, finished_at__isnull=False)
    rows = rows.filter(assets__status=AdAsset.Status.PROPOSED) if waiting else rows.filter(assets__isnull=False)
    cards = Prefetch("assets", copy_presentation.cards(AdAsset.objects.all()))
    found = rows.distinct().select_related("product", "store").prefetch_related(cards).order_by("pk")
    page = Paginator(found, 5).get_page(request.GET.get("page"))
    bounds = limits(request.store)
    for order in page:
        order.groups = copy_presentation.groups(order, order.assets.all(), bounds)
    return render(request, "products/copy_batch_review.html", {"batch": batch, "page": page, "waiting": waiting})
