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

    def _stores(self, request, permission: str) -> list[int]:
        """Ids of the stores in which the user holds the right."""
        rows = Membership.objects.filter(user=request.user).values_list("store_id", "role")
        return [store_id for store_id, role in rows if allowed(role, permission)]

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.store_path}__in": self._stores(request, self.view_permission)})

    def _may(self, request, permission: str, obj=None) -> bool:
        """The right in the object's own store; for a list, in any of the user's stores."""
        if request.user.is_superuser:
            return True
        stores = self._stores(request, permission)
        if obj is None:
            return request.user.is_staff and bool(stores)
        return request.user.is_staff and (obj.pk if isinstance(obj, Store) else obj.store_id) in stores

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """Only rows of stores that the user may edit can be chosen, by a forged form neither."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is None or request.user.is_superuser:
            return field
        mine = self._stores(request, self.edit_permission)
        model = db_field.remote_field.model
        if model is Store:
            field.queryset = Store.objects.filter(pk__in=mine)
        elif any(f.name == "store" for f in model._meta.fields):
            field.queryset = field.queryset.filter(store__in=mine)
        return field

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


class OnItsOwnPage(StoreScoped):
    """Rows with rules of their own (the last owner, a link or key shown once): their pages in the store keep them."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser


@admin.register(Membership)
class MembershipAdmin(OnItsOwnPage):
    view_permission = "members.view"
    list_display = ["user", "store", "role"]
    list_filter = ["role"]
    autocomplete_fields = ["user", "store"]


@admin.register(Invitation)
class InvitationAdmin(OnItsOwnPage):
    view_permission = "members.view"
    list_display = ["email", "store", "role", "expires_at", "accepted_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(OnItsOwnPage):
    view_permission = "keys.manage"
    list_display = ["name", "store", "kind", "prefix", "last_used_at", "revoked_at"]
    readonly_fields = ["store", "kind", "prefix"]


@admin.register(Job)
class JobAdmin(OnItsOwnPage):
    view_permission = "jobs.view"
    list_display = ["title", "store", "kind", "status", "done", "total", "attempts", "created_at"]
    list_filter = ["status", "kind"]
