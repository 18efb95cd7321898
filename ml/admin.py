"""Django admin of model versions: look, promote, roll back."""

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from ecomai.admin import StoreScoped
from ml import registry
from ml.models import ModelVersion


@admin.register(ModelVersion)
class ModelVersionAdmin(StoreScoped):
    view_permission = "models.view"
    edit_permission = "models.manage"
    list_display = ["label", "capability", "store", "base", "method", "status", "promoted_at"]
    list_filter = ["capability", "status"]
    actions = ["promote", "roll_back"]

    def has_add_permission(self, request) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_readonly_fields(self, request, obj=None):
        return [field.name for field in ModelVersion._meta.fields]

    @admin.action(description=_("Make live"), permissions=["change"])
    def promote(self, request, queryset) -> None:
        for version in queryset:
            try:
                registry.promote(version, reason="by hand", by=request.user)
                messages.success(request, _("%(label)s is live.") % {"label": version.label})
            except registry.PromotionError as error:
                messages.error(request, str(error))

    @admin.action(description=_("Roll back to the version before"), permissions=["change"])
    def roll_back(self, request, queryset) -> None:
        for version in queryset:
            try:
                back = registry.roll_back(version.capability, version.store_id, by=request.user)
                messages.success(request, _("%(label)s is live.") % {"label": back.label})
            except registry.PromotionError as error:
                messages.error(request, str(error))
