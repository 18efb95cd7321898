"""Each Celery worker says every few seconds that it lives, also while a long task runs."""

import threading
import time

from celery.signals import worker_ready, worker_shutdown
from django.core.cache import cache

QUEUES = ("default", "live", "ml", "train")
EVERY = 5.0
ALIVE = 20
_stop = threading.Event()


def _key(queue: str) -> str:
    return f"heartbeat:{queue}"


def _beat(queues: list[str]) -> None:
    while not _stop.is_set():
        try:
            for queue in queues:
                cache.set(_key(queue), time.time(), ALIVE)
        except Exception:
            pass
        _stop.wait(EVERY)


@worker_ready.connect
def start(sender=None, **_kwargs) -> None:
    """Begin to beat for the queues that this worker consumes."""
    queues = [q for q in sender.app.amqp.queues.consume_from if q in QUEUES]
    _stop.clear()
    threading.Thread(target=_beat, args=(queues,), daemon=True, name="heartbeat").start()


@worker_shutdown.connect
def stop(**_kwargs) -> None:
    _stop.set()


def silent_queues() -> list[str]:
    """Queues that no worker has spoken for lately."""
    alive = cache.get_many([_key(q) for q in QUEUES])
    return [q for q in QUEUES if _key(q) not in alive]
