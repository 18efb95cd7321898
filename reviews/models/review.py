"""A review as it is kept: cleaned and masked, with what counts as its meaning now."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from products.models import Product

UNDETERMINED = "und"


class ReviewSettings(models.Model):
    """A store's choices about its reviews; a store without a row has the defaults."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="review_settings")
    keep_raw = models.BooleanField(_("keep the unmasked text, encrypted"), default=False)
    retention_days = models.PositiveIntegerField(_("days that unmasked text is kept"), default=90)
    mask_names = models.BooleanField(_("mask first names too"), default=False)
    tone = models.CharField(_("tone of replies"), max_length=40, default="friendly")
    signature = models.CharField(_("signature of replies"), max_length=120, blank=True)
    policies = models.TextField(_("policies that replies may refer to"), blank=True)
    digest = models.BooleanField(_("weekly digest by mail"), default=False)
    alert_emails = ArrayField(models.EmailField(), verbose_name=_("alert addresses"), default=list, blank=True)
    webhook_secret = models.CharField(_("secret of incoming webhooks"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("review settings")
        verbose_name_plural = _("review settings")

    def __str__(self) -> str:
        return str(self.store)


class Review(models.Model):
    """One review. `title` and `text` are cleaned and masked; the unmasked words are in `raw` only where the store
    keeps them, encrypted, until `raw_expires_at`.

    `rating` is what the shopper gave, on 1 to 5; `sentiment`, `stars` and the rows of Opinion are what counts now: the
    person's label where there is one, else the machine's judgement, else what the rating says. They change in the
    same transaction as the statistics that count them.
    """

    class Status(models.TextChoices):
        PUBLISHED = "published", _("Published")
        HIDDEN = "hidden", _("Hidden")

    class Sentiment(models.IntegerChoices):
        NEGATIVE = -1, _("Negative")
        NEUTRAL = 0, _("Neutral")
        POSITIVE = 1, _("Positive")

    store = models.ForeignKey(Store, models.CASCADE, related_name="reviews")
    product = models.ForeignKey(Product, models.SET_NULL, null=True, blank=True, related_name="reviews")
    product_ref = models.CharField(_("product as given"), max_length=200, blank=True)
    run = models.ForeignKey("reviews.ReviewImport", models.SET_NULL, null=True, blank=True, related_name="reviews")
    source = models.CharField(_("source"), max_length=40)
    source_id = models.CharField(_("number at the source"), max_length=200, blank=True)
    text_hash = models.CharField(
        max_length=64, help_text="of author, product and the words: identity where the source has no number"
    )
    words_hash = models.CharField(max_length=64, blank=True, help_text="of the folded words alone: copies of one text")

    title = models.TextField(_("title"), blank=True)
    text = models.TextField(_("text"), blank=True)
    raw = models.BinaryField(null=True, editable=False)
    raw_expires_at = models.DateTimeField(null=True, blank=True)
    masked = ArrayField(models.CharField(max_length=12), verbose_name=_("masked"), default=list, blank=True)
    rating_only = models.BooleanField(default=False, help_text="nothing to read: no model sees it")

    author_name = models.CharField(_("author"), max_length=120, blank=True, help_text="first name and initial at most")
    author_hashes = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="keyed hashes of mail, phone, customer number",
    )
    country = models.CharField(_("country"), max_length=2, blank=True)
    verified = models.BooleanField(_("verified purchase"), null=True, blank=True)
    consent = models.BooleanField(_("may train models"), default=True)

    rating = models.DecimalField(
        _("rating"), max_digits=3, decimal_places=2, null=True, blank=True,
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(5))],
    )  # fmt: skip
    rating_given = models.CharField(_("rating as given"), max_length=60, blank=True)

    language = models.CharField(_("language"), max_length=12, default=UNDETERMINED)
    language_confidence = models.FloatField(default=0)
    language_mixed = models.BooleanField(default=False)

    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PUBLISHED)
    hidden_reason = models.CharField(_("why hidden"), max_length=200, blank=True)
    hidden_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    duplicate_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="duplicates")

    sentiment = models.SmallIntegerField(_("sentiment"), choices=Sentiment.choices, null=True, blank=True)
    stars = models.FloatField(_("stars read from the text"), null=True, blank=True)
    gold = models.BooleanField(_("gold"), default=False, help_text="measures models and never trains one")
    needs_scoring = models.BooleanField(default=True)

    written_at = models.DateTimeField(_("written"))
    created_at = models.DateTimeField(_("received"), default=timezone.now, editable=False)
    edited_at = models.DateTimeField(_("edited by its author"), null=True, blank=True)
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "source", "source_id"], name="review_source_unique", condition=~Q(source_id="")
            ),
            models.UniqueConstraint(
                fields=["store", "source", "text_hash"], name="review_text_unique", condition=Q(source_id="")
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-written_at", "-id"], name="review_newest"),
            models.Index(fields=["product", "-written_at", "-id"], name="review_product_newest"),
            models.Index(fields=["store", "words_hash"], name="review_words"),
            models.Index(fields=["store", "id"], name="review_to_score", condition=Q(needs_scoring=True)),
            GinIndex(fields=["author_hashes"], name="review_author"),
            # Searched case-insensitively (`icontains` compares UPPER); trigrams also find words of unspaced scripts.
            GinIndex(OpClass(Upper("text"), name="gin_trgm_ops"), name="review_text_trgm"),
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="review_title_trgm"),
        ]

    def __str__(self) -> str:
        return self.title or self.text[:60] or self.rating_given
