"""Pages of the alerts."""

from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ecomai.access import store_view
from reviews import alert_chart
from reviews import alerts as room
from reviews.models import Alert, AlertMute

MUTES = {"1": 1, "7": 7, "30": 30, "90": 90}


def _alert(request, pk: int) -> Alert:
    found = Alert.objects.select_related("product", "store", "acknowledged_by")
    return get_object_or_404(found, pk=pk, store=request.store)


@store_view("reviews.view")
@require_GET
def alerts(request) -> HttpResponse:
    """Open alerts, or all of them."""
    show = "all" if request.GET.get("show") == "all" else "open"
    rows = Alert.objects.filter(store=request.store).select_related("product", "acknowledged_by")
    if show == "open":
        rows = rows.filter(status=Alert.Status.OPEN, muted=False)
    page = Paginator(rows.order_by("-opened_at", "-pk"), 50).get_page(request.GET.get("page"))
    context = {
        "show": show, "page": page, "items": [(row, room.headline(row)) for row in page],
        "mutes": AlertMute.objects.filter(store=request.store, until__gt=timezone.now()).select_related("product", "by"),
    }  # fmt: skip
    return render(request, "reviews/alerts.html", context)


@store_view("reviews.view")
@require_GET
def alert(request, pk: int) -> HttpResponse:
    """The numbers, the chart and the reviews behind one alert."""
    found = _alert(request, pk)
    page = Paginator(room.reviews_of(found), 20).get_page(request.GET.get("page"))
    context = {
        "alert": found, "headline": room.headline(found), "chart": alert_chart.draw(found), "page": page,
        "mute_days": MUTES, "muted": room.is_muted(request.store, kind=found.kind, product=found.product, aspect=found.aspect),
    }  # fmt: skip
    return render(request, "reviews/alert.html", context)


@store_view("reviews.label")
@require_POST
def alert_acknowledge(request, pk: int) -> HttpResponse:
    """Somebody has seen to it."""
    if room.acknowledge(alert=_alert(request, pk), by=request.user, note=request.POST.get("note", "")):
        messages.success(request, _("Noted."))
    else:
        messages.error(request, _("Somebody has seen to it already."))
    return redirect("reviews:alert", store=request.store.slug, pk=pk)


@store_view("reviews.manage")
@require_POST
def alert_mute(request, pk: int) -> HttpResponse:
    """Tell nobody about alerts of this kind, of this product or the whole store, for some days."""
    found = _alert(request, pk)
    days = MUTES.get(request.POST.get("days", ""))
    if days is None:
        messages.error(request, _("Choose for how long."))
    else:
        room.mute(
            store=request.store, by=request.user, until=timezone.now() + timedelta(days=days), kind=found.kind,
            product=None if request.POST.get("all_products") else found.product, aspect=found.aspect,
        )  # fmt: skip
        messages.success(request, _("Muted."))
    return redirect("reviews:alert", store=request.store.slug, pk=pk)


@store_view("reviews.manage")
@require_POST
def alert_unmute(request, pk: int) -> HttpResponse:
    room.unmute(get_object_or_404(AlertMute, pk=pk, store=request.store))
    messages.success(request, _("You will be told again."))
    return redirect("reviews:alerts", store=request.store.slug)
