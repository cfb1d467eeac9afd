"""Which local address a request's sockets come from."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from proxycore.destination import Destination, HostPort, Request
from proxycore.protocols.base import Outbound
from proxycore.send_through import LocalAddress, SendingThrough, read_send_through
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream


class Opens(Outbound):
    """Asks for the address as a dialler does."""

    tag = "out"

    def __init__(self, address: LocalAddress) -> None:
        self.address = address
        self.picked: list[str] = []

    def open(self, request: Request, stream: Stream) -> None:
        self.picked.append(self.address.pick())
        if request.destination.port == 1:
            raise RuntimeError

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        self.picked.append(self.address.pick())


def request_of(source: HostPort | None, local: HostPort | None, port: int = 80) -> Request:
    return Request(Destination("tcp", "a.test", port), "in", source, local)


@pytest.mark.parametrize(("text", "read"), [
    ("", ""), ("0.0.0.0", ""), (" :: ", ""), ("192.0.2.1", "192.0.2.1"), ("2001:DB8::0", "2001:db8::"), ("Origin", "origin"),
    ("SRCIP", "srcip"), ("192.0.2.77/24", "192.0.2.0/24"), ("2001:db8::5/64", "2001:db8::/64")])
def test_it_is_read(text: str, read: str) -> None:
    assert read_send_through(text) == read


@pytest.mark.parametrize("text", ["origins", "a.test", "192.0.2.1/33", "/24", "192.0.2.0-192.0.2.9", "192.0.2.1:80"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='"origin" or "srcip" is expected'):
        read_send_through(text)


def test_a_fixed_one_is_always_the_same() -> None:
    address = LocalAddress("192.0.2.1")
    assert (address.fixed, address.pick()) == ("192.0.2.1", "192.0.2.1")


@pytest.mark.parametrize("text", ["192.0.2.8/30", "2001:db8::/64", "192.0.2.1/32"])
def test_of_a_range_any_is_picked(text: str) -> None:
    address = LocalAddress(text)
    picked = {address.pick() for _ in range(200)}
    assert all(ip_address(one) in ip_network(text) for one in picked)
    assert len(picked) >= min(ip_network(text).num_addresses, 4)


@pytest.mark.parametrize(("source", "local", "origin", "srcip"), [
    (("198.51.100.7", 1), ("192.0.2.1", 80), "192.0.2.1", "198.51.100.7"),
    (("::ffff:198.51.100.7", 1), ("::ffff:192.0.2.1", 80), "192.0.2.1", "198.51.100.7"),
    (("2001:db8::7", 1), ("0.0.0.0", 80), "", "2001:db8::7"),
    (("@", 0), ("/run/door.sock", 0), "", ""),
    (None, None, "", ""),
])
def test_those_of_a_request(source: HostPort | None, local: HostPort | None, origin: str, srcip: str) -> None:
    """Where it has none that a socket could come from, the system chooses."""
    for text, expected in (("origin", origin), ("srcip", srcip)):
        address = LocalAddress(text)
        assert address.of_request
        inner = Opens(address)
        outbound = SendingThrough(inner, address)
        outbound.open(request_of(source, local), NULL_STREAM)
        outbound.open_packets(request_of(source, local), NULL_PACKETS)
        assert inner.picked == [expected, expected]
        assert address.pick() == ""


def test_a_request_is_forgotten_if_its_outbound_fails() -> None:
    address = LocalAddress("srcip")
    with pytest.raises(RuntimeError):
        SendingThrough(Opens(address), address).open(request_of(("198.51.100.7", 1), None, port=1), NULL_STREAM)
    assert address.pick() == ""
