"""What shoppers do, taken in batches: checked one by one, counted once whatever the client sends again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from babel.numbers import list_currencies
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.models import Store
from products import exposure_tokens
from products.assignment import visitor_id
from products.models import Arm, Event, Product, UnknownSku, Variant

OLDEST = timedelta(days=7)
MOST_QUANTITY = 1_000_000
MOST_VALUE = Decimal(10) ** 10
MOST_UNKNOWN = 10_000  # SKUs that are kept of a store; further ones are counted in the answer alone
TRIES = 3


class Rejected(NamedTuple):
    index: int
    field: str
    message: str


@dataclass(frozen=True)
class Receipt:
    """accepted + duplicates + the rejected = what was sent. `unknown_skus`: accepted events whose product isn't known;
    `bad_tokens`: accepted events whose exposure token isn't this store's, so that no variant is credited."""

    accepted: int
    duplicates: int
    unknown_skus: int
    rejected: list[Rejected]
    bad_tokens: int = 0


class _Bad(ValueError):
    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class _Row:
    """A checked event. `name_of_product` is what the client called it."""

    client_id: UUID
    visitor: UUID
    kind: str
    name: str
    sku: str
    name_of_product: str
    quantity: int
    value: Decimal | None
    currency: str
    locale: str
    at: datetime
    token: exposure_tokens.Token | None
    bad_token: bool
    product_id: int | None = None
    experiment_id: int | None = None
    arm_id: int | None = None


def receive(
    store: Store, events: Sequence[Any], *, bot: bool, now: datetime | None = None, sent_at: datetime | None = None
) -> Receipt:
    """Write what is new of a batch of events as clients send them (docs/storefront.md has the fields).

    `sent_at` is the client's clock when it sent them: times are moved by the difference. None lies after its receipt; what
    is older than 7 days is rejected, as is whatever else makes no sense, without harm to the others.
    """
    now = now or timezone.now()
    skew = now - sent_at if sent_at else timedelta()
    rows: dict[UUID, _Row] = {}
    rejected, valid = [], 0
    for index, item in enumerate(events):
        try:
            row = _read(store, item, now, skew)
        except _Bad as bad:
            rejected.append(Rejected(index, bad.field, str(bad)))
            continue
        valid += 1
        rows.setdefault(row.client_id, row)
    if not rows:
        return Receipt(0, 0, 0, rejected)
    # Two batches that share events take their locks in one order.
    ordered = [rows[key] for key in sorted(rows)]
    for left in reversed(range(TRIES)):
        try:
            written = _write(store, ordered, bot, now)
            break
        except (IntegrityError, OperationalError):  # what it names was deleted meanwhile, or a deadlock
            if not left:
                raise
    unknown = sum(1 for row in written if row.product_id is None and (row.sku or row.name_of_product))
    bad = sum(row.bad_token for row in written)
    return Receipt(len(written), valid - len(written), unknown, rejected, bad)


def _read(store: Store, item: Any, now: datetime, skew: timedelta) -> _Row:
    """Raises _Bad naming the field."""
    if not isinstance(item, Mapping):
        raise _Bad("", _("Each event is an object."))
    try:
        client_id = UUID(_text(item, "id", 45, required=True))
    except ValueError as error:
        raise _Bad("id", _("Not a UUID.")) from error
    kind = _text(item, "kind", 12, required=True)
    if kind not in Event.Kind.values:
        raise _Bad("kind", _("One of %(choices)s.") % {"choices": ", ".join(Event.Kind.values)})
    text = _text(item, "exposure_token", exposure_tokens.LONGEST)
    token = exposure_tokens.read(text) if text else None
    if token and token.store_id != store.pk:
        token = None
    value = _value(item)
    return _Row(
        client_id=client_id,
        visitor=visitor_id(store, _text(item, "visitor", 200, required=True)),
        kind=kind,
        name=_text(item, "name", 60, required=True) if kind == Event.Kind.CUSTOM else "",
        sku=_text(item, "sku", 255),
        name_of_product=_text(item, "product", 255),
        quantity=_quantity(item),
        value=value,
        currency=_currency(item, store.currency if value is not None else ""),
        locale=_text(item, "locale", 12),
        at=_time(item, now, skew),
        token=token,
        bad_token=bool(text) and token is None,
    )


def _text(item: Mapping, name: str, most: int, *, required: bool = False) -> str:
    value = item.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name in ("visitor", "product", "sku"):
        value = str(value) if abs(value) < 10**18 else "?" * (most + 1)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise _Bad(name, _("Not a text."))
    value = value.strip()
    if len(value) > most:
        raise _Bad(name, _("At most %(n)d characters.") % {"n": most})
    if not value and required:
        raise _Bad(name, _("This is missing."))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Bad(name, _("Half of a character.")) from None
    if "\0" in value:
        raise _Bad(name, _("Null characters are not allowed."))
    return value


def _quantity(item: Mapping) -> int:
    value = item.get("quantity")
    if value is None:
        return 1
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_QUANTITY:
        raise _Bad("quantity", _("A whole number from 1 to %(most)d.") % {"most": MOST_QUANTITY})
    return value


def _value(item: Mapping) -> Decimal | None:
    value = item.get("value")
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or len(str(value)) > 40:
            raise InvalidOperation
        amount = Decimal(str(value).strip())
        if not amount.is_finite() or not 0 <= amount < MOST_VALUE:
            raise InvalidOperation
        return amount.quantize(Decimal("0.0001"))
    except (InvalidOperation, ValueError):
        raise _Bad("value", _("An amount from 0 to below 10,000,000,000.")) from None


def _currency(item: Mapping, default: str) -> str:
    code = _text(item, "currency", 3).upper() or default
    if code and code not in _currencies():
        raise _Bad("currency", _("Not a currency of ISO 4217."))
    return code


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _time(item: Mapping, now: datetime, skew: timedelta) -> datetime:
    text = _text(item, "at", 40)
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
        at = min((at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC) + skew, now)
    except (ValueError, OverflowError):
        raise _Bad("at", _("Write the time like 2026-11-20T09:30:00Z.")) from None
    if at < now - OLDEST:
        raise _Bad("at", _("Older than 7 days."))
    return at


@transaction.atomic
def _write(store: Store, rows: list[_Row], bot: bool, now: datetime) -> list[_Row]:
    """Insert in one statement what isn't there; only that moves counts. Returns what was new."""
    rows = _with_arms(store, _with_products(store, rows))
    columns: dict[str, tuple[str, list]] = {
        "client_id": ("uuid", [r.client_id for r in rows]),
        "visitor": ("uuid", [r.visitor for r in rows]),
        "kind": ("text", [r.kind for r in rows]),
        "name": ("text", [r.name for r in rows]),
        "product_id": ("bigint", [r.product_id for r in rows]),
        "sku": ("text", [r.sku for r in rows]),
        "quantity": ("int", [r.quantity for r in rows]),
        "value": ("numeric", [r.value for r in rows]),
        "currency": ("text", [r.currency for r in rows]),
        "locale": ("text", [r.locale for r in rows]),
        "experiment_id": ("bigint", [r.experiment_id for r in rows]),
        "arm_id": ("bigint", [r.arm_id for r in rows]),
        "at": ("timestamptz", [r.at for r in rows]),
    }
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO products_event (store_id, is_bot, received_at, {names})"
            f" SELECT %s, %s, %s, {names} FROM unnest({', '.join(f'%s::{kind}[]' for kind, _v in columns.values())})"
            f" AS sent ({names}) ON CONFLICT (store_id, client_id) DO NOTHING RETURNING client_id",
            [store.pk, bot, now, *(values for _kind, values in columns.values())],
        )
        new = {client_id for (client_id,) in cursor.fetchall()}
        written = [row for row in rows if row.client_id in new]
        _count_unknown(cursor, store, written, now)
        _raise_alarms(cursor, store, rows)
    return written


