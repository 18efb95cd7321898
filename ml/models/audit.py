"""The audit trail: rows are added and never changed."""

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from ml.models.versions import ModelVersion


class AppendOnly(Exception):
    """The audit trail is never changed."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("the audit trail is append-only")

    def delete(self) -> NoReturn:
        raise AppendOnly("the audit trail is append-only")


class AuditEntry(models.Model):
    """Who did what to which model, when and why. A trigger in the database (`ml.audit.GUARD`) refuses changes that do
    not come through this class; when a person, store or version is erased only the reference goes."""

    class Action(models.TextChoices):
        REQUESTED = "requested", _("Training requested")
        TRAINED = "trained", _("Trained")
        FAILED = "failed", _("Training failed")
        CANCELLED = "cancelled", _("Training cancelled")
        COMPARED = "compared", _("Compared with live")
        OVERRIDDEN = "overridden", _("Gate overridden")
        PROMOTED = "promoted", _("Promoted")
        REFUSED = "refused", _("Promotion failed")
        ROLLED_BACK = "rolled_back", _("Rolled back")
        SCHEDULED = "scheduled", _("Schedule changed")

    at = models.DateTimeField(_("when"), default=timezone.now, editable=False)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("who"))
    action = models.CharField(_("what"), max_length=12, choices=Action.choices)
    capability = models.CharField(_("capability"), max_length=40)
    store = models.ForeignKey(Store, models.SET_NULL, null=True, blank=True, related_name="+")
    scope = models.CharField(_("scope"), max_length=120, help_text="the store's short name, or house")
    version = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, blank=True, related_name="+")
    version_label = models.CharField(_("model"), max_length=120, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["store", "-at"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.get_action_display()} {self.version_label}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("the audit trail is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("the audit trail is append-only")
