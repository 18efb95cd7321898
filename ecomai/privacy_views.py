"""Pages about people's data: find, export, erase. For owners."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from ecomai import jobs
from ecomai import privacy as people
from ecomai.access import store_view
from ecomai.lib.htmx import render_page_or_part
from ecomai.privacy_models import PrivacyRequest
from ecomai.tasks import send


@store_view("privacy.manage")
@require_http_methods(["GET", "POST"])
@transaction.atomic
def privacy(request: HttpRequest) -> HttpResponse:
    """Find a person's data; order an export or an erasure; the requests so far."""
    error, found, text = "", None, request.POST.get("identifiers", "")
    step = request.POST.get("step", "")
    if request.method == "POST":
        try:
            person = people.person_of(text)
            found = people.find(request.store, person)
            if step in PrivacyRequest.Kind.values:

                def job(made: PrivacyRequest):
                    title = _("Export of a person's data") if step == "export" else _("Erasure of a person's data")
                    row = jobs.create(
                        store=request.store, kind="privacy", title=title, task="ecomai.tasks.privacy_request",
                        url=reverse("privacy", args=[request.store.slug]), unit=_("rows"), created_by=request.user,
                    )  # fmt: skip
                    send(row)
                    return row

                people.request(
                    store=request.store, by=request.user, kind=step, person=person,
                    keep_text="keep_text" in request.POST, typed=request.POST.get("typed", ""), job=job,
                )  # fmt: skip
                return redirect("privacy", store=request.store.slug)
        except people.BadRequest as problem:
            error = {
                "empty": _("Write a mail address, a phone number or a customer number."),
                "too_many": _("At most ten at once."),
                "not_confirmed": _("Type the store's short name to confirm: %(slug)s") % {"slug": request.store.slug},
            }.get(str(problem), str(problem))
    people.settle(request.store)
    rows = list(
        PrivacyRequest.objects.filter(store=request.store)
        .select_related("by", "job")
        .defer("archive", "sealed")
        .order_by("-made_at")[:50]
    )
    for row in rows:
        row.told = people.told(row.counts)
    context = {
        "found": found, "error": error, "identifiers": text, "requests": rows, "step": step,
        "keep_text": "keep_text" in request.POST, "busy": any(row.job and row.job.is_open for row in rows),
    }  # fmt: skip
    return render_page_or_part(
        request, "ecomai/privacy.html", "ecomai/_privacy_requests.html", context, target="privacy-requests",
        status=422 if error else 200,
    )  # fmt: skip


@store_view("privacy.manage")
@require_GET
def privacy_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """The ZIP of an export, until it expires."""
    data = people.archive_of(get_object_or_404(PrivacyRequest, pk=pk, store=request.store))
    if data is None:
        raise Http404
    response = HttpResponse(data, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="personal-data-{pk}.zip"'
    response["Cache-Control"] = "no-store"
    return response
