"""Products for storefronts: lists with facets, one product with the shopper's experiments, its texts (DRF)."""

from django.core.exceptions import ValidationError as DjangoValidationError
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
from products import api_parameters, catalogue, storefront
from products.api_parameters import CURRENCY_PARAMETER, LOCALE_PARAMETER, SEGMENT_PARAMETER, SERVER_HEADERS, VISITOR
from products.api_serializers import (
    EXAMPLE_PRODUCT,
    EXAMPLE_SHOWN,
    ProductPatch,
    ProductShownSerializer,
    SecretProductSerializer,
)
from products.models import Product


def visible(request: Request):
    """The store's products that the key may see."""
    rows = Product.objects.filter(store=request.user.key.store)
    return rows if is_secret(request) else rows.visible()


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
        store = request.user.key.store
        viewer = api_parameters.viewer(request, store)
        found = storefront.find_for(store, ref, viewer, secret=is_secret(request))
        if found is None:
            raise Http404
        item, shown = found
        for experiment in shown:
            storefront.put(item, experiment.texts)
        item["experiments"] = [
            {"id": s.experiment_id, "variant": s.variant, "variant_id": s.arm_id, "is_control": s.is_control, "exposure_token": s.token}
            for s in shown
        ]  # fmt: skip
        if shown:
            return _varied(Response(item, headers={"Cache-Control": "private, no-store"}))
        headers = {"ETag": f'"{storefront.fingerprint(item)}"', "Cache-Control": "private, no-cache"}
        if headers["ETag"] in parse_etags(request.headers.get("If-None-Match", "")):
            return _varied(Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers))
        return _varied(Response(item, headers=headers))

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
        first = storefront.store_locale(product.store, "")
        return Response(storefront.load(product.store, [product.pk], locale=first, secret=True)[0])


def _varied(response: Response) -> Response:
    patch_vary_headers(response, ["Authorization", "Origin"])
    return response
