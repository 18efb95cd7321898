"""Django admin of stores, people, keys and jobs. Staff see the stores that they are members of; superusers all."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.utils.translation import gettext_lazy as _

from ecomai.models import ApiKey, Invitation, Job, Membership, Store, User
from ecomai.permissions import allowed


class StoreScoped(admin.ModelAdmin):
    """Rows of the staff user's own stores, with the rights of the permission table."""

    view_permission = "store.view"
    edit_permission = "store.manage"
    store_path = "store"

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.store_path}__in": Store.objects.of(request.user)})

    def _may(self, request, permission: str, obj=None) -> bool:
        """The right in the object's own store; for a list, in any of the user's stores."""
        if request.user.is_superuser:
            return True
        rows = Membership.objects.filter(user=request.user)
        if obj is not None:
            rows = rows.filter(store=obj if isinstance(obj, Store) else obj.store)
        return request.user.is_staff and any(allowed(role, permission) for role in rows.values_list("role", flat=True))

    def has_module_permission(self, request) -> bool:
        return self._may(request, self.view_permission)

    def has_view_permission(self, request, obj=None) -> bool:
        return self._may(request, self.view_permission, obj)

    def has_change_permission(self, request, obj=None) -> bool:
        return self._may(request, self.edit_permission, obj)

    def has_add_permission(self, request) -> bool:
        return self._may(request, self.edit_permission)

    def has_delete_permission(self, request, obj=None) -> bool:
        return self._may(request, self.edit_permission, obj)


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    ordering = ["email"]
    list_display = ["email", "first_name", "last_name", "is_staff"]
    search_fields = ["email", "first_name", "last_name"]
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "language"]}),
        (_("Rights"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "password1", "password2"]})]


@admin.register(Store)
class StoreAdmin(StoreScoped):
    store_path = "pk"
    list_display = ["name", "slug", "currency", "default_locale", "created_at"]
    search_fields = ["name", "slug"]


@admin.register(Membership)
class MembershipAdmin(StoreScoped):
    list_display = ["user", "store", "role"]
    list_filter = ["role"]
    autocomplete_fields = ["user", "store"]


@admin.register(Invitation)
class InvitationAdmin(StoreScoped):
    list_display = ["email", "store", "role", "expires_at", "accepted_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(StoreScoped):
    edit_permission = "keys.manage"
    list_display = ["name", "store", "kind", "prefix", "last_used_at", "revoked_at"]
    readonly_fields = ["prefix", "key_hash"]

    def has_add_permission(self, request) -> bool:
        return False  # keys are made on the store's page, where they are shown once


@admin.register(Job)
class JobAdmin(StoreScoped):
    list_display = ["title", "store", "kind", "status", "done", "total", "attempts", "created_at"]
    list_filter = ["status", "kind"]

    def has_add_permission(self, request) -> bool:
        return False
