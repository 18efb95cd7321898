"""What people should look at: alerts with the numbers behind them, and what they don't want to hear of."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from products.models import Product


class Alert(models.Model):
    """One episode of one series: it opens at its first unusual window and grows while the numbers stay unusual."""

    class Kind(models.TextChoices):
        VOLUME = "volume", _("Unusually many reviews")
        NEGATIVE = "negative", _("Unusually many negative reviews")
        ASPECT = "aspect", _("Complaints about one aspect")
        SAFETY = "safety", _("Safety")
        BURST = "burst", _("Burst")

    class Severity(models.TextChoices):
        URGENT = "urgent", _("Urgent")
        WARNING = "warning", _("Warning")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        ACKNOWLEDGED = "acknowledged", _("Seen to")

    store = models.ForeignKey(Store, models.CASCADE, related_name="review_alerts")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity.choices)
    product = models.ForeignKey(Product, models.CASCADE, null=True, blank=True, related_name="+")
    aspect = models.CharField(_("aspect"), max_length=16, blank=True)
    language = models.CharField(_("language"), max_length=12, blank=True)
    window_start = models.DateTimeField(_("from"))
    window_end = models.DateTimeField(_("until"), help_text="exclusive")
    observed = models.FloatField(_("observed"), help_text="reviews of the kind in the window of the peak")
    total = models.PositiveIntegerField(_("of"), null=True, help_text="reviews in that window, for shares")
    expected = models.FloatField(_("expected"), help_text="from the baseline, for that window")
    p_value = models.FloatField(_("p-value"), null=True, help_text="of the peak; none where one case is enough")
    formula = models.CharField(_("formula"), max_length=60)
    numbers = models.JSONField(default=dict, help_text="series, baseline, threshold, false alarms a year")
    review_ids = ArrayField(models.BigIntegerField(), default=list, blank=True, help_text="safety and bursts: which")
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.OPEN)
    acknowledged_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(_("note"), blank=True)
    muted = models.BooleanField(default=False, help_text="opened while a mute held: nobody was told")
    mail_claimed_at = models.DateTimeField(null=True, editable=False)
    mailed_at = models.DateTimeField(null=True, editable=False)
    opened_at = models.DateTimeField(_("opened"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "kind", "product", "aspect", "language", "window_start"], name="alert_unique",
                nulls_distinct=False,
            )
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["store", "-opened_at", "-id"], name="alert_newest"),
            models.Index(fields=["store"], name="alert_open", condition=Q(status="open", muted=False)),
            models.Index(fields=["id"], name="alert_to_mail", condition=Q(mailed_at=None, muted=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.product_id or ''} {self.aspect} {self.window_start:%Y-%m-%d}"


class AlertMute(models.Model):
    """Tell nobody about a kind (every kind when empty), of a product (the whole store when empty), until a time."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="alert_mutes")
    kind = models.CharField(_("kind"), max_length=10, choices=Alert.Kind.choices, blank=True)
    product = models.ForeignKey(Product, models.CASCADE, null=True, blank=True, related_name="+")
    aspect = models.CharField(_("aspect"), max_length=16, blank=True)
    until = models.DateTimeField(_("until"))
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("muted alerts")
        verbose_name_plural = _("muted alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "kind", "product", "aspect"], name="alert_mute_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind or '*'} {self.product_id or ''} – {self.until:%Y-%m-%d}"
