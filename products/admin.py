"""Django admin of the catalogue, imports and copy."""

from django import forms
from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.admin import StoreScoped
from products import brief_forms, briefs, channel_rules, models

# Only the stores whose rows one sees: the names of others are no business of theirs.
BY_STORE = ("store", admin.RelatedOnlyFieldListFilter)


class CatalogueAdmin(StoreScoped):
    view_permission = "catalogue.view"
    edit_permission = "catalogue.edit"


class VariantInline(admin.TabularInline):
    model = models.Variant
    fields = ["position", "sku", "gtin", "option_values", "stock"]
    extra = 0
    show_change_link = True

    def has_add_permission(self, request, obj=None) -> bool:
        return False  # a variant needs its prices and options: the product's own page makes it


@admin.register(models.Product)
class ProductAdmin(CatalogueAdmin):
    list_display = ["title", "store", "status", "brand", "price_min", "currency", "stock_total", "updated_at"]
    list_filter = ["status", BY_STORE]
    search_fields = ["title", "handle", "external_id"]
    autocomplete_fields = ["brand", "category", "store"]
    readonly_fields = ["description_html", "description_text", "currency", "price_min", "price_max", "compare_at_max",
                       "stock_total", "variant_count", "image_url"]  # fmt: skip
    inlines = [VariantInline]
    show_full_result_count = False


@admin.register(models.Variant)
class VariantAdmin(CatalogueAdmin):
    list_display = ["product", "sku", "gtin", "stock"]
    search_fields = ["sku", "gtin", "product__title"]
    autocomplete_fields = ["product", "store"]
    show_full_result_count = False


@admin.register(models.Brand, models.Category)
class NamedAdmin(CatalogueAdmin):
    list_display = ["__str__", "store"]
    search_fields = ["name"]


@admin.register(models.Price)
class PriceAdmin(CatalogueAdmin):
    list_display = ["variant", "market", "amount", "currency", "compare_at"]
    autocomplete_fields = ["variant", "store"]
    show_full_result_count = False


@admin.register(models.ProductImage)
class ImageAdmin(CatalogueAdmin):
    list_display = ["url", "product", "position"]
    autocomplete_fields = ["product", "store"]
    show_full_result_count = False


class LogAdmin(CatalogueAdmin):
    """Rows that tell what happened: to be read, not changed."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(models.ProductChange)
class ChangeAdmin(LogAdmin):
    list_display = ["product", "source", "user", "created_at"]
    list_filter = ["source"]
    show_full_result_count = False


@admin.register(models.CatalogueImport)
class ImportAdmin(LogAdmin):
    view_permission = "catalogue.import"
    list_display = ["filename", "store", "status", "created_by", "created_at"]
    list_filter = ["status"]


@admin.register(models.CopyRequest)
class CopyRequestAdmin(LogAdmin):
    view_permission = "copy.view"
    list_display = ["product", "locale", "tone", "candidates", "seconds", "created_at"]


@admin.register(models.AdAsset)
class AssetAdmin(LogAdmin):
    view_permission = "copy.view"
    list_display = ["text", "field", "locale", "status", "origin", "model_label"]
    list_filter = ["status", "origin", "locale"]


class BriefForm(brief_forms.BriefForm, forms.ModelForm):
    """The fields and checks of the brief's own page, with the store."""

    class Meta:
        model = models.CopyBrief
        fields = ["store", *brief_forms.BriefForm.base_fields]

    def clean(self) -> dict:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            briefs.check(data)
        except forms.ValidationError as error:
            self.add_error(None, error)
        store = data.get("store") or self.instance.store
        same = models.CopyBrief.objects.filter(store=store, name=data["name"]).exclude(pk=self.instance.pk)
        if same.exists():
            self.add_error("name", _("There is a brief of that name already."))
        return data


@admin.register(models.CopyBrief)
class CopyBriefAdmin(StoreScoped):
    form = BriefForm
    view_permission = "copy.view"
    edit_permission = "copy.write"
    list_display = ["name", "store", "locale", "tone", "audience", "updated_at"]
    list_filter = ["locale", BY_STORE]
    search_fields = ["name", "audience"]

    def get_readonly_fields(self, request, obj=None) -> list[str]:
        return ["store"] if obj else []  # its orders stay in the store

    def save_model(self, request, obj, form, change) -> None:
        obj.updated_at = timezone.now()
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


class FollowsItsText(LogAdmin):
    """Rows that go when what they belong to goes, and never from their own pages."""

    view_permission = "copy.view"
    edit_permission = "copy.approve"
    show_full_result_count = False

    def has_delete_permission(self, request, obj=None) -> bool:
        own = f"{self.opts.app_label}_{self.opts.model_name}_"
        here = (request.resolver_match.url_name or "").startswith(own) if request.resolver_match else False
        return not here and super().has_delete_permission(request, obj)


