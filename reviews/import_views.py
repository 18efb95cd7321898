"""Pages of imports: upload, choose, watch, report."""

from django.conf import settings
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai import jobs
from ecomai.access import store_view
from ecomai.lib.htmx import render_page_or_part
from ecomai.lib.tablefile import TableError
from ecomai.models import Job
from ecomai.tasks import send
from products.import_views import DELIMITERS, ENCODINGS
from reviews import exports, import_formats, review_import
from reviews.models import ReviewImport

ISSUES = 50
Status = ReviewImport.Status
QUESTIONS = {
    "columns": lazy("No column holds a text, a title or a rating: say which one does."),
    "rating_scale": lazy("Some ratings are above 5: say of how many they are."),
    "date_order": lazy("Say whether the day or the month comes first in the dates."),
}


def start(run: ReviewImport, user) -> None:
    """Give the run a job and send it."""
    job = jobs.create(
        store=run.store, kind="review-import", title=_("Import %(file)s") % {"file": run.filename},
        task="reviews.tasks.run_review_import", unit=_("rows"), created_by=user,
        url=reverse("reviews:import_run", args=[run.store.slug, run.pk]),
    )  # fmt: skip
    ReviewImport.objects.filter(pk=run.pk).update(job=job)
    send(job)


def _run(request: HttpRequest, pk: int) -> ReviewImport:
    return get_object_or_404(ReviewImport.objects.select_related("job", "store"), pk=pk, store=request.store)


def _can_choose(run: ReviewImport) -> bool:
    return bool(run.file) and run.status in (Status.UPLOADED, Status.FAILED, Status.CANCELLED)


@store_view("reviews.import")
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
                run = review_import.open_run(store=request.store, file=file, filename=file.name, by=request.user)
                return redirect("reviews:import_settings", store=request.store.slug, pk=run.pk)
            except TableError as problem:
                error = str(problem)
    review_import.settle(request.store)
    rows = ReviewImport.objects.filter(store=request.store).select_related("job", "created_by")
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    for run in page:
        run.shape = import_formats.SHAPES[run.detected["shape"]].name
    context = {"page": page, "imports": page.object_list, "error": error}
    return render(request, "reviews/imports.html", context, status=422 if error else 200)


def _asked(request: HttpRequest, run: ReviewImport) -> tuple[dict, dict[str, str] | None]:
    """(options, header → field) of the form."""
    names = ("encoding", "delimiter", "date_order", "language", "source", "rating_scale")
    options = {name: request.POST[name].strip() for name in names if name in request.POST}
    mapping = {h: request.POST.get(f"map-{n}") or "ignore" for n, h in enumerate(run.detected["headers"])}
    other = any(options.get(n) and options[n] != run.detected[n] for n in ("encoding", "delimiter"))
    # Another encoding or delimiter makes other columns: they are proposed anew.
    return options, None if other else mapping


@store_view("reviews.import")
@require_http_methods(["GET", "POST"])
def import_settings(request: HttpRequest, pk: int) -> HttpResponse:
    """What was detected and the first rows as they will be read; a person may choose otherwise, then imports."""
    run = _run(request, pk)
    if not _can_choose(run):
        return redirect("reviews:import_run", store=request.store.slug, pk=pk)
    errors: list[str] = []
    if request.method == "POST":
        options, mapping = _asked(request, run)
        try:
            review_import.choose(run, options=options, mapping=mapping)
            wanted = "import" in request.POST and mapping is not None
            errors = [str(QUESTIONS[name]) for name in review_import.questions(run)] if wanted else []
            if wanted and not errors:
                with transaction.atomic():
                    if review_import.confirm(run):
                        start(run, request.user)
                return redirect("reviews:import_run", store=request.store.slug, pk=pk)
        except TableError as problem:
            errors = [str(problem)]
        except ValueError:
            errors = [_("One of the choices isn't possible. The source has 1 to 40 characters.")]
        if errors:
            run = _run(request, pk)  # what is stored, not what could not be read
    return _settings_page(request, run, errors)


