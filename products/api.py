"""The catalogue and its copy for storefronts and servers (DRF)."""

import hashlib

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecomai.lib.tablefile import TableError
from ecomai.models import ApiKey
from products import catalogue, catalogue_import, catalogue_search, copywriting
from products.channels import CHANNELS, TONES
from products.copy_views import COPY_LOCALES
from products.copy_views import start as start_copy
from products.import_views import start_import
from products.models import AdAsset, CatalogueImport, CopyRequest, Product

MAX_PAGE = 100


def _secret(request: Request) -> bool:
    return request.user.key.kind == ApiKey.Kind.SECRET


class VariantSerializer(serializers.Serializer):
    id = serializers.IntegerField(read_only=True)
    sku = serializers.CharField(allow_null=True)
    gtin = serializers.CharField()
    options = serializers.ListField(source="option_values", child=serializers.CharField())
    available = serializers.SerializerMethodField()
    prices = serializers.SerializerMethodField()

    def get_available(self, variant) -> bool:
        return variant.stock is None or variant.stock > 0 or variant.backorder != "deny"

    def get_prices(self, variant) -> list[dict]:
        return [
            {"market": p.market, "currency": p.currency, "amount": f"{p.amount.normalize():f}",
             "compare_at": f"{p.compare_at.normalize():f}" if p.compare_at is not None else None}
            for p in variant.prices.all()
        ]  # fmt: skip


class SecretVariantSerializer(VariantSerializer):
    stock = serializers.IntegerField(allow_null=True)
    cost = serializers.DecimalField(max_digits=14, decimal_places=4, allow_null=True)


class ProductSerializer(serializers.Serializer):
    id = serializers.IntegerField(read_only=True)
    handle = serializers.CharField()
    title = serializers.CharField()
    status = serializers.CharField()
    brand = serializers.CharField(source="brand.name", default="")
    category = serializers.CharField(source="category.path", default="")
    tags = serializers.ListField(child=serializers.CharField())
    description_html = serializers.CharField()
    attributes = serializers.DictField(child=serializers.CharField())
    options = serializers.ListField(child=serializers.DictField())
    seo_title = serializers.CharField()
    seo_description = serializers.CharField()
    images = serializers.SerializerMethodField()
    variants = VariantSerializer(many=True)
    updated_at = serializers.DateTimeField()

    def get_images(self, product) -> list[dict]:
        return [{"url": i.url, "alt": i.alt} for i in product.images.all()]


class SecretProductSerializer(ProductSerializer):
    external_id = serializers.CharField()
    variants = SecretVariantSerializer(many=True)


class ProductPatch(serializers.Serializer):
    title = serializers.CharField(max_length=500, required=False)
    status = serializers.ChoiceField(choices=Product.Status.choices, required=False)
    seo_title = serializers.CharField(max_length=300, required=False, allow_blank=True)
    seo_description = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class CopyOrder(serializers.Serializer):
    channels = serializers.ListField(child=serializers.ChoiceField(choices=list(CHANNELS)), min_length=1)
    locale = serializers.ChoiceField(choices=[code for code, _name in COPY_LOCALES])
    tone = serializers.ChoiceField(choices=list(TONES), default="neutral")
    variants = serializers.IntegerField(min_value=1, max_value=10, default=3)


def _visible(request: Request):
    rows = Product.objects.filter(store=request.user.key.store)
    if not _secret(request):
        rows = rows.visible()
    return rows.select_related("brand", "category").prefetch_related("variants__prices", "images")


def _serializer(request: Request):
    return SecretProductSerializer if _secret(request) else ProductSerializer


class ProductList(APIView):
    """The store's products, page by page. A publishable key sees active ones only."""

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str), OpenApiParameter("tag", str), OpenApiParameter("category", int),
            OpenApiParameter("limit", int, description="1 to 100"), OpenApiParameter("cursor", str),
        ],
        responses=ProductSerializer(many=True),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        filters = catalogue_search.parse(request.query_params)
        if filters.errors:
            raise ValidationError({name: [message] for name, message in filters.errors.items()})
        limit = request.query_params.get("limit", "50")
        if not limit.isdigit() or not 1 <= int(limit) <= MAX_PAGE:
            raise ValidationError({"limit": [f"1 to {MAX_PAGE}"]})
        found = catalogue_search.find(request.user.key.store, filters, _visible(request))
        page = catalogue_search.page(
            found, sort="changed", descending=True, cursor=request.query_params.get("cursor", ""), size=int(limit)
        )
        items = _serializer(request)(page.items, many=True).data
        return Response({"items": items, "next": page.next or None, "previous": page.previous or None})


