"""Products, copy and imports as JSON, in and out, with examples for the reference."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from products.briefs import COPY_LOCALES
from products.channels import CHANNELS, TONES
from products.models import AdAsset, CatalogueImport, Product

# Named for the OpenAPI document (SPECTACULAR_SETTINGS).
PRODUCT_STATUS = Product.Status.choices
ASSET_STATUS = AdAsset.Status.choices
IMPORT_STATUS = CatalogueImport.Status.choices
TEXT_STATUS = ["published", "approved"]
EXAMPLE_VARIANT = {
    "id": 31, "sku": "MUG-BLUE", "gtin": "", "options": ["Blue"], "available": True,
    "prices": [{"market": "", "currency": "EUR", "amount": "16.9", "compare_at": None}],
}  # fmt: skip
EXAMPLE_PRODUCT = {
    "id": 12, "handle": "stoneware-mug", "title": "A mug that keeps your tea warm", "status": "active", "brand": "Kiln & Co",
    "category": "Kitchen > Mugs", "tags": ["stoneware"], "description_html": "<p>Glazed by hand.</p>",
    "attributes": {"Material": "Stoneware"}, "options": [{"name": "Color", "values": ["Blue"]}], "seo_title": "",
    "seo_description": "", "images": [{"url": "https://shop.example/mug.jpg", "alt": "Blue mug"}],
    "variants": [EXAMPLE_VARIANT], "locale": "en", "texts": {"seo.title": "Stoneware mug, 350 ml"},
    "price": {"currency": "EUR", "from": "16.9", "to": "16.9", "compare_at": None},
    "updated_at": "2026-11-20T09:30:00Z",
}  # fmt: skip
EXAMPLE_SHOWN = EXAMPLE_PRODUCT | {
    "experiments": [
        {"id": 4, "variant": "B", "variant_id": 9, "is_control": False, "exposure_token": "1.4.9.12.1795080600.8c1f…:3Qe…"}
    ]
}  # fmt: skip


class PriceSerializer(serializers.Serializer):
    market = serializers.CharField(help_text="empty: the shop's own price")
    currency = serializers.CharField()
    amount = serializers.CharField()
    compare_at = serializers.CharField(allow_null=True)


class PriceRangeSerializer(serializers.Serializer):
    currency = serializers.CharField()
    to = serializers.CharField()
    compare_at = serializers.CharField(allow_null=True)

    def get_fields(self):
        return {"currency": serializers.CharField(), "from": serializers.CharField(), **super().get_fields()}


class VariantSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    sku = serializers.CharField(allow_null=True)
    gtin = serializers.CharField()
    options = serializers.ListField(child=serializers.CharField())
    available = serializers.BooleanField()
    prices = PriceSerializer(many=True)


class SecretVariantSerializer(VariantSerializer):
    stock = serializers.IntegerField(allow_null=True)
    cost = serializers.CharField(allow_null=True)


class ImageSerializer(serializers.Serializer):
    url = serializers.CharField()
    alt = serializers.CharField()


class OptionSerializer(serializers.Serializer):
    name = serializers.CharField()
    values = serializers.ListField(child=serializers.CharField())


class ProductSerializer(serializers.Serializer):
    """Publishable keys see active products and neither stock nor cost."""

    id = serializers.IntegerField()
    handle = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(PRODUCT_STATUS)
    brand = serializers.CharField()
    category = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    description_html = serializers.CharField()
    attributes = serializers.DictField(child=serializers.CharField())
    options = serializers.ListField(child=OptionSerializer())
    seo_title = serializers.CharField()
    seo_description = serializers.CharField()
    images = ImageSerializer(many=True)
    variants = VariantSerializer(many=True)
    locale = serializers.CharField(help_text="of the texts that there are; others are in the store's first language")
    texts = serializers.DictField(child=serializers.CharField(), help_text="published texts of channels: field → text")
    price = PriceRangeSerializer(allow_null=True)
    updated_at = serializers.DateTimeField()


class SecretProductSerializer(ProductSerializer):
    external_id = serializers.CharField(required=False, help_text="secret keys only, like stock and cost of variants")
    variants = SecretVariantSerializer(many=True)


class ShownSerializer(serializers.Serializer):
    """What this visitor sees of an experiment. Send the token with what the visitor does."""

    id = serializers.IntegerField()
    variant = serializers.CharField()
    variant_id = serializers.IntegerField()
    is_control = serializers.BooleanField()
    exposure_token = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("In an experiment", EXAMPLE_SHOWN, response_only=True)])
class ProductShownSerializer(ProductSerializer):
    experiments = ShownSerializer(many=True)


class FacetValueSerializer(serializers.Serializer):
    value = serializers.CharField()
    count = serializers.IntegerField()
    id = serializers.IntegerField(required=False, help_text="of a brand or category")


class PriceBucketSerializer(serializers.Serializer):
    to = serializers.CharField()
    count = serializers.IntegerField()

    def get_fields(self):
        return {"from": serializers.CharField(), **super().get_fields()}


class PriceFacetSerializer(serializers.Serializer):
    currency = serializers.CharField()
    min = serializers.CharField(allow_null=True)
    max = serializers.CharField(allow_null=True)
    ranges = PriceBucketSerializer(many=True)


class FacetsSerializer(serializers.Serializer):
    brand = FacetValueSerializer(many=True, required=False)
    category = FacetValueSerializer(many=True, required=False)
    tags = FacetValueSerializer(many=True, required=False)
    price = PriceFacetSerializer(required=False)


class ProductPageSerializer(serializers.Serializer):
    items = ProductSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="the cursor of the next page")
    previous = serializers.CharField(allow_null=True)
    total = serializers.IntegerField(required=False, help_text="with facets: of the whole result")
    facets = FacetsSerializer(required=False)


EXAMPLE_PAGE = {
    "items": [EXAMPLE_PRODUCT], "next": "WyIyMDI2LTExLTIwIiwgMTIsIGZhbHNlXQ", "previous": None, "total": 214,
    "facets": {
        "brand": [{"value": "Kiln & Co", "count": 120, "id": 3}],
        "price": {"currency": "EUR", "min": "4.5", "max": "89", "ranges": [{"from": "0", "to": "20", "count": 160}]},
    },
}  # fmt: skip


class ProductPatch(serializers.Serializer):
    title = serializers.CharField(max_length=500, required=False)
    status = serializers.ChoiceField(choices=PRODUCT_STATUS, required=False)
    seo_title = serializers.CharField(max_length=300, required=False, allow_blank=True)
    seo_description = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class CopyOrder(serializers.Serializer):
    channels = serializers.ListField(
        child=serializers.ChoiceField(choices=list(CHANNELS)), min_length=1, max_length=len(CHANNELS)
    )
    locale = serializers.ChoiceField(choices=[code for code, _name in COPY_LOCALES])
    tone = serializers.ChoiceField(choices=list(TONES), default="neutral")
    variants = serializers.IntegerField(min_value=1, max_value=10, default=3)


class StartedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    status = serializers.CharField()


class FactSerializer(serializers.Serializer):
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    name = serializers.CharField()
    value = serializers.CharField()


class AssetSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    field = serializers.CharField()
    text = serializers.CharField()
    status = serializers.ChoiceField(ASSET_STATUS)
    origin = serializers.ChoiceField(AdAsset.Origin.choices)
    angle = serializers.CharField()
    locale = serializers.CharField()
    model = serializers.CharField(source="model_label")
    written_at = serializers.DateTimeField()
    facts = FactSerializer(many=True, help_text="which fact supports which characters")


class CopyRequestSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    status = serializers.CharField(help_text="queued, running, done, failed or cancelled")
    asked = serializers.DictField(child=serializers.IntegerField(), help_text="field → texts asked for")
    assets = AssetSerializer(many=True)
    thrown_away = serializers.DictField(help_text="field → reason → {count, examples}")


class CopyTextSerializer(serializers.Serializer):
    """A text with where it came from."""

    field = serializers.CharField()
    locale = serializers.CharField()
    text = serializers.CharField()
    status = serializers.ChoiceField(TEXT_STATUS)
    origin = serializers.ChoiceField(AdAsset.Origin.choices, help_text="who wrote these very words")
    model = serializers.CharField(help_text="the model that wrote it, or what a person then edited")
    facts = FactSerializer(many=True)
    written_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True, help_text="when it was published or approved")
    experiment = serializers.IntegerField(allow_null=True, help_text="that it won")


class CopyTextsSerializer(serializers.Serializer):
    product = serializers.IntegerField()
    items = CopyTextSerializer(many=True)


EXAMPLE_TEXTS = {
    "product": 12,
    "items": [
        {
            "field": "seo.title", "locale": "en", "text": "Stoneware mug, 350 ml", "status": "published", "origin": "machine",
            "model": "house copy v1", "facts": [{"start": 0, "end": 9, "name": "Material", "value": "Stoneware"}],
            "written_at": "2026-11-18T10:00:00Z", "decided_at": "2026-11-19T08:12:00Z", "experiment": None,
        }
    ],
}  # fmt: skip


class ImportIssueSerializer(serializers.Serializer):
    severity = serializers.CharField()
    code = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    column = serializers.CharField()
    value = serializers.CharField()
    message = serializers.CharField()


class ImportSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    status = serializers.ChoiceField(IMPORT_STATUS)
    counts = serializers.DictField(child=serializers.IntegerField())
    error = serializers.CharField()
    issues = ImportIssueSerializer(many=True, help_text="the first 200")
