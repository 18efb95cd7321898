"""Products for storefronts: lists with facets, one product with the shopper's experiments, its texts (DRF)."""

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import prefetch_related_objects
from django.http import Http404
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ecomai.api_auth import is_secret
from ecomai.api_base import StoreView
from products import api_parameters, assignment, catalogue, storefront
from products.api_parameters import CURRENCY_PARAMETER, LOCALE_PARAMETER, SEGMENT_PARAMETER, SERVER_HEADERS, VISITOR
from products.api_serializers import (
    EXAMPLE_PRODUCT,
    EXAMPLE_SHOWN,
    ProductPatch,
    ProductSerializer,
    ProductShownSerializer,
    SecretProductSerializer,
    SecretProductShownSerializer,
)
from products.models import Product

RELATED = ("variants__prices", "images")


def visible(request: Request):
    """The store's products that the key may see."""
    rows = Product.objects.filter(store=request.user.key.store)
    return (rows if is_secret(request) else rows.visible()).select_related("brand", "category")


def find(request: Request, ref: str) -> Product:
    """By number or handle; a handle that looks like a number is found where no product has the number. Raises Http404."""
    rows = visible(request)
    found = rows.filter(pk=ref).first() if ref.isascii() and ref.isdigit() and len(ref) < 19 else None
    found = found or rows.filter(handle=ref).first()
    if found is None:
        raise Http404
    return found


class ProductDetail(StoreView):
    """One product by number or handle."""

    @extend_schema(
        operation_id="v1_products_retrieve",
        parameters=[VISITOR, LOCALE_PARAMETER, CURRENCY_PARAMETER, SEGMENT_PARAMETER, *SERVER_HEADERS,
                    OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="an ETag that you have")],
        responses={
            200: OpenApiResponse(ProductShownSerializer, "The product; an ETag comes with it where no experiment touched it."),
            304: OpenApiResponse(None, "It is still what your ETag stands for."),
        },
        examples=[OpenApiExample("In an experiment", EXAMPLE_SHOWN, response_only=True, status_codes=["200"])],
    )  # fmt: skip
    def get(self, request: Request, ref: str) -> Response:
        """With the texts that this visitor is to see: what is published, then what the visitor's variants say.

        The first time, the assignment and the exposure are written. Answers that an experiment touched are for this
        visitor alone (`Cache-Control: private, no-store`).
        """
        store, viewer = request.user.key.store, api_parameters.viewer(request, request.user.key.store)
        product = find(request, ref)
        shown = assignment.show(
            store, viewer.visitor, product, locale=viewer.locale, segment=viewer.segment, bot=viewer.bot
        )
        texts = storefront.published([product.pk], viewer.locale)[product.pk]
        headers = {"Cache-Control": "private, no-store"}
        if not shown:
            names = [product.brand and product.brand.name, product.category and product.category.path]
            tag = (
                f'"{storefront.fingerprint(product, is_secret(request), viewer.locale, viewer.currency, texts, names)}"'
            )
            headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
            if tag in parse_etags(request.headers.get("If-None-Match", "")):
                return _varied(Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers))
        prefetch_related_objects([product], *RELATED)
        storefront.dress(product, viewer.locale, viewer.currency, texts, shown)
        product.experiments = shown  # type: ignore[attr-defined]
        shape = SecretProductShownSerializer if is_secret(request) else ProductShownSerializer
        return _varied(Response(shape(product).data, headers=headers))

    @extend_schema(
        request=ProductPatch,
        responses=SecretProductSerializer,
        examples=[
            OpenApiExample("A new title", {"title": "Stoneware mug, 350 ml"}, request_only=True),
            OpenApiExample("As it is now", EXAMPLE_PRODUCT, response_only=True, status_codes=["200"]),
        ],
    )
    def patch(self, request: Request, ref: str) -> Response:
        """Change a product's listing; its history names the API. Secret keys only."""
        product = find(request, ref)
        body = ProductPatch(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            catalogue.update_product(product, body.validated_data, None)
        except DjangoValidationError as error:
            raise ValidationError(error.message_dict) from error
        product = find(request, str(product.pk))
        prefetch_related_objects([product], *RELATED)
        first = storefront.store_locale(product.store, "")
        storefront.dress(product, first, "", storefront.published([product.pk], first)[product.pk])
        return Response(SecretProductSerializer(product).data)


def _varied(response: Response) -> Response:
    patch_vary_headers(response, ["Authorization", "Origin"])
    return response


def listed(request: Request, products: list[Product], locale: str, currency: str) -> list[dict]:
    """Products of a page as JSON, with the published texts of the language."""
    prefetch_related_objects(products, *RELATED)
    texts = storefront.published([p.pk for p in products], locale)
    for product in products:
        storefront.dress(product, locale, currency, texts[product.pk])
    shape = SecretProductSerializer if is_secret(request) else ProductSerializer
    return shape(products, many=True).data
