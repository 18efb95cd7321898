"""Who is asking, for which store: the helper that every store page stands behind."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from ecomai.models import Membership, Store
from ecomai.permissions import PERMISSIONS, allowed


class StoreRequest(HttpRequest):
    """What `store_view` hands to a view."""

    store: Store
    role: str


def membership_for(user, slug: str) -> tuple[Store, str]:
    """The store of that slug and the user's role in it. Raises Http404 for a store that isn't the user's."""
    membership = Membership.objects.select_related("store").filter(user=user, store__slug=slug).first()
    if membership:
        return membership.store, membership.role
    raise Http404


def store_view(permission: str) -> Callable:
    """Decorator of a view below `/s/<store>/`: sets request.store and request.role.

    A stranger's store is 404 (it doesn't tell that the store exists); a member's missing right is 403.
    """
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def inner(request, store: str, *args, **kwargs):
            request.store, request.role = membership_for(request.user, store)
            if not allowed(request.role, permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        inner.store_permission = permission  # type: ignore[attr-defined]
        return inner

    return decorate
