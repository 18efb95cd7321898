"""The API's one error shape, also where DRF isn't asked: unknown addresses, bodies that are too large."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views import defaults
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BODY = 1024 * 1024


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = lazy("The body is larger than 1 MB.")
    default_code = "too_large"


class LimitedJSONParser(JSONParser):
    """JSON up to 1 MB; more is a 413, also where the client doesn't say how much it sends."""

    def parse(self, stream, media_type=None, parser_context=None):
        request = parser_context["request"]
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > MAX_BODY:
            raise TooLarge()
        try:
            return super().parse(_Limited(stream), media_type, parser_context)
        except RecursionError:
            raise ParseError(_("The JSON is nested too deeply.")) from None


class _Limited:
    """Reads a stream until there is too much of it."""

    def __init__(self, stream):
        self.stream, self.left = stream, MAX_BODY

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(self.left + 1 if size is None or size < 0 else min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge()
        return data


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404: JSON below /api/, the page elsewhere."""
    if not request.path.startswith("/api/"):
        return defaults.page_not_found(request, exception)
    error = {"code": "not_found", "detail": _("There is nothing at this address."), "attr": None}
    return JsonResponse({"type": "client_error", "errors": [error]}, status=404)


class ErrorSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="for programs")
    detail = serializers.CharField(help_text="for people, in the language of Accept-Language")
    attr = serializers.CharField(allow_null=True, help_text="the field or parameter at fault")


class BadRequestSerializer(serializers.Serializer):
    """Something in the body or the parameters makes no sense; each error names it."""

    type = serializers.ChoiceField([("validation_error", "validation_error"), ("client_error", "client_error")])
    errors = ErrorSerializer(many=True)


class ClientErrorSerializer(serializers.Serializer):
    type = serializers.ChoiceField([("client_error", "client_error")])
    errors = ErrorSerializer(many=True)
