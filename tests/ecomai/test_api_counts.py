"""Counts of requests that processes share: none too few for long, small limits exact."""

from uuid import uuid4

import pytest
import redis

from ecomai import api_counts
from ecomai.api_counts import Counts, Window


def window(limit: int, end: float = 60.0) -> Window:
    return Window(f"test:{uuid4()}", limit, end, 60)


def told(one: Window) -> int:
    """What stands in Redis."""
    return int(api_counts._count().registered_client.get(one.name) or 0)


def test_a_small_limit_is_counted_exactly_across_processes():
    one, mine, other = window(99), Counts(), Counts()
    assert [counts.add([one], 0)[0] for counts in (mine, other, mine, mine, other)] == [1, 2, 3, 4, 5]
    assert told(one) == 5


def test_two_processes_let_no_more_than_a_hundredth_through_above_the_limit():
    one, processes = window(1000), (Counts(), Counts())
    passed = sum(counts.add([one], 0)[0] <= 1000 for _ in range(800) for counts in processes)
    assert 1000 <= passed <= 1010
    alone, counts = window(1000), Counts()
    assert sum(counts.add([alone], 0)[0] <= 1000 for _ in range(1600)) == 1000


def test_one_round_trip_settles_a_hundredth(monkeypatch):
    one, many, counts, trips = window(1000), window(10**6), Counts(), []
    count = api_counts._count()
    with monkeypatch.context() as patched:
        patched.setattr(api_counts, "_count", lambda: lambda **given: trips.append(given) or count(**given))
        assert [counts.add([one, many], 0) for _ in range(33)] == [[n, n] for n in range(1, 34)]
    assert [given["args"] for given in trips] == [[61, 11]] * 3 and (told(one), told(many)) == (33, 0)
    assert 0 < count.registered_client.ttl(one.name) <= 61


def test_what_could_not_be_told_is_told_later(monkeypatch):
    one, counts = window(10), Counts()

    def fails(**_given):
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(api_counts, "_count", lambda: fails)
        for _ in range(3):
            with pytest.raises(redis.RedisError):
                counts.add([one], 0)
    assert counts.add([one], 0) == [4] and told(one) == 4


def test_windows_that_ended_are_forgotten_first(monkeypatch):
    monkeypatch.setattr(api_counts, "MOST", 2)
    counts, over, lasting, new = Counts(), window(1000, end=10), window(1000, end=60), window(1000, end=60)
    assert [counts.add([one], 5) for one in (over, lasting, lasting)] == [[1], [1], [2]]
    assert counts.add([new], 20) == [1] and counts.add([lasting], 20) == [3]
    assert counts.add([over], 20) == [1]  # no room: all are forgotten
    assert counts.add([lasting], 20) == [1]
