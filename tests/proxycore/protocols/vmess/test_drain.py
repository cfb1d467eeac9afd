"""How much is read from who failed."""

from __future__ import annotations

import os

from proxycore.protocols.vmess.drain import MAX_BYTES, MIN_BYTES, DrainPolicy

ALICE, BOB = b"A" * 16, b"B" * 16


def test_the_threshold_is_the_same_each_time_and_in_any_order() -> None:
    policy, again, other = DrainPolicy([ALICE, BOB]), DrainPolicy([BOB, ALICE]), DrainPolicy([ALICE])
    assert (policy.base_bytes, policy.roll_range) == (again.base_bytes, again.roll_range)
    assert (policy.base_bytes, policy.roll_range) != (other.base_bytes, other.roll_range)


def test_the_total_stays_in_the_stated_range() -> None:
    assert (MIN_BYTES, MAX_BYTES) == (54, 3382)
    totals = set()
    for _ in range(300):
        policy = DrainPolicy([os.urandom(16)])
        for roll in (0, 63, 2**32 - 1):
            total = policy.total_bytes(roll)
            assert MIN_BYTES <= policy.base_bytes <= total < policy.base_bytes + policy.roll_range <= MAX_BYTES + 1
            totals.add(total)
    assert len(totals) > 250


def test_without_users_there_is_a_threshold_too() -> None:
    assert MIN_BYTES <= DrainPolicy([]).total_bytes(5) <= MAX_BYTES
