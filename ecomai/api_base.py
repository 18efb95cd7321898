"""What every view of the API shares."""

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext as _
from drf_standardized_errors.handler import ExceptionHandler as StandardHandler
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from ecomai.api_errors import TooLarge


class ExceptionHandler(StandardHandler):
    """What Django finds suspicious is the client's fault, not ours."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, RequestDataTooBig):
            return TooLarge()
        if isinstance(exc, SuspiciousOperation):
            return ParseError(_("The request holds too many fields or files."))
        return super().convert_known_exceptions(exc)


class StoreView(APIView):
    """A view whose path and parameters hold no character that the database can't keep."""

    def perform_content_negotiation(self, request: Request, force: bool = False):
        """Nothing to negotiate for who takes anything, or JSON: that is most, and it's a tenth of an answer's work."""
        if (
            request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", "application/json")
            and "format" not in request.query_params
        ):
            renderer = self.renderer_classes[0]()
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)

    def initial(self, request: Request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        if any("\0" in str(value) for value in kwargs.values()):
            raise Http404
        for name, values in request.query_params.lists():
            if "\0" in name or any("\0" in value for value in values):
                raise ValidationError({name.replace("\0", ""): [_("Null characters are not allowed.")]})
