"""Reviews as JSON, in and out."""

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from reviews.models import Review
from reviews.reading import LONGEST, RawReview

SENTIMENTS = {-1: "negative", 0: "neutral", 1: "positive"}
RESULTS = ["imported", "updated", "unchanged", "skipped", "rejected"]
EXAMPLE_IN = {
    "source": "shop", "source_id": "R-1001", "product": "stoneware-mug", "title": "Lovely mug",
    "text": "Keeps my tea hot, but the parcel came a week late.", "rating": 4, "author_name": "Jane Doe",
    "email": "jane@example.com", "written_at": "2026-11-20T09:30:00Z", "verified": True,
}  # fmt: skip
EXAMPLE_OUT = {
    "id": 5127, "source": "shop", "source_id": "R-1001",
    "product": {"id": 12, "handle": "stoneware-mug", "title": "Stoneware mug"}, "product_ref": "stoneware-mug",
    "title": "Lovely mug", "text": "Keeps my tea hot, but the parcel came a week late.", "masked": [],
    "author_name": "Jane D.", "country": "", "verified": True, "rating": 4.0, "language": "en", "status": "published",
    "sentiment": "positive", "stars": 3.8, "scored": True, "written_at": "2026-11-20T09:30:00Z",
    "created_at": "2026-11-20T09:31:02Z", "edited_at": None,
    "judgement": {
        "stars": [0.02, 0.06, 0.22, 0.46, 0.24], "expected": 3.84, "sentiment": "positive", "confidence": 0.7,
        "uncertainty": 0.41, "aspects": {"shipping": {"polarity": -1, "probability": 0.93, "spans": [[22, 50]]}},
        "model": "house reviews v1", "made_at": "2026-11-20T09:31:03Z",
    },
    "opinions": [{"aspect": "shipping", "polarity": "negative", "probability": 0.93, "by_person": False}],
    "flags": [],
}  # fmt: skip
EXAMPLE_RESULTS = {
    "received": 2, "imported": 1, "updated": 0, "unchanged": 0, "skipped": 0, "rejected": 1,
    "items": [
        {"index": 0, "status": "imported", "id": 5127, "errors": []},
        {
            "index": 1, "status": "rejected", "id": None,
            "errors": [{"code": "bad_rating", "detail": "“9” is not between 1 and 5.", "attr": "rating"}],
        },
    ],
}  # fmt: skip


class AnyRating(serializers.Field):
    """A number, or text in any usual notation."""

    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, (int, float, str)):
            raise serializers.ValidationError("A number or text.", code="invalid")
        return str(data)[:60]

    def to_representation(self, value):
        return value


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}], "example": "4/5"})
class RatingField(AnyRating):
    pass


@extend_schema_serializer(examples=[OpenApiExample("One review", EXAMPLE_IN, request_only=True)])
class ReviewInput(serializers.Serializer):
    """A review to take in. With `source_id` it is known again by that; without, by its author, product and words."""

    source = serializers.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40, default="api", help_text="where it comes from"
    )
    source_id = serializers.CharField(max_length=200, default="", allow_blank=True)
    product = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="handle, SKU, GTIN or your shop's number of the product"
    )
    title = serializers.CharField(max_length=2000, default="", allow_blank=True)
    text = serializers.CharField(max_length=LONGEST, default="", allow_blank=True)
    rating = RatingField(
        required=False, allow_null=True, help_text="1 to 5, or with its scale: “4/5”, “8 of 10”, “★★★★☆”, “90 %”"
    )
    author_name = serializers.CharField(max_length=200, default="", allow_blank=True)
    email = serializers.CharField(
        max_length=320, default="", allow_blank=True, help_text="kept as a keyed hash only, like the next two"
    )
    phone = serializers.CharField(max_length=40, default="", allow_blank=True)
    customer_id = serializers.CharField(max_length=100, default="", allow_blank=True)
    written_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    language = serializers.CharField(max_length=12, default="", allow_blank=True, help_text="your word for it, if any")
    country = serializers.RegexField(r"^[A-Za-z]{2}$", default="", allow_blank=True, help_text="ISO 3166, two letters")
    verified = serializers.BooleanField(required=False, allow_null=True, default=None)
    consent = serializers.BooleanField(default=True, help_text="false: no model is ever trained on it")

    def validate(self, attrs: dict) -> dict:
        if not attrs["title"].strip() and not attrs["text"].strip() and attrs.get("rating") in (None, ""):
            raise serializers.ValidationError({"text": ["A review has a text, a title or a rating."]}, code="empty")
        return attrs

    def raw(self) -> RawReview:
        """The validated values as the reading room takes them."""
        data = self.validated_data
        ids = tuple(i for i in (data["email"], data["phone"], data["customer_id"]) if i)
        return RawReview(
            title=data["title"], text=data["text"], rating=data.get("rating"), author_name=data["author_name"],
            author_ids=ids, product_ref=data["product"], source=data["source"], source_id=data["source_id"],
            written_at=data["written_at"], language=data["language"], country=data["country"].upper(),
            verified=data["verified"], consent=data["consent"],
        )  # fmt: skip


