"""The tenant and who may do what in it: users, stores, memberships, invitations, API keys; and the jobs they watch."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", _("Use a–z, 0–9 and hyphens."))
CURRENCY = RegexValidator(r"^[A-Z]{3}$", _("Write the three letters of ISO 4217, like EUR."))


class UserManager(BaseUserManager["User"]):
    """Users are known by their mail address."""

    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    email = models.EmailField(_("email address"), unique=True, help_text=_("Kept in lower case."))
    language = models.CharField(_("language"), max_length=12, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[misc,assignment]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def save(self, *args, **kwargs) -> None:
        self.email = self.email.lower()
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return self.get_full_name() or self.email


class StoreQuerySet(models.QuerySet["Store"]):
    def of(self, user) -> "StoreQuerySet":
        """The stores that the user is a member of; none for a stranger."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(memberships__user=user)


class Store(models.Model):
    """A merchant's shop: every business row belongs to one."""

    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("short name in addresses"), max_length=60, unique=True, validators=[SLUG])
    url = models.URLField(_("shop address"), blank=True)
    default_locale = models.CharField(_("main language"), max_length=12, default="en")
    locales = ArrayField(models.CharField(max_length=12), verbose_name=_("languages"), default=list, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="EUR", validators=[CURRENCY])
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    created_at = models.DateTimeField(_("created"), default=now, editable=False)

    objects = StoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    MANAGER = "manager", _("Manager")
    AGENT = "agent", _("Agent")
    ANALYST = "analyst", _("Analyst")


class Membership(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    store = models.ForeignKey(Store, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(_("since"), default=now, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [models.UniqueConstraint(fields=["user", "store"], name="membership_unique")]

    def __str__(self) -> str:
        return f"{self.user} · {self.store} · {self.role}"


class Invitation(models.Model):
    """An open door for one mail address; the token itself is never stored."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="invitations")
    email = models.EmailField(_("email address"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                "store", Lower("email"), name="invitation_open_unique", condition=models.Q(accepted_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} → {self.store}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= now()


class ApiKey(models.Model):
    """A storefront's or server's key. Only a hash is stored; the prefix helps a person to tell keys apart."""

    class Kind(models.TextChoices):
        PUBLISHABLE = "publishable", _("Publishable (browser: read, events, chat)")
        SECRET = "secret", _("Secret (server: everything)")

    store = models.ForeignKey(Store, models.CASCADE, related_name="api_keys")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(max_length=16, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    origins = ArrayField(models.CharField(max_length=200), verbose_name=_("allowed origins"), default=list, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class JobQuerySet(models.QuerySet["Job"]):
    def open(self) -> "JobQuerySet":
        """Jobs that wait or run."""
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])


class Job(models.Model):
    """Long work that a person can watch and cancel. The row is the truth; the broker's message is only a hint."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="jobs")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    task = models.CharField(max_length=120, help_text="Celery task that takes the job's id")
    queue = models.CharField(max_length=20, default="default")
    url = models.CharField(max_length=300, blank=True, help_text="Page that shows the result")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    unit = models.CharField(max_length=30, blank=True)
    message = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        indexes = [
            models.Index(fields=["store", "status", "-created_at"]),
            models.Index(fields=["status", "heartbeat_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def percent(self) -> int:
        """Whole percent done, 0 while the total is unknown."""
        return min(100, self.done * 100 // self.total) if self.total else 0

    @property
    def rate(self) -> float:
        """Units a second since the start."""
        seconds = ((self.finished_at or now()) - self.started_at).total_seconds() if self.started_at else 0
        return self.done / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> int | None:
        """Seconds to the end at the present rate; None while it can't be told."""
        if self.status != self.Status.RUNNING or not self.total or not self.rate:
            return None
        return round(max(0, self.total - self.done) / self.rate)


from ecomai.webhook_models import WebhookAttempt, WebhookDelivery, WebhookEndpoint  # noqa: E402, F401 - needs Store
