"""Noise before the first datagram, and redirected flows."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from proxycore.destination import Destination
from tests.proxycore.protocols.freedom.ways import Way

NOISES: list[dict[str, Any]] = [
    {"type": "str", "packet": "one", "delay": 10}, {"type": "hex", "packet": "0102", "applyTo": "ipv6"},
    {"type": "base64", "packet": "YWI=", "applyTo": "ipv4"},
]
OTHER = Destination("udp", ip_address("9.9.9.9"), 9)


def sent(way: Way) -> list[bytes]:
    return [data for data, _ in way.flow.packets]


@pytest.mark.parametrize(("to", "last"), [("8.8.8.8", b"ab"), ("2001:db8::1", b"\x01\x02")])
def test_noise_goes_before_the_first_datagram_and_is_for_its_family(to: str, last: bytes) -> None:
    way = Way(noises=NOISES)
    client = way.open_packets(to)
    assert sent(way) == []
    client.peer.write_packet(b"hello", None)
    client.peer.write_packet(b"more", OTHER)
    assert sent(way) == [b"one"]
    way.loop.advance(0.02)
    assert way.flow.packets == [(b"one", None), (last, None), (b"hello", None), (b"more", OTHER)]
    client.peer.write_packet(b"again", None)
    assert sent(way)[4:] == [b"again"]
    way.flow.peer.write_packet(b"answer", OTHER)
    assert client.packets == [(b"answer", OTHER)]


def test_it_goes_where_the_first_datagram_goes() -> None:
    way = Way(noises=[{"type": "rand", "packet": "10-20"}])
    client = way.open_packets("8.8.8.8")
    client.peer.write_packet(b"hello", OTHER)
    [(noise, to), hello] = way.flow.packets
    assert 10 <= len(noise) <= 20
    assert to == OTHER
    assert hello == (b"hello", OTHER)


def test_no_more_than_so_many_datagrams_wait() -> None:
    way = Way(noises=[{"type": "str", "packet": "a", "delay": 10}])
    client = way.open_packets("8.8.8.8")
    for _ in range(100):
        client.peer.write_packet(b"b", None)
    way.loop.advance(1)
    assert sent(way) == [b"a"] + [b"b"] * 32


@pytest.mark.parametrize("end", ["client", "far end"])
def test_an_end_stops_the_noise(end: str) -> None:
    way = Way(noises=[{"type": "str", "packet": "a", "delay": 10}] * 2)
    client = way.open_packets("8.8.8.8")
    client.peer.write_packet(b"b", None)
    if end == "client":
        client.peer.close()
        assert way.flow.closed
    else:
        way.flow.peer.close()
        assert client.closed
    way.loop.advance(1)
    assert sent(way) == [b"a"]


async def test_the_family_of_a_name_is_looked_up() -> None:
    way = Way(noises=NOISES[1:])
    client = way.open_packets("outside.example")
    client.peer.write_packet(b"hello", None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert sent(way) == [b"ab", b"hello"]


async def test_a_name_that_is_not_found_gets_no_noise() -> None:
    way = Way(noises=NOISES)
    client = way.open_packets("none.example")
    client.peer.write_packet(b"hello", None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert sent(way) == [b"hello"]


def test_a_redirect_to_dns_gets_no_noise_and_another_one_does() -> None:
    for redirect, packets in ((":53", [b"hello"]), (":5353", [b"a", b"hello"])):
        way = Way(noises=[{"type": "str", "packet": "a"}], redirect=redirect)
        client = way.open_packets("8.8.8.8")
        client.peer.write_packet(b"hello", OTHER)
        assert sent(way) == packets
        assert {address for _, address in way.flow.packets} == {None}
        way.flow.peer.write_packet(b"answer", None)
        assert client.packets == [(b"answer", None)]
