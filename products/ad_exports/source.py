"""Which products go into a file, with their texts: read in batches, so that memory stays small at any number."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q, QuerySet

from ecomai.models import Store
from products import catalogue_search, import_snapshot
from products.channel_rules import Limit
from products.feed_texts import FeedText, Shelf, first_locale
from products.import_snapshot import Current
from products.models import AdAsset, CopyRequest, Product, PublishedText

BATCH = 500


@dataclass(frozen=True)
class Choice:
    """What a person chose for an export. `approved_only`: products without a text of the channel are not looked at."""

    export: str
    locale: str
    approved_only: bool = True
    batch: int | None = None
    ids: tuple[int, ...] = ()
    query: str = ""
    campaign: str = ""
    paused: bool = True
    pin: bool = False
    product_type: str = ""
    gtin_exempt: bool = False
    bom: bool = False


@dataclass(frozen=True)
class Plan:
    """A choice with what the exports need for it: the store, its rules, the columns' texts."""

    store: Store
    choice: Choice
    rules: Mapping[str, Limit]
    first: int | None = None  # look at so many products only

    @property
    def own(self) -> bool:
        """Whether the catalogue itself is in the language."""
        return self.choice.locale == first_locale(self.store)


@dataclass(frozen=True)
class Item:
    """One product with its texts: {field: texts}, the one that counts first."""

    current: Current
    texts: Mapping[str, list[FeedText]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.current.product["title"] or self.current.product["handle"]


def selected(plan: Plan, fields: Collection[str]) -> QuerySet[Product]:
    """The active products that the choice is about, unordered. `fields`: whose texts make a product worth a look."""
    store, choice = plan.store, plan.choice
    rows: QuerySet[Product] = Product.objects.filter(store=store).visible()
    if choice.query:
        rows = catalogue_search.find(store, catalogue_search.Filters(q=choice.query), rows)
    if choice.ids:
        rows = rows.filter(pk__in=choice.ids)
    if choice.batch:
        rows = rows.filter(Exists(CopyRequest.objects.filter(store=store, batch=choice.batch, product=OuterRef("pk"))))
    if choice.approved_only:
        mine = {"store": store, "product": OuterRef("pk"), "field__in": list(fields), "locale": choice.locale}
        approved = AdAsset.objects.filter(status=AdAsset.Status.APPROVED, **mine)
        published = PublishedText.objects.filter(undone_at=None, replaced_at=None, **mine)
        rows = rows.filter(Q(Exists(approved)) | Q(Exists(published)))
    return rows


def items(plan: Plan, fields: Collection[str], wanted: Collection[str] | None = None) -> Iterator[Item]:
    """The chosen products in id order with their texts of `fields`; `wanted` are the fields that select a product."""
    several = {key for key in fields if key in plan.rules and plan.rules[key].most > 1}
    shelf = Shelf(plan.store, fields, plan.choice.locale, several=several)
    rows = selected(plan, wanted or fields)
    after, left = 0, plan.first
    while left is None or left > 0:
        size = BATCH if left is None else min(BATCH, left)
        batch = list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size])
        if not batch:
            return
        after, left = batch[-1], None if left is None else left - len(batch)
        found, texts = import_snapshot.load(plan.store.pk, batch), shelf.take(batch)
        yield from (Item(found[pk], texts.get(pk, {})) for pk in batch if pk in found)
