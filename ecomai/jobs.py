"""Run long work so that it can be watched, cancelled, killed at any line and run again.

A job is claimed with a lease; a thread renews the lease while the work runs. When a worker dies the lease goes
stale, and `stale()` tells the beat task which jobs to send again. A worker that lost its lease stops.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from ecomai.models import Job, Store, User

LEASE = timedelta(seconds=20)
RENEW_EVERY = 4.0
# COPY speaks to the driver itself, so its errors come as the driver's own.
DATABASE_LOST = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
log = structlog.get_logger(__name__)


class Cancelled(Exception):
    """A person cancelled the job."""


class LeaseLost(Exception):
    """Another worker holds the job now."""


def create(
    *,
    store: Store | None,
    kind: str,
    title: str,
    task: str,
    queue: str = "default",
    total: int = 0,
    unit: str = "",
    url: str = "",
    created_by: User | None = None,
) -> Job:
    """Write the job's row (`store` is None for work on the house models); the door that calls this sends the task on
    commit (`ecomai.tasks.send`)."""
    return Job.objects.create(
        store=store, kind=kind, title=title[:200], task=task, queue=queue, total=total, unit=unit, url=url,
        created_by=created_by,
    )  # fmt: skip


def stale() -> list[Job]:
    """Open jobs that nobody works on: their worker died, or their message was lost."""
    limit = timezone.now() - LEASE
    return list(
        Job.objects.open().filter(
            Q(status=Job.Status.RUNNING, heartbeat_at__lt=limit)
            | Q(status=Job.Status.QUEUED, created_at__lt=limit, heartbeat_at=None)
            | Q(status=Job.Status.QUEUED, heartbeat_at__lt=limit)
        )
    )


def claim(job_id: int) -> Job | None:
    """Take the job for this worker, or None when it is done, gone or in other hands."""
    now = timezone.now()
    lease = uuid.uuid4()
    taken = (
        Job.objects.filter(pk=job_id)
        .filter(Q(status=Job.Status.QUEUED) | Q(status=Job.Status.RUNNING, heartbeat_at__lt=now - LEASE))
        .update(status=Job.Status.RUNNING, lease=lease, heartbeat_at=now, attempts=F("attempts") + 1)
    )
    if not taken:
        return None
    Job.objects.filter(pk=job_id, started_at=None).update(started_at=now)
    return Job.objects.select_related("store").get(pk=job_id)


def cancel(job: Job) -> bool:
    """Ask a running job to stop; a waiting one is stopped at once. False when it has ended already."""
    now = timezone.now()
    if Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(
        status=Job.Status.CANCELLED, cancel_requested=True, finished_at=now
    ):
        return True
    return bool(Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING).update(cancel_requested=True))


class Run:
    """One worker's hold on one job."""

    def __init__(self, job: Job):
        self.job = job
        self._lost = self._cancel = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name=f"job-{job.pk}")

    def _mine(self):
        return Job.objects.filter(pk=self.job.pk, lease=self.job.lease, status=Job.Status.RUNNING)

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            try:
                self._beat()
            except DATABASE_LOST:
                connection.close()  # the database restarts: the next round tries again
        connection.close()

    def _beat(self, **fields) -> None:
        if not self._mine().update(heartbeat_at=timezone.now(), **fields):
            self._lost = True
        elif self._mine().filter(cancel_requested=True).exists():
            self._cancel = True

    def advance(self, done: int, *, total: int | None = None, message: str | None = None) -> None:
        """Write the progress and stop here if the job was cancelled or taken over.

        Raises: Cancelled, LeaseLost.
        """
        fields: dict = {"done": done}
        if total is not None:
            fields["total"] = total
        if message is not None:
            fields["message"] = message
        self._beat(**fields)
        self.check()

    def check(self) -> None:
        """Raises Cancelled or LeaseLost; costs no query (the renewing thread looks)."""
        if self._lost:
            raise LeaseLost(self.job.pk)
        if self._cancel:
            raise Cancelled(self.job.pk)

    @property
    def cancelled(self) -> bool:
        """True once the work should stop; for callees that take a callable."""
        return self._lost or self._cancel

    def finish(self, status: str, message: str | None = None) -> None:
        fields = {} if message is None else {"message": message}
        self._mine().update(status=status, finished_at=timezone.now(), heartbeat_at=timezone.now(), **fields)


@contextmanager
def running(job_id: int) -> Iterator[Run | None]:
    """Claim the job and hold it while the body runs; yields None when there is nothing to do.

    The body's end marks it done, `Cancelled` cancelled, a lost database connection leaves it for the next worker,
    any other exception marks it failed and goes on to the log.
    """
    job = claim(job_id)
    if job is None:
        yield None
        return
    run = Run(job)
    run._thread.start()
    try:
        yield run
        run.finish(Job.Status.DONE)
    except Cancelled:
        run.finish(Job.Status.CANCELLED, _("Cancelled."))
    except LeaseLost:
        log.warning("job_lease_lost", job=job.pk)
    except DATABASE_LOST:
        log.warning("job_database_lost", job=job.pk)
        connection.close()
    except Exception as error:
        run.finish(Job.Status.FAILED, str(error)[:2000] or type(error).__name__)
        raise
    finally:
        run._stop.set()
        run._thread.join(timeout=10)
