"""Reviews for servers: send, list, read, delete, and be sent by signed webhook (DRF)."""

import json
from collections.abc import Iterable

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed, ErrorDetail, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecomai.api_base import StoreView
from ecomai.api_errors import ClientErrorSerializer
from ecomai.models import Store
from ml.aspects import ASPECTS
from reviews import incoming, removal, review_search
from reviews.api_serializers import (
    EXAMPLE_IN,
    EXAMPLE_OUT,
    EXAMPLE_RESULTS,
    ReviewInput,
    ReviewPage,
    ReviewResults,
    ReviewSerializer,
)  # fmt: skip
from reviews.filters import SENTIMENTS, Filters
from reviews.incoming import Refused
from reviews.models import Review
from reviews.tasks import after_intake

MAX_PAGE = 100
ONE_OR_MORE = PolymorphicProxySerializer(
    component_name="ReviewsInput",
    serializers=[ReviewInput, ReviewInput(many=True)],
    resource_type_field_name=None,
    many=False,
)
MAX_BODY = 1024 * 1024


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than 1 MB."
    default_code = "too_large"


class BadSignature(AuthenticationFailed):
    default_detail = "X-Signature does not sign this body for this store."
    default_code = "bad_signature"


def _raw_body(request: Request) -> bytes:
    """The body as it came, if it isn't too large."""
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise TooLarge()
    body = request.body
    if len(body) > MAX_BODY:
        raise TooLarge()
    return body


def _first(errors, field: str = "") -> Iterable[Refused]:
    """The errors of a serializer as refusals that name the field."""
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _first(inner, field if name == "non_field_errors" else str(name))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _first(inner, field)
    else:
        yield Refused(getattr(errors, "code", "invalid"), field, str(errors))


def _checked(item: object) -> incoming.Item:
    if not isinstance(item, dict):
        return [Refused("invalid", "", "Each review is an object.")]
    form = ReviewInput(data={name: incoming.sound(value) for name, value in item.items()})
    return form.raw() if form.is_valid() else list(_first(form.errors))


def _answer(store: Store, taken: incoming.Taken) -> Response:
    """What became of each; the models read what is new."""
    after_intake(store, taken.moved)
    code = status.HTTP_201_CREATED if taken.counts["imported"] else status.HTTP_200_OK
    return Response({"received": len(taken.items), **taken.counts, "items": taken.items}, status=code)


