"""The list of products with filters, facets and pages; a product's texts with their provenance (DRF)."""

import re
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ecomai.api_auth import is_secret
from ecomai.api_base import StoreView
from products import api_parameters, catalogue_search, copywriting, storefront, storefront_search
from products.api_parameters import CURRENCY_PARAMETER, LOCALE_PARAMETER
from products.api_serializers import (
    EXAMPLE_PAGE,
    EXAMPLE_TEXTS,
    CopyOrder,
    CopyTextsSerializer,
    ProductPageSerializer,
    StartedSerializer,
)
from products.api_storefront import find, visible
from products.channels import CHANNELS
from products.copy_views import start as start_copy
from products.models import Product
from products.storefront_search import FACETS, SORTS, Wanted

MAX_PAGE = 100
MOST_VALUES = 20  # of one repeatable parameter
ATTRIBUTE = re.compile(r"attr\[([^\[\]]{1,100})\]")
PRICE = {"type": "number", "minimum": 0, "maximum": 10**10 - 1}


def _texts(*, most: int = 255) -> dict:
    return {"type": "array", "items": {"type": "string", "maxLength": most}, "maxItems": MOST_VALUES}


class ProductList(StoreView):
    """The store's products, page by page. A publishable key sees active ones only."""

    @extend_schema(
        operation_id="v1_products_list",
        parameters=[
            OpenApiParameter("q", {"type": "string", "maxLength": 200}, description="words; each must occur in title, handle, brand, SKU, GTIN or tags"),
            OpenApiParameter("category", str, description="number or path, like Kitchen > Mugs; with all below it"),
            OpenApiParameter("brand", _texts(), description="name or number; several are alternatives"),
            OpenApiParameter("tag", _texts(), description="several must all be there"),
            OpenApiParameter("attr", {"type": "object", "additionalProperties": {"type": "string"}}, style="deepObject", explode=True,
                             description="attribute or option, like attr[Material]=Linen; several values of one are alternatives"),
            OpenApiParameter("price_from", PRICE), OpenApiParameter("price_to", PRICE),
            OpenApiParameter("in_stock", bool, description="true: can be bought now; false: sold out"),
            OpenApiParameter("status", str, enum=Product.Status.values, description="secret keys"),
            OpenApiParameter("sort", str, enum=SORTS, description="-changed (newest first) if left out; prices are the store's own"),
            OpenApiParameter("facets", {"type": "array", "items": {"type": "string", "enum": list(FACETS)}}, explode=False,
                             description="counted over the whole result, with `total`: the 50 most frequent values of each"),
            LOCALE_PARAMETER, CURRENCY_PARAMETER,
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50}),
            OpenApiParameter("cursor", str, description="`next` or `previous` of a page, with the same filters and sorting"),
        ],
        responses=ProductPageSerializer,
        examples=[OpenApiExample("A page with facets", EXAMPLE_PAGE, response_only=True, status_codes=["200"])],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Filter, count, page. Texts are the published ones; experiments are shown by the product's own address."""
        store, asked = request.user.key.store, request.query_params
        filters = catalogue_search.parse({n: v for n, v in asked.items() if n in ("q", "status", "stock")})
        if filters.errors:
            raise ValidationError({name: [message] for name, message in filters.errors.items()})
        locale, wanted = api_parameters.locale(request, store), _wanted(request)
        limit, sort, facets, cursor = (
            _limit(request),
            asked.get("sort") or "-changed",
            _facets(request),
            asked.get("cursor", ""),
        )
        if sort not in SORTS:
            raise ValidationError({"sort": [_("One of %(choices)s.") % {"choices": ", ".join(SORTS)}]})
        name = sort.removeprefix("-")
        if cursor and not catalogue_search.is_cursor(cursor, name):
            raise ValidationError({"cursor": [_("This is no cursor of a page sorted like this.")]})
        found = storefront_search.narrow(store, catalogue_search.find(store, filters, visible(request)), wanted)
        page = catalogue_search.page(found, sort=name, descending=sort.startswith("-"), cursor=cursor, size=limit)
        body = {
            "items": storefront.load(
                store, [p.pk for p in page.items], locale=locale, currency=wanted.currency, secret=is_secret(request)
            ),
            "next": page.next or None,
            "previous": page.previous or None,
        }
        if facets:
            body |= {"total": storefront_search.count(found), "facets": storefront_search.facets(store, found, facets)}
        return Response(body)


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    attributes = {}
    for name in asked:
        if name.startswith("attr"):
            found = ATTRIBUTE.fullmatch(name)
            if not found or len(attributes) >= MOST_VALUES:
                raise ValidationError({name[:60]: [_("Write attr[name]=value.")]})
            attributes[found[1]] = _several(request, name)
    return Wanted(
        brands=_several(request, "brand"),
        category=asked.get("category", "").strip()[:1000],
        tags=_several(request, "tag"),
        price_from=_price(request, "price_from"),
        price_to=_price(request, "price_to"),
        currency=api_parameters.currency(request),
        in_stock=_flag(request, "in_stock"),
        attributes=attributes,
    )


