"""Pages of imports and exports."""

import csv
import io
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.lib.formulas import safe
from ecomai.lib.htmx import render_page_or_part
from ecomai.lib.tablefile import TableError
from ecomai.tasks import send
from products import catalogue_export, catalogue_import, import_undo
from products.models import CatalogueImport, ImportRow

DELIMITERS = [(",", ", (comma)"), (";", "; (semicolon)"), ("\t", "Tab"), ("|", "| (bar)")]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256",
             "shift_jis", "gb18030", "big5", "euc_kr"]  # fmt: skip


def start_import(run: CatalogueImport, user, task: str, title: str) -> None:
    """Give the run a job and send it."""
    job = jobs.create(
        store=run.store, kind="import", title=title, task=task, unit=_("products"), created_by=user,
        url=reverse("products:import_run", args=[run.store.slug, run.pk]), total=run.counts.get("products", 0),
    )  # fmt: skip
    CatalogueImport.objects.filter(pk=run.pk).update(job=job)
    send(job)


def _run(request, pk: int) -> CatalogueImport:
    return get_object_or_404(CatalogueImport.objects.select_related("job", "store"), pk=pk, store=request.store)


@store_view("catalogue.import")
@require_http_methods(["GET", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """The imports so far; a POST uploads a file."""
    error = ""
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            error = _("Choose a file first.")
        elif file.size > settings.MAX_UPLOAD_MB * 1024 * 1024:
            error = _("The file has more than %(n)d MB.") % {"n": settings.MAX_UPLOAD_MB}
        else:
            try:
                run = catalogue_import.open_run(store=request.store, file=file, filename=file.name, by=request.user)
                return redirect("products:import_settings", store=request.store.slug, pk=run.pk)
            except TableError as problem:
                error = str(problem)
    catalogue_import.settle(request.store)
    rows = CatalogueImport.objects.filter(store=request.store).select_related("job", "created_by")[:50]
    return render(request, "products/imports.html", {"imports": rows, "error": error}, status=422 if error else 200)


@store_view("catalogue.import")
@require_http_methods(["GET", "POST"])
def import_settings(request: HttpRequest, pk: int) -> HttpResponse:
    """What was detected, with examples; a person may choose otherwise."""
    run = _run(request, pk)
    if not run.can_restart:
        return redirect("products:import_run", store=request.store.slug, pk=pk)
    error = ""
    if request.method == "POST":
        options = {
            "encoding": request.POST.get("encoding", ""), "delimiter": request.POST.get("delimiter", ""),
            "decimal": request.POST.get("decimal", ""), "minor_units": "minor_units" in request.POST,
            "currency": request.POST.get("currency", "").upper()[:3],
        }  # fmt: skip
        mapping = None
        if run.detected["format"] == "generic":
            mapping = {h: request.POST.get(f"map-{n}", "") for n, h in enumerate(run.detected["headers"])}
        again = options["encoding"] not in ("", run.detected["encoding"]) or options["delimiter"] not in ("", run.detected["delimiter"])  # fmt: skip
        try:
            catalogue_import.choose(run, options=options, mapping=mapping)
            if not again:
                start_import(
                    run, request.user, "products.tasks.run_import", _("Check %(file)s") % {"file": run.filename}
                )
                return redirect("products:import_run", store=request.store.slug, pk=pk)
        except TableError as problem:
            error = str(problem)
    found = run.detected
    columns = [
        {
            "n": n, "header": header, "chosen": run.mapping.get(header, ""),
            "confidence": (found["proposals"].get(header) or ["", 0])[1],
            "examples": [row[n] for row in found["sample"] if n < len(row) and row[n]][:3],
        }
        for n, header in enumerate(found["headers"])
    ]  # fmt: skip
    context = {
        "run": run, "found": found, "columns": columns, "error": error, "fields": found["fields"],
        "delimiters": DELIMITERS, "encodings": list(dict.fromkeys([found["encoding"], *found["candidates"], *ENCODINGS])),
        "currency": run.options.get("currency") or found["currency"],
    }  # fmt: skip
    return render(request, "products/import_settings.html", context)


@store_view("catalogue.import")
@require_GET
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Progress, then the preview, then the report of one import."""
    catalogue_import.settle(request.store)
    run = _run(request, pk)
    shown = request.GET.get("show", "")
    rows = ImportRow.objects.filter(run=run, outcome=shown) if shown in ImportRow.Outcome.values and shown else None
    if rows is None:
        rows = ImportRow.objects.filter(run=run, outcome__in=["change", "create", "reject"])
    if run.status == CatalogueImport.Status.APPLYING or (run.can_go_on or run.can_undo):
        rows = rows.filter(number__lte=run.cursor)  # what lies behind was not written
    severity = request.GET.get("severity", "")
    issues = run.issues.filter(severity=severity) if severity else run.issues.all()
    context = {
        "run": run, "job": run.job, "rows": rows.order_by("number")[:50], "issues": issues[:100],
        "issue_count": run.issues.count(), "shown": shown, "severity": severity,
        "busy": run.status in ("staging", "applying", "undoing") or (run.job and run.job.is_open),
    }  # fmt: skip
    return render_page_or_part(
        request, "products/import_run.html", "products/_import_run.html", context, target="import-run"
    )


@store_view("catalogue.import")
@require_POST
@transaction.atomic
def import_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(request, pk)
    if catalogue_import.confirm(run):
        start_import(run, request.user, "products.tasks.run_import", _("Import %(file)s") % {"file": run.filename})
    return redirect("products:import_run", store=request.store.slug, pk=pk)


@store_view("catalogue.import")
@require_POST
@transaction.atomic
def import_undo_start(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(request, pk)
    if import_undo.claim(run):
        start_import(run, request.user, "products.tasks.undo_import", _("Undo %(file)s") % {"file": run.filename})
    else:
        messages.error(request, _("This import can't be undone now."))
    return redirect("products:import_run", store=request.store.slug, pk=pk)


@store_view("catalogue.import")
@require_GET
def import_report(request: HttpRequest, pk: int) -> HttpResponse:
    """All issues of a run as a CSV that is safe to open in a spreadsheet."""
    run = _run(request, pk)
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(["line", "column", "value", "severity", "message"])
    for issue in run.issues.iterator():
        writer.writerow([issue.line, safe(issue.column), safe(issue.value), issue.severity, safe(issue.message)])
    response = HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{run.pk}-report.csv"'
    return response


@store_view("catalogue.export")
@require_GET
def export(request: HttpRequest) -> HttpResponse:
    """Choose a format, or (with ?format=) get the file."""
    chosen = request.GET.get("format", "")
    if chosen not in catalogue_export.FORMATS:
        return render(request, "products/export.html", {"formats": catalogue_export.FORMATS})
    _name, ending, mime = catalogue_export.FORMATS[chosen]
    ids = [int(i) for i in request.GET.getlist("ids") if i.isdigit()] or None
    more = {name: name in request.GET for name in ("bom", "copy")}
    pieces = catalogue_export.export(request.store, chosen, ids=ids, **more)
    response = StreamingHttpResponse(pieces, content_type=mime)
    filename = f"{request.store.slug}-{Path(chosen).stem}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
