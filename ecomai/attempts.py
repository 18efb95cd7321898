"""Slow down whoever guesses passwords. Wrong tries are counted in the shared cache, per caller and per account."""

import hashlib

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

WINDOW = 15 * 60  # seconds
PER_ACCOUNT = 10  # wrong tries from one caller at one account
PER_CALLER = 100  # wrong tries from one caller at any account
log = structlog.get_logger(__name__)


def _keys(caller: str, email: str) -> dict[str, int]:
    # Hashed: the cache needs no one's address.
    account = hashlib.sha256(f"{caller} {email.lower()}".encode()).hexdigest()
    return {f"attempts:{account}": PER_ACCOUNT, f"attempts:{hashlib.sha256(caller.encode()).hexdigest()}": PER_CALLER}


def blocked(caller: str, email: str) -> bool:
    """Whether this caller has guessed too often; never while the cache is down."""
    keys = _keys(caller, email)
    try:
        found = cache.get_many(keys)
    except RedisError:
        log.warning("attempts_not_counted")
        return False
    return any(found.get(key, 0) >= limit for key, limit in keys.items())


def failed(caller: str, email: str) -> None:
    """Count one wrong try."""
    try:
        for key in _keys(caller, email):
            if not cache.add(key, 1, WINDOW):
                cache.incr(key)
    except (RedisError, ValueError):  # ValueError: the count ran out between the two calls
        log.warning("attempts_not_counted")


def succeeded(caller: str, email: str) -> None:
    """The person knows the password: forget the account's wrong tries."""
    try:
        cache.delete(next(iter(_keys(caller, email))))
    except RedisError:
        log.warning("attempts_not_counted")
