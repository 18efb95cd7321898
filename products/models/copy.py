"""Ad copy: the channels' limits, what was asked for, and what was written."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User
from ml.models import ModelVersion
from products.models.catalogue import Product


class ChannelField(models.Model):
    """A store's own limits of one field of a channel; fields without a row have the house's."""

    class Unit(models.TextChoices):
        CHARS = "chars", _("characters")
        WIDTH = "width", _("display width (wide characters count 2)")
        BYTES = "bytes", _("bytes")

    store = models.ForeignKey(Store, models.CASCADE, related_name="channel_fields")
    key = models.CharField(_("field"), max_length=60)
    unit = models.CharField(_("counted in"), max_length=5, choices=Unit.choices)
    limit = models.PositiveIntegerField(_("at most"))
    minimum = models.PositiveIntegerField(_("at least"), default=1)
    most = models.PositiveIntegerField(_("texts per ad"), default=1)

    class Meta:
        verbose_name = _("channel field")
        verbose_name_plural = _("channel fields")
        constraints = [models.UniqueConstraint(fields=["store", "key"], name="channel_field_unique")]

    def __str__(self) -> str:
        return self.key


class CopyRequest(models.Model):
    """One order for ad copy of a product."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="copy_requests")
    product = models.ForeignKey(Product, models.CASCADE, related_name="copy_requests")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    channels = models.JSONField(default=list)
    locale = models.CharField(_("language"), max_length=12)
    tone = models.CharField(_("tone"), max_length=12)
    variants = models.PositiveSmallIntegerField(_("variants"), default=3)
    asked = models.JSONField(default=dict, help_text="field → how many texts were asked for")
    thrown_away = models.JSONField(default=dict, blank=True, help_text="field → reason → {count, examples}")
    candidates = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("copy request")
        verbose_name_plural = _("copy requests")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.product} ({self.locale})"


class AdAsset(models.Model):
    """One text, with where it came from. A person's edit keeps the machine's text beside it."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("Proposed")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    class Origin(models.TextChoices):
        MACHINE = "machine", _("Written by the model")
        HUMAN = "human", _("Edited by a person")

    store = models.ForeignKey(Store, models.CASCADE, related_name="ad_assets")
    request = models.ForeignKey(CopyRequest, models.CASCADE, related_name="assets")
    product = models.ForeignKey(Product, models.CASCADE, related_name="ad_assets")
    field = models.CharField(max_length=60)
    locale = models.CharField(max_length=12)
    tone = models.CharField(max_length=12)
    angle = models.CharField(max_length=12)
    position = models.PositiveSmallIntegerField()
    text = models.TextField()
    machine_text = models.TextField(help_text="as the model wrote it")
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.MACHINE)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PROPOSED)
    reason = models.CharField(max_length=300, blank=True)
    facts = models.JSONField(default=list, help_text="[{start, end, name, value}]: which fact supports which words")
    model_version = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="+")
    model_label = models.CharField(max_length=120)
    inputs_hash = models.CharField(max_length=64)
    written_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    edited_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("ad asset")
        verbose_name_plural = _("ad assets")
        ordering = ["field", "position"]
        constraints = [models.UniqueConstraint(fields=["request", "field", "position"], name="ad_asset_unique")]
        indexes = [models.Index(fields=["store", "status", "-written_at"])]

    def __str__(self) -> str:
        return self.text[:60]
