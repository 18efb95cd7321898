"""Pages of the briefs, and of the shop's voice."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai.access import store_view
from ecomai.forms import LOCALES
from ecomai.permissions import allowed
from products import brand_voice as voices
from products import briefs as room
from products.asset_views import back
from products.brief_forms import BriefForm
from products.channels import CHANNELS, limits
from products.models import AdAsset, BrandVoice, CopyBrief


@store_view("copy.view")
@require_GET
def briefs(request: HttpRequest) -> HttpResponse:
    rows = CopyBrief.objects.filter(store=request.store).annotate(used=Count("batches"))
    for row in rows:
        row.channel_names = [CHANNELS[c] for c in row.channels if c in CHANNELS]
        row.angle_names = [room.ANGLES[a] for a in row.angles if a in room.ANGLES]
        row.language = dict(LOCALES).get(row.locale, row.locale)
    return render(request, "products/briefs.html", {"briefs": rows, "tab": "briefs"})


def _form(request, brief: CopyBrief | None) -> HttpResponse:
    form = BriefForm(request.POST or None, initial=BriefForm.start(brief, request.store.default_locale))
    if request.method == "POST" and form.is_valid():
        try:
            saved = room.save(brief=brief, store=request.store, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            for name, problems in error.message_dict.items():
                form.add_error(name, problems)
        else:
            tight = room.crowded(saved, limits(request.store))
            if tight:
                named = ", ".join(f"{CHANNELS[limit.channel]}: {limit.label}" for limit in tight)
                messages.warning(
                    request, _("The words that must be in every text don't fit into: %(fields)s") % {"fields": named}
                )
            messages.success(request, _("Saved."))
            return back(request, reverse("products:briefs", args=[request.store.slug]))
    status = 422 if request.method == "POST" else 200
    return render(
        request,
        "products/brief.html",
        {"form": form, "brief": brief, "next": request.GET.get("next", "")},
        status=status,
    )


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def brief_new(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@store_view("copy.write")
@require_http_methods(["GET", "POST"])
def brief_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, get_object_or_404(CopyBrief, pk=pk, store=request.store))


@store_view("copy.write")
@require_POST
def brief_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The texts that were written from it stay, and what it asked for stays with them."""
    brief = get_object_or_404(CopyBrief, pk=pk, store=request.store)
    brief.delete()
    messages.success(request, _("“%(name)s” was deleted; its texts stay.") % {"name": brief.name})
    return redirect("products:briefs", store=request.store.slug)


def _rows(voice: BrandVoice) -> list[dict]:
    kinds = [("all", _("All texts")), ("short", _("Short fields")), ("long", _("Long fields"))]
    shares = {"fill", "exclamation", "question", "emoji", "second_person", "call", "title_case"}
    out = []
    for name, label in voices.FEATURES.items():
        cells = []
        for kind, _label in kinds:
            found = voice.features.get(kind, {}).get(name)
            factor = 100 if name in shares else 1
            cells.append({"mean": found[0] * factor, "spread": found[1] * factor} if found else None)
        # Of what a text has or hasn't, the share says all.
        out.append(
            {"label": label, "percent": name in shares, "spread": name in ("fill", "title_case"), "cells": cells}
        )
    return out


@store_view("copy.view")
@require_http_methods(["GET", "POST"])
def brand_voice(request: HttpRequest) -> HttpResponse:
    """The measured features of the shop's own texts in each language; a POST measures again."""
    written = AdAsset.objects.filter(store=request.store).values_list("locale", flat=True).distinct()
    locales = [
        code
        for code, _name in room.COPY_LOCALES
        if code in {request.store.default_locale, *request.store.locales, *written}
    ]
    if request.method == "POST":
        if not allowed(request.role, "copy.write"):
            raise PermissionDenied
        locale = request.POST.get("locale", "")
        if locale in locales:
            try:
                voices.learn(request.store, locale)
                messages.success(request, _("Measured."))
            except voices.TooFew as few:
                told = _("%(n)d texts are approved or edited so far; %(least)d are needed.")
                messages.error(request, told % {"n": few.n, "least": voices.LEAST})
        return redirect("products:brand_voice", store=request.store.slug)
    kept = {row.locale: row for row in BrandVoice.objects.filter(store=request.store)}
    names = dict(LOCALES)
    rows = []
    for code in locales:
        voice = kept.get(code)
        have = voices.texts(request.store, code).count()
        rows.append({
            "code": code, "name": names.get(code, code), "voice": voice, "features": _rows(voice) if voice else [],
            "have": have, "least": voices.LEAST, "ready": have >= voices.LEAST,
        })  # fmt: skip
    return render(request, "products/brand_voice.html", {"rows": rows, "tab": "voice"})
