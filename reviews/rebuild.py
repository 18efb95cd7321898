"""Make a store's numbers anew from its reviews: the same rows that `reviews.effective.refresh` keeps by differences."""

from collections.abc import Callable

from django.db import connection, transaction

from ecomai.models import Store
from reviews import effective
from reviews.effective import CELLS, COUNTED, FRESH, LOCK, TALLY_COLUMNS, TALLY_SUMS
from reviews.models import CountedReview, ProductMonth, Review, StoreDay

_COLUMNS = ", ".join(COUNTED)
_COUNT = f"INSERT INTO reviews_countedreview ({_COLUMNS}) SELECT {_COLUMNS} FROM ({FRESH}) fresh"
_ROWS = "(SELECT 1 AS sign, * FROM reviews_countedreview WHERE store_id = %(store)s) c"
_DAYS = f"""
INSERT INTO reviews_storeday (store_id, day, language, source, {TALLY_COLUMNS})
SELECT store_id, day, language, source, {TALLY_SUMS} FROM {_ROWS} GROUP BY 1, 2, 3, 4
"""
_MONTHS = f"""
INSERT INTO reviews_productmonth (store_id, product_id, month, language, source, {TALLY_COLUMNS})
SELECT store_id, product_id, date_trunc('month', day)::date, cell_language, cell_source, {TALLY_SUMS}
FROM {_ROWS} CROSS JOIN LATERAL {CELLS} WHERE product_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5
"""


def recompute(store: Store, progress: Callable[[int], None] = lambda done: None) -> None:
    """Refresh every review of the store, a chunk a transaction; `progress` gets the number done."""
    after, done = 0, 0
    rows = Review.objects.filter(store=store).order_by("pk")
    while ids := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[: effective.CHUNK]):
        effective.refresh(ids)
        after, done = ids[-1], done + len(ids)
        progress(done)


@transaction.atomic
def rebuild(store: Store) -> int:
    """Delete the store's sums and make them again from its reviews and opinions; returns how many reviews count.

    Waits for running refreshes of the store and holds new ones until it has committed.
    """
    values = effective.parameters(store=store.pk, lock=LOCK)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%(lock)s, %(store)s::int)", values)
        for model in (CountedReview, StoreDay, ProductMonth):
            model.objects.filter(store=store)._raw_delete(using="default")
        cursor.execute(effective.scoped(_COUNT, by_store=True), values)
        counted = cursor.rowcount
        cursor.execute(_DAYS, values)
        cursor.execute(_MONTHS, values)
    return counted