def _several(request: Request, name: str) -> list[str]:
    values = [value for value in request.query_params.getlist(name) if value.strip()]
    if len(values) > MOST_VALUES or any(len(value) > 255 for value in values):
        raise ValidationError({name[:60]: [_("At most %(n)d values of up to 255 characters.") % {"n": MOST_VALUES}]})
    return values


def _price(request: Request, name: str) -> Decimal | None:
    raw = request.query_params.get(name, "").strip()
    if not raw:
        return None
    try:
        value = Decimal(raw)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < 10**10:
        raise ValidationError({name: [_("“%(value)s” is not an amount.") % {"value": raw[:40]}]})
    return value


def _flag(request: Request, name: str) -> bool | None:
    raw = request.query_params.get(name, "").strip().lower()
    if raw not in ("", "true", "false", "1", "0"):
        raise ValidationError({name: [_("Write true or false.")]})
    return {"": None, "true": True, "1": True}.get(raw, False)


def _limit(request: Request) -> int:
    raw = request.query_params.get("limit", "50")
    if not (raw.isascii() and raw.isdigit() and len(raw) < 6 and 1 <= int(raw) <= MAX_PAGE):
        raise ValidationError({"limit": [_("1 to %(most)d.") % {"most": MAX_PAGE}]})
    return int(raw)


def _facets(request: Request) -> list[str]:
    names = [n for value in request.query_params.getlist("facets") for n in value.split(",") if n]
    if unknown := [n for n in names if n not in FACETS]:
        raise ValidationError({"facets": [_("“%(value)s” is not one of the choices.") % {"value": unknown[0][:40]}]})
    return names


class ProductCopy(StoreView):
    """The texts of a product: what is published, what is approved, and ordering new ones."""

    secret_methods = ("POST",)

    @extend_schema(
        operation_id="v1_products_copy_retrieve",
        parameters=[
            OpenApiParameter("channel", str, enum=[storefront.LISTING_CHANNEL, *CHANNELS], description="all if left out"),
            LOCALE_PARAMETER,
        ],
        responses=CopyTextsSerializer,
        examples=[OpenApiExample("A published text", EXAMPLE_TEXTS, response_only=True, status_codes=["200"])],
    )  # fmt: skip
    def get(self, request: Request, ref: str) -> Response:
        """Published texts with their provenance; a secret key sees the approved ones that wait, too."""
        product = find(request, ref)
        channel = request.query_params.get("channel", "")
        if channel and channel not in (storefront.LISTING_CHANNEL, *CHANNELS):
            raise ValidationError({"channel": [_("“%(value)s” is not one of the choices.") % {"value": channel[:40]}]})
        asked = request.query_params.get("locale", "").strip()
        locale = api_parameters.locale(request, request.user.key.store) if asked else ""
        items = storefront.copy_of(product, channel=channel, locale=locale, approved=is_secret(request))
        return Response({"product": product.pk, "items": items})

    @extend_schema(
        request=CopyOrder,
        responses={202: StartedSerializer},
        examples=[
            OpenApiExample("Titles", {"channels": ["seo"], "locale": "en", "tone": "friendly", "variants": 3}, request_only=True),
            OpenApiExample("Started", {"id": 31, "status": "queued"}, response_only=True, status_codes=["202"]),
        ],
    )  # fmt: skip
    def post(self, request: Request, ref: str) -> Response:
        """Order ad copy; look for it at /copy/{id}/. Secret keys only."""
        product = find(request, ref)
        body = CopyOrder(data=request.data)
        body.is_valid(raise_exception=True)
        order = copywriting.request_copy(store=request.user.key.store, product=product, by=None, **body.validated_data)
        start_copy(order, None)
        return Response({"id": order.pk, "status": "queued"}, status=status.HTTP_202_ACCEPTED)
