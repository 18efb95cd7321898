"""Today's numbers of a store, for its home page."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from ecomai.models import Job, Store
from products.models import AdAsset, Product


@dataclass(frozen=True)
class Share:
    """How many of the store's products have something; `query` lists those that lack it."""

    name: str
    done: int
    total: int
    query: str

    @property
    def percent(self) -> int:
        """Whole percent; 100 only when nothing is missing."""
        return self.done * 100 // self.total if self.total else 0

    @property
    def missing(self) -> int:
        return self.total - self.done


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
    with_copy: int
    jobs: list[Job]
    latest: list[Product]

    @property
    def readiness(self) -> list[Share]:
        """What a product needs before it sells, and how far the catalogue is."""
        return [
            Share(_("Price"), self.products - self.without_price, self.products, "?missing=price"),
            Share(_("Picture"), self.products - self.without_picture, self.products, "?missing=picture"),
            Share(_("Description"), self.products - self.without_description, self.products, "?missing=description"),
            Share(_("Approved ad copy"), self.with_copy, self.products, "?missing=copy"),
        ]


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
        with_copy=Count("product", filter=Q(status=AdAsset.Status.APPROVED), distinct=True),
    )
    return Overview(
        **counts,
        **copy,
        jobs=list(Job.objects.filter(store=store).order_by("-created_at")[:4]),
        latest=list(Product.objects.filter(store=store).order_by("-updated_at", "-pk")[:6]),
    )
