"""Imports of reviews: the file, how far it is, and what was wrong with which row."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User


def upload_path(run: "ReviewImport", filename: str) -> str:
    """Each store's files lie in a folder of their own."""
    return f"review-imports/{run.store_id}/{run.sha256[:16]}-{filename[-80:]}"


class ReviewImport(models.Model):
    """One uploaded file on its way into the reviews. imported + updated + unchanged + skipped + rejected = rows."""

    class Status(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting for your choices")
        APPLYING = "applying", _("Importing")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    store = models.ForeignKey(Store, models.CASCADE, related_name="review_imports")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    file = models.FileField(upload_to=upload_path, max_length=300)
    filename = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    detected = models.JSONField(
        default=dict, help_text="shape, encoding, delimiter, headers, sample rows, rating scale"
    )
    mapping = models.JSONField(default=dict, blank=True, help_text="column → field")
    options = models.JSONField(default=dict, blank=True, help_text="source, rating scale, date order, language …")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.UPLOADED)
    counts = models.JSONField(
        default=dict, blank=True, help_text="rows, imported, updated, unchanged, skipped, rejected"
    )
    cursor = models.PositiveBigIntegerField(default=0, help_text="rows of the file that are through")
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("review import")
        verbose_name_plural = _("review imports")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.filename


class ReviewImportIssue(models.Model):
    """What was wrong with one row: where, what, and what became of the row."""

    run = models.ForeignKey(ReviewImport, models.CASCADE, related_name="issues")
    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    line = models.PositiveIntegerField(_("line"))
    column = models.CharField(_("column"), max_length=120, blank=True)
    value = models.CharField(_("value"), max_length=200, blank=True)
    code = models.CharField(_("code"), max_length=40)
    message = models.CharField(_("message"), max_length=300)
    rejected = models.BooleanField(_("row left out"), default=False)

    class Meta:
        verbose_name = _("import issue")
        verbose_name_plural = _("import issues")
        ordering = ["line", "id"]

    def __str__(self) -> str:
        return f"{self.line}: {self.message}"
