"""How a candidate does against the live version, and the promotions and roll-backs that follow."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User
from ml.models.training import DatasetSnapshot
from ml.models.versions import ModelVersion


class Comparison(models.Model):
    """A candidate and the live version on the same frozen rows, each as it would run."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Verdict(models.TextChoices):
        BETTER = "better", _("Better")
        NOT_BETTER = "not_better", _("Not better")
        WORSE = "worse", _("Worse somewhere")
        FIRST = "first", _("Nothing to compare with")

    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="comparisons")
    candidate = models.ForeignKey(ModelVersion, models.CASCADE, related_name="comparisons", verbose_name=_("candidate"))
    live = models.ForeignKey(
        ModelVersion, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("live version")
    )
    snapshot = models.ForeignKey(DatasetSnapshot, models.RESTRICT, related_name="+", verbose_name=_("data"))
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices, blank=True)
    reasons = models.JSONField(_("reasons"), default=list, blank=True, help_text="why the gate is closed, or notes")
    rows = models.PositiveIntegerField(_("rows"), default=0)
    seed = models.BigIntegerField(default=20261125)
    resamples = models.PositiveIntegerField(default=2000)
    scores = models.JSONField(
        _("scores"), default=list, blank=True,
        help_text="[{metric, kind, group, n, live, candidate, difference, low, high, better, gated, worse}, …]",
    )  # fmt: skip
    confusion = models.JSONField(_("confusion matrices"), default=list, blank=True)
    changed = models.JSONField(_("changed examples"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.candidate} ↔ {self.live or '—'}"

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def passes(self) -> bool:
        """Whether the gate lets the candidate through by itself."""
        return self.status == self.Status.DONE and self.verdict in (self.Verdict.BETTER, self.Verdict.FIRST)


class Promotion(models.Model):
    """One wish to make a version live. The row is what the worker goes by, however often it is killed."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="promotions")
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="promotions")
    comparison = models.ForeignKey(Comparison, models.SET_NULL, null=True, blank=True, related_name="promotions")
    override = models.BooleanField(_("against the gate"), default=False)
    reason = models.TextField(_("reason"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    error = models.TextField(_("error"), blank=True)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    requested_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["version"], name="one_open_promotion", condition=models.Q(status="queued"))
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.get_status_display()}"
