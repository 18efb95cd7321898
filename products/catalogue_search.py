"""Find products: search text, filters from the address, sorting, and keyset pages in both directions."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from ecomai.models import Store
from products.models import AdAsset, Category, Product, Variant

PAGE_SIZE = 50
COUNT_CAP = 10_000
LOW_STOCK = 5
# sort key → (what it orders by, whether it can be empty)
SORTS: dict[str, tuple[str, bool]] = {
    "changed": ("updated_at", False),
    "title": ("title_key", False),
    "price": ("price_min", True),
    "stock": ("stock_total", True),
}
STOCK = ("in", "low", "out", "uncounted")
MISSING = ("picture", "description", "price", "category", "copy")


@dataclass(frozen=True)
class Filters:
    """What the address asks for. `errors`: parameter → message, for values that make no sense."""

    q: str = ""
    status: str = ""
    brand: int | None = None
    category: int | None = None
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    stock: str = ""
    missing: str = ""
    tag: str = ""
    changed_since: date | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        return any(getattr(self, f.name) not in ("", None) for f in fields(self) if f.name != "errors")


def parse(params: Mapping[str, str]) -> Filters:
    """Filters of a query string; a bad value is left out and named in `errors`."""
    errors: dict[str, str] = {}

    def take(name: str, convert, message: str):
        raw = (params.get(name) or "").strip()
        if not raw:
            return None
        try:
            return convert(raw)
        except (ValueError, InvalidOperation, OverflowError):
            errors[name] = message % {"value": raw[:40]}
            return None

    def one_of(*choices: str):
        def convert(raw: str) -> str:
            if raw not in choices:
                raise ValueError(raw)
            return raw

        return convert

    def row_id(raw: str) -> int:
        if not 0 < int(raw) < 2**63:
            raise ValueError(raw)
        return int(raw)

    def amount(raw: str) -> Decimal:
        value = Decimal(raw.replace(",", "."))
        if not value.is_finite() or not 0 <= value < 10**10:
            raise ValueError(raw)
        return value

    unknown = _("“%(value)s” is not one of the choices.")
    return Filters(
        q=(params.get("q") or "").strip().replace("\0", "")[:200],
        status=take("status", one_of(*Product.Status.values), unknown) or "",
        brand=take("brand", row_id, unknown),
        category=take("category", row_id, unknown),
        price_from=take("price_from", amount, _("“%(value)s” is not an amount.")),
        price_to=take("price_to", amount, _("“%(value)s” is not an amount.")),
        stock=take("stock", one_of(*STOCK), unknown) or "",
        missing=take("missing", one_of(*MISSING), unknown) or "",
        tag=(params.get("tag") or "").strip().replace("\0", "")[:255],
        changed_since=take("changed_since", date.fromisoformat, _("“%(value)s” is not a date (YYYY-MM-DD).")),
        errors=errors,
    )


def fold(text: str) -> str:
    """Lower case without accents, by the same database functions that wrote `search_text`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lower(unaccent(%s))", [text])
        return cursor.fetchone()[0]


def find(store: Store, filters: Filters, products: QuerySet[Product] | None = None) -> QuerySet[Product]:
    """The store's products that meet the filters, unordered.

    Each word of `q` must occur somewhere in the search text: a substring match, so languages without spaces work.
    """
    found = (Product.objects.all() if products is None else products).filter(store=store)
    for word in fold(filters.q).split() if filters.q else []:
        found = found.filter(search_text__contains=word)
    if filters.status:
        found = found.filter(status=filters.status)
    if filters.brand:
        found = found.filter(brand_id=filters.brand)
    if filters.category:
        found = found.filter(category_id__in=category_and_below(store, filters.category))
    if filters.price_from is not None:
        found = found.filter(price_max__gte=filters.price_from)
    if filters.price_to is not None:
        found = found.filter(price_min__lte=filters.price_to)
    if filters.stock:
        found = found.filter(
            {
                "in": Q(stock_total__gt=0),
                "low": Q(stock_total__gt=0, stock_total__lte=LOW_STOCK),
                "out": Q(stock_total__lte=0),
                "uncounted": Q(stock_total=None),
            }[filters.stock]
        )
    if filters.missing:
        found = found.filter(
            {
                "picture": Q(image_url=""),
                "description": Q(description_text=""),
                "price": Q(price_min=None),
                "category": Q(category=None),
                "copy": ~Exists(AdAsset.objects.filter(product=OuterRef("pk"), status=AdAsset.Status.APPROVED)),
            }[filters.missing]
        )
    if filters.tag:
        found = found.filter(tags__contains=[filters.tag])
    if filters.changed_since:
        found = found.filter(updated_at__date__gte=filters.changed_since)
    return found


