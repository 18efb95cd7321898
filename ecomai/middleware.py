"""What pages need around a view and the API does without: it knows no sessions, messages or nonces."""

from csp.constants import HEADER
from csp.middleware import CSPMiddleware as Csp
from django.contrib.auth.middleware import AuthenticationMiddleware as Authentication
from django.contrib.messages.middleware import MessageMiddleware as Messages
from django.contrib.sessions.middleware import SessionMiddleware as Session
from django.http import HttpRequest, HttpResponseBase

API = "/api/v1/"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"  # JSON loads nothing, wherever it is shown


class _OfPages:
    async_capable = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(API):
            return self.get_response(request)  # type: ignore[attr-defined]
        return super().__call__(request)  # type: ignore[misc]


class SessionMiddleware(_OfPages, Session):
    pass


class AuthenticationMiddleware(_OfPages, Authentication):
    pass


class MessageMiddleware(_OfPages, Messages):
    pass


class CSPMiddleware(_OfPages, Csp):
    """The API's answers carry one policy that is always the same."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        if request.path_info.startswith(API):
            response.headers.setdefault(HEADER, API_POLICY)
        return response
