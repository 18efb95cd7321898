"""Approved ad copy as a product feed shows it: which text, and whether a machine wrote it.

Google wants machine-made titles and descriptions in fields of their own, marked as such; a person's edit makes a text
that person's.
"""

from dataclasses import dataclass

from ecomai.models import Store
from products.models import AdAsset

FIELDS = {"google_merchant.title": "title", "google_merchant.description": "description"}
MARK = "trained_algorithmic_media"


@dataclass(frozen=True)
class FeedText:
    """A text for a feed's field."""

    text: str
    machine: bool


def approved(store: Store) -> dict[int, dict[str, FeedText]]:
    """{product id: {"title" or "description": the text that was approved last}}, in the store's first language."""
    rows = AdAsset.objects.filter(store=store, status=AdAsset.Status.APPROVED, field__in=FIELDS)
    if store.locales:
        rows = rows.filter(locale=store.locales[0])
    found: dict[int, dict[str, FeedText]] = {}
    order = rows.order_by("decided_at", "pk").values_list("product_id", "field", "text", "origin")
    for product, name, text, origin in order.iterator():
        found.setdefault(product, {})[FIELDS[name]] = FeedText(text, origin == AdAsset.Origin.MACHINE)
    return found


def put(row: dict[str, str], texts: dict[str, FeedText]) -> None:
    """Set the texts in a feed item (in Google's names): a machine's goes to structured_…, the plain field is cleared,
    because Google takes the plain one when both are there."""
    for name, found in texts.items():
        row[name] = "" if found.machine else found.text
        if found.machine:
            row[f"structured_{name}"] = found.text


def as_cell(text: str) -> str:
    """The text of a structured field in a table."""
    return f'{MARK}:"{text.replace(chr(34), chr(34) * 2)}"' if text else ""
