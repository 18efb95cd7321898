"""Every version of every model: what it was made from, how good it is, and which one is live."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User


class ModelVersion(models.Model):
    """One trained (or given) model of a capability. `store` is empty for house versions, which every store falls
    back to."""

    class Status(models.TextChoices):
        NEW = "new", _("New")
        TRAINING = "training", _("Training")
        READY = "ready", _("Ready")
        LIVE = "live", _("Live")
        RETIRED = "retired", _("Retired")
        FAILED = "failed", _("Failed")

    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="model_versions")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    label = models.CharField(_("label"), max_length=120)
    base = models.CharField(_("base model"), max_length=200)
    method = models.CharField(_("method"), max_length=40, help_text="base, lora, full …")
    config = models.JSONField(_("configuration"), default=dict, blank=True)
    data_hash = models.CharField(_("hash of the data"), max_length=64, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.NEW)
    path = models.CharField(_("folder"), max_length=500, blank=True, help_text="converted, below MODELS_DIR")
    trained = models.CharField(
        _("folder of the training's result"), max_length=500, blank=True,
        help_text="below MODELS_DIR, or absolute; empty for a plain base",
    )  # fmt: skip
    error = models.TextField(_("error"), blank=True)
    reason = models.TextField(_("reason of the promotion"), blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    promoted_at = models.DateTimeField(_("promoted"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["capability", "store"],
                name="one_live_per_store",
                condition=Q(status="live", store__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["capability"], name="one_live_house", condition=Q(status="live", store__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.label
