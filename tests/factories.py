"""Small makers of rows; values that matter to a test stand in the test."""

from decimal import Decimal
from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile

from ecomai.models import Store
from products import catalogue, catalogue_import
from products.models import CatalogueImport, Price, Product, Variant


def make_product(store: Store, title: str = "Stoneware mug", *, price: str | None = "16.90", **fields) -> Product:
    """A product with one variant."""
    stock = fields.pop("stock", 5)
    sku = fields.pop("sku", None)
    handle = fields.pop("handle", title.lower().replace(" ", "-"))
    fields.setdefault("status", Product.Status.ACTIVE)
    product = Product.objects.create(store=store, title=title, handle=handle, **fields)
    variant = Variant.objects.create(store=store, product=product, sku=sku, stock=stock)
    if price is not None:
        Price.objects.create(store=store, variant=variant, currency=store.currency, amount=Decimal(price))
    catalogue.refresh_summary(store, [product.pk])
    product.refresh_from_db()
    return product


def make_import(store: Store, content: str | bytes, filename: str = "products.csv", **options) -> CatalogueImport:
    """Upload, stage and plan a file (as the upload page and the worker do)."""
    data = content.encode() if isinstance(content, str) else content
    run = catalogue_import.open_run(store=store, file=SimpleUploadedFile(filename, data), filename=filename)
    mapping = options.pop("mapping", None)
    if options or mapping is not None:
        catalogue_import.choose(run, options=options, mapping=mapping)
    catalogue_import.process(run)
    run.refresh_from_db()
    return run


def apply_import(run: CatalogueImport) -> CatalogueImport:
    """A person's yes and the worker's work."""
    assert catalogue_import.confirm(run)
    run.refresh_from_db()
    catalogue_import.process(run)
    run.refresh_from_db()
    return run


def import_now(store: Store, content: str | bytes, filename: str = "products.csv", **options) -> CatalogueImport:
    return apply_import(make_import(store, content, filename, **options))


def upload(content: str | bytes, name: str = "products.csv") -> BytesIO:
    data = BytesIO(content.encode() if isinstance(content, str) else content)
    data.name = name
    return data
