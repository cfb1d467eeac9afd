"""Sources that are refused for some time."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from proxycore.blocks import MAX_BLOCKED, Blocks
from proxycore.destination import Destination, HostPort, Request
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.stream import Stream
from tests.support.streams import RecordingStream

LOCAL: HostPort = ("192.0.2.1", 443)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wheel() -> Wheel:
    return Wheel()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def news(wheel: Wheel) -> News:
    return News(wheel)


@pytest.fixture
def blocks(wheel: Wheel, news: News, clock: Clock) -> Blocks:
    return Blocks(wheel, news, clock)


def request(source: str) -> Request:
    return Request(Destination("tcp", ip_address("192.0.2.9"), 80), "in", source=(source, 5))


@pytest.mark.parametrize(("given", "compared"), [
    ("198.51.100.7", "198.51.100.7"), (" ::ffff:198.51.100.7 ", "198.51.100.7"), ("[2001:DB8::1]", "2001:db8::1"),
])  # fmt: skip
def test_an_address_is_compared_as_sources_are_written(given: str, compared: str, blocks: Blocks, news: News) -> None:
    assert blocks.block(given, 60) == compared
    assert blocks.refuses(request(compared))
    assert not blocks.refuses(request("198.51.100.8"))
    assert news.refusals == {"blocked": 1}
    blocks.unblock(given)
    assert not blocks.refuses(request(compared))


def test_a_block_is_over_when_its_time_is(blocks: Blocks, wheel: Wheel, clock: Clock) -> None:
    blocks.block("198.51.100.7", 2)
    blocks.block("198.51.100.8", 600)
    assert blocks.until == {"198.51.100.7": 1002.0, "198.51.100.8": 1600.0}
    clock.now = 1002.5
    wheel.turn()
    assert set(blocks.until) == {"198.51.100.8"}
    clock.now = 1601.0
    wheel.turn()
    assert blocks.until == {}
    blocks.block("198.51.100.9", 1)
    clock.now = 1603.0
    wheel.turn()
    assert blocks.until == {}, "it is looked at again"


@pytest.mark.parametrize("source", ["", "example.org", "198.51.100.0/24", "198.51.100.7:80"])
def test_what_is_no_address_is_not_blocked(source: str, blocks: Blocks) -> None:
    with pytest.raises(ValueError, match=r".*"):
        blocks.block(source, 60)
    assert blocks.until == {}


def test_so_many_are_blocked_and_no_more(blocks: Blocks) -> None:
    for number in range(MAX_BLOCKED):
        blocks.block(f"2001:db8::{number:x}", 60)
    with pytest.raises(ValueError, match="10000 sources"):
        blocks.block("198.51.100.7", 60)
    blocks.block("2001:db8::1", 900)
    assert len(blocks.until) == MAX_BLOCKED


def test_a_guard_lets_others_in(blocks: Blocks, news: News) -> None:
    accepted: list[tuple[Stream, HostPort]] = []
    guard = blocks.guard("in", lambda stream, source, local: accepted.append((stream, source)))
    blocks.block("198.51.100.7", 60)
    blocked, other = RecordingStream(), RecordingStream()
    guard(blocked, ("198.51.100.7", 1), LOCAL)
    guard(other, ("198.51.100.8", 1), LOCAL)
    assert accepted == [(other, ("198.51.100.8", 1))]
    assert news.refusals == {"blocked": 1}
    assert blocked.ended
    assert not other.ended
