"""What visitors of the storefront see and do. A visitor is a keyed hash (16 bytes) of the id that the shop sends."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store
from products.models.catalogue import Product
from products.models.experiment import Arm, Experiment


class Assignment(models.Model):
    """A visitor's arm in an experiment, for good. Written with the first exposure in one transaction."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="assignments", db_index=False)
    visitor = models.UUIDField()
    arm = models.ForeignKey(Arm, models.CASCADE, related_name="assignments", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    locale = models.CharField(max_length=12, blank=True)
    segment = models.JSONField(default=dict, blank=True)
    is_bot = models.BooleanField(default=False)
    other_arm = models.BooleanField(
        default=False, help_text="was shown another arm too: doesn't count, raises the alarm"
    )

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [models.UniqueConstraint(fields=["experiment", "visitor"], name="assignment_unique")]
        indexes = [
            models.Index(fields=["experiment", "at"], name="assignment_by_time"),
            models.Index(fields=["store", "visitor"], name="assignment_visitor"),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.visitor}"


class Exposure(models.Model):
    """A product that a visitor saw under an arm; the first time counts."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="exposures", db_index=False)
    arm = models.ForeignKey(Arm, models.CASCADE, related_name="+", db_index=False)
    visitor = models.UUIDField()
    product = models.ForeignKey(Product, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")
        constraints = [models.UniqueConstraint(fields=["experiment", "visitor", "product"], name="exposure_unique")]
        indexes = [models.Index(fields=["store", "visitor"], name="exposure_visitor")]

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.visitor}"


class Event(models.Model):
    """Something a visitor did. The client names it, so that sending it again changes nothing."""

    class Kind(models.TextChoices):
        VIEW = "view", _("View")
        CLICK = "click", _("Click")
        ADD_TO_CART = "add_to_cart", _("Added to cart")
        PURCHASE = "purchase", _("Purchase")
        CUSTOM = "custom", _("Own event")

    id = models.BigAutoField(primary_key=True)
    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    client_id = models.UUIDField(help_text="made by the client")
    visitor = models.UUIDField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=60, blank=True, help_text="of an own event")
    product = models.ForeignKey(Product, models.SET_NULL, null=True, related_name="+", db_index=False)
    sku = models.CharField(max_length=255, blank=True)
    quantity = models.PositiveIntegerField(default=1)
    value = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    locale = models.CharField(max_length=12, blank=True)
    experiment = models.ForeignKey(Experiment, models.SET_NULL, null=True, related_name="+", db_index=False)
    arm = models.ForeignKey(Arm, models.SET_NULL, null=True, related_name="+", db_index=False)
    is_bot = models.BooleanField(default=False)
    at = models.DateTimeField(help_text="by the client's clock, never after it was received")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [models.UniqueConstraint(fields=["store", "client_id"], name="event_unique")]
        indexes = [
            models.Index(fields=["store", "visitor", "at"], name="event_visitor"),
            models.Index(fields=["store", "kind", "at"], name="event_kind"),
            models.Index(fields=["product", "at"], name="event_product", condition=Q(product__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"


class ProductDay(models.Model):
    """A product's day in a source: `storefront` summed from events, or a feed's report that was imported."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="days", db_index=False)
    source = models.CharField(max_length=40)
    day = models.DateField()
    impressions = models.PositiveBigIntegerField(default=0)
    clicks = models.PositiveBigIntegerField(default=0)
    add_to_carts = models.PositiveBigIntegerField(default=0)
    purchases = models.PositiveBigIntegerField(default=0)
    revenue = models.DecimalField(max_digits=16, decimal_places=4, default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=4, default=0)

    class Meta:
        verbose_name = _("product's day")
        verbose_name_plural = _("products' days")
        constraints = [models.UniqueConstraint(fields=["product", "source", "day"], name="product_day_unique")]
        indexes = [models.Index(fields=["store", "source", "day"])]

    def __str__(self) -> str:
        return f"{self.product_id} {self.day}"


class UnknownSku(models.Model):
    """SKUs in events that no variant has: counted, so that the merchant can see them."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    sku = models.CharField(max_length=255)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("unknown SKU")
        verbose_name_plural = _("unknown SKUs")
        constraints = [models.UniqueConstraint(fields=["store", "sku"], name="unknown_sku_unique")]

    def __str__(self) -> str:
        return self.sku
