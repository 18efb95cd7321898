"""DRF's side of the API keys: authentication, the store of the request, throttling."""

from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.throttling import SimpleRateThrottle

from ecomai import api_keys
from ecomai.models import ApiKey


class ApiKeyUser:
    """The caller behind a key: no person, but authenticated."""

    is_authenticated = True
    is_anonymous = False
    pk = id = None

    def __init__(self, key: ApiKey):
        self.key = key

    def __str__(self) -> str:
        return str(self.key)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer pk_…` or `sk_…`. Sets request.user.key; the store is the key's."""

    def authenticate(self, request):
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed(_("Write the header as: Authorization: Bearer KEY"))
        key = api_keys.find(parts[1].decode("latin-1"))
        if key is None:
            raise AuthenticationFailed(_("This API key does not exist or was revoked."))
        origin = request.headers.get("Origin")
        if key.kind == ApiKey.Kind.PUBLISHABLE and origin and not origin_allowed(key, origin):
            raise AuthenticationFailed(_("This key may not be used from %(origin)s.") % {"origin": origin})
        return ApiKeyUser(key), key

    def authenticate_header(self, request) -> str:
        return "Bearer"


def origin_allowed(key: ApiKey, origin: str) -> bool:
    """Whether a browser on that origin may use the key; a key without origins is for no browser."""
    wanted = urlsplit(origin)
    return any(urlsplit(o)[:2] == wanted[:2] for o in key.origins)


class HasStore(BasePermission):
    """A valid key; a publishable one may only read unless the view says `publishable_may_write = True`."""

    def has_permission(self, request, view) -> bool:
        key = getattr(request.user, "key", None)
        if key is None:
            return False
        if key.kind == ApiKey.Kind.SECRET or request.method in SAFE_METHODS:
            return not (key.kind == ApiKey.Kind.PUBLISHABLE and getattr(view, "secret_only", False))
        return getattr(view, "publishable_may_write", False)


class KeyThrottle(SimpleRateThrottle):
    scope = "key"

    def get_cache_key(self, request, view):
        key = getattr(request.user, "key", None)
        return f"throttle:{key.pk}" if key else f"throttle:{self.get_ident(request)}"


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the API reference describes the keys."""

    target_class = "ecomai.api_auth.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "http", "scheme": "bearer", "description": "An API key of the store: pk_… or sk_…"}
