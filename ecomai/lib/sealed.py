"""Bytes encrypted at rest with a key that follows from SECRET_KEY, one key a purpose; and keyed fingerprints."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


class CannotOpen(ValueError):
    """It was sealed with a key that isn't here any more, or it was changed."""


def _key(secret: str | bytes, purpose: str) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869), the purpose as info."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"ecomai:{purpose}".encode()).derive(force_bytes(secret))


def _fernet(purpose: str) -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_key(secret, purpose))) for secret in secrets])


def seal(data: bytes, purpose: str) -> bytes:
    """The data encrypted and authenticated (Fernet: AES-128-CBC with HMAC-SHA256)."""
    return _fernet(purpose).encrypt(data)


def unseal(data: bytes | memoryview, purpose: str) -> bytes:
    """Raises CannotOpen."""
    try:
        return _fernet(purpose).decrypt(bytes(data))
    except InvalidToken:
        raise CannotOpen(purpose) from None


def fingerprint(text: str, purpose: str) -> str:
    """HMAC-SHA256 in hex: the same text gives the same value, and nobody without the key can try texts out."""
    return hmac.new(_key(settings.SECRET_KEY, purpose), text.encode(), hashlib.sha256).hexdigest()
