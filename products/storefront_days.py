"""Each product's day on the storefront, summed from events; summing a day again gives the same rows."""

from datetime import UTC, date, datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from ecomai.models import Store
from products.models import Event, ProductDay

SOURCE = "storefront"
KINDS = [kind.value for kind in Event.Kind if kind != Event.Kind.CUSTOM]


def sum_recent(days: int, now: datetime | None = None) -> int:
    """Sum the last days (UTC, today is one of them) of every store that has events in them. Returns how many store-days."""
    today = (now or timezone.now()).astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    seen = Event.objects.filter(store=OuterRef("pk"), kind__in=KINDS, at__gte=_start(first))
    stores = list(Store.objects.filter(Exists(seen)).order_by("pk"))
    for store in stores:
        for number in range(days):
            sum_day(store, first + timedelta(days=number))
    return len(stores) * days


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@transaction.atomic
def sum_day(store: Store, day: date) -> None:
    """Write the day's rows anew: events of known products, without robots; revenue in the store's currency only."""
    values = {
        "store": store.pk, "source": SOURCE, "day": day, "from": _start(day), "to": _start(day + timedelta(days=1)),
        "kinds": KINDS, "currency": store.currency,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('products.storefront_days'), %s)", [store.pk])
        cursor.execute(
            "INSERT INTO products_productday"
            " (store_id, product_id, source, day, impressions, clicks, add_to_carts, purchases, revenue, cost)"
            " SELECT store_id, product_id, %(source)s, %(day)s, count(*) FILTER (WHERE kind = 'view'),"
            " count(*) FILTER (WHERE kind = 'click'), count(*) FILTER (WHERE kind = 'add_to_cart'),"
            " count(*) FILTER (WHERE kind = 'purchase'),"
            " coalesce(sum(value) FILTER (WHERE kind = 'purchase' AND currency = %(currency)s), 0), 0"
            " FROM products_event WHERE store_id = %(store)s AND kind = ANY(%(kinds)s) AND at >= %(from)s AND at < %(to)s"
            " AND NOT is_bot AND product_id IS NOT NULL GROUP BY store_id, product_id ORDER BY product_id"
            " ON CONFLICT (product_id, source, day) DO UPDATE SET impressions = EXCLUDED.impressions,"
            " clicks = EXCLUDED.clicks, add_to_carts = EXCLUDED.add_to_carts, purchases = EXCLUDED.purchases,"
            " revenue = EXCLUDED.revenue RETURNING product_id",
            values,
        )
        summed = [product for (product,) in cursor.fetchall()]
    # What was erased or turned out to be nobody's leaves no row behind.
    ProductDay.objects.filter(store=store, source=SOURCE, day=day).exclude(product__in=summed).delete()
