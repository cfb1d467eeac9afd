"""What waits is bounded: of a flow, and of all flows together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxycore.destination import Destination
from proxycore.net.datagram_queue import MAX_DATAGRAMS, PROCESS_BYTES, DatagramQueue

TARGET = Destination("udp", "a.example", 53)
LARGEST = bytes(65507)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def queue(stack: ExitStack) -> DatagramQueue:
    one = DatagramQueue()
    stack.callback(one.take)
    return one


def test_what_was_put_is_taken_in_order_once(stack: ExitStack) -> None:
    one = queue(stack)
    assert one.put(memoryview(b"a"), None)
    assert one.put(b"b", TARGET)
    assert (len(one), one.first, one.last) == (2, (b"a", None), (b"b", TARGET))
    assert one.take() == [(b"a", None), (b"b", TARGET)]
    assert one.take() == []


def test_a_flow_keeps_few(stack: ExitStack) -> None:
    one = queue(stack)
    assert [one.put(b"x", None) for _ in range(MAX_DATAGRAMS + 1)] == [True] * MAX_DATAGRAMS + [False]


def test_all_flows_together_keep_no_more_than_the_bound_and_what_was_taken_makes_room(stack: ExitStack) -> None:
    queues = [queue(stack) for _ in range(100)]
    kept = sum(one.put(LARGEST, None) for one in queues for _ in range(MAX_DATAGRAMS))
    assert PROCESS_BYTES * 0.9 < kept * len(LARGEST) <= PROCESS_BYTES
    assert not queue(stack).put(LARGEST, None)
    queues[0].take()
    assert queue(stack).put(LARGEST, None)
