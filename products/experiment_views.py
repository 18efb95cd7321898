"""Pages of experiments: the list, the results, what people do with one, reports of feeds, how it is computed."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ecomai.access import store_view
from ecomai.lib.tablefile import TableError
from ecomai.permissions import allowed
from products import experiment_page, experiment_results, experiment_rules, experiments, publishing, report_import
from products.channels import CHANNELS
from products.experiment_forms import ReportForm
from products.experiment_words import sentence
from products.models import Experiment, ExperimentLook, ProductDay
from products.tasks import queue_embedding

MOST_REPORT_MB = 60


def find(request: HttpRequest, pk: int) -> Experiment:
    return get_object_or_404(Experiment.objects.select_related("store", "winner", "group"), pk=pk, store=request.store)


def say(request: HttpRequest, error: ValidationError) -> None:
    for text in error.messages:
        messages.error(request, text)


@store_view("experiments.view")
@require_GET
def experiment_list(request: HttpRequest) -> HttpResponse:
    """State and verdict of each experiment, running ones first."""
    rows = Experiment.objects.filter(store=request.store).select_related("store", "winner")
    state = request.GET.get("state", "")
    if state in Experiment.Status.values:
        rows = rows.filter(status=state)
    order = {"running": 0, "paused": 1, "draft": 2, "finished": 3}
    found = sorted(rows, key=lambda e: (order[e.status], -(e.started_at or e.created_at).timestamp()))
    page = Paginator(found, 25).get_page(request.GET.get("page"))
    ids = [e.pk for e in page]
    looks = {row.experiment_id: row for row in ExperimentLook.objects.filter(experiment__in=ids).order_by("experiment_id", "-at").distinct("experiment_id")}  # fmt: skip
    for e in page:
        e.look = looks.get(e.pk)
        e.words = e.conclusion
        if e.look is not None and not e.words:
            e.look.experiment = e
            e.words = sentence(e.look)
        e.visitors = sum(arm["n"] for arm in e.look.data["arms"]) if e.look is not None else 0
        e.alarm = e.look is not None and any(
            r in ("sample_ratio", "multiple_exposure") for r in e.look.data["verdict"]["reasons"]
        )
        e.what = experiment_page.share_words(e)
    counts = Experiment.objects.filter(store=request.store).aggregate(
        **{name: Count("pk", filter=Q(status=name)) for name in Experiment.Status.values}
    )
    states = [(value, label, counts[value]) for value, label in Experiment.Status.choices]
    context = {"page": page, "states": states, "state": state, "any": sum(counts.values())}
    return render(request, "products/experiments.html", context)


@store_view("experiments.view")
@require_GET
def experiment(request: HttpRequest, pk: int) -> HttpResponse:
    """The verdict, and everything beneath it."""
    found = find(request, pk)
    if found.status == Experiment.Status.DRAFT and allowed(request.role, "experiments.manage"):
        return redirect("products:experiment_edit", store=request.store.slug, pk=pk)
    return render(request, "products/experiment.html", experiment_page.context(found, experiment_results.newest(found)))


@store_view("experiments.manage")
@require_POST
def experiment_act(request: HttpRequest, pk: int) -> HttpResponse:
    """Start, pause, resume, look, finish, publish (at once, too), undo, discard."""
    found, action = find(request, pk), request.POST.get("action", "")
    do = {
        "start": start, "pause": _pause, "resume": _resume, "look": _look, "finish": _finish, "publish": _publish,
        "finish_publish": _finish_publish, "undo": _undo, "discard": _discard,
    }.get(action)  # fmt: skip
    if do is None:
        return HttpResponse(status=422)
    try:
        do(request, found)
    except ValidationError as error:
        say(request, error)
    if action == "discard" and not Experiment.objects.filter(pk=pk).exists():
        return redirect("products:experiments", store=request.store.slug)
    return redirect("products:experiment", store=request.store.slug, pk=pk)


def start(request, found: Experiment) -> None:
    experiments.start(experiment=found, by=request.user)
    experiment_results.look(found)
    messages.success(request, _("It runs."))


def _pause(request, found: Experiment) -> None:
    experiments.pause(experiment=found, by=request.user)
    messages.success(request, _("Paused: everyone sees the listing until it goes on."))


def _resume(request, found: Experiment) -> None:
    experiments.resume(experiment=found, by=request.user)
    messages.success(request, _("It runs again."))


def _look(request, found: Experiment) -> None:
    if found.status == Experiment.Status.DRAFT:
        raise ValidationError(_("Nothing has been seen yet: start it first."))
    now = timezone.now()
    if experiment_rules.act(found, experiment_results.look(found, now), now):
        queue_embedding(found.store)


def _finish(request, found: Experiment) -> None:
    _end(request, found)
    messages.success(request, _("Finished: everyone sees the listing."))


def _end(request, found: Experiment) -> None:
    chosen = request.POST.get("winner", "")
    winner = found.arms.filter(pk=chosen).first() if chosen.isdigit() and len(chosen) < 19 else None
    if found.started_at is not None:
        experiment_results.look(found)
    experiments.finish(experiment=found, by=request.user, winner=winner, conclusion=request.POST.get("conclusion", ""))


def _finish_publish(request, found: Experiment) -> None:
    """One click from a verdict to the winner's texts in the listing."""
    if not request.POST.get("winner"):
        raise ValidationError(_("Choose the winner first."))
    _end(request, found)
    _publish(request, found)


