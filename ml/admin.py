"""Django admin of the models: retrain, watch, compare, promote behind the gate, roll back, schedule, audit."""

from collections.abc import Iterable
from itertools import islice

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from ecomai.admin import StoreScoped
from ecomai.models import Store
from ecomai.tasks import send
from ml import audit, capabilities, comparison, promotion, registry, schedules, training
from ml.curve import draw
from ml.forms import RetrainForm
from ml.models import AuditEntry, Comparison, DatasetSnapshot, ModelVersion, Promotion, RetrainSchedule, TrainingRun


class Shown(StoreScoped):
    """Rows that are looked at and acted upon by buttons, never edited."""

    view_permission = "models.view"
    edit_permission = "models.manage"
    page = ""

    def has_add_permission(self, request) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_readonly_fields(self, request, obj=None):
        return [field.name for field in self.model._meta.fields]

    def wanted(self, request: HttpRequest, pk: int, permission: str = ""):
        """The row, if the user may see it (and holds the permission). Raises Http404, PermissionDenied."""
        found = self.get_object(request, str(pk))
        if found is None:
            raise Http404
        if permission and not self._may(request, permission, found):
            raise Http404
        return found

    def context(self, request: HttpRequest, found, /, **more) -> dict:
        """What each page of a row needs."""
        return {
            **self.admin_site.each_context(request), "opts": self.model._meta, "object": found, "title": str(found),
            "can_manage": self._may(request, self.edit_permission, found), **more,
        }  # fmt: skip

    def change_view(self, request, object_id, form_url="", extra_context=None):
        if not self.page:
            return super().change_view(request, object_id, form_url, extra_context)
        if not str(object_id).isdigit():
            raise Http404
        found = self.wanted(request, int(object_id))
        return TemplateResponse(request, f"admin/ml/{self.page}.html", self.page_context(request, found))

    def page_context(self, request: HttpRequest, found) -> dict:
        """The context of the row's own page."""
        return self.context(request, found)

    def act(self, route: str, view, name: str):
        """A button's address: POST, checked, one row."""
        return path(f"<int:pk>/{route}/", self.admin_site.admin_view(require_POST(view)), name=f"ml_{name}")


def _page(found) -> str:
    return reverse(f"admin:ml_{found._meta.model_name}_change", args=[found.pk])


MOST_LINKS = 10


def _data_pages(found: capabilities.Capability, stores: Iterable[Store]) -> list[tuple[str, str]]:
    """(store, address) of the pages that show what there is to learn from."""
    if not found.data_page:
        return []
    return [(store.name, reverse(found.data_page, args=[store.slug])) for store in islice(stores, MOST_LINKS)]