def category_and_below(store: Store, category_id: int) -> list[int]:
    """Ids of a category and all below it; empty for another store's."""
    top = Category.objects.filter(store=store, pk=category_id).first()
    if top is None:
        return []
    below = Q(path=top.path) | Q(path__startswith=f"{top.path} > ")
    return list(Category.objects.filter(below, store=store).values_list("pk", flat=True))


def exact(store: Store, q: str) -> list[Product]:
    """Products whose handle, external id, SKU or GTIN is exactly what was typed."""
    q = q.strip()
    if not q:
        return []
    same_code = Variant.objects.filter(Q(sku=q) | Q(gtin=q), store=store, product=OuterRef("pk"))
    by_name = Product.objects.filter(Q(handle=q) | Q(external_id=q), store=store)
    by_code = Product.objects.filter(Exists(same_code), store=store)
    return list(by_name.union(by_code))[:5]


def capped_count(products: QuerySet[Product], cap: int = COUNT_CAP) -> tuple[int, bool]:
    """How many products, and whether there are more than were counted."""
    counted = products.order_by()[: cap + 1].values("pk").count()
    return min(counted, cap), counted > cap


@dataclass(frozen=True)
class Page:
    items: list[Product]
    next: str = ""
    previous: str = ""


def _encode(value, pk: int, back: bool) -> str:
    if isinstance(value, (datetime, Decimal)):
        value = value.isoformat() if isinstance(value, datetime) else str(value)
    return base64.urlsafe_b64encode(json.dumps([value, pk, back]).encode()).decode().rstrip("=")


def _decode(cursor: str, column: str):
    """(value, pk, back) of a cursor; None for one that isn't ours."""
    try:
        value, pk, back = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if value is not None:
            if column == "updated_at":
                value = datetime.fromisoformat(value)
            elif column == "price_min":
                value = Decimal(value)
            elif column == "stock_total":
                value = int(value)
            else:
                value = str(value)
        return value, int(pk), bool(back)
    except (ValueError, TypeError, InvalidOperation):
        return None


def is_cursor(cursor: str, sort: str) -> bool:
    """Whether a cursor is one of `page`'s for that sorting."""
    column = SORTS[sort][0]
    decoded = _decode(cursor, column)
    if decoded is None or not 0 <= decoded[1] < 2**63:
        return False
    value = decoded[0]
    if isinstance(value, datetime):
        return value.tzinfo is not None
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value) < 10**10
    if isinstance(value, int):
        return abs(value) < 2**31
    return value is None or (isinstance(value, str) and "\0" not in value and value.isprintable())


def _segment(products, column: str, empty: bool | None, start, descending: bool, size: int) -> list[Product]:
    """Up to `size` rows in order; `empty` picks the rows with (True) or without (False) a NULL, None means either."""
    if empty is not None:
        products = products.filter(**{f"{column}__isnull": empty})
    op = "lt" if descending else "gt"
    if empty:
        if start:
            products = products.filter(**{f"pk__{op}": start[1]})
        order = ["pk"]
    else:
        if start:
            value, pk = start
            # The first condition bounds the index scan, the second is exact.
            products = products.filter(
                Q(**{f"{column}__{op}e": value}),
                Q(**{f"{column}__{op}": value}) | Q(**{column: value, f"pk__{op}": pk}),
            )
        order = [column, "pk"]
    ordering = [F(name).desc() if descending else F(name).asc() for name in order]
    return list(products.order_by(*ordering)[:size])


def page(products: QuerySet[Product], *, sort: str, descending: bool, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """One page of the products by keyset: as fast at the end as at the start. Empty values come last both ways."""
    column, nullable = SORTS[sort]
    if column == "title_key":
        products = products.annotate(title_key=Lower("title"))
    decoded = _decode(cursor, column) if cursor else None
    value, pk, back = decoded or (None, 0, False)
    start = (value, pk) if decoded else None
    down = descending != back
    segments: list[bool | None] = ([True, False] if back else [False, True]) if nullable else [None]
    if start and nullable:
        segments = segments[segments.index(value is None) :]
    rows: list[Product] = []
    for empty in segments:
        rows += _segment(products, column, empty, start, down, size + 1 - len(rows))
        start = None
        if len(rows) > size:
            break
    more = len(rows) > size
    rows = rows[:size]
    if back:
        rows.reverse()
    if not rows:
        return Page([])
    first, last = rows[0], rows[-1]
    has_next, has_previous = (True, more) if back else (more, bool(decoded))
    return Page(
        rows,
        next=_encode(getattr(last, column), last.pk, False) if has_next else "",
        previous=_encode(getattr(first, column), first.pk, True) if has_previous else "",
    )
