"""Experiments: what is tried, on whom or on which products, with which texts; what the looks at the data said."""

import secrets

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from products.models.catalogue import Product
from products.models.copy import AdAsset

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def new_salt() -> str:
    """16 random hexadecimal digits: the same visitor falls elsewhere in every experiment."""
    return secrets.token_hex(8)


class ExperimentSettings(models.Model):
    """A store's holdout: visitors whose stable hash falls in it see no experiment, ever."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="experiment_settings")
    holdout = models.FloatField(_("holdout"), default=0, validators=SHARE, help_text=_("share of visitors, 0 to 1"))
    salt = models.CharField(max_length=16, default=new_salt, editable=False)

    class Meta:
        verbose_name = _("settings of experiments")
        verbose_name_plural = _("settings of experiments")

    def __str__(self) -> str:
        return str(self.store)


class ExperimentGroup(models.Model):
    """Experiments that share no visitor: each takes a slice of the group's buckets."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="experiment_groups")
    name = models.CharField(_("name"), max_length=80)
    salt = models.CharField(max_length=16, default=new_salt, editable=False)

    class Meta:
        verbose_name = _("exclusive group")
        verbose_name_plural = _("exclusive groups")
        constraints = [models.UniqueConstraint(fields=["store", "name"], name="experiment_group_unique")]

    def __str__(self) -> str:
        return self.name


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    def running(self) -> "ExperimentQuerySet":
        return self.filter(status=Experiment.Status.RUNNING)


class Experiment(models.Model):
    """One question. Everything that the analysis rests on is fixed at the start and kept."""

    class Unit(models.TextChoices):
        VISITOR = "visitor", _("Visitors of the storefront")
        PRODUCT = "product", _("Products in a feed")

    class Mode(models.TextChoices):
        FIXED = "fixed", _("Fixed split, one look at the end")
        SEQUENTIAL = "sequential", _("Sequential, valid at any time")
        BANDIT = "bandit", _("Bandit, moves traffic to the best")

    class Design(models.TextChoices):
        CROSSOVER = "crossover", _("Crossover: the halves swap their texts after a wash-out")
        PRE_PERIOD = "pre_period", _("Difference to the time before")

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        FINISHED = "finished", _("Finished")

    class Metric(models.TextChoices):
        CLICK = "click", _("Click")
        ADD_TO_CART = "add_to_cart", _("Added to cart")
        PURCHASE = "purchase", _("Purchase")
        REVENUE = "revenue", _("Revenue per visitor")
        CUSTOM = "custom", _("Own event")

    store = models.ForeignKey(Store, models.CASCADE, related_name="experiments")
    name = models.CharField(_("name"), max_length=120)
    hypothesis = models.TextField(_("what is expected and why"), blank=True)
    unit = models.CharField(_("what is split"), max_length=8, choices=Unit.choices, default=Unit.VISITOR)
    mode = models.CharField(_("mode"), max_length=10, choices=Mode.choices, default=Mode.SEQUENTIAL)
    design = models.CharField(_("design"), max_length=10, choices=Design.choices, default=Design.CROSSOVER)
    status = models.CharField(_("state"), max_length=8, choices=Status.choices, default=Status.DRAFT)
    salt = models.CharField(max_length=16, default=new_salt, editable=False)

    # Who takes part.
    traffic = models.FloatField(_("traffic"), default=1.0, validators=SHARE, help_text=_("share of visitors, 0 to 1"))
    group = models.ForeignKey(
        ExperimentGroup, models.SET_NULL, null=True, blank=True, related_name="experiments", verbose_name=_("group")
    )
    group_from = models.FloatField(default=0, validators=SHARE)
    group_to = models.FloatField(default=1, validators=SHARE)
    locales = ArrayField(models.CharField(max_length=12), verbose_name=_("languages"), default=list, blank=True)
    segments = models.JSONField(
        _("segments"), default=dict, blank=True, help_text='{"device": ["mobile"]}: values that the shop sends'
    )

    # What is measured.
    metric = models.CharField(_("main metric"), max_length=12, choices=Metric.choices, default=Metric.PURCHASE)
    custom_event = models.CharField(_("name of the own event"), max_length=60, blank=True)
    guardrails = models.JSONField(
        _("guardrails"), default=list, blank=True, help_text='[{"metric": "add_to_cart", "margin": 0.02}]'
    )
    window_hours = models.PositiveIntegerField(_("conversion window in hours"), default=72)
    winsorise = models.FloatField(default=0.99, validators=SHARE, help_text=_("revenue is capped at this percentile"))

    # The plan.
    level = models.FloatField(_("level of confidence"), default=0.95, validators=SHARE)
    effect = models.FloatField(_("smallest effect that matters"), default=0.1, help_text=_("relative: 0.1 is 10 %"))
    min_per_arm = models.PositiveIntegerField(_("least visitors per variant"), default=150)
    min_days = models.PositiveIntegerField(_("least days"), default=3)
    planned_per_arm = models.PositiveIntegerField(null=True, blank=True)
    planned_days = models.PositiveIntegerField(null=True, blank=True)
    bandit_floor = models.FloatField(default=0.01, validators=SHARE)
    bandit_minutes = models.PositiveIntegerField(default=1440, validators=[MinValueValidator(15)])
    period_days = models.PositiveIntegerField(_("days of a period"), default=14)
    washout_days = models.PositiveIntegerField(_("days of wash-out"), default=7)
    auto_finish = models.BooleanField(_("finish by itself"), default=False)
    auto_publish = models.BooleanField(_("publish the winner by itself"), default=False)

    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    winner = models.ForeignKey("Arm", models.SET_NULL, null=True, blank=True, related_name="+")
    conclusion = models.CharField(_("conclusion"), max_length=300, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="grows with every change that a cache must see")

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["store", "name"], name="experiment_name_unique"),
            models.CheckConstraint(condition=Q(group_from__lte=models.F("group_to")), name="experiment_slice"),
        ]
        indexes = [models.Index(fields=["store", "status"])]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """One variant. The control shows what the listing says now and needs no texts."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(_("name"), max_length=80)
    is_control = models.BooleanField(_("control"), default=False)
    weight = models.FloatField(_("share"), default=0.5, validators=SHARE)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "position"], name="arm_position_unique"),
            models.UniqueConstraint(fields=["experiment"], condition=Q(is_control=True), name="arm_one_control"),
        ]

    def __str__(self) -> str:
        return self.name


class ArmText(models.Model):
    """The text that an arm shows in a field of a product: `title`, `description`, `seo_title`, `seo_description` of the
    listing, or a channel's field such as `google_merchant.title`."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    arm = models.ForeignKey(Arm, models.CASCADE, related_name="texts")
    product = models.ForeignKey(Product, models.CASCADE, related_name="arm_texts")
    field = models.CharField(max_length=60)
    locale = models.CharField(max_length=12)
    text = models.TextField()
    asset = models.ForeignKey(AdAsset, models.SET_NULL, null=True, blank=True, related_name="arm_texts")

    class Meta:
        verbose_name = _("text of a variant")
        verbose_name_plural = _("texts of variants")
        constraints = [models.UniqueConstraint(fields=["arm", "product", "field", "locale"], name="arm_text_unique")]
        indexes = [models.Index(fields=["product", "arm"])]

    def __str__(self) -> str:
        return self.text[:60]


