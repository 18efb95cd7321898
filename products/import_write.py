"""Write many products at once: COPY for new rows, temporary tables and one UPDATE per table for changed ones."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from products.import_snapshot import IMAGE_FIELDS, PRODUCT_FIELDS, VARIANT_FIELDS
from products.models import Brand, Category

JSON_FIELDS = {"attributes", "metafields", "options"}


def next_ids(table: str, count: int) -> list[int]:
    """Ids reserved from the table's sequence."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
        return [row[0] for row in cursor.fetchall()]


def _json(value: dict | list) -> str:
    if value:
        return json.dumps(value, ensure_ascii=False)
    return "[]" if isinstance(value, list) else "{}"


def _values(row: dict[str, Any], names: Sequence[str]) -> list[Any]:
    return [_json(row[n]) if n in JSON_FIELDS else row[n] for n in names]


def copy_in(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows into a table."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _through_temporary(table: str, columns: Sequence[str], rows: list[list[Any]], sql: str) -> None:
    """COPY into a temporary copy of the table's columns and run `sql`, which reads from `incoming`."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS incoming")
        cursor.execute(
            f"CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {', '.join(columns)} FROM {table} WITH NO DATA"
        )
        copy_in("incoming", columns, rows)
        cursor.execute(sql)
        cursor.execute("DROP TABLE incoming")


def insert_products(store_id: int, rows: list[tuple[int, dict]], now: datetime) -> None:
    """New products: (id, columns)."""
    copy_in(
        "products_product",
        ["id", "store_id", *PRODUCT_FIELDS, "embedding_model", "created_at", "updated_at"],
        ([pk, store_id, *_values(row, PRODUCT_FIELDS), "", now, now] for pk, row in rows),
    )


def update_products(rows: list[tuple[int, dict]], now: datetime) -> None:
    """Changed products: (id, all columns)."""
    assignments = ", ".join(f"{name} = incoming.{name}" for name in PRODUCT_FIELDS)
    _through_temporary(
        "products_product",
        ["id", *PRODUCT_FIELDS, "updated_at"],
        [[pk, *_values(row, PRODUCT_FIELDS), now] for pk, row in rows],
        f"UPDATE products_product p SET {assignments}, updated_at = incoming.updated_at FROM incoming "
        "WHERE p.id = incoming.id",
    )


def insert_variants(store_id: int, rows: list[tuple[int, dict]]) -> None:
    """New variants: (product id, columns with "id")."""
    copy_in(
        "products_variant",
        ["id", "store_id", "product_id", *VARIANT_FIELDS],
        ([row["id"], store_id, product, *_values(row, VARIANT_FIELDS)] for product, row in rows),
    )


def update_variants(rows: list[dict]) -> None:
    if not rows:
        return
    assignments = ", ".join(f"{name} = incoming.{name}" for name in VARIANT_FIELDS)
    _through_temporary(
        "products_variant",
        ["id", *VARIANT_FIELDS],
        [[row["id"], *_values(row, VARIANT_FIELDS)] for row in rows],
        f"UPDATE products_variant v SET {assignments} FROM incoming WHERE v.id = incoming.id",
    )


def insert_prices(store_id: int, rows: list[list[Any]]) -> None:
    """Prices of new variants: [variant id, market, currency, amount, compare_at]."""
    columns = ["store_id", "variant_id", "market", "currency", "amount", "compare_at"]
    copy_in("products_price", columns, ([store_id, *row] for row in rows))


def insert_images(store_id: int, rows: list[list[Any]]) -> None:
    """Pictures of new products: [product id, url, position, alt]."""
    copy_in("products_productimage", ["store_id", "product_id", *IMAGE_FIELDS], ([store_id, *row] for row in rows))


def for_bulk() -> None:
    """Settings of a transaction that writes much. Losing its commit in a crash loses the cursor with it, so that the
    chunk is written again; the text index takes the new entries in one go at the end (`tidy`)."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL gin_pending_list_limit = '512MB'")


def tidy() -> None:
    """Move what the text indexes hold back into their trees, and let the planner see the new sizes."""
    with connection.cursor() as cursor:
        for index in ("product_search_trgm", "product_tags"):
            cursor.execute("SELECT gin_clean_pending_list(%s::regclass)", [index])
        cursor.execute("ANALYZE products_product")


def upsert_prices(store_id: int, rows: list[list[Any]]) -> None:
    """[variant id, market, currency, amount, compare_at]."""
    if not rows:
        return
    columns = ["store_id", "variant_id", "market", "currency", "amount", "compare_at"]
    _through_temporary(
        "products_price",
        columns,
        [[store_id, *row] for row in rows],
        f"INSERT INTO products_price ({', '.join(columns)}) SELECT {', '.join(columns)} FROM incoming "
        "ON CONFLICT (variant_id, market, currency) DO UPDATE "
        "SET amount = excluded.amount, compare_at = excluded.compare_at",
    )


def upsert_images(store_id: int, rows: list[list[Any]]) -> None:
    """[product id, url, position, alt]."""
    if not rows:
        return
    columns = ["store_id", "product_id", *IMAGE_FIELDS]
    _through_temporary(
        "products_productimage",
        columns,
        [[store_id, *row] for row in rows],
        f"INSERT INTO products_productimage ({', '.join(columns)}) SELECT {', '.join(columns)} FROM incoming "
        "ON CONFLICT (product_id, url) DO UPDATE SET position = excluded.position, alt = excluded.alt",
    )


def brand_ids(store_id: int, names: Iterable[str]) -> dict[str, int]:
    """Lower-case brand name → id; those that don't exist are made."""
    wanted = {name.lower(): name[:200] for name in names if name}
    if not wanted:
        return {}
    Brand.objects.bulk_create(
        [
            Brand(store_id=store_id, name=name)
            for low, name in wanted.items()
            if not Brand.objects.filter(store_id=store_id, name__iexact=name).exists()
        ],
        ignore_conflicts=True,
    )
    rows = Brand.objects.filter(store_id=store_id).values_list("name", "pk")
    return {name.lower(): pk for name, pk in rows if name.lower() in wanted}


def category_ids(store_id: int, paths: Iterable[str]) -> dict[str, int]:
    """Path → id; missing categories are made from the top down."""
    wanted = {path for path in paths if path}
    if not wanted:
        return {}
    known = dict(Category.objects.filter(store_id=store_id).values_list("path", "pk"))
    for path in sorted(wanted):
        steps = path.split(" > ")
        for depth in range(1, len(steps) + 1):
            partial = " > ".join(steps[:depth])
            if partial not in known:
                parent = known.get(" > ".join(steps[: depth - 1]))
                made, _new = Category.objects.get_or_create(
                    store_id=store_id, path=partial, defaults={"parent_id": parent, "name": steps[depth - 1][:255]}
                )
                known[partial] = made.pk
    return {path: known[path] for path in wanted}
