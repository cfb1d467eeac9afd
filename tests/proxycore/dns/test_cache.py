"""The cache, its time moved by hand."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from proxycore.dns.answer import Answer
from proxycore.dns.cache import MAX_ENTRIES, MAX_TTL_S, Cache, Kept
from proxycore.dns.codec import AAAA, A

KEY = ("site.org", A)
FOUND = Answer((IPv4Address("10.0.0.1"),), 60)


def test_an_answer_holds_for_its_time_which_runs_down() -> None:
    cache = Cache()
    cache.put(KEY, FOUND, 1000.0)
    assert cache.get(KEY, 1000.0) == Kept(FOUND, False)
    assert cache.get(KEY, 1059.5) == Kept(FOUND._replace(ttl_s=1), False)
    assert cache.get(KEY, 1060.0) is None
    assert len(cache) == 0


def test_each_type_is_remembered_by_itself() -> None:
    cache = Cache()
    cache.put(KEY, FOUND, 0.0)
    assert cache.get(("site.org", AAAA), 0.0) is None


def test_that_there_is_nothing_is_remembered() -> None:
    cache = Cache()
    cache.put(KEY, Answer((), 30, 3), 0.0)
    assert cache.get(KEY, 29.0) == Kept(Answer((), 1, 3), False)


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(0, 1), (2**31 - 1, MAX_TTL_S)])
def test_the_time_has_bounds(ttl_s: int, kept_s: int) -> None:
    cache = Cache()
    assert cache.put(KEY, FOUND._replace(ttl_s=ttl_s), 0.0).ttl_s == kept_s
    assert cache.get(KEY, kept_s - 0.1) is not None
    assert cache.get(KEY, kept_s) is None


def test_a_stale_answer_is_given_if_asked_for() -> None:
    forever, for_a_while = Cache(0), Cache(100)
    for cache in (forever, for_a_while):
        cache.put(KEY, FOUND, 0.0)
        assert cache.get(KEY, 159.0) == Kept(FOUND._replace(ttl_s=0), True)
    assert forever.get(KEY, 1e9) == Kept(FOUND._replace(ttl_s=0), True)
    assert for_a_while.get(KEY, 160.0) is None


def test_the_first_that_was_put_in_makes_room() -> None:
    cache = Cache()
    for number in range(MAX_ENTRIES):
        cache.put((f"{number}.org", A), FOUND, 0.0)
    cache.put(("0.org", A), FOUND, 1.0)         # is the newest now
    cache.put(KEY, FOUND, 2.0)
    assert len(cache) == MAX_ENTRIES
    assert cache.get(("1.org", A), 2.0) is None
    assert cache.get(("0.org", A), 2.0) is not None
