"""Numbers about reviews, kept beside them: what each review adds, and the sums that the dashboard reads.

`CountedReview` holds one row for each review that counts, with exactly what it adds; the two tally tables are its sums.
`reviews.effective.refresh` moves the differences in the transaction that changes a review; `reviews.rebuild` makes the
same rows anew. Days are UTC days. Products are plain numbers, not foreign keys: a deleted product must not take away
rows whose sums are still to be changed.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from ecomai.models import Store, User
from ml.aspects import ASPECTS
from reviews.models.review import Review

ASPECT_CELLS = 3 * len(ASPECTS)


class CountedReview(models.Model):
    """What one review adds to the tallies. A review without a row counts nowhere."""

    # No constraint and no cascade: the row outlives its review until a refresh takes away what it added.
    review = models.OneToOneField(
        Review, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="counted"
    )
    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    product_id = models.BigIntegerField(null=True)
    day = models.DateField()
    language = models.CharField(max_length=12)
    source = models.CharField(max_length=40)
    rating = models.SmallIntegerField(null=True, help_text="given by the shopper, hundredths of a star")
    stars = models.SmallIntegerField(null=True, help_text="what counts, hundredths of a star")
    sentiment = models.SmallIntegerField(null=True)
    safety = models.BooleanField(default=False)
    flagged = models.BooleanField(default=False)
    verified = models.BooleanField(default=False)
    telling = models.SmallIntegerField(
        default=0, help_text="how much it says, hundredths; see reviews.effective.TELLING"
    )
    aspects = ArrayField(
        models.SmallIntegerField(), size=len(ASPECTS),
        help_text="in the order of ml.aspects.ASPECTS: 0 absent, 1 negative, 2 neutral, 3 positive",
    )  # fmt: skip

    class Meta:
        verbose_name = _("counted review")
        verbose_name_plural = _("counted reviews")
        indexes = [
            # These two answer for a list of products from the index alone.
            models.Index(
                fields=["store", "day"], name="counted_day",
                include=["language", "source", "product_id", "rating", "sentiment"],
            ),
            models.Index(
                fields=["store", "language", "source", "day"], name="counted_language_source",
                include=["product_id", "rating", "sentiment"],
            ),
            models.Index(fields=["product_id", "day"], name="counted_product_day"),
            models.Index(fields=["store", "-telling", "-review"], name="counted_telling"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.review_id}: {self.day}"


class Tally(models.Model):
    """Sums over reviews. Whole numbers only, so that adding and taking away is exact."""

    n = models.IntegerField(default=0)
    rated = models.IntegerField(default=0)
    rating_sum = models.BigIntegerField(default=0, help_text="hundredths of a star")
    rating_squares = models.BigIntegerField(default=0, help_text="of the hundredths")
    star1 = models.IntegerField(default=0)
    star2 = models.IntegerField(default=0)
    star3 = models.IntegerField(default=0)
    star4 = models.IntegerField(default=0)
    star5 = models.IntegerField(default=0)
    read = models.IntegerField(default=0, help_text="with stars that count")
    stars_sum = models.BigIntegerField(default=0, help_text="hundredths of a star")
    stars_squares = models.BigIntegerField(default=0, help_text="of the hundredths")
    negative = models.IntegerField(default=0)
    neutral = models.IntegerField(default=0)
    positive = models.IntegerField(default=0)
    safety = models.IntegerField(default=0)
    flagged = models.IntegerField(default=0)
    verified = models.IntegerField(default=0)
    aspects = ArrayField(
        models.IntegerField(), size=ASPECT_CELLS, help_text="negative, neutral, positive of each of ml.aspects.ASPECTS"
    )

    class Meta:
        abstract = True


class StoreDay(Tally):
    """One day of a store in one language from one source."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    language = models.CharField(max_length=12)
    source = models.CharField(max_length=40)

    class Meta:
        verbose_name = _("numbers of a day")
        verbose_name_plural = _("numbers of the days")
        constraints = [models.UniqueConstraint(fields=["store", "day", "language", "source"], name="store_day_unique")]

    def __str__(self) -> str:
        return f"{self.day} {self.language} {self.source}: {self.n}"


class ProductMonth(Tally):
    """One month of a product: in all (language and source empty), in one language, or from one source."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", db_index=False)
    product_id = models.BigIntegerField()
    month = models.DateField(help_text="its first day")
    language = models.CharField(max_length=12, blank=True)
    source = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = _("numbers of a product's month")
        verbose_name_plural = _("numbers of the products' months")
        constraints = [
            models.UniqueConstraint(
                fields=["product_id", "language", "source", "month", "store"], name="product_month_unique"
            )
        ]
        indexes = [
            models.Index(
                fields=["store", "language", "source", "month"], name="product_month_store",
                include=["product_id", "n", "rated", "rating_sum", "negative", "neutral", "positive"],
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.product_id} {self.month}: {self.n}"


class DigestMail(models.Model):
    """One week's digest for one person: claimed before it is sent, so that nobody gets it twice."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    week = models.DateField(help_text="its Monday")
    claimed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("digest mail")
        verbose_name_plural = _("digest mails")
        constraints = [models.UniqueConstraint(fields=["store", "user", "week"], name="digest_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.week}"