class ProductDetail(APIView):
    """One product by id or handle."""

    def _find(self, request: Request, ref: str) -> Product:
        name = "pk" if ref.isdigit() and len(ref) < 19 else "handle"
        return get_object_or_404(_visible(request), **{name: ref})

    @extend_schema(responses=ProductSerializer)
    def get(self, request: Request, ref: str) -> Response:
        product = self._find(request, ref)
        tag = f'"{hashlib.sha256(f"{product.pk}{product.updated_at}{_secret(request)}".encode()).hexdigest()[:24]}"'
        if request.headers.get("If-None-Match") == tag:
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        return Response(
            _serializer(request)(product).data, headers={"ETag": tag, "Cache-Control": "private, max-age=0"}
        )

    @extend_schema(request=ProductPatch, responses=ProductSerializer)
    def patch(self, request: Request, ref: str) -> Response:
        product = self._find(request, ref)
        body = ProductPatch(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            catalogue.update_product(product, body.validated_data, None)
        except DjangoValidationError as error:
            raise ValidationError(error.message_dict) from error
        return Response(_serializer(request)(self._find(request, str(product.pk))).data)


class CopyList(APIView):
    """Order ad copy for a product. Secret keys only."""

    secret_only = True

    @extend_schema(request=CopyOrder, responses={202: dict})
    def post(self, request: Request, pk: int) -> Response:
        product = get_object_or_404(Product, pk=pk, store=request.user.key.store)
        body = CopyOrder(data=request.data)
        body.is_valid(raise_exception=True)
        order = copywriting.request_copy(store=request.user.key.store, product=product, by=None, **body.validated_data)
        start_copy(order, None)
        return Response({"id": order.pk, "status": "queued"}, status=status.HTTP_202_ACCEPTED)


class CopyDetail(APIView):
    """A copy request with its texts and their provenance. Secret keys only."""

    secret_only = True

    @extend_schema(responses=dict)
    def get(self, request: Request, pk: int) -> Response:
        order = get_object_or_404(CopyRequest.objects.select_related("job"), pk=pk, store=request.user.key.store)
        assets = [
            {"id": a.pk, "field": a.field, "text": a.text, "status": a.status, "origin": a.origin, "angle": a.angle,
             "locale": a.locale, "model": a.model_label, "written_at": a.written_at, "facts": a.facts}
            for a in AdAsset.objects.filter(request=order)
        ]  # fmt: skip
        state = "done" if order.finished_at else order.job.status if order.job else "failed"
        body = {
            "id": order.pk,
            "status": state,
            "asked": order.asked,
            "assets": assets,
            "thrown_away": order.thrown_away,
        }
        return Response(body)


class ImportList(APIView):
    """Upload a catalogue file; it is imported at once. Secret keys only."""

    secret_only = True
    parser_classes = [MultiPartParser]

    @extend_schema(
        request={
            "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        responses={202: dict},
    )
    def post(self, request: Request) -> Response:

        file = request.FILES.get("file")
        if file is None:
            raise ValidationError({"file": ["Send a file."]})
        try:
            run = catalogue_import.open_run(
                store=request.user.key.store, file=file, filename=file.name, auto_apply=True
            )
        except TableError as error:
            raise ValidationError({"file": [str(error)]}) from error
        start_import(run, None, "products.tasks.run_import", f"Import {run.filename}")
        return Response({"id": run.pk, "status": run.status}, status=status.HTTP_202_ACCEPTED)


class ImportDetail(APIView):
    """State and counts of an import. Secret keys only."""

    secret_only = True

    @extend_schema(responses=dict)
    def get(self, request: Request, pk: int) -> Response:
        catalogue_import.settle(request.user.key.store)
        run = CatalogueImport.objects.filter(pk=pk, store=request.user.key.store).first()
        if run is None:
            raise Http404
        issues = list(run.issues.values("severity", "code", "line", "column", "value", "message")[:200])
        return Response(
            {"id": run.pk, "status": run.status, "counts": run.counts, "error": run.error, "issues": issues}
        )
