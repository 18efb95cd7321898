"""Django's Postgres backend, with less for each request to do: a health check without a round trip, prepared statements."""

import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Cursor
from psycopg.pq import TransactionStatus

PLANS_KEPT = 5.0  # seconds


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Asks a kept connection for a `SELECT 1` only where its socket has something to read.

        On an idle connection that is the server's good-bye (restart, kill) or a notice; silence means that all is well.
        """
        kept = self.connection
        if kept is not None and not kept.closed and kept.info.transaction_status == TransactionStatus.IDLE:
            poll = select.poll()
            poll.register(kept.fileno(), select.POLLIN)
            if not poll.poll(0):
                return True
        return super().is_usable()

    def rows(self, sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple]:
        """What a statement returns that many requests run: prepared, its plan kept for some seconds (Django's own are not).

        The values go beside it; where the server can't tell a parameter's type, it needs a cast. A plan made while a table
        is as good as empty reads all of it, and would still do so when shoppers have filled it.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors, self._prepare_cursor(Cursor(self.connection)) as cursor:
            # Told by the connection itself: a pool hands it from thread to thread.
            if (now := time.monotonic()) >= getattr(self.connection, "plans_until", 0.0):
                self.connection.execute("DISCARD PLANS", prepare=False)
                self.connection.plans_until = now + PLANS_KEPT
            cursor.execute(sql, values)
            return cursor.fetchall()
