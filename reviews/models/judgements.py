"""What the machine makes of a review, what people say, what counts, and what looks wrong."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from ml.models import ModelVersion
from reviews.models.review import Review


class Judgement(models.Model):
    """The machine's reading of one review, with its provenance. A re-scoring replaces it; people's labels stay."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.OneToOneField(Review, models.CASCADE, related_name="judgement")
    model = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="+")
    model_label = models.CharField(_("model"), max_length=120)
    inputs_hash = models.CharField(max_length=64, help_text="of the words that were read")
    stars = ArrayField(models.FloatField(), size=5, help_text="calibrated probability of 1, 2, 3, 4 and 5 stars")
    expected = models.FloatField(help_text="mean of those")
    sentiment = models.SmallIntegerField(choices=Review.Sentiment.choices)
    confidence = models.FloatField(help_text="probability of that sentiment")
    aspects = models.JSONField(default=dict, help_text="aspect → {polarity, probability, spans: [[start, end], …]}")
    uncertainty = models.FloatField(help_text="0 sure … 1 knows nothing: what a person should look at first")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("judgement")
        verbose_name_plural = _("judgements")
        indexes = [models.Index(fields=["store", "-uncertainty"], name="judgement_uncertain")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.expected:.1f}"


class Label(models.Model):
    """A person's word on one thing about a review. Nothing is overwritten: the newest that isn't blind counts."""

    class Field(models.TextChoices):
        STARS = "stars", _("Stars")
        ASPECT = "aspect", _("Aspect")
        LANGUAGE = "language", _("Language")
        SPAM = "spam", _("Spam")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.ForeignKey(Review, models.CASCADE, related_name="labels")
    field = models.CharField(_("what"), max_length=10, choices=Field.choices)
    aspect = models.CharField(_("aspect"), max_length=16, blank=True)
    value = models.JSONField(
        _("value"), help_text="stars 1…5; absent, negative, neutral, positive; a language; true, false"
    )
    old_value = models.JSONField(_("value before"), null=True)
    blind = models.BooleanField(_("second look"), default=False, help_text="made without seeing the first")
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        indexes = [models.Index(fields=["review", "field", "aspect", "-made_at"], name="label_newest")]

    def __str__(self) -> str:
        return f"{self.review_id} {self.field} {self.aspect}: {self.value}"


class Opinion(models.Model):
    """What counts now about one aspect of one review: the person's label, else the machine's judgement."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.ForeignKey(Review, models.CASCADE, related_name="opinions")
    aspect = models.CharField(_("aspect"), max_length=16)
    polarity = models.SmallIntegerField(_("polarity"), choices=Review.Sentiment.choices)
    probability = models.FloatField(default=1)
    by_person = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("opinion")
        verbose_name_plural = _("opinions")
        constraints = [models.UniqueConstraint(fields=["review", "aspect"], name="opinion_unique")]
        indexes = [models.Index(fields=["store", "aspect", "polarity", "review"], name="opinion_aspect")]

    def __str__(self) -> str:
        return f"{self.aspect} {self.polarity:+d}"


class Flag(models.Model):
    """Something about a review that a person should know: a reason, never a verdict."""

    class Kind(models.TextChoices):
        SAFETY = "safety_urgent", _("Safety")
        MISMATCH = "star_text_mismatch", _("Stars and text disagree")
        LINK = "spam_link", _("Link")
        CONTACT = "incentivised_or_contact", _("Contact or incentive")
        TEMPLATE = "template_like", _("Template praise")
        PLATFORM = "platform_default_text", _("Platform's own words")
        HOMOGLYPH = "homoglyph", _("Look-alike letters")
        GIBBERISH = "gibberish", _("Gibberish")
        QUESTION = "question", _("A question")
        ORDERS = "machine_orders", _("Orders to a machine")
        OFF_TOPIC = "off_topic", _("Off topic")
        DUPLICATE = "duplicate", _("Copy of another review")
        BURST = "burst", _("Part of a burst")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.ForeignKey(Review, models.CASCADE, related_name="flags")
    kind = models.CharField(_("kind"), max_length=24, choices=Kind.choices)
    reason = models.CharField(_("reason"), max_length=300)
    evidence = models.JSONField(default=dict, blank=True, help_text="spans of the text, addresses, counts")
    upheld = models.BooleanField(_("confirmed"), null=True, blank=True)
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        constraints = [models.UniqueConstraint(fields=["review", "kind"], name="flag_unique")]
        indexes = [models.Index(fields=["store", "kind", "-made_at"], name="flag_newest")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.kind}"
