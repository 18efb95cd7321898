"""Changes of products by people: one function per change, each with its history, summary and dirty flag."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.lib import html
from ecomai.models import Store, User
from products import import_snapshot, import_write
from products.import_snapshot import search_source, summarise
from products.models import Brand, Category, Price, Product, ProductChange, Variant

TEXT = {"title", "description_raw", "attributes", "brand_id", "category_id", "tags", "product_type"}


def refresh_summary(store: Store, ids: list[int]) -> None:
    """Write the summary columns and the search text of products from their variants, prices and pictures."""
    found = import_snapshot.load(store.pk, ids)
    items = list(found.values())
    for item in items:
        summarise(item.product, item.variants, item.images, store.currency)
    texts = import_snapshot.fold_many([search_source(i.product, i.brand, i.variants) for i in items])
    for item, text in zip(items, texts, strict=True):
        item.product["search_text"] = text
    import_write.update_products([(item.id, item.product) for item in items], timezone.now())


@transaction.atomic
def update_product(product: Product, values: dict[str, Any], by: User) -> dict[str, list]:
    """Change fields of a product; `brand` and `category` are names. Returns what changed, {field: [old, new]}.

    Raises ValidationError naming the field.
    """
    product = Product.objects.select_for_update().select_related("store").get(pk=product.pk)
    values = dict(values)
    if "handle" in values and values["handle"] != product.handle:
        if Product.objects.filter(store=product.store, handle=values["handle"]).exists():
            raise ValidationError({"handle": _("Another product has this handle.")})
    if "brand" in values:
        name = values.pop("brand").strip()
        ids = import_write.brand_ids(product.store_id, [name])
        values["brand_id"] = ids.get(name.lower())
    if "category" in values:
        path = " > ".join(step.strip() for step in values.pop("category").split(">") if step.strip())
        values["category_id"] = import_write.category_ids(product.store_id, [path]).get(path)
    if "description_raw" in values:
        values["description_html"] = html.clean(values["description_raw"])
        values["description_text"] = html.plain(values["description_raw"])
    changes = {}
    for name, new in values.items():
        old = getattr(product, name)
        if old != new:
            setattr(product, name, new)
            if name not in ("description_html", "description_text"):
                changes[name] = [_shown(product, name, old), _shown(product, name, new)]
    if not changes:
        return {}
    if TEXT & set(changes):
        product.is_dirty = True
    product.updated_at = timezone.now()
    product.save()
    refresh_summary(product.store, [product.pk])
    _remember(product, by, changes)
    return changes


def _shown(product: Product, name: str, value: Any) -> Any:
    if name == "brand_id":
        return Brand.objects.filter(pk=value).values_list("name", flat=True).first() or ""
    if name == "category_id":
        return Category.objects.filter(pk=value).values_list("path", flat=True).first() or ""
    return value


def _remember(product: Product, by: User | None, changes: dict[str, list]) -> None:
    ProductChange.objects.create(
        store_id=product.store_id, product=product, source=ProductChange.Source.PERSON, user=by, changes=changes
    )


@transaction.atomic
def update_variant(
    variant: Variant,
    *,
    sku: str,
    gtin: str,
    stock: int | None,
    price: Decimal | None,
    compare_at: Decimal | None,
    by: User,
) -> dict[str, list]:
    """Change a variant's codes, stock and price in the shop's currency. Raises ValidationError naming the field."""
    product = Product.objects.select_for_update().select_related("store").get(pk=variant.product_id)
    if sku and Variant.objects.filter(store=product.store, sku=sku).exclude(pk=variant.pk).exists():
        raise ValidationError({"sku": _("Another variant has this SKU.")})
    if price is not None and compare_at is not None and compare_at < price:
        raise ValidationError({"compare_at": _("The former price is below the price.")})
    changes: dict[str, list] = {}
    label = variant.sku or str(variant)
    for name, new in (("sku", sku or None), ("gtin", gtin), ("stock", stock)):
        if getattr(variant, name) != new:
            changes[f"variants/{label}/{name}"] = [getattr(variant, name), new]
            setattr(variant, name, new)
    variant.save(update_fields=["sku", "gtin", "stock"])
    currency = product.currency or product.store.currency
    row = Price.objects.filter(variant=variant, market="", currency=currency).first()
    old = [row.amount, row.compare_at] if row else [None, None]
    if [price, compare_at] != old:
        changes[f"variants/{label}/price"] = [_money(old, currency), _money([price, compare_at], currency)]
        if price is None:
            Price.objects.filter(variant=variant, market="", currency=currency).delete()
        else:
            Price.objects.update_or_create(
                variant=variant, market="", currency=currency,
                defaults={"store_id": product.store_id, "amount": price, "compare_at": compare_at},
            )  # fmt: skip
    if changes:
        refresh_summary(product.store, [product.pk])
        _remember(product, by, changes)
    return changes


def _money(pair: list, currency: str) -> str:
    amount, compare = pair
    if amount is None:
        return ""
    return f"{amount.normalize():f} {currency}" + (f" ({compare.normalize():f})" if compare is not None else "")


@transaction.atomic
def create_product(*, store: Store, title: str, handle: str, by: User) -> Product:
    """A draft with one variant. Raises ValidationError when the handle is taken."""
    if Product.objects.filter(store=store, handle=handle).exists():
        raise ValidationError({"handle": _("Another product has this handle.")})
    product = Product.objects.create(store=store, title=title, handle=handle, status=Product.Status.DRAFT)
    Variant.objects.create(store=store, product=product)
    refresh_summary(store, [product.pk])
    _remember(product, by, {"title": ["", title]})
    return product


@transaction.atomic
def bulk(store: Store, ids: Iterable[int], action: str, value: str, by: User) -> int:
    """One change to many products: status, add_tag, remove_tag, category. Returns how many changed.

    Raises ValueError for an unknown action or value.
    """
    rows = list(Product.objects.select_for_update(of=("self",)).filter(store=store, pk__in=list(ids)).order_by("pk"))
    changed = 0
    category_id = None
    if action == "category":
        path = " > ".join(step.strip() for step in value.split(">") if step.strip())
        category_id = import_write.category_ids(store.pk, [path]).get(path)
    for product in rows:
        if action == "status":
            if value not in Product.Status.values:
                raise ValueError(value)
            old, name, new = product.status, "status", value
        elif action in ("add_tag", "remove_tag"):
            tag = value.strip()
            if not tag or len(tag) > 255:
                raise ValueError(value)
            old, name = list(product.tags), "tags"
            new = [t for t in old if t != tag] + ([tag] if action == "add_tag" else [])
            if action == "add_tag" and tag in old:
                new = old
        elif action == "category":
            old, name, new = product.category_id, "category_id", category_id
        else:
            raise ValueError(action)
        if old == new:
            continue
        setattr(product, name, new)
        product.updated_at, product.is_dirty = timezone.now(), True
        product.save(update_fields=[name, "updated_at", "is_dirty"])
        _remember(product, by, {name: [_shown(product, name, old), _shown(product, name, new)]})
        changed += 1
    return changed


@transaction.atomic
def rename_category(category: Category, name: str) -> None:
    """Rename a node; the paths of everything below follow. Raises ValidationError when the path is taken."""
    name = name.replace(">", "›").strip()
    if not name:
        raise ValidationError(_("A category needs a name."))
    old = category.path
    steps = old.split(" > ")[:-1]
    new = " > ".join([*steps, name])
    if new == old:
        return
    if Category.objects.filter(store=category.store, path=new).exists():
        raise ValidationError(_("“%(path)s” exists already.") % {"path": new})
    for node in Category.objects.select_for_update().filter(store=category.store, path__startswith=f"{old} > "):
        node.path = new + node.path[len(old) :]
        node.save(update_fields=["path"])
    category.path, category.name = new, name
    category.save(update_fields=["path", "name"])


def similar(product: Product, count: int = 6) -> list[Product]:
    """The nearest products by meaning, from the same store; empty until the product is embedded."""
    from pgvector.django import CosineDistance

    if product.embedding is None:
        return []
    rows = Product.objects.filter(store_id=product.store_id, embedding__isnull=False).exclude(pk=product.pk)
    return list(rows.order_by(CosineDistance("embedding", product.embedding))[:count])
