"""Today's numbers of a store, for its home page."""

from dataclasses import dataclass

from django.db.models import Count, Q

from ecomai.models import Job, Store
from products.models import AdAsset, Product


@dataclass(frozen=True)
class Overview:
    """Counts of the catalogue and of what waits for a person."""

    products: int
    active: int
    draft: int
    without_price: int
    without_picture: int
    without_description: int
    out_of_stock: int
    waiting_copy: int
    approved_copy: int
    jobs: list[Job]
    latest: list[Product]


def overview(store: Store) -> Overview:
    """One pass over the store's products, and the newest jobs and products."""
    counts = Product.objects.filter(store=store).aggregate(
        products=Count("pk"),
        active=Count("pk", filter=Q(status=Product.Status.ACTIVE)),
        draft=Count("pk", filter=Q(status=Product.Status.DRAFT)),
        without_price=Count("pk", filter=Q(price_min=None)),
        without_picture=Count("pk", filter=Q(image_url="")),
        without_description=Count("pk", filter=Q(description_text="")),
        out_of_stock=Count("pk", filter=Q(stock_total__lte=0)),
    )
    copy = AdAsset.objects.filter(store=store).aggregate(
        waiting_copy=Count("pk", filter=Q(status=AdAsset.Status.PROPOSED)),
        approved_copy=Count("pk", filter=Q(status=AdAsset.Status.APPROVED)),
    )
    return Overview(
        **counts,
        **copy,
        jobs=list(Job.objects.filter(store=store).order_by("-created_at")[:4]),
        latest=list(Product.objects.filter(store=store).order_by("-updated_at", "-pk")[:6]),
    )
