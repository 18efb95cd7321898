"""Signed words on what a visitor was shown: the storefront hands them out, events bring them back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.core.signing import BadSignature, Signer

LONGEST = 300
_SALT = "products.exposure"


@dataclass(frozen=True)
class Token:
    """Which arm of which experiment a visitor was shown on a product, and when (UTC, whole seconds)."""

    store_id: int
    experiment_id: int
    arm_id: int
    visitor: UUID
    product_id: int
    at: datetime


def sign(token: Token) -> str:
    """About 110 characters of ASCII, HMAC-SHA256 with a key that follows from SECRET_KEY."""
    parts = (token.store_id, token.experiment_id, token.arm_id, token.product_id, int(token.at.timestamp()))
    return Signer(salt=_SALT).sign(f"{'.'.join(map(str, parts))}.{token.visitor.hex}")


def read(text: str) -> Token | None:
    """What a token says; None when it isn't ours or was changed."""
    if not 0 < len(text) <= LONGEST or not text.isascii():
        return None
    try:
        store, experiment, arm, product, at, visitor = Signer(salt=_SALT).unsign(text).split(".")
        return Token(
            int(store), int(experiment), int(arm), UUID(hex=visitor), int(product), datetime.fromtimestamp(int(at), UTC)
        )
    except (BadSignature, ValueError, OverflowError, OSError):
        return None
