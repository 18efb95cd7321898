"""Pages of the outgoing webhooks."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import webhooks as room
from ecomai.access import store_view
from ecomai.forms import Styled
from ecomai.lib.net import Refused
from ecomai.models import WebhookDelivery, WebhookEndpoint
from ecomai.tasks import send_webhooks

CHOICES = [("review_alert.opened", gettext_lazy("An alert about reviews opened"))]


class WebhookForm(Styled, forms.Form):
    url = forms.URLField(label=gettext_lazy("Address"), max_length=500, assume_scheme="https")
    description = forms.CharField(label=gettext_lazy("Description"), max_length=120, required=False)
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"), choices=CHOICES, widget=forms.CheckboxSelectMultiple
    )


@store_view("keys.manage")
@require_http_methods(["GET", "POST"])
@never_cache
def webhooks(request) -> HttpResponse:
    """The addresses; a POST makes one and shows its secret, once."""
    form, secret = WebhookForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _endpoint, secret = room.create(store=request.store, by=request.user, **form.cleaned_data)
            form = WebhookForm()
        except Refused as error:
            form.add_error("url", str(error))
    return _page(request, form, secret)


def _page(request, form: forms.Form, secret: str) -> HttpResponse:
    endpoints = WebhookEndpoint.objects.filter(store=request.store)
    deliveries = WebhookDelivery.objects.filter(store=request.store).select_related("endpoint")
    page = Paginator(deliveries.prefetch_related("tries"), 30).get_page(request.GET.get("page"))
    context = {"form": form, "secret": secret, "endpoints": endpoints, "page": page}
    return render(request, "ecomai/webhooks.html", context, status=422 if form.errors else 200)


@store_view("keys.manage")
@require_POST
@never_cache
def webhook_change(request, pk: int) -> HttpResponse:
    """Turn on or off, test, change the secret, delete."""
    endpoint = get_object_or_404(WebhookEndpoint, pk=pk, store=request.store)
    step = request.POST.get("step", "")
    if step == "rotate":
        return _page(request, WebhookForm(), room.rotate(endpoint))
    if step == "delete":
        endpoint.delete()
    elif step in ("on", "off"):
        room.set_active(endpoint, step == "on")
    elif step == "test" and room.emit(request.store, "webhook.test", {"message": "It works."}, only=endpoint):
        send_webhooks.delay_on_commit()
    messages.success(request, _("Saved."))
    return redirect("webhooks", store=request.store.slug)


@store_view("keys.manage")
@require_POST
def webhook_resend(request, pk: int) -> HttpResponse:
    room.resend(get_object_or_404(WebhookDelivery, pk=pk, store=request.store))
    send_webhooks.delay_on_commit()
    messages.success(request, _("It is sent again."))
    return redirect("webhooks", store=request.store.slug)


@store_view("keys.manage")
@require_GET
def webhook_delivery(request, pk: int) -> HttpResponse:
    """What was sent and what came back, try by try."""
    found = get_object_or_404(WebhookDelivery.objects.select_related("endpoint"), pk=pk, store=request.store)
    return render(request, "ecomai/webhook_delivery.html", {"delivery": found, "tries": found.tries.all()})