@admin.register(TrainingRun)
class TrainingRunAdmin(Shown):
    page = "run"
    list_display = ["__str__", "store", "method", "badge", "progress", "trigger", "requested_by", "created_at"]
    list_filter = ["capability", "status", "trigger"]
    list_select_related = ["store", "requested_by"]
    change_list_template = "admin/ml/trainingrun_list.html"

    @admin.display(description=_("method"))
    def method(self, found: TrainingRun) -> str:
        return str(found.config.get("method", "lora"))

    @admin.display(description=_("status"))
    def badge(self, found: TrainingRun) -> str:
        return format_html('<span class="ml-badge ml-{}">{}</span>', found.status, found.get_status_display())

    @admin.display(description=_("progress"))
    def progress(self, found: TrainingRun) -> str:
        return format_html('<progress max="100" value="{}"></progress> {} %', found.percent, found.percent)

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"can_retrain": self._may(request, self.edit_permission)})

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("retrain/", view(self.retrain), name="ml_retrain"),
            path("<int:pk>/live/", view(self.live), name="ml_run_live"),
            self.act("cancel", self.cancel, "run_cancel"),
            self.act("compare", self.compare, "run_compare"),
            *super().get_urls(),
        ]

    def retrain(self, request: HttpRequest) -> HttpResponse:
        if not self._may(request, self.edit_permission):
            raise Http404
        names = capabilities.names()
        chosen = request.GET.get("capability") or names[0]
        if chosen not in names:
            raise Http404
        house = request.user.is_superuser
        stores = (
            Store.objects.all() if house else Store.objects.filter(pk__in=self._stores(request, self.edit_permission))
        )
        found = capabilities.capability(chosen)
        initial = {"store": request.GET.get("store") or (stores.first() if not house else None)}
        form = RetrainForm(found, request.POST or None, stores=stores, house=house, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    run = training.start(
                        capability_name=found.name, store=form.cleaned_data["store"], by=request.user,
                        config=form.cleaned_data["config"], start_from=form.cleaned_data["start_from"],
                    )  # fmt: skip
                    send(run.job)
                return redirect(_page(run))
            except training.TrainingError as error:
                form.add_error(None, str(error))
        known = [capabilities.capability(name) for name in names]
        return TemplateResponse(
            request, "admin/ml/retrain.html",
            self.context(
                request, None, form=form, found=found, known=known, title=_("Retrain"), data_pages=_data_pages(found, stores)
            ),
            status=400 if form.errors else 200,
        )  # fmt: skip

    def page_context(self, request: HttpRequest, found: TrainingRun) -> dict:
        kind = capabilities.capability(found.capability) if found.capability in capabilities.names() else None
        return self.context(
            request, found, run=found, curve=draw(found.curve, found.epochs, found.total), capability=kind,
            data_pages=_data_pages(kind, [found.store]) if kind and found.store else [],
            comparisons=Comparison.objects.filter(candidate=found.version) if found.version else [],
        )  # fmt: skip

    def live(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk)
        return TemplateResponse(request, "admin/ml/_run.html", self.page_context(request, found))

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        if training.cancel(found, request.user):
            messages.success(request, _("It stops at the next step; the last checkpoint stands."))
        else:
            messages.warning(request, _("It had ended already."))
        return redirect(_page(found))

    def compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        if found.version is None:
            raise Http404
        return _compare(request, found.version)


def _compare(request: HttpRequest, version: ModelVersion) -> HttpResponse:
    try:
        with transaction.atomic():
            made = comparison.request(version=version, by=request.user)
            send(made.job)
        return redirect(_page(made))
    except comparison.ComparisonError as error:
        messages.error(request, str(error))
        return redirect(_page(version))


class PromoteForm(forms.Form):
    """A yes, or against the gate a reason."""

    override = forms.BooleanField(required=False)
    reason = forms.CharField(required=False, max_length=2000)


def _promote(request: HttpRequest, version: ModelVersion, back: str) -> HttpResponse:
    form = PromoteForm(request.POST)
    try:
        if not form.is_valid():
            raise promotion.GateClosed(" ".join(e for errors in form.errors.values() for e in errors))
        with transaction.atomic():
            made = promotion.request(version=version, by=request.user, **form.cleaned_data)
            send(made.job)
        messages.success(
            request, _("%(label)s is being converted and checked, then it goes live.") % {"label": version}
        )
    except promotion.GateClosed as error:
        messages.error(request, str(error))
    return redirect(back)


def _roll_back(request: HttpRequest, version: ModelVersion, back: str) -> HttpResponse:
    try:
        with transaction.atomic():
            now, jobs_ = promotion.roll_back(capability_name=version.capability, store=version.store, by=request.user)
            for job in jobs_:
                send(job)
        messages.success(request, _("%(label)s is live.") % {"label": now.label})
    except registry.PromotionError as error:
        messages.error(request, str(error))
    return redirect(back)


@admin.register(Comparison)
class ComparisonAdmin(Shown):
    page = "comparison"
    list_display = ["__str__", "store", "status", "verdict", "rows", "created_at"]
    list_filter = ["capability", "verdict", "status"]
    list_select_related = ["store", "candidate", "live"]

    def get_urls(self):
        return [
            self.act("promote", self.promote, "comparison_promote"),
            self.act("roll-back", self.roll_back, "comparison_roll_back"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, found: Comparison) -> dict:
        version = found.candidate
        opened, reasons, used = promotion.gate(version)
        groups = {
            kind: [s for s in found.scores if s["kind"] == kind] for kind in ("all", "language", "class", "aspect")
        }
        return self.context(
            request, found, comparison=found, version=version, groups=groups, gate_open=opened, gate_reasons=reasons,
            gate_used=used, is_current=used is not None and used.pk == found.pk,
            promoting=version.promotions.filter(status=Promotion.Status.QUEUED).first(),
            live_now=registry.live(found.capability, found.store_id), matrices=_heat(found.confusion),
        )  # fmt: skip

    def promote(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        return _promote(request, found.candidate, _page(found))

    def roll_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        return _roll_back(request, found.candidate, _page(found))


def _heat(matrices: list[dict]) -> list[dict]:
    """Confusion matrices with a shade (0 … 9) a cell: the share of its row."""
    out = []
    for matrix in matrices:
        sides = []
        for name in ("live", "candidate"):
            rows = []
            for label, row in zip(matrix["labels"], matrix[name], strict=True):
                total = sum(row) or 1
                rows.append((label, [(n, round(9 * n / total), round(100 * n / total)) for n in row]))
            sides.append((name, rows))
        out.append({"title": matrix["title"], "labels": matrix["labels"], "sides": sides})
    return out


@admin.register(ModelVersion)
class ModelVersionAdmin(Shown):
    page = "version"
    list_display = ["label", "capability", "store", "base", "method", "status", "promoted_at"]
    list_filter = ["capability", "status"]
    list_select_related = ["store"]

    def get_urls(self):
        return [
            self.act("promote", self.promote, "version_promote"),
            self.act("roll-back", self.roll_back, "version_roll_back"),
            self.act("compare", self.compare, "version_compare"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, found: ModelVersion) -> dict:
        opened, reasons, used = promotion.gate(found)
        return self.context(
            request, found, version=found, gate_open=opened, gate_reasons=reasons, gate_used=used,
            run=TrainingRun.objects.filter(version=found).first(), comparisons=found.comparisons.all()[:20],
            promoting=found.promotions.filter(status=Promotion.Status.QUEUED).first(),
            promotions=found.promotions.select_related("requested_by")[:20], children=found.children.all()[:20],
        )  # fmt: skip

    def promote(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        return _promote(request, found, _page(found))

    def roll_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.wanted(request, pk, self.edit_permission)
        return _roll_back(request, found, _page(found))

    def compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        return _compare(request, self.wanted(request, pk, self.edit_permission))


@admin.register(DatasetSnapshot)
class DatasetSnapshotAdmin(Shown):
    list_display = ["__str__", "store", "rows", "created_at"]
    list_filter = ["capability"]


@admin.register(Promotion)
class PromotionAdmin(Shown):
    list_display = ["version", "store", "status", "override", "reason", "requested_by", "created_at"]
    list_filter = ["status", "override"]


@admin.register(AuditEntry)
class AuditEntryAdmin(Shown):
    list_display = ["at", "by", "action", "capability", "scope", "version_label", "reason"]
    list_filter = ["action", "capability", "at"]
    search_fields = ["version_label", "reason", "by__email"]
    list_select_related = ["by"]

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class ScheduleForm(forms.ModelForm):
    """Choices of the capability, and what could never run is refused by field."""

    capability = forms.ChoiceField(label=_("capability"))

    class Meta:
        model = RetrainSchedule
        fields = ["capability", "store", "every_n_labels", "cron", "start_from", "config", "enabled"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "capability" in self.fields:
            known = [capabilities.capability(name) for name in capabilities.names()]
            self.fields["capability"].choices = [(c.name, c.title) for c in known]

    def clean(self) -> dict:
        data = super().clean()
        named = ("capability", "store", "every_n_labels", "cron", "start_from", "config")
        if not self.errors:
            schedules.check(RetrainSchedule(**{name: data.get(name) for name in named}))
        return data


@admin.register(RetrainSchedule)
class RetrainScheduleAdmin(StoreScoped):
    view_permission = "models.view"
    edit_permission = "models.manage"
    form = ScheduleForm
    list_display = ["capability", "store", "every_n_labels", "cron", "enabled", "last_run_at", "last_run", "last_error"]
    list_filter = ["capability", "enabled"]
    list_select_related = ["store", "last_run"]
    readonly_fields = ["last_run_at", "last_run", "last_error"]

    def get_form(self, request, obj=None, change=False, **kwargs):
        kind = super().get_form(request, obj, change, **kwargs)
        # Without a store a schedule trains the house's models: only who runs the installation may.
        if "store" in kind.base_fields and not request.user.is_superuser:
            kind.base_fields["store"].required = True
        return kind

    def save_model(self, request, obj, form, change) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)
        audit.record(
            AuditEntry.Action.SCHEDULED, capability=obj.capability, store=obj.store, by=request.user,
            details={"schedule": obj.pk, "changed": form.changed_data, "enabled": obj.enabled},
        )  # fmt: skip

    def delete_model(self, request, obj) -> None:
        audit.record(
            AuditEntry.Action.SCHEDULED, capability=obj.capability, store=obj.store, by=request.user,
            details={"schedule": obj.pk, "deleted": True},
        )  # fmt: skip
        super().delete_model(request, obj)

    def delete_queryset(self, request, queryset) -> None:
        for obj in queryset:
            self.delete_model(request, obj)