def _settings_page(request: HttpRequest, run: ReviewImport, errors: list[str]) -> HttpResponse:
    found = run.detected
    examples = list(zip(*found["sample"], strict=False)) if found["sample"] else []
    columns = [
        {
            "n": n, "header": header, "chosen": run.mapping.get(header, "ignore"),
            "proposed": found["proposed"].get(header, "ignore"),
            "examples": [cell for cell in (examples[n] if n < len(examples) else ()) if cell][:3],
        }
        for n, header in enumerate(found["headers"])
    ]  # fmt: skip
    try:
        rows = review_import.sample(run)
        for row in rows:
            if row.get("rating") is not None:
                row["rating"] = float(row["rating"])
                row["as_given"] = row["rating_given"] == f"{row['rating']:g}"
    except (TableError, FileNotFoundError) as problem:
        rows, errors = [], [*errors, str(problem) if isinstance(problem, TableError) else _("The file is gone.")]
    scale = run.options.get("rating_scale")
    context = {
        "run": run, "found": found, "columns": columns, "errors": errors, "rows": rows,
        "readable": sum(row["error"] is None for row in rows),
        "fields": import_formats.FIELDS, "shape": import_formats.SHAPES[found["shape"]].name,
        "questions": review_import.questions(run), "delimiters": DELIMITERS,
        "encodings": list(dict.fromkeys([found["encoding"], *found["candidates"], *ENCODINGS])),
        "scale": "" if scale is None else f"{scale:g}",
        "scales": [("5", "1–5"), ("10", "0–10"), ("100", "0–100")],
        "proposed_scale": f"{found['rating_scale']['proposed'] or 5:g}",
        "languages": sorted({code.split("-")[0] for code in [request.store.default_locale, *request.store.locales]}),
    }  # fmt: skip
    return render_page_or_part(
        request, "reviews/import_settings.html", "reviews/_import_settings.html", context, target="import-settings",
        status=422 if errors and not request.htmx else 200,
    )  # fmt: skip


@store_view("reviews.import")
@require_GET
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Progress, then counts that add up and what was wrong with which row."""
    review_import.settle(request.store)
    run = _run(request, pk)
    if run.status == Status.UPLOADED and not run.counts:
        return redirect("reviews:import_settings", store=request.store.slug, pk=pk)
    only = request.GET.get("show", "")
    issues = run.issues.filter(rejected=True) if only == "rejected" else run.issues.all()
    page = Paginator(issues, ISSUES).get_page(request.GET.get("page"))
    reading = Job.objects.open().filter(store=request.store, kind="score").first()
    context = {
        "run": run, "job": run.job, "page": page, "show": only, "reading": reading,
        "shape": import_formats.SHAPES[run.detected["shape"]].name, "can_choose": _can_choose(run),
        "can_go_on": bool(run.file) and run.status in (Status.FAILED, Status.CANCELLED),
        "busy": run.status == Status.APPLYING or reading is not None,
        "cancelling": bool(run.job and run.job.cancel_requested),
        "source": run.options.get("source", ""), "waiting": run.reviews.filter(needs_scoring=True).exists(),
    }  # fmt: skip
    return render_page_or_part(
        request, "reviews/import_run.html", "reviews/_import_run.html", context, target="import-run"
    )


@store_view("reviews.import")
@require_POST
@transaction.atomic
def import_go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on where a run was cancelled or failed."""
    run = _run(request, pk)
    if run.status != Status.UPLOADED and review_import.confirm(run):
        start(run, request.user)
    return redirect("reviews:import_run", store=request.store.slug, pk=pk)


@store_view("reviews.import")
@require_GET
def import_report(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that was wrong as a CSV that is safe to open in a spreadsheet."""
    run = _run(request, pk)
    response = StreamingHttpResponse(exports.lines(review_import.report(run)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="review-import-{run.pk}-report.csv"'
    return response