class ReviewList(StoreView):
    """The store's reviews. Secret keys only."""

    secret_only = True

    @extend_schema(
        operation_id="v1_reviews_list",
        parameters=[
            OpenApiParameter("product", str, description="number, handle or SKU"),
            OpenApiParameter("language", str), OpenApiParameter("source", str),
            OpenApiParameter("since", str, description="written on that day (UTC) or later: 2026-11-25"),
            OpenApiParameter("sentiment", str, enum=list(SENTIMENTS)),
            OpenApiParameter("aspect", str, enum=list(ASPECTS), description="reviews that speak of it"),
            OpenApiParameter("polarity", str, enum=list(SENTIMENTS), description="and in which way"),
            OpenApiParameter("stars", int, enum=[1, 2, 3, 4, 5], description="the rating given"),
            OpenApiParameter("show", str, enum=["all"], description="hidden ones and spam, too"),
            OpenApiParameter("limit", int, description="1 to 100; 50 if left out"), OpenApiParameter("cursor", str),
        ],
        responses=ReviewPage,
        examples=[OpenApiExample("A page", {"items": [EXAMPLE_OUT], "next": None, "previous": None}, response_only=True)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Newest first, page by page: follow `next`."""
        asked = {name: value for name, value in request.query_params.items() if name not in ("since", "from", "to")}
        since = request.query_params.get("since", "")
        asked |= {"from": since, "period": "custom"} if since else {"period": "all"}
        filters = Filters.from_query(request.user.key.store, asked)
        errors = {"since" if name == "from" else name: [message] for name, message in filters.errors.items()}
        limit = asked.get("limit", "50")
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= MAX_PAGE):
            errors["limit"] = [f"1 to {MAX_PAGE}"]
        if errors:
            raise ValidationError(errors)
        page = review_search.page(filters, cursor=asked.get("cursor", ""), size=int(limit))
        items = ReviewSerializer(page.items, many=True).data
        return Response({"items": items, "next": page.next or None, "previous": page.previous or None})

    @extend_schema(
        request=ONE_OR_MORE,
        responses={
            201: OpenApiResponse(ReviewResults, "At least one is new."),
            200: OpenApiResponse(ReviewResults, "None is new: sent again, changed, or all rejected."),
        },
        examples=[
            OpenApiExample("One review", EXAMPLE_IN, request_only=True),
            OpenApiExample("Several", [EXAMPLE_IN, {"text": "Cracked on arrival", "rating": "1/5"}], request_only=True),
            OpenApiExample("One in, one rejected", EXAMPLE_RESULTS, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Send one review, or a list of up to 100. Sending again changes nothing, or updates what changed. In a list, what
        can't be read is rejected by itself; a single one that can't be read is an error (400)."""
        _raw_body(request)
        several = isinstance(request.data, list)
        sent = request.data if several else [request.data]
        if not 1 <= len(sent) <= incoming.MOST:
            raise ValidationError(f"Send 1 to {incoming.MOST} reviews.")
        checked = [_checked(item) for item in sent]
        store = request.user.key.store
        taken = incoming.take(store, checked)
        if not several and taken.counts["rejected"]:
            errors = taken.items[0]["errors"]
            raise ValidationError(
                {e["attr"] or "non_field_errors": [ErrorDetail(e["detail"], code=e["code"])] for e in errors}
            )
        return _answer(store, taken)


class ReviewDetail(StoreView):
    """One review with the model's reading, what counts, and its flags. Secret keys only."""

    secret_only = True

    def _find(self, request: Request, pk: int) -> Review:
        found = Review.objects.select_related("product", "judgement").prefetch_related("opinions", "flags").defer("raw")
        return get_object_or_404(found, pk=pk, store=request.user.key.store)

    @extend_schema(
        responses=ReviewSerializer,
        examples=[OpenApiExample("A scored review", EXAMPLE_OUT, response_only=True, status_codes=["200"])],
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(ReviewSerializer(self._find(request, pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete it with all that hangs on it; the numbers follow at once."""
        removal.delete(self._find(request, pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReviewWebhook(APIView):
    """Reviews that Judge.me or another system pushes, signed with the store's webhook secret."""

    authentication_classes = []
    permission_classes = []
    parser_classes = [JSONParser]

    def get_authenticate_header(self, request: Request) -> str:
        return "X-Signature"  # without one, DRF would answer 403 instead of 401

    @extend_schema(
        auth=[],
        parameters=[
            OpenApiParameter("X-Signature", str, OpenApiParameter.HEADER, required=True,
                             description="HMAC-SHA256 of the raw body with the webhook secret, hex"),
            OpenApiParameter("source", str, OpenApiParameter.PATH, description="your name of the sender, like judgeme"),
        ],
        request=ONE_OR_MORE,
        responses={
            200: ReviewResults, 201: ReviewResults,
            401: OpenApiResponse(ClientErrorSerializer, "The signature is none of this store's."),
        },
        examples=[
            OpenApiExample("In the API's words", EXAMPLE_IN, request_only=True),
            OpenApiExample("One in, one rejected", EXAMPLE_RESULTS, response_only=True, status_codes=["200", "201"]),
        ],
    )  # fmt: skip
    def post(self, request: Request, store: str, source: str) -> Response:
        """One review, a list, or either below `review` or `reviews`. Sent again it changes nothing."""
        body = _raw_body(request)
        found = incoming.store_of(store, body, request.headers.get("X-Signature", ""))
        if found is None:
            raise BadSignature()
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):  # bad JSON, bytes that are no UTF-8, nesting without end
            raise ValidationError("The body is not JSON.", code="parse_error") from None
        try:
            taken = incoming.take(found, incoming.webhook_items(data, source))
        except incoming.BadItem as error:
            raise ValidationError({error.field: [error.message]}) from error
        return _answer(found, taken)