def _publish(request, found: Experiment) -> None:
    done = publishing.publish_winner(experiment=found, by=request.user)
    queue_embedding(found.store)
    if done:
        text = ngettext("%(n)d text is published.", "%(n)d texts are published.", len(done))
        messages.success(request, text % {"n": len(done)})
    else:
        messages.info(request, _("The control won: the listing says it already."))


def _undo(request, found: Experiment) -> None:
    back, kept = publishing.undo_winner(experiment=found, by=request.user)
    queue_embedding(found.store)
    if back:
        messages.success(request, ngettext("%(n)d text is back.", "%(n)d texts are back.", back) % {"n": back})
    if kept:
        text = ngettext(
            "%(n)d text has been changed since and stays.", "%(n)d texts have been changed since and stay.", kept
        )
        messages.warning(request, text % {"n": kept})


def _discard(request, found: Experiment) -> None:
    experiments.discard(experiment=found)
    messages.success(request, _("The draft is gone."))


@store_view("experiments.view")
@require_GET
def experiment_method(request: HttpRequest) -> HttpResponse:
    """How everything is computed, as the documentation says it."""
    text = (settings.BASE_DIR / "docs" / "experiments.md").read_text(encoding="utf-8")
    return render(request, "products/experiment_method.html", {"text": text})


@store_view("experiments.manage")
@require_http_methods(["GET", "POST"])
def experiment_reports(request: HttpRequest) -> HttpResponse:
    """Import a channel's report per product and day."""
    form = ReportForm(request.POST or None, request.FILES or None)
    report = None
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        if upload.size > MOST_REPORT_MB * 1024 * 1024:
            form.add_error("file", _("At most %(n)d MB: split the report by month.") % {"n": MOST_REPORT_MB})
        else:
            with tempfile.NamedTemporaryFile(prefix="report-") as file:
                for chunk in upload.chunks():
                    file.write(chunk)
                file.flush()
                try:
                    report = report_import.load(
                        store=request.store, source=form.cleaned_data["source"], path=Path(file.name), filename=upload.name
                    )  # fmt: skip
                except TableError as error:
                    form.add_error("file", str(error))
    days = (
        ProductDay.objects.filter(store=request.store).exclude(source="storefront").values("source").order_by("source")
    )
    sources = days.annotate(products=Count("product", distinct=True), days=Count("day", distinct=True))
    for row in sources:
        span = (
            ProductDay.objects.filter(store=request.store, source=row["source"])
            .order_by("day")
            .values_list("day", flat=True)
        )
        row |= {"first": span.first(), "last": span.last(), "name": CHANNELS.get(row["source"], row["source"])}
    context = {"form": form, "report": report, "sources": list(sources)}
    return render(request, "products/experiment_reports.html", context, status=422 if form.errors else 200)
