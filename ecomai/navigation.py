"""What the base layout needs on every page: the store, the user's other stores, the side navigation."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from ecomai.models import Job, Store
from ecomai.permissions import PERMISSIONS, allowed


@dataclass(frozen=True)
class Item:
    title: str
    url: str
    icon: str
    current: bool
    badge: int = 0


@dataclass(frozen=True)
class Group:
    title: str
    items: list[Item]


# URL name → how many things wait behind that entry; an app registers its own.
_badges: dict[str, Callable[[Store], int]] = {}


def register_badge(name: str, count: Callable[[Store], int]) -> None:
    """Show `count(store)` beside the entry of that URL name."""
    _badges[name] = count


def _groups(store: Store, can: set[str], path: str) -> list[Group]:
    # (group, [(title, URL name, icon, permission)]); capabilities that aren't there yet are absent.
    wanted = [
        ("", [(_("Home"), "store_home", "home", "store.view")]),
        (
            _("Catalogue"),
            [
                (_("Products"), "products:products", "products", "catalogue.view"),
                (_("Categories"), "products:categories", "categories", "catalogue.view"),
                (_("Imports"), "products:imports", "imports", "catalogue.import"),
                (_("Export"), "products:export", "exports", "catalogue.export"),
            ],
        ),
        (
            _("Reviews"),
            [
                (_("Dashboard"), "reviews:dashboard", "chart", "reviews.view"),
                (_("All reviews"), "reviews:reviews", "reviews", "reviews.view"),
                (_("Topics"), "reviews:topics", "categories", "reviews.view"),
                (_("Alerts"), "reviews:alerts", "mail", "reviews.view"),
                (_("Labels"), "reviews:labels", "edit", "reviews.label"),
                (_("Imports"), "reviews:imports", "imports", "reviews.import"),
                (_("Settings"), "reviews:settings", "settings", "reviews.manage"),
            ],
        ),
        (
            pgettext("texts that sell", "Copy"),
            [
                (_("Ad copy"), "products:copy_requests", "copy", "copy.view"),
                (_("Experiments"), "products:experiments", "compare", "experiments.view"),
                (_("Channels"), "products:channels", "sliders", "copy.view"),
                (_("Ads and feeds"), "products:ad_export", "exports", "catalogue.export"),
            ],
        ),
        (
            _("Store"),
            [
                (_("Settings"), "store_settings", "settings", "store.manage"),
                (_("Members"), "members", "members", "members.view"),
                (_("API keys"), "api_keys", "keys", "keys.manage"),
                (_("Webhooks"), "webhooks", "globe", "keys.manage"),
                (_("Privacy"), "privacy", "person", "privacy.manage"),
            ],
        ),
    ]
    home = reverse("store_home", args=[store.slug])
    groups = []
    for title, entries in wanted:
        items = []
        for text, name, icon, permission in entries:
            if permission in can:
                url = reverse(name, args=[store.slug])
                badge = _badges[name](store) if name in _badges else 0
                items.append(Item(text, url, icon, path == url if url == home else path.startswith(url), badge))
        if items:
            groups.append(Group(title, items))
    return groups


def context(request: HttpRequest) -> dict:
    """Template context: `store`, `role`, `stores`, `can` (permissions that the role holds), `navigation`, `open_jobs`."""
    store = getattr(request, "store", None)
    role = getattr(request, "role", "")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"store": None, "role": "", "stores": [], "can": set(), "navigation": []}
    stores = Store.objects.of(user)
    if store is None:
        return {"store": None, "role": "", "stores": stores, "can": set(), "navigation": []}
    can = {name for name in PERMISSIONS if allowed(role, name)}
    return {
        "store": store,
        "role": role,
        "stores": stores,
        "can": can,
        "navigation": _groups(store, can, request.path),
        "open_jobs": Job.objects.filter(store=store).open().count(),
    }
