"""Requests about a person's data, and what became of them. No row says in clear who the person is once it is done."""

from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User


class PrivacyRequest(models.Model):
    """An export or an erasure of everything that the store keeps about one person.

    `sealed` holds what the job must know to find the person, encrypted; it is emptied when the job ends.
    """

    class Kind(models.TextChoices):
        EXPORT = "export", _("Export")
        ERASE = "erase", _("Erasure")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    store = models.ForeignKey(Store, models.CASCADE, related_name="privacy_requests")
    kind = models.CharField(_("what"), max_length=8, choices=Kind.choices)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.WAITING)
    fingerprint = models.CharField(
        max_length=64, help_text="keyed hash of what was searched for: same person, same value"
    )
    sealed = models.BinaryField(null=True, editable=False)
    keep_text = models.BooleanField(default=False, help_text="erasure: masked words stay without author")
    counts = models.JSONField(default=dict, blank=True, help_text="app → what → how many")
    archive = models.BinaryField(null=True, editable=False, help_text="export: the ZIP, encrypted, until it expires")
    expires_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(default=now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("privacy request")
        verbose_name_plural = _("privacy requests")
        indexes = [models.Index(fields=["store", "-made_at"], name="privacy_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.made_at:%Y-%m-%d}"
