"""Take a whole import back: what it made is removed, what it changed is as before; later work of people stays."""

from collections.abc import Callable
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from products import import_write
from products.import_snapshot import PRODUCT_FIELDS
from products.models import (
    Brand,
    CatalogueImport,
    Category,
    ImportChange,
    Price,
    Product,
    ProductChange,
    ProductImage,
    Variant,
)

CHUNK = 500
DECIMALS = ("price_min", "price_max", "compare_at_max")


def claim(run: CatalogueImport) -> bool:
    """Begin the undo; False when the run isn't done or is being undone already."""
    rows = CatalogueImport.objects.filter(pk=run.pk, status=run.status)
    return run.can_undo and bool(rows.update(status=CatalogueImport.Status.UNDOING))


def undo(run: CatalogueImport, advance: Callable[..., None] = lambda *a, **k: None) -> None:
    """Undo the run chunk by chunk; its counts tell how many products were taken back and how many were left alone."""
    total = ImportChange.objects.filter(run=run).count()
    done = 0
    counts = dict(run.counts)
    counts.setdefault("undone", 0)
    counts.setdefault("kept", 0)
    while True:
        with transaction.atomic():
            changes = list(ImportChange.objects.select_for_update().filter(run=run).order_by("pk")[:CHUNK])
            if not changes:
                break
            back, kept = _undo_chunk(run, changes)
            counts["undone"] += back
            counts["kept"] += kept
            CatalogueImport.objects.filter(pk=run.pk).update(counts=counts)
            ImportChange.objects.filter(pk__in=[c.pk for c in changes]).delete()
        done += len(changes)
        advance(done, total=total, message=_("Undoing the import"))
    CatalogueImport.objects.filter(pk=run.pk).update(status=CatalogueImport.Status.UNDONE, finished_at=timezone.now())


def _undo_chunk(run: CatalogueImport, changes: list[ImportChange]) -> tuple[int, int]:
    stamps = dict(
        Product.objects.select_for_update()
        .filter(pk__in=[c.product_id for c in changes])
        .order_by("pk")
        .values_list("pk", "updated_at")
    )
    untouched = [c for c in changes if stamps.get(c.product_id) == c.after_updated_at]
    made = [c.product_id for c in untouched if c.before is None]
    Product.objects.filter(pk__in=made, store_id=run.store_id).delete()
    restored = [c for c in untouched if c.before is not None]
    if restored:
        _restore(run, restored)
    return len(untouched), len(changes) - len(untouched)


def _restore(run: CatalogueImport, changes: list[ImportChange]) -> None:
    brands = set(Brand.objects.filter(store_id=run.store_id).values_list("pk", flat=True))
    categories = set(Category.objects.filter(store_id=run.store_id).values_list("pk", flat=True))
    rows = []
    for change in changes:
        product = {name: change.before["product"][name] for name in PRODUCT_FIELDS}
        for name in DECIMALS:
            product[name] = Decimal(product[name]) if product[name] is not None else None
        product["brand_id"] = product["brand_id"] if product["brand_id"] in brands else None
        product["category_id"] = product["category_id"] if product["category_id"] in categories else None
        product["is_dirty"] = True
        rows.append((change.product_id, product))
    import_write.update_products(rows, timezone.now())
    for change in changes:
        before = change.before
        keep = [variant["id"] for variant in before["variants"]]
        Variant.objects.filter(product_id=change.product_id).exclude(pk__in=keep).delete()
        ProductImage.objects.filter(product_id=change.product_id).exclude(
            url__in=[image["url"] for image in before["images"]]
        ).delete()
        for variant in before["variants"]:
            kept = {(p["market"], p["currency"]) for p in variant["prices"]}
            for price in Price.objects.filter(variant_id=variant["id"]):
                if (price.market, price.currency) not in kept:
                    price.delete()
    import_write.update_variants([variant for c in changes for variant in c.before["variants"]])
    import_write.upsert_prices(
        run.store_id,
        [[v["id"], p["market"], p["currency"], p["amount"], p["compare_at"]]
         for c in changes for v in c.before["variants"] for p in v["prices"]],
    )  # fmt: skip
    import_write.upsert_images(
        run.store_id,
        [[c.product_id, i["url"], i["position"], i["alt"]] for c in changes for i in c.before["images"]],
    )
    ProductChange.objects.bulk_create(
        [
            ProductChange(
                store_id=run.store_id, product_id=c.product_id, source=ProductChange.Source.UNDO, import_id=run.pk,
                changes={"import": [run.filename, ""]},
            )
            for c in changes
        ]
    )  # fmt: skip
