"""What a model is trained on, the training itself, and when it happens by itself."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User
from ml.models.versions import ModelVersion


class DatasetSnapshot(models.Model):
    """The rows of one capability and store as they were at one time: written once, known by their hash."""

    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="dataset_snapshots")
    hash = models.CharField(_("hash"), max_length=64)
    counts = models.JSONField(
        _("rows"), default=dict, help_text="part → {rows, languages: {…: rows}, classes: {…: rows}}"
    )
    folder = models.CharField(_("folder"), max_length=500, help_text="below MODELS_DIR")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("dataset snapshot")
        verbose_name_plural = _("dataset snapshots")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["capability", "store", "hash"], name="snapshot_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.capability} {self.hash[:12]}"

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part["rows"] for part in self.counts.values())


class TrainingRun(models.Model):
    """One fine-tuning, with where it stands. `store` is empty for a house version that every store falls back to."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Trigger(models.TextChoices):
        MANUAL = "manual", _("By hand")
        LABELS = "labels", _("New labels")
        CALENDAR = "calendar", _("Calendar")

    class Start(models.TextChoices):
        LIVE = "live", _("The live version")
        HOUSE = "house", _("The house version")
        BASE = "base", _("The plain base model")

    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="training_runs")
    requested_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    trigger = models.CharField(_("started"), max_length=10, choices=Trigger.choices, default=Trigger.MANUAL)
    start_from = models.CharField(_("start from"), max_length=5, choices=Start.choices, default=Start.LIVE)
    config = models.JSONField(_("configuration"), default=dict)
    snapshot = models.ForeignKey(
        DatasetSnapshot, models.RESTRICT, null=True, blank=True, related_name="runs", verbose_name=_("data")
    )
    parent = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, blank=True, related_name="+")
    version = models.OneToOneField(
        ModelVersion, models.SET_NULL, null=True, blank=True, related_name="run", verbose_name=_("model version")
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    folder = models.CharField(_("folder"), max_length=500, blank=True, help_text="below MODELS_DIR")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)

    stage = models.CharField(_("stage"), max_length=40, blank=True)
    step = models.PositiveIntegerField(_("step"), default=0)
    total = models.PositiveIntegerField(_("steps"), default=0)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    loss = models.FloatField(_("loss"), null=True, blank=True)
    rate = models.FloatField(_("rows a second"), null=True, blank=True)
    seconds_left = models.FloatField(_("seconds left"), null=True, blank=True)
    usage = models.JSONField(_("machine"), default=dict, blank=True, help_text="cpu_percent, memory_mb, gpu_percent …")
    curve = models.JSONField(_("loss curve"), default=list, blank=True, help_text="[[step, loss], …], thinned")
    epochs = models.JSONField(_("epochs"), default=list, blank=True, help_text="[{epoch, step, metrics}, …]")
    tail = models.TextField(_("end of the log"), blank=True)
    resumed = models.PositiveIntegerField(_("times resumed"), default=0)

    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("began"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["capability", "store", "-created_at"], name="training_newest")]

    def __str__(self) -> str:
        return f"{self.capability} {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def percent(self) -> int:
        """Whole percent of the steps, 0 while their number is unknown."""
        return min(100, self.step * 100 // self.total) if self.total else 0


class RetrainSchedule(models.Model):
    """Train again by itself: after so many new labels, or on a calendar (five cron fields, UTC). Nothing is promoted
    by itself."""

    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="retrain_schedules")
    every_n_labels = models.PositiveIntegerField(
        _("after new labels"),
        null=True,
        blank=True,
        help_text=_("Train when this many labels came since the last time."),
    )
    cron = models.CharField(
        _("calendar"), max_length=100, blank=True,
        help_text=_("Five fields as in cron, UTC: minute, hour, day of month, month, day of week. 0 3 * * 1 is Mondays at 3:00."),
    )  # fmt: skip
    start_from = models.CharField(
        _("start from"), max_length=5, choices=TrainingRun.Start.choices, default=TrainingRun.Start.LIVE
    )
    config = models.JSONField(
        _("configuration"), default=dict, blank=True,
        help_text=_("Settings that differ from the capability's own, as JSON: {\"method\": \"lora\", \"epochs\": 3}"),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_run_at = models.DateTimeField(_("last looked at and run"), null=True, blank=True, editable=False)
    last_run = models.ForeignKey(
        TrainingRun,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("last run"),
    )
    last_error = models.TextField(_("last error"), blank=True, editable=False)

    class Meta:
        verbose_name = _("retraining schedule")
        verbose_name_plural = _("retraining schedules")
        ordering = ["capability", "pk"]
        constraints = [
            models.CheckConstraint(
                name="schedule_has_a_time", condition=Q(every_n_labels__gt=0) | ~Q(cron=""),
                violation_error_message=_("Give a number of labels, a calendar, or both."),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.capability}: {self.cron or self.every_n_labels}"

    def clean(self) -> None:
        if not self.every_n_labels and not self.cron:
            raise ValidationError(_("Give a number of labels, a calendar, or both."))