def _with_products(store: Store, rows: list[_Row]) -> list[_Row]:
    """By SKU, else by the product's number or handle."""
    skus = {r.sku for r in rows if r.sku}
    by_sku = dict(Variant.objects.filter(store=store, sku__in=skus).values_list("sku", "product_id")) if skus else {}
    names = {r.name_of_product for r in rows if r.name_of_product and r.sku not in by_sku}
    by_name: dict[str, int] = {}
    if names:
        products = Product.objects.filter(store=store)
        by_name = dict(products.filter(handle__in=names).values_list("handle", "pk"))
        ids = [int(n) for n in names if n.isascii() and n.isdigit() and len(n) < 19]
        by_name |= {str(pk): pk for pk in products.filter(pk__in=ids).values_list("pk", flat=True)} if ids else {}
    return [replace(r, product_id=by_sku.get(r.sku) or by_name.get(r.name_of_product)) for r in rows]


def _with_arms(store: Store, rows: list[_Row]) -> list[_Row]:
    """Credit the arm of the token where it still is one of the experiment's."""
    wanted = {r.token.arm_id for r in rows if r.token}
    if not wanted:
        return rows
    arms = dict(Arm.objects.filter(store=store, pk__in=wanted).values_list("pk", "experiment_id"))
    return [
        replace(r, experiment_id=r.token.experiment_id, arm_id=r.token.arm_id)
        if r.token and arms.get(r.token.arm_id) == r.token.experiment_id
        else r
        for r in rows
    ]


def _count_unknown(cursor, store: Store, rows: list[_Row], now: datetime) -> None:
    found = Counter(r.sku or r.name_of_product for r in rows if r.product_id is None and (r.sku or r.name_of_product))
    if not found:
        return
    if UnknownSku.objects.filter(store=store).count() >= MOST_UNKNOWN:
        known = UnknownSku.objects.filter(store=store, sku__in=found).values_list("sku", flat=True)
        found = Counter({sku: found[sku] for sku in known})
    skus = sorted(found)
    cursor.execute(
        "INSERT INTO products_unknownsku AS old (store_id, sku, count, last_at)"
        " SELECT %s, sku, n, %s FROM unnest(%s::text[], %s::bigint[]) AS sent (sku, n)"
        " ON CONFLICT (store_id, sku) DO UPDATE SET count = old.count + EXCLUDED.count, last_at = EXCLUDED.last_at",
        [store.pk, now, skus, [found[sku] for sku in skus]],
    )


def _raise_alarms(cursor, store: Store, rows: list[_Row]) -> None:
    """A visitor who brings the token of another arm than the one that it has was shown both."""
    told = sorted({(r.experiment_id, r.visitor, r.arm_id) for r in rows if r.experiment_id})
    if told:
        cursor.execute(
            "UPDATE products_assignment a SET other_arm = true"
            " FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[]) AS told (experiment, visitor, arm)"
            " WHERE a.experiment_id = told.experiment AND a.visitor = told.visitor AND a.arm_id <> told.arm"
            " AND a.store_id = %s AND NOT a.other_arm",
            [*map(list, zip(*told, strict=True)), store.pk],
        )
