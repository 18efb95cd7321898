"""Keep each product's embedding up to date with its text."""

from collections.abc import Callable

from django.db import connection

from ecomai.models import Store
from ml import encoder
from products.models import Product

BATCH = 256


def text_of(product: Product) -> str:
    """What is embedded: title, brand, category, attributes, the beginning of the description."""
    parts = [
        product.title,
        product.brand.name if product.brand else "",
        product.category.path if product.category else product.product_type,
        ", ".join(f"{name}: {value}" for name, value in product.attributes.items()),
        product.description_text[:1500],
    ]
    return "\n".join(part for part in parts if part)


def pending(store: Store) -> int:
    """How many products wait for a new embedding."""
    return Product.objects.filter(store=store, is_dirty=True).count()


def embed_store(store: Store, advance: Callable[..., None] = lambda *a, **k: None) -> int:
    """Embed every product whose text changed; a product that changes meanwhile stays dirty. Returns how many."""
    done, after, total = 0, 0, pending(store)
    while True:
        rows = Product.objects.filter(store=store, is_dirty=True, pk__gt=after).select_related("brand", "category")
        batch = list(rows.order_by("pk")[:BATCH])
        if not batch:
            return done
        vectors = encoder.embed([text_of(product) for product in batch])
        literals = ["[" + ",".join(f"{x:.6f}" for x in vector) + "]" for vector in vectors]
        with connection.cursor() as cursor:
            # updated_at guards: a text that changed while the model ran is not marked clean.
            cursor.execute(
                "UPDATE products_product p SET embedding = t.v, embedding_model = %s, is_dirty = false "
                "FROM unnest(%s::bigint[], %s::timestamptz[], %s::vector[]) AS t(id, seen, v) "
                "WHERE p.id = t.id AND p.updated_at = t.seen",
                [encoder.model_label(), [p.pk for p in batch], [p.updated_at for p in batch], literals],
            )
        done += len(batch)
        after = batch[-1].pk
        advance(done, total=max(total, done))
