"""What the base layout needs on every page: the store, the user's other stores, the side navigation."""

from django.http import HttpRequest

from ecomai.models import Store
from ecomai.permissions import PERMISSIONS, allowed


def context(request: HttpRequest) -> dict:
    """Template context: `store`, `role`, `stores`, `can` (the permissions that the role holds, as a set)."""
    store = getattr(request, "store", None)
    role = getattr(request, "role", "")
    user = getattr(request, "user", None)
    if store is None or user is None or not user.is_authenticated:
        return {"store": None, "role": "", "stores": [], "can": set()}
    can = {name for name in PERMISSIONS if allowed(role, name)}
    return {"store": store, "role": role, "stores": Store.objects.of(user), "can": can}
