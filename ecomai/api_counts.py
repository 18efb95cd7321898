"""How often someone asked in a window of time: counted by each process for itself, settled through Redis."""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import redis
from django.conf import settings
from redis.commands.core import Script

OWN_SHARE = 0.01  # of a limit, that a process counts before it tells the others
MOST = 20_000  # windows that a process keeps in mind

# ARGV: seconds after which each ends, then what to add to each (1 where nothing is said).
_COUNT = """
local counts = {}
for i, name in ipairs(KEYS) do
  local new = tonumber(ARGV[#KEYS + i] or 1)
  counts[i] = redis.call('INCRBY', name, new)
  if counts[i] == new then redis.call('EXPIRE', name, ARGV[i]) end
end
return counts
"""


@functools.cache
def _count() -> Script:
    """Adds to each of the counters `keys`, which end `args` seconds after their first; returns where they stand."""
    location = settings.CACHES["default"]["LOCATION"]
    return redis.Redis.from_url(location, socket_timeout=1, socket_connect_timeout=1).register_script(_COUNT)


@dataclass(frozen=True)
class Window:
    """Requests of one caller from a moment to the next; `end` and `seconds` tell when and how long."""

    name: str
    limit: int
    end: float
    seconds: int


class _Kept:
    __slots__ = ("end", "new", "told")

    def __init__(self, end: float):
        self.end = end
        self.told = 0  # how many all processes had told at the last look, and this one since
        self.new = 0  # how many came here that are not told yet


class Counts:
    """Counts of windows. A process settles when it has counted a hundredth of a limit, so with `n` processes a caller gets
    `n - 1` hundredths too many at the most; a limit below 100 is settled at each request, and kept to the dot.

    The round trip that this saves was a tenth of what a product's answer takes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def add(self, windows: Sequence[Window], now: float) -> list[int]:
        """One more in each; returns where they stand. Raises redis.RedisError, and then tells what it counted next time."""
        with self._lock:
            kept = [self._find(window, now) for window in windows]
            due = []
            for window, one in zip(windows, kept, strict=True):
                one.new += 1
                if one.new > window.limit * OWN_SHARE:
                    due.append((window, one, one.new))
                    one.told, one.new = one.told + one.new, 0
        if due:
            self._settle(due)
        return [one.told + one.new for one in kept]

    def _settle(self, due: list[tuple[Window, _Kept, int]]) -> None:
        try:
            counts = _count()(
                keys=[window.name for window, *_ in due],
                args=[*(window.seconds + 1 for window, *_ in due), *(new for *_, new in due)],
            )
        except redis.RedisError:
            with self._lock:
                for _window, one, new in due:
                    one.told, one.new = one.told - new, one.new + new
            raise
        with self._lock:
            for (_window, one, _new), count in zip(due, counts, strict=True):
                one.told = max(one.told, count)

    def _find(self, window: Window, now: float) -> _Kept:
        found = self._kept.get(window.name)
        if found is None:
            if len(self._kept) >= MOST:
                self._kept = {name: one for name, one in self._kept.items() if one.end > now}
            if len(self._kept) >= MOST:
                self._kept = {}  # what is forgotten here is still with Redis
            found = self._kept[window.name] = _Kept(window.end)
        return found
