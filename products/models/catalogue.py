"""The catalogue: brands, categories, products, options, variants, prices, pictures, and what changed when."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HnswIndex, VectorField

from ecomai.models import Store, User


class Brand(models.Model):
    store = models.ForeignKey(Store, models.CASCADE, related_name="brands")
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("brand")
        verbose_name_plural = _("brands")
        ordering = ["name"]
        constraints = [models.UniqueConstraint("store", Lower("name"), name="brand_unique")]

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    """A node of the shop's tree. `path` is the whole way down, "Kitchen > Cookware", and is unique in the store."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="categories")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    name = models.CharField(_("name"), max_length=255)
    path = models.CharField(_("path"), max_length=1000)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["store", "path"], name="category_path_unique")]

    def __str__(self) -> str:
        return self.path


class ProductQuerySet(models.QuerySet["Product"]):
    def of(self, store: Store) -> "ProductQuerySet":
        return self.filter(store=store)

    def visible(self) -> "ProductQuerySet":
        """What a storefront may show."""
        return self.filter(status=Product.Status.ACTIVE)


class Product(models.Model):
    """One product. Prices, stock and picture of its variants are summed up here for lists (`refresh_summary`)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        DRAFT = "draft", _("Draft")
        ARCHIVED = "archived", _("Archived")

    store = models.ForeignKey(Store, models.CASCADE, related_name="products", db_index=False)
    external_id = models.CharField(_("external id"), max_length=100, blank=True)
    handle = models.CharField(_("handle"), max_length=255)
    title = models.CharField(_("title"), max_length=500)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.DRAFT)
    brand = models.ForeignKey(Brand, models.SET_NULL, null=True, blank=True, related_name="products")
    category = models.ForeignKey(Category, models.SET_NULL, null=True, blank=True, related_name="products")
    product_type = models.CharField(_("type"), max_length=255, blank=True)
    google_category = models.CharField(_("Google category"), max_length=500, blank=True)
    condition = models.CharField(_("condition"), max_length=20, default="new")
    tags = ArrayField(models.CharField(max_length=255), verbose_name=_("tags"), default=list, blank=True)
    description_raw = models.TextField(_("description as imported"), blank=True)
    description_html = models.TextField(_("description, cleaned HTML"), blank=True)
    description_text = models.TextField(_("description, plain text"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True, help_text="name → value, both text")
    metafields = models.JSONField(
        _("other columns"), default=dict, blank=True, help_text="column → value, kept as read"
    )
    seo_title = models.CharField(_("SEO title"), max_length=300, blank=True)
    seo_description = models.CharField(_("SEO description"), max_length=1000, blank=True)
    link = models.URLField(_("address in the shop"), max_length=2000, blank=True)
    options = models.JSONField(
        _("options"), default=list, blank=True, help_text='[{"name": "Color", "values": ["Red", "Blue"]}]'
    )

    # Summary of the variants, written with them.
    currency = models.CharField(max_length=3, blank=True)
    price_min = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    price_max = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    compare_at_max = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    stock_total = models.IntegerField(null=True, blank=True, help_text="empty: not counted")
    variant_count = models.PositiveIntegerField(default=0)
    image_url = models.CharField(max_length=2000, blank=True)
    search_text = models.TextField(
        blank=True, editable=False, help_text="lower-case title, handle, brand, SKUs, GTINs, tags"
    )

    embedding = VectorField(dimensions=384, null=True, blank=True, editable=False)
    embedding_model = models.CharField(max_length=120, blank=True, editable=False)
    is_dirty = models.BooleanField(default=True, editable=False, help_text="text changed since the embedding")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    objects = ProductQuerySet.as_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["store", "handle"], name="product_handle_unique"),
            models.UniqueConstraint(
                fields=["store", "external_id"], name="product_external_id_unique", condition=~models.Q(external_id="")
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-updated_at", "-id"]),
            models.Index("store", Lower("title"), "id", name="product_title_key"),
            models.Index(fields=["store", "price_min", "id"]),
            models.Index(fields=["store", "stock_total", "id"]),
            models.Index(fields=["store", "status", "-updated_at", "-id"]),
            models.Index(fields=["store"], name="product_dirty", condition=models.Q(is_dirty=True)),
            GinIndex(fields=["search_text"], opclasses=["gin_trgm_ops"], name="product_search_trgm"),
            GinIndex(fields=["tags"], name="product_tags"),
            HnswIndex(
                fields=["embedding"], opclasses=["vector_cosine_ops"], name="product_embedding_hnsw", m=16,
                ef_construction=64,
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title


class Variant(models.Model):
    """What is bought: one combination of the product's options."""

    class Backorder(models.TextChoices):
        DENY = "deny", _("Not sold when out of stock")
        ALLOW = "continue", _("Sold when out of stock")
        NOTIFY = "notify", _("Sold when out of stock, customer is told")

    store = models.ForeignKey(Store, models.CASCADE, related_name="variants", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="variants", db_index=False)
    position = models.PositiveIntegerField(default=1)
    external_id = models.CharField(_("external id"), max_length=100, blank=True)
    sku = models.CharField(_("SKU"), max_length=255, null=True, blank=True)  # noqa: DJ001 - unique, and often absent
    gtin = models.CharField(_("GTIN"), max_length=14, blank=True)
    mpn = models.CharField(_("MPN"), max_length=100, blank=True)
    option_values = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    stock = models.IntegerField(_("stock"), null=True, blank=True, help_text=_("empty: not counted"))
    backorder = models.CharField(max_length=10, choices=Backorder.choices, default=Backorder.DENY)
    weight_grams = models.DecimalField(
        _("weight in grams"), max_digits=14, decimal_places=3, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    weight_unit = models.CharField(max_length=4, blank=True)
    cost = models.DecimalField(_("cost per item"), max_digits=14, decimal_places=4, null=True, blank=True)
    requires_shipping = models.BooleanField(default=True)
    taxable = models.BooleanField(default=True)
    image_url = models.CharField(max_length=2000, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    metafields = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["store", "sku"], name="variant_sku_unique"),
            models.UniqueConstraint(
                fields=["store", "external_id"], name="variant_external_id_unique", condition=~models.Q(external_id="")
            ),
            models.UniqueConstraint(fields=["product", "option_values"], name="variant_options_unique"),
        ]
        indexes = [models.Index(fields=["store", "gtin"], name="variant_gtin", condition=~models.Q(gtin=""))]

    def __str__(self) -> str:
        return " / ".join(self.option_values) or self.sku or str(self.pk)


