"""Pages and answers about single texts: edit, check, decide, write again, history, comments."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.permissions import allowed
from ml.generator import GenerationError
from products import asset_history as history
from products import copy_editing
from products.channels import CHANNELS, limits
from products.copy_presentation import RULES, cards, dress, warnings
from products.models import AdAsset, AssetRevision


def back(request, otherwise: str) -> HttpResponse:
    """To the page that `next` names, if it is ours."""
    to = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(to if ours else otherwise)


def _asset(request, pk: int) -> AdAsset:
    rows = cards(
        AdAsset.objects.select_related(
            "product__brand", "product__category", "store", "request__store", "request__product"
        )
    )
    return get_object_or_404(rows, pk=pk, store=request.store)


def _card(request, asset: AdAsset, **more) -> HttpResponse:
    if request.htmx:
        context = {"asset": dress(asset, limits(request.store), more.get("draft", "")), **more}
        return render(request, "products/_asset.html", context)
    if more.get("error"):
        messages.error(request, more["error"])
    for warning in more.get("warnings", ()):
        messages.warning(request, warning)
    return redirect("products:copy_request", store=request.store.slug, pk=asset.request_id)


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def asset_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit in place. Rules warn; only the channel's limit forbids."""
    asset = _asset(request, pk)
    if request.method == "GET":
        if not request.htmx:
            return render(
                request, "products/asset_edit.html", {"asset": dress(asset, limits(request.store)), "editing": True}
            )
        return _card(request, asset, editing="cancel" not in request.GET)
    text = request.POST.get("text", "")
    try:
        verdict = copy_editing.edit(asset, text, request.user, may_approve=allowed(request.role, "copy.approve"))
    except ValueError as error:
        return _card(request, asset, editing=True, error=RULES[str(error)], draft=text)
    return _card(request, _asset(request, pk), warnings=warnings(verdict))


@store_view("copy.write")
@require_POST
def asset_check(request: HttpRequest, pk: int) -> HttpResponse:
    """What the rules and the facts say of a text while a person types it. Changes nothing."""
    asset = _asset(request, pk)
    told = warnings(copy_editing.judge_edit(asset, request.POST.get("text", "")))
    return render(request, "products/_asset_warnings.html", {"asset": asset, "warnings": told})


@store_view("copy.approve")
@require_POST
def asset_decide(request: HttpRequest, pk: int) -> HttpResponse:
    asset = _asset(request, pk)
    try:
        copy_editing.decide(asset, request.POST.get("status", ""), request.user, request.POST.get("reason", ""))
    except ValueError:
        return HttpResponse(status=422)
    return _card(request, asset)


@store_view("copy.approve")
@require_POST
def assets_decide(request: HttpRequest) -> HttpResponse:
    """Approve or reject all the texts that are ticked."""
    ids = [int(i) for i in request.POST.getlist("ids") if i.isdigit() and int(i) < 2**63]
    status = request.POST.get("status", "")
    try:
        n = copy_editing.decide_many(request.store, ids, status, request.user, request.POST.get("reason", ""))
    except ValueError:
        return HttpResponse(status=422)
    if not ids:
        messages.info(request, _("Tick the texts first."))
        return back(request, reverse("products:copy_requests", args=[request.store.slug]))
    if status == AdAsset.Status.APPROVED:
        told = ngettext("%(n)d text approved.", "%(n)d texts approved.", n)
    else:
        told = ngettext("%(n)d text rejected.", "%(n)d texts rejected.", n)
    messages.success(request, told % {"n": n})
    return back(request, reverse("products:copy_requests", args=[request.store.slug]))


@store_view("copy.write")
@require_POST
def asset_rewrite(request: HttpRequest, pk: int) -> HttpResponse:
    """One more try of the model, while the person waits (a few seconds)."""
    asset = _asset(request, pk)
    try:
        done = copy_editing.rewrite(asset, request.user)
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
        copy_editing.use_in_listing(asset, request.user)
    except ValueError:
        return HttpResponse(status=422)
    messages.success(request, _("The listing uses this text now."))
    return redirect("products:product", store=request.store.slug, pk=asset.product_id)


@store_view("copy.view")
@require_GET
def asset_history(request: HttpRequest, pk: int) -> HttpResponse:
    """Every text that this one was, compared word by word, and what people said of it."""
    asset = dress(_asset(request, pk), limits(request.store))
    context = {
        "asset": asset, "order": asset.request, "versions": history.versions(asset),
        "comments": asset.comments.select_related("author"), "channel": CHANNELS.get(asset.limit.channel, ""),
        "language": dict(LOCALES).get(asset.locale, asset.locale),
    }  # fmt: skip
    return render(request, "products/asset_history.html", context)


@store_view("copy.write")
@require_POST
def asset_comment(request: HttpRequest, pk: int) -> HttpResponse:
    asset = _asset(request, pk)
    try:
        history.comment(asset, request.POST.get("text", ""), request.user)
    except ValueError:
        messages.error(request, _("Write between 1 and 1,000 characters."))
    return redirect(reverse("products:asset_history", args=[request.store.slug, pk]) + "#comments")


@store_view("copy.write")
@require_POST
def revision_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring an earlier text back."""
    revision = get_object_or_404(AssetRevision, pk=pk, store=request.store)
    copy_editing.put_back(revision, request.user, may_approve=allowed(request.role, "copy.approve"))
    messages.success(request, _("The earlier text is back."))
    return redirect("products:asset_history", store=request.store.slug, pk=revision.asset_id)
