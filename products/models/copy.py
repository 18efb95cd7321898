"""Ad copy: the channels' limits, what was asked for, and what was written."""

from django.contrib.postgres.fields import ArrayField
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


class ChannelRule(models.Model):
    """What a channel demands of a field, for all stores: an administrator edits it, with source and date. Fields without a
    row have what products/channels.py says."""

    key = models.CharField(_("field"), max_length=60, unique=True)
    unit = models.CharField(_("counted in"), max_length=5, choices=ChannelField.Unit.choices)
    limit = models.PositiveIntegerField(_("at most"))
    minimum = models.PositiveIntegerField(_("at least"), default=1)
    most = models.PositiveIntegerField(_("texts per ad"), default=1)
    least = models.PositiveIntegerField(_("texts an ad needs"), default=0)
    banned = models.CharField(_("banned characters"), max_length=200, blank=True)
    source = models.CharField(_("source"), max_length=300)
    checked_on = models.DateField(_("checked on"))

    class Meta:
        verbose_name = _("channel rule")
        verbose_name_plural = _("channel rules")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class CopyBrief(models.Model):
    """What a campaign's texts are for and how they should be: reused over products."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="copy_briefs")
    name = models.CharField(_("name"), max_length=120)
    audience = models.CharField(_("audience"), max_length=200, blank=True)
    angles = ArrayField(models.CharField(max_length=12), verbose_name=_("angles"), default=list, blank=True)
    must_include = ArrayField(models.CharField(max_length=80), verbose_name=_("must include"), default=list, blank=True)
    banned = ArrayField(models.CharField(max_length=80), verbose_name=_("banned words"), default=list, blank=True)
    channels = models.JSONField(default=list)
    locale = models.CharField(_("language"), max_length=12)
    tone = models.CharField(_("tone"), max_length=12, default="neutral")
    variants = models.PositiveSmallIntegerField(_("variants"), default=3)
    use_voice = models.BooleanField(_("in the shop's own voice"), default=True)
    use_reviews = models.BooleanField(_("with what customers praise"), default=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("brief")
        verbose_name_plural = _("briefs")
        ordering = ["-updated_at"]
        constraints = [models.UniqueConstraint(fields=["store", "name"], name="copy_brief_unique")]

    def __str__(self) -> str:
        return self.name


class CopyBatch(models.Model):
    """One order over many products: the selection as it was, and the brief as it was."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="copy_batches")
    brief = models.ForeignKey(CopyBrief, models.SET_NULL, null=True, blank=True, related_name="batches")
    settings = models.JSONField(default=dict, help_text="the brief's fields at the time")
    selection = models.JSONField(default=dict, help_text='{"ids": […]} or {"query": "q=…&category=…"}')
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("bulk order of copy")
        verbose_name_plural = _("bulk orders of copy")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.settings.get('name', '')} {self.created_at:%Y-%m-%d %H:%M}".strip()


class BrandVoice(models.Model):
    """How the shop's approved texts in a language are written, as measured features (products/brand_voice.py)."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="brand_voices")
    locale = models.CharField(max_length=12)
    features = models.JSONField(default=dict)
    texts = models.PositiveIntegerField(default=0)
    learnt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("brand voice")
        verbose_name_plural = _("brand voices")
        constraints = [models.UniqueConstraint(fields=["store", "locale"], name="brand_voice_unique")]

    def __str__(self) -> str:
        return f"{self.store} ({self.locale})"


class CopyRequest(models.Model):
    """One order for ad copy of a product."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="copy_requests")
    product = models.ForeignKey(Product, models.CASCADE, related_name="copy_requests")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    batch = models.ForeignKey(CopyBatch, models.CASCADE, null=True, blank=True, related_name="requests")
    brief = models.JSONField(
        default=dict, blank=True, help_text="audience, angles, must_include, banned, voice, praise"
    )
    channels = models.JSONField(default=list)
    locale = models.CharField(_("language"), max_length=12)
    tone = models.CharField(_("tone"), max_length=12)
    variants = models.PositiveSmallIntegerField(_("variants"), default=3)
    asked = models.JSONField(default=dict, help_text="field → how many texts were asked for")
    thrown_away = models.JSONField(default=dict, blank=True, help_text="field → reason → {count, examples}")
    candidates = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    problem = models.CharField(max_length=300, blank=True, help_text="why nothing was written, in a bulk order")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("copy request")
        verbose_name_plural = _("copy requests")
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["batch", "product"], name="copy_request_once_a_batch")]

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
    ranking = models.JSONField(
        default=dict, blank=True, help_text="{version, label, score}: what the store's ranker gave it, if it has one"
    )
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


class AssetRevision(models.Model):
    """A text that an asset had before: whose it was, and what replaced it when."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    asset = models.ForeignKey(AdAsset, models.CASCADE, related_name="revisions")
    text = models.TextField()
    origin = models.CharField(max_length=8, choices=AdAsset.Origin.choices)
    model_label = models.CharField(max_length=120, blank=True)
    replaced_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("earlier text")
        verbose_name_plural = _("earlier texts")
        ordering = ["-replaced_at", "-id"]

    def __str__(self) -> str:
        return self.text[:60]


class AssetComment(models.Model):
    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    asset = models.ForeignKey(AdAsset, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    text = models.CharField(_("comment"), max_length=1000)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["at"]

    def __str__(self) -> str:
        return self.text[:60]
