"""DRF's side of the API keys: authentication, the store of the request, throttling."""

import hashlib
import logging
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.throttling import SimpleRateThrottle

from ecomai import api_keys
from ecomai.api_counts import Counts, Window
from ecomai.models import ApiKey

log = logging.getLogger(__name__)


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
    """A valid key; a publishable one may only read unless the view says `publishable_may_write = True`, and not even that
    where it says `secret_only = True` or names the method in `secret_methods`."""

    def has_permission(self, request, view) -> bool:
        key = getattr(request.user, "key", None)
        if key is None:
            return False
        if key.kind == ApiKey.Kind.SECRET:
            return True
        if getattr(view, "secret_only", False) or request.method in getattr(view, "secret_methods", ()):
            return False
        return request.method in SAFE_METHODS or getattr(view, "publishable_may_write", False)


def is_secret(request) -> bool:
    """Whether a server asks."""
    return request.user.key.kind == ApiKey.Kind.SECRET


_counts = Counts()


class ApiThrottle(SimpleRateThrottle):
    """So many requests a window for each key, and for each visitor: a browser's address behind a publishable key, the
    buyer that a server names in X-Buyer-Id behind a secret one. Without Redis nobody is held up."""

    scope = "key"

    def allow_request(self, request, view) -> bool:
        self.wait_seconds = 0.0
        now = self.timer()
        windows = []
        for scope, ident in self._who(request):
            limit, seconds = self.parse_rate(self.THROTTLE_RATES.get(scope))
            if limit:
                number = int(now // seconds)
                name = f"{settings.CACHES['default']['KEY_PREFIX']}:throttle:{scope}:{ident}:{number}"
                windows.append(Window(name, limit, (number + 1) * seconds, seconds))
        try:
            counts = _counts.add(windows, now)
        except redis.RedisError as error:
            log.warning("throttling is off: %s", type(error).__name__)
            return True
        over = [w.end - now for w, count in zip(windows, counts, strict=True) if count > w.limit]
        self.wait_seconds = max(over, default=0.0)
        return not over

    def _who(self, request) -> list[tuple[str, str]]:
        key, address = getattr(request.user, "key", None), self.get_ident(request) or ""
        if key is None:
            return [("key", f"ip-{self._hash(address)}")]
        who = [("key", str(key.pk))]
        buyer = request.headers.get("X-Buyer-Id", "")[:200] if is_secret(request) else address
        return [*who, ("visitor", f"{key.pk}-{self._hash(buyer)}")] if buyer else who

    @staticmethod
    def _hash(text: str) -> str:
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()

    def wait(self) -> float:
        return self.wait_seconds


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the API reference describes the keys."""

    target_class = "ecomai.api_auth.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "http", "scheme": "bearer", "description": "An API key of the store: pk_… or sk_…"}
