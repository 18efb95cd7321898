"""The page of the channels' limits."""

from collections import defaultdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ecomai.access import store_view
from ecomai.permissions import allowed
from products.channels import CHANNELS, forget_limit, own_limits, rules, set_limit
from products.models import ChannelField


@store_view("copy.view")
@require_http_methods(["GET", "POST"])
def channels(request: HttpRequest) -> HttpResponse:
    """The limits of every field; an owner or manager may change them."""
    error = key = ""
    if request.method == "POST":
        if not allowed(request.role, "copy.approve"):
            return HttpResponse(status=403)
        key = request.POST.get("key", "")
        try:
            if "reset" in request.POST:
                forget_limit(request.store, key)
            else:
                set_limit(
                    request.store, key, unit=request.POST.get("unit", ""), limit=int(request.POST.get("limit", "")),
                    minimum=int(request.POST.get("minimum", "")), most=int(request.POST.get("most", "")),
                )  # fmt: skip
            messages.success(request, _("Saved."))
            return redirect(reverse("products:channels", args=[request.store.slug]) + f"#field-{key}")
        except (ValueError, KeyError):
            error = _("Write whole numbers: at least 1, and the minimum below the limit.")
    groups = defaultdict(list)
    for limit in rules(request.store).values():
        groups[limit.channel].append(limit)
    context = {
        "groups": [(CHANNELS[name], rows) for name, rows in groups.items()], "units": ChannelField.Unit.choices,
        "own": own_limits(request.store), "error": error, "error_key": key,
    }  # fmt: skip
    return render(request, "products/channels.html", context, status=422 if error else 200)
