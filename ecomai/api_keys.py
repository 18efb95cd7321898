"""Make, find and revoke API keys. A key is shown once; only its SHA-256 is kept (it is 256 random bits)."""

import hashlib
import secrets
from datetime import timedelta
from functools import cache

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from ecomai.models import ApiKey, Store, User

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


def find(secret: str) -> ApiKey | None:
    """The live key of that secret; notes its use at most once a minute.

    Every request of the API asks: the statement is put together once, the rows are read as the ORM would.
    """
    with connection.cursor() as cursor:
        cursor.execute(_find_sql(), [digest(secret)])
        row = cursor.fetchone()
    if row is None:
        return None
    own, of_store = ([f.attname for f in model._meta.concrete_fields] for model in (ApiKey, Store))
    key = ApiKey.from_db("default", own, row[: len(own)])
    key.store = Store.from_db("default", of_store, row[len(own) :])
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
        ApiKey.objects.filter(pk=key.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1))
        ).update(last_used_at=now)
    return key


def revoke(key: ApiKey) -> None:
    """Stop the key for good."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
