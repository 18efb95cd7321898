"""What the storefront's addresses ask for, read once and named in errors."""

import re

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from ecomai.api_auth import is_secret
from ecomai.models import Store
from products import storefront
from products.assignment import Viewer, visitor_id
from products.storefront_bots import is_bot

LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")
SEGMENT = re.compile(r"segment\[([a-z0-9_]{1,40})\]")
MOST_SEGMENTS = 10
MOST_TEXT = 60  # characters of a segment's value
MOST_VISITOR = 200

P = OpenApiParameter
VISITOR = P("visitor", {"type": "string", "maxLength": MOST_VISITOR}, description="your own id of the shopper, kept as a keyed hash only; without it nobody takes part in an experiment")  # fmt: skip
LOCALE_PARAMETER = P("locale", {"type": "string", "pattern": f"^{LOCALE.pattern}$"}, description="BCP 47, like de or de-AT; the store's first language if left out")  # fmt: skip
CURRENCY_PARAMETER = P("currency", {"type": "string", "pattern": "^[A-Za-z]{3}$"}, description="ISO 4217; only prices in it")  # fmt: skip
SEGMENT_PARAMETER = P(
    "segment", {"type": "object", "additionalProperties": {"type": "string", "maxLength": MOST_TEXT}}, style="deepObject",
    explode=True, description="what experiments may choose by, like segment[device]=mobile",
)  # fmt: skip
BUYER_AGENT = P(
    "X-Buyer-User-Agent", str, P.HEADER, description="secret keys: the shopper's User-Agent, to know robots by"
)
BUYER_ID = P("X-Buyer-Id", str, P.HEADER, description="secret keys: the shopper for whom you ask; throttled one by one")
SERVER_HEADERS = [BUYER_AGENT, BUYER_ID]


def viewer(request: Request, store: Store) -> Viewer:
    """Raises ValidationError naming the parameter."""
    visitor = request.query_params.get("visitor", "").strip()
    if len(visitor) > MOST_VISITOR:
        raise ValidationError({"visitor": [_("At most %(n)d characters.") % {"n": MOST_VISITOR}]})
    return Viewer(
        visitor_id(store, visitor) if visitor else None,
        locale(request, store),
        currency(request),
        segment(request),
        robot(request),
    )


def locale(request: Request, store: Store) -> str:
    wanted = request.query_params.get("locale", "").strip()
    if wanted and (len(wanted) > 12 or not LOCALE.fullmatch(wanted)):
        raise ValidationError({"locale": [_("Write a language like de or de-AT.")]})
    return storefront.store_locale(store, wanted.replace("_", "-"))


def currency(request: Request) -> str:
    wanted = request.query_params.get("currency", "").strip().upper()
    if wanted and not re.fullmatch(r"[A-Z]{3}", wanted):
        raise ValidationError({"currency": [_("Write the three letters of ISO 4217, like EUR.")]})
    return wanted


def segment(request: Request) -> dict[str, str]:
    out = {}
    for name, value in request.query_params.items():
        if name.startswith("segment"):
            found = SEGMENT.fullmatch(name)
            if not found or not 0 < len(value) <= MOST_TEXT or len(out) >= MOST_SEGMENTS:
                text = _(
                    "Write segment[name]=value: a–z, 0–9 and _, values up to %(n)d characters, at most %(most)d of them."
                )
                raise ValidationError({name[:60]: [text % {"n": MOST_TEXT, "most": MOST_SEGMENTS}]})
            out[found[1]] = value
    return out


def robot(request: Request) -> bool:
    """Whether a known robot looks. A server says for whom it asks; one that doesn't is taken at its word."""
    if is_secret(request):
        agent = request.headers.get("X-Buyer-User-Agent")
        return agent is not None and is_bot(agent)
    return is_bot(request.headers.get("User-Agent", ""))
