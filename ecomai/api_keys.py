"""Make, find and revoke API keys. A key is shown once; only its SHA-256 is kept (it is 256 random bits).

A process keeps the keys that it found, and their stores, for KEEP seconds: every request of the API asks.
"""

import hashlib
import secrets
import time
from datetime import timedelta
from functools import cache

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from ecomai.models import ApiKey, Store, User

KEEP = 5.0  # seconds that a revoked key or a change of its store's settings may take to be seen
MOST = 10_000  # keys that a process keeps
PREFIX = {ApiKey.Kind.PUBLISHABLE: "pk_", ApiKey.Kind.SECRET: "sk_"}


def digest(secret: str) -> str:
    """SHA-256 of a high-entropy secret, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    *, store: Store, kind: str, name: str, origins: list[str] | None = None, by: User | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which can't be shown again."""
    secret = PREFIX[ApiKey.Kind(kind)] + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        store=store, kind=kind, name=name, prefix=secret[:10], key_hash=digest(secret), origins=origins or [],
        created_by=by,
    )  # fmt: skip
    return key, secret


@cache
def _find_sql() -> str:
    return ApiKey.objects.select_related("store").filter(key_hash="", revoked_at=None).query.sql_with_params()[0]


_kept: dict[str, tuple[float, ApiKey]] = {}  # digest → until when, the key; what nobody has is not kept


def find(secret: str) -> ApiKey | None:
    """The live key of that secret with its store, at most KEEP seconds old: to read, not to change."""
    name = digest(secret)
    kept = _kept.get(name)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    until = time.monotonic() + KEEP
    key = _look(name)
    if key is None:
        _kept.pop(name, None)
        return None
    if len(_kept) >= MOST:
        _kept.clear()
    _kept[name] = (until, key)
    return key


def _look(name: str) -> ApiKey | None:
    """The row, as the ORM would read it; notes its use at most once a minute."""
    found = connection.rows(_find_sql(), [name])
    if not found:
        return None
    row = found[0]
    own, of_store = ([f.attname for f in model._meta.concrete_fields] for model in (ApiKey, Store))
    key = ApiKey.from_db("default", own, row[: len(own)])
    key.store = Store.from_db("default", of_store, row[len(own) :])
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
        ApiKey.objects.filter(pk=key.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1))
        ).update(last_used_at=now)
    return key


def forget() -> None:
    """Look at every key again at its next use."""
    _kept.clear()


def revoke(key: ApiKey) -> None:
    """Stop the key for good: here at once, in other processes within KEEP seconds."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    forget()