class Price(models.Model):
    """A variant's price in one currency; `market` is empty for the shop's own price."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="prices", db_index=False)
    variant = models.ForeignKey(Variant, models.CASCADE, related_name="prices", db_index=False)
    market = models.CharField(max_length=60, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=14, decimal_places=4, validators=[MinValueValidator(0)])
    compare_at = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["market", "currency"]
        constraints = [models.UniqueConstraint(fields=["variant", "market", "currency"], name="price_unique")]
        indexes = [models.Index(fields=["store", "market"], name="price_market", condition=~models.Q(market=""))]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class ProductImage(models.Model):
    """A picture: its address in the shop, and our copy of it once fetched."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="images", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="images", db_index=False)
    url = models.CharField(max_length=2000)
    position = models.PositiveIntegerField(default=1)
    alt = models.CharField(max_length=1000, blank=True)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["product", "url"], name="image_unique")]

    def __str__(self) -> str:
        return self.url


class ProductChange(models.Model):
    """One entry of a product's history: who or what changed which fields from what to what."""

    class Source(models.TextChoices):
        PERSON = "person", _("Person")
        IMPORT = "import", _("Import")
        COPY = "copy", _("Approved copy")
        UNDO = "undo", _("Undo of an import")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    product = models.ForeignKey(Product, models.CASCADE, related_name="changes")
    source = models.CharField(max_length=10, choices=Source.choices)
    import_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    changes = models.JSONField(help_text='{"title": ["old", "new"], "variants/SKU-1/stock": [3, 5]}')
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["product", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.product_id}: {', '.join(self.changes)}"
