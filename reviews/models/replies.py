"""Replies to reviews, and what people did with a review besides labelling it."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Job, Store, User
from ml.models import ModelVersion
from reviews.models.review import Review


class Reply(models.Model):
    """A reply to one review: what the model wrote and what the person made of it, side by side.

    `machine_text` is empty where no candidate passed the checks: the person then writes, and no text is passed off as
    the model's.
    """

    class Status(models.TextChoices):
        WRITING = "writing", _("Being written")
        DRAFT = "draft", _("Draft")
        APPROVED = "approved", _("Approved")
        EXPORTED = "exported", _("Exported")
        SENT = "sent", _("Sent")

    store = models.ForeignKey(Store, models.CASCADE, related_name="replies")
    review = models.OneToOneField(Review, models.CASCADE, related_name="reply")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.DRAFT)
    language = models.CharField(_("language"), max_length=12, blank=True)
    tone = models.CharField(_("tone"), max_length=40, blank=True)
    text = models.TextField(_("text"), blank=True)
    machine_text = models.TextField(_("as the model wrote it"), blank=True)
    model = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, blank=True, related_name="+")
    model_label = models.CharField(_("model"), max_length=120, blank=True)
    inputs_hash = models.CharField(max_length=64, blank=True, help_text="of everything that the model was shown")
    candidates = models.PositiveIntegerField(default=0, help_text="sentences that the model wrote")
    thrown = models.JSONField(default=dict, blank=True, help_text="reason → how many of them")
    seconds = models.FloatField(default=0)
    written_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    edited_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    exported_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("reply")
        verbose_name_plural = _("replies")
        indexes = [models.Index(fields=["store", "status", "-created_at"], name="reply_status")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.text[:60]}"


class LabelClaim(models.Model):
    """That a person has a review before them: nobody else is given it until the claim runs out."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.OneToOneField(Review, models.CASCADE, related_name="label_claim")
    by = models.ForeignKey(User, models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("claim of a review to label")
        verbose_name_plural = _("claims of reviews to label")
        indexes = [models.Index(fields=["store", "by", "until"], name="label_claim_of")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.by_id}"


class ReviewAction(models.Model):
    """Who hid or showed a review, or decided about a flag, when and why. Rows are only added."""

    class Kind(models.TextChoices):
        HIDE = "hide", _("Hidden")
        SHOW = "show", _("Shown again")
        UPHOLD = "uphold", _("Flag confirmed")
        DISMISS = "dismiss", _("Flag dismissed")
        REOPEN = "reopen", _("Decision taken back")

    class Reason(models.TextChoices):
        FRAUD = "fraud", _("Fraud: not a customer, bought or copied")
        SPAM = "spam", _("Advertising or links")
        PERSONAL = "personal", _("Personal data or a threat against a person")
        ILLEGAL = "illegal", _("Hate, insult or another illegal content")
        WRONG_PRODUCT = "wrong_product", _("About another product")
        AUTHOR = "author", _("Its author asked for it")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.ForeignKey(Review, models.CASCADE, related_name="actions")
    kind = models.CharField(_("what"), max_length=8, choices=Kind.choices)
    about = models.CharField(_("flag"), max_length=24, blank=True)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason.choices, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("decision about a review")
        verbose_name_plural = _("decisions about reviews")
        indexes = [models.Index(fields=["review", "-made_at"], name="review_action_newest")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.kind}"