@admin.register(models.CopyBatch)
class CopyBatchAdmin(FollowsItsText):
    list_display = ["__str__", "store", "status", "created_by", "created_at", "finished_at"]
    list_select_related = ["store", "job", "created_by"]
    list_filter = ["job__status", BY_STORE]

    @admin.display(description=_("status"), ordering="job__status")
    def status(self, obj: models.CopyBatch) -> str:
        return obj.job.get_status_display() if obj.job else "—"


@admin.register(models.AssetRevision)
class AssetRevisionAdmin(FollowsItsText):
    list_display = ["text", "asset", "store", "origin", "model_label", "replaced_by", "replaced_at"]
    list_select_related = ["asset", "store", "replaced_by"]
    list_filter = ["origin"]


@admin.register(models.ChannelField)
class ChannelFieldAdmin(StoreScoped):
    edit_permission = "copy.approve"
    list_display = ["key", "store", "unit", "limit", "minimum", "most"]


class ChannelRuleForm(forms.ModelForm):
    key = forms.ChoiceField(label=_("field"), choices=[(key, key) for key in channel_rules.INITIAL])

    class Meta:
        model = models.ChannelRule
        fields = ["key", "unit", "limit", "minimum", "most", "least", "banned", "source", "checked_on"]

    def clean(self) -> dict:
        data = super().clean() or {}
        numbers = {name: data.get(name) for name in ("unit", "limit", "minimum", "most", "least")}
        if None not in numbers.values():
            try:
                channel_rules.check(**numbers)
            except ValueError as error:
                self.add_error(None, str(error))
        return data


@admin.register(models.ChannelRule)
class ChannelRuleAdmin(admin.ModelAdmin):
    """For all stores: Django's own permissions say who may, not a store's roles."""

    form = ChannelRuleForm
    list_display = ["key", "unit", "limit", "minimum", "most", "least", "banned", "source", "checked_on"]
    actions = ["reset"]

    @admin.action(description=_("Let the initial rules hold again"), permissions=["delete"])
    def reset(self, request, rows) -> None:
        self.log_deletions(request, rows)
        count = channel_rules.reset(rows.values_list("key", flat=True))
        self.message_user(request, _("%(n)d rules were reset.") % {"n": count})

    def get_changeform_initial_data(self, request) -> dict:
        rule = channel_rules.INITIAL.get(request.GET.get("key", ""))
        if rule is None:
            return super().get_changeform_initial_data(request)
        names = ("key", "unit", "limit", "minimum", "most", "least", "banned", "source")
        return {name: getattr(rule, name) for name in names} | {"checked_on": rule.checked}

    def changelist_view(self, request, extra_context=None):
        more = {
            "initial": channel_rules.initial(), "units": dict(models.ChannelField.Unit.choices),
            "may_add": self.has_add_permission(request), "may_delete": self.has_delete_permission(request),
        }  # fmt: skip
        return super().changelist_view(request, more | (extra_context or {}))


@admin.register(models.ExperimentSettings)
class ExperimentSettingsAdmin(StoreScoped):
    view_permission = "experiments.view"
    edit_permission = "experiments.manage"
    list_display = ["store", "holdout"]


@admin.register(models.ExperimentGroup)
class ExperimentGroupAdmin(StoreScoped):
    view_permission = "experiments.view"
    edit_permission = "experiments.manage"
    list_display = ["name", "store"]
    search_fields = ["name"]


class ExperimentLog(LogAdmin):
    """Experiments are changed on their own pages, which keep their plan and history."""

    view_permission = "experiments.view"
    show_full_result_count = False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(models.Experiment)
class ExperimentAdmin(ExperimentLog):
    list_display = ["name", "store", "unit", "mode", "metric", "status", "started_at", "ended_at"]
    list_filter = ["status", "unit", "mode"]
    search_fields = ["name"]


@admin.register(models.ExperimentLook)
class ExperimentLookAdmin(ExperimentLog):
    list_display = ["experiment", "at", "status"]
    list_filter = ["status"]


@admin.register(models.WeightChange)
class WeightChangeAdmin(ExperimentLog):
    list_display = ["experiment", "at", "weights"]


@admin.register(models.PublishedText)
class PublishedTextAdmin(ExperimentLog):
    list_display = ["product", "field", "locale", "text", "by", "at", "replaced_at", "undone_at"]
    list_filter = ["field", "locale"]
