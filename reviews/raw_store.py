"""Unmasked texts at rest: encrypted with keys derived from SECRET_KEY, or from REVIEW_KEYS where set (newest first).

The first key seals; every key, and those of SECRET_KEY and SECRET_KEY_FALLBACKS, opens: keys can be rotated.
"""

import base64
import zlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unsealable(ValueError):
    """Bytes that no key of this installation opens."""


def _fernet(secret: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"ecomai.reviews.raw").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


@lru_cache(maxsize=4)
def _keyring(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_fernet(secret) for secret in secrets])


def _keys() -> MultiFernet:
    own = settings.REVIEW_KEYS
    return _keyring(tuple(dict.fromkeys([*own, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])))


def seal(text: str) -> bytes:
    """The text compressed and encrypted (Fernet: AES-128-CBC with HMAC-SHA256); never twice the same bytes."""
    return _keys().encrypt(zlib.compress(text.encode()))


def unseal(sealed: bytes) -> str:
    """The text. Raises Unsealable for damaged bytes and unknown keys."""
    try:
        return zlib.decompress(_keys().decrypt(bytes(sealed))).decode()
    except (InvalidToken, zlib.error, UnicodeDecodeError) as error:
        raise Unsealable("no key of this installation opens it") from error
