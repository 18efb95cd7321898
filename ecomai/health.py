"""Whether everything that EcomAI needs is there."""

from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from ecomai import heartbeat
from ml.readiness import models_ready


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what is wrong (nothing secret)."""

    name: str
    ok: bool
    detail: str = ""


def _database() -> list[Check]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Error as error:
        connection.close()
        return [Check("database", False, type(error).__name__), Check("migrations", False, "unknown")]
    return [Check("database", True), Check("migrations", not pending, f"{pending} pending" if pending else "")]


def _broker() -> list[Check]:
    try:
        redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=2, socket_connect_timeout=2).ping()
        silent = heartbeat.silent_queues()
    except redis.RedisError as error:
        return [Check("broker", False, type(error).__name__), Check("workers", False, "unknown")]
    return [Check("broker", True), Check("workers", not silent, f"silent: {', '.join(silent)}" if silent else "")]


def _models() -> list[Check]:
    try:
        ok, detail = models_ready()
    except Error:
        connection.close()
        return [Check("models", False, "unknown")]
    return [Check("models", ok, "" if ok else detail)]


def checks() -> list[Check]:
    """All checks; none raises."""
    return [*_database(), *_broker(), *_models()]
