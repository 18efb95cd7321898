"""What shoppers talk about: opinion phrases, their clusters, and which review belongs where."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from ecomai.models import Store, User
from products.models import Product
from reviews.models.review import Review


class PhraseSource(models.Model):
    """That a review's phrases are cut and embedded, from which words and by which model."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.OneToOneField(Review, models.CASCADE, related_name="phrase_source")
    inputs_hash = models.CharField(max_length=64, help_text="of the words, the evidence, the rules and the model")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("review cut into phrases")
        verbose_name_plural = _("reviews cut into phrases")

    def __str__(self) -> str:
        return str(self.review_id)


class Phrase(models.Model):
    """One clause of a review that says what its author thinks: where it stands, not a copy of its words."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    review = models.ForeignKey(Review, models.CASCADE, related_name="phrases")
    start = models.PositiveIntegerField(help_text="in characters of the title, a line break and the text")
    end = models.PositiveIntegerField()
    aspect = models.CharField(max_length=16, blank=True)
    polarity = models.SmallIntegerField(choices=Review.Sentiment.choices, null=True)
    vector = HalfVectorField(dimensions=384)

    class Meta:
        verbose_name = _("phrase")
        verbose_name_plural = _("phrases")
        constraints = [models.UniqueConstraint(fields=["review", "start"], name="phrase_unique")]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.start}–{self.end}"


class TopicSet(models.Model):
    """The topics of a product, or of the whole store, in one language, with the sums and where they come from.

    with_text = in_topics + other; reviews = with_text + without_text.
    """

    store = models.ForeignKey(Store, models.CASCADE, related_name="topic_sets")
    product = models.ForeignKey(Product, models.CASCADE, null=True, blank=True, related_name="topic_sets")
    language = models.CharField(_("language"), max_length=12)
    reviews = models.PositiveIntegerField(default=0)
    without_text = models.PositiveIntegerField(default=0)
    with_text = models.PositiveIntegerField(default=0)
    in_topics = models.PositiveIntegerField(default=0)
    other = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0, help_text="older reviews than the newest that are read")
    model_label = models.CharField(_("model"), max_length=120)
    params = models.JSONField(default=dict)
    inputs_hash = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("topics of a product and language")
        verbose_name_plural = _("topics of products and languages")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "product", "language"], name="topic_set_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.product_id or '*'} {self.language}"


class Topic(models.Model):
    """A cluster of phrases. Its row, and so its address, stays while later runs find the same cluster again."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="topics")
    group = models.ForeignKey(TopicSet, models.CASCADE, related_name="topics")
    name = models.CharField(_("name"), max_length=120, help_text="words that stand in the reviews")
    given_name = models.CharField(_("your name for it"), max_length=120, blank=True)
    named_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    named_at = models.DateTimeField(null=True, blank=True)
    words = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    centroid = HalfVectorField(dimensions=384)
    reviews = models.PositiveIntegerField(default=0)
    positive = models.PositiveIntegerField(default=0)
    neutral = models.PositiveIntegerField(default=0)
    negative = models.PositiveIntegerField(default=0)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    model_label = models.CharField(max_length=120)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        ordering = ["-reviews", "id"]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """A person's name for it, else the machine's."""
        return self.given_name or self.name


class TopicReview(models.Model):
    """That a review speaks of a topic, with the phrase that is nearest to its middle."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+")
    topic = models.ForeignKey(Topic, models.CASCADE, related_name="members")
    review = models.ForeignKey(Review, models.CASCADE, related_name="topics")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    polarity = models.SmallIntegerField(choices=Review.Sentiment.choices, null=True)
    similarity = models.FloatField()

    class Meta:
        verbose_name = _("review of a topic")
        verbose_name_plural = _("reviews of topics")
        constraints = [models.UniqueConstraint(fields=["topic", "review"], name="topic_review_unique")]
        indexes = [models.Index(fields=["topic", "polarity", "-similarity"], name="topic_review_best")]

    def __str__(self) -> str:
        return f"{self.topic_id}: {self.review_id}"