class ProductInTest(models.Model):
    """A product of a feed test and the arm it begins with; `trimmed` says why it doesn't count."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="products")
    product = models.ForeignKey(Product, models.CASCADE, related_name="tests")
    arm = models.ForeignKey(Arm, models.CASCADE, related_name="+")
    trimmed = models.CharField(max_length=60, blank=True)

    class Meta:
        verbose_name = _("product in a test")
        verbose_name_plural = _("products in a test")
        constraints = [models.UniqueConstraint(fields=["experiment", "product"], name="product_in_test_unique")]

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.product_id}"


class WeightChange(models.Model):
    """A bandit's new shares and what they rest on."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="weight_changes")
    at = models.DateTimeField(default=timezone.now)
    weights = models.JSONField(help_text="arm id → share")
    basis = models.JSONField(default=dict, help_text="arm id → {n, x or sum, sum_squares}")

    class Meta:
        verbose_name = _("change of shares")
        verbose_name_plural = _("changes of shares")
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.at:%Y-%m-%d %H:%M}"


class ExperimentLook(models.Model):
    """One look at the data: the numbers, the verdict, the alarms. The newest is what pages show."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="looks")
    at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=16)
    data = models.JSONField()

    class Meta:
        verbose_name = _("look at the data")
        verbose_name_plural = _("looks at the data")
        ordering = ["-at"]
        indexes = [models.Index(fields=["experiment", "-at"])]

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.status}"


class ExperimentChange(models.Model):
    """Who did what to an experiment."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="history")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=20)
    details = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("entry of an experiment's history")
        verbose_name_plural = _("entries of experiments' histories")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.action}"


class PublishedText(models.Model):
    """A text that a person put into the listing or the published copy of a channel, with what stood there before."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="published_texts")
    product = models.ForeignKey(Product, models.CASCADE, related_name="published_texts")
    field = models.CharField(max_length=60)
    locale = models.CharField(max_length=12)
    text = models.TextField()
    before = models.TextField(blank=True)
    asset = models.ForeignKey(AdAsset, models.SET_NULL, null=True, blank=True, related_name="+")
    experiment = models.ForeignKey(Experiment, models.SET_NULL, null=True, blank=True, related_name="published")
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    replaced_at = models.DateTimeField(null=True, blank=True, help_text="another text was published over it")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("published text")
        verbose_name_plural = _("published texts")
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "field", "locale"],
                condition=Q(undone_at=None, replaced_at=None),
                name="published_text_one",
            )
        ]

    def __str__(self) -> str:
        return self.text[:60]
