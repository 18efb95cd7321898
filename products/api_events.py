"""What shoppers do, sent by browsers and servers (DRF)."""

from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ecomai.api_base import StoreView
from products import events, exposure_tokens
from products.api_parameters import MOST_VISITOR, SERVER_HEADERS, robot
from products.models import Event

MOST = min(settings.API_BATCH, 500)
EXAMPLE_EVENTS = {
    "sent_at": "2026-11-20T09:30:05Z",
    "events": [
        {"id": "0f8f1e2a-6a3c-4a7e-9a51-7b1d5f0f6a10", "visitor": "9b2e…", "kind": "view", "product": "stoneware-mug",
         "at": "2026-11-20T09:29:58Z", "exposure_token": "1.4.9.12.1795080600.8c1f…:3Qe…"},
        {"id": "5a7c9d60-2f7b-4d0e-8a3e-2f0c6f1b9e77", "visitor": "9b2e…", "kind": "purchase", "sku": "MUG-BLUE", "quantity": 2,
         "value": "33.80", "currency": "EUR", "at": "2026-11-20T09:30:04Z"},
    ],
}  # fmt: skip
EXAMPLE_RECEIPT = {
    "accepted": 1, "duplicates": 0, "unknown_skus": 0, "bad_tokens": 0,
    "rejected": [{"index": 1, "field": "at", "message": "Older than 7 days."}],
}  # fmt: skip


class EventSerializer(serializers.Serializer):
    """One thing that a visitor did. Sending it again under the same id changes nothing."""

    id = serializers.UUIDField(help_text="made by you, once for each event")
    visitor = serializers.CharField(max_length=MOST_VISITOR, help_text="the id that you ask for products with")
    kind = serializers.ChoiceField(Event.Kind.choices)
    name = serializers.CharField(max_length=60, required=False, help_text="of a custom event, which needs one")
    sku = serializers.CharField(max_length=255, required=False)
    product = serializers.CharField(max_length=255, required=False, help_text="handle or number, where there is no SKU")
    quantity = serializers.IntegerField(min_value=1, max_value=events.MOST_QUANTITY, default=1)
    value = serializers.DecimalField(
        max_digits=14, decimal_places=4, min_value=0, required=False, help_text="of all pieces together"
    )
    currency = serializers.CharField(max_length=3, required=False, help_text="ISO 4217; the store's if left out")
    locale = serializers.CharField(max_length=12, required=False)
    at = serializers.DateTimeField(
        required=False, help_text="by the visitor's clock; now if left out, 7 days ago at most"
    )
    exposure_token = serializers.CharField(
        max_length=exposure_tokens.LONGEST, required=False, help_text="of the product as it was shown"
    )


class EventsSerializer(serializers.Serializer):
    events = serializers.ListField(child=EventSerializer(), min_length=1, max_length=MOST)
    sent_at = serializers.DateTimeField(required=False, help_text="your clock now: wrong clocks are set right by it")


class RejectedSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="place in what was sent, from 0")
    field = serializers.CharField(help_text="empty: the event as a whole")
    message = serializers.CharField()


class ReceiptSerializer(serializers.Serializer):
    """accepted + duplicates + the rejected = what was sent."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="sent before, or twice in this batch")
    unknown_skus = serializers.IntegerField(help_text="accepted, but no product is known by that name")
    bad_tokens = serializers.IntegerField(help_text="accepted, but the exposure token isn't this store's")
    rejected = RejectedSerializer(many=True)


class EventList(StoreView):
    """Events of shoppers. Publishable keys may send them."""

    publishable_may_write = True

    @extend_schema(
        operation_id="v1_events_create",
        parameters=SERVER_HEADERS,
        request=EventsSerializer,
        responses={200: ReceiptSerializer},
        examples=[
            OpenApiExample("A view and an order", EXAMPLE_EVENTS, request_only=True),
            OpenApiExample("One in, one rejected", EXAMPLE_RECEIPT, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Send a batch; send it again, as it was, until you have an answer. Bad events are rejected by themselves."""
        body = request.data if isinstance(request.data, dict) else {}
        sent = body.get("events")
        if not isinstance(sent, list) or not 1 <= len(sent) <= MOST:
            raise ValidationError({"events": [_("Send a list of 1 to %(most)d events.") % {"most": MOST}]})
        receipt = events.receive(
            request.user.key.store, sent, bot=robot(request), sent_at=_sent_at(body.get("sent_at"))
        )
        return Response({
            "accepted": receipt.accepted, "duplicates": receipt.duplicates, "unknown_skus": receipt.unknown_skus,
            "bad_tokens": receipt.bad_tokens, "rejected": [bad._asdict() for bad in receipt.rejected],
        })  # fmt: skip


def _sent_at(value: object) -> datetime | None:
    if value is None:
        return None
    field = serializers.DateTimeField()
    try:
        return field.run_validation(value)
    except ValidationError as error:
        raise ValidationError({"sent_at": error.detail}) from error
