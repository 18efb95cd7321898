"""What the storefront knows about a person: found by the shop's own id of a visitor, of which only a keyed hash is kept."""

from collections.abc import Callable
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from ecomai.models import Store
from ecomai.privacy import Person
from products.assignment import visitor_id
from products.models import Assignment, Event, Exposure

Progress = Callable[[int, int], None]
NAMES = {
    "events": lazy("events of the storefront"), "assignments": lazy("parts taken in experiments"),
    "exposures": lazy("products seen in experiments"),
}  # fmt: skip


def _visitors(store: Store, person: Person) -> list[UUID]:
    return [visitor_id(store, identifier) for identifier in person.identifiers]


def _rows(store: Store, person: Person):
    visitors = _visitors(store, person)
    return {
        "events": Event.objects.filter(store=store, visitor__in=visitors),
        "assignments": Assignment.objects.filter(store=store, visitor__in=visitors),
        "exposures": Exposure.objects.filter(store=store, visitor__in=visitors),
    }


def find(store: Store, person: Person) -> dict[str, int]:
    """What → how many."""
    rows = _rows(store, person)
    return {
        _("events of the storefront"): rows["events"].count(),
        _("parts taken in experiments"): rows["assignments"].count(),
        _("products seen in experiments"): rows["exposures"].count(),
    }


def export(store: Store, person: Person, progress: Progress) -> dict[str, list[dict]]:
    """Name of a file → rows."""
    rows = _rows(store, person)
    columns = {
        "events": ("client_id", "kind", "name", "product__title", "sku", "quantity", "value", "currency", "locale",
                   "experiment__name", "arm__name", "is_bot", "at", "received_at"),
        "assignments": ("experiment__name", "arm__name", "at", "locale", "segment", "is_bot", "other_arm"),
        "exposures": ("experiment__name", "arm__name", "product__title", "at"),
    }  # fmt: skip
    out = {name: list(rows[name].order_by("at", "pk").values(*columns[name])) for name in rows}
    total = sum(map(len, out.values()))
    progress(total, total)
    return out


def erase(store: Store, person: Person, keep_text: bool) -> dict[str, int]:
    """Delete every row of the person in the caller's transaction; sums of days name nobody and stay. Again it finds nothing."""
    return {name: rows.delete()[0] for name, rows in _rows(store, person).items()}