class ItemError(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True, help_text="the field at fault")


class ItemResult(serializers.Serializer):
    index = serializers.IntegerField(help_text="place in what was sent, from 0")
    status = serializers.ChoiceField(RESULTS)
    id = serializers.IntegerField(allow_null=True)
    errors = ItemError(many=True)


@extend_schema_serializer(examples=[OpenApiExample("One in, one rejected", EXAMPLE_RESULTS, response_only=True)])
class ReviewResults(serializers.Serializer):
    """imported + updated + unchanged + skipped + rejected = received."""

    received = serializers.IntegerField()
    imported = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    skipped = serializers.IntegerField()
    rejected = serializers.IntegerField()
    items = ItemResult(many=True)


class ReviewProduct(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    handle = serializers.CharField()
    title = serializers.CharField()


class JudgementSerializer(serializers.Serializer):
    """What the model read, with its provenance."""

    stars = serializers.ListField(child=serializers.FloatField(), help_text="probability of 1, 2, 3, 4 and 5 stars")
    expected = serializers.FloatField()
    sentiment = serializers.SerializerMethodField()
    confidence = serializers.FloatField()
    uncertainty = serializers.FloatField()
    aspects = serializers.DictField(help_text="aspect → polarity (-1, 0, 1), probability, spans of “title\\ntext”")
    model = serializers.CharField(source="model_label")
    made_at = serializers.DateTimeField()

    def get_sentiment(self, judgement) -> str:
        return SENTIMENTS[judgement.sentiment]


class OpinionSerializer(serializers.Serializer):
    """What counts about one aspect: a person's label, else the model's reading."""

    aspect = serializers.CharField()
    polarity = serializers.SerializerMethodField()
    probability = serializers.FloatField()
    by_person = serializers.BooleanField()

    def get_polarity(self, opinion) -> str:
        return SENTIMENTS[opinion.polarity]


class FlagSerializer(serializers.Serializer):
    kind = serializers.CharField()
    reason = serializers.CharField()
    confirmed = serializers.BooleanField(source="upheld", allow_null=True, help_text="null: nobody has decided")


@extend_schema_serializer(examples=[OpenApiExample("A scored review", EXAMPLE_OUT, response_only=True)])
class ReviewSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    source = serializers.CharField()
    source_id = serializers.CharField()
    product = ReviewProduct(allow_null=True)
    product_ref = serializers.CharField()
    title = serializers.CharField(help_text="masked")
    text = serializers.CharField(help_text="masked")
    masked = serializers.ListField(child=serializers.CharField(), help_text="kinds of personal data taken out")
    author_name = serializers.CharField()
    country = serializers.CharField()
    verified = serializers.BooleanField(allow_null=True)
    rating = serializers.FloatField(allow_null=True, help_text="what the shopper gave, on 1 to 5")
    language = serializers.CharField()
    status = serializers.CharField()
    sentiment = serializers.SerializerMethodField()
    stars = serializers.FloatField(
        allow_null=True, help_text="what counts: a person's word, else the model's, else the rating"
    )
    scored = serializers.SerializerMethodField()
    written_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    judgement = serializers.SerializerMethodField()
    opinions = OpinionSerializer(many=True)
    flags = FlagSerializer(many=True)

    @extend_schema_field({"type": "string", "enum": list(SENTIMENTS.values()), "nullable": True})
    def get_sentiment(self, review: Review) -> str | None:
        return None if review.sentiment is None else SENTIMENTS[review.sentiment]

    def get_scored(self, review: Review) -> bool:
        return not review.needs_scoring

    @extend_schema_field(JudgementSerializer(allow_null=True))
    def get_judgement(self, review: Review) -> dict | None:
        found = getattr(review, "judgement", None)
        return JudgementSerializer(found).data if found else None


class ReviewPage(serializers.Serializer):
    items = ReviewSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
