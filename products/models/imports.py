"""Imports of the catalogue: the run, its staged products, what was wrong, and what an undo needs."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User
from products.models.catalogue import Product


def upload_path(run: "CatalogueImport", filename: str) -> str:
    """Each store's files lie in a folder of their own."""
    return f"imports/{run.store_id}/{run.sha256[:16]}-{filename[-80:]}"


class CatalogueImport(models.Model):
    """One uploaded file on its way into the catalogue."""

    class Status(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting for your choices")
        STAGING = "staging", _("Reading")
        READY = "ready", _("Ready to import")
        APPLYING = "applying", _("Importing")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        UNDOING = "undoing", _("Undoing")
        UNDONE = "undone", _("Undone")

    store = models.ForeignKey(Store, models.CASCADE, related_name="imports")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    file = models.FileField(upload_to=upload_path, max_length=300)
    filename = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    detected = models.JSONField(default=dict, help_text="format, encoding, delimiter, headers, decimal per column …")
    mapping = models.JSONField(default=dict, blank=True, help_text="column → field, for generic files")
    options = models.JSONField(default=dict, blank=True, help_text="what a person chose over what was detected")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.UPLOADED)
    counts = models.JSONField(default=dict, blank=True)
    cursor = models.PositiveBigIntegerField(default=0, help_text="number of the last product that was applied")
    auto_apply = models.BooleanField(default=False, help_text="import at once, without a look at the preview")
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.filename

    @property
    def can_restart(self) -> bool:
        """Whether its settings can still change: it has written nothing yet."""
        stopped = self.status in (self.Status.CANCELLED, self.Status.FAILED) and not self.cursor
        return stopped or self.status in (self.Status.UPLOADED, self.Status.READY)

    @property
    def can_go_on(self) -> bool:
        """Whether it stopped in the middle of writing, and nobody has begun to undo it."""
        stopped = self.status in (self.Status.CANCELLED, self.Status.FAILED)
        return stopped and bool(self.cursor) and "undone" not in self.counts

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self.cursor) and self.status in (self.Status.DONE, self.Status.CANCELLED, self.Status.FAILED)


class ImportRow(models.Model):
    """One staged product: the cleaned record, and what applying it does (or did)."""

    class Outcome(models.TextChoices):
        NONE = "", "—"
        CREATE = "create", _("New")
        CHANGE = "change", _("Changed")
        SAME = "same", _("Unchanged")
        REJECT = "reject", _("Rejected")

    run = models.ForeignKey(CatalogueImport, models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    line = models.PositiveIntegerField()
    record = models.JSONField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="import_row_unique")]
        indexes = [models.Index(fields=["run", "outcome", "number"])]

    def __str__(self) -> str:
        return f"{self.run_id}#{self.number}"


class ImportIssue(models.Model):
    """Something in the file that a person should know: where, what value, and what was done about it."""

    class Severity(models.TextChoices):
        ERROR = "error", _("Rejected")
        WARNING = "warning", _("Warning")

    run = models.ForeignKey(CatalogueImport, models.CASCADE, related_name="issues")
    severity = models.CharField(max_length=8, choices=Severity.choices)
    code = models.CharField(max_length=40)
    line = models.PositiveIntegerField()
    column = models.CharField(max_length=200, blank=True)
    value = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=500)

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(fields=["run", "severity", "line"])]

    def __str__(self) -> str:
        return f"{self.line}: {self.message}"


class ImportChange(models.Model):
    """What an undo needs: the product was made by the run (`before` is empty), or what it was before."""

    run = models.ForeignKey(CatalogueImport, models.CASCADE, related_name="changes")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    before = models.JSONField(null=True, blank=True)
    after_updated_at = models.DateTimeField(help_text="a later change by a person is not overwritten by the undo")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "product"], name="import_change_unique")]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.product_id}"
