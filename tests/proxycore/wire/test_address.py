"""The port-first address codec of VMess, VLESS and Mux.cool."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination, IPAddress
from proxycore.errors import LimitError, PeerError
from proxycore.wire.address import TruncatedAddress, decode_port_address, encode_port_address

EXAMPLES = [
    pytest.param(IPv4Address("10.9.8.7"), 80, "0050010a090807", id="IPv4"),
    pytest.param("example.org", 80, "0050020b6578616d706c652e6f7267", id="domain"),
    pytest.param(IPv6Address("2001:db8::1"), 65535, "ffff0320010db8000000000000000000000001", id="IPv6"),
]


@pytest.mark.parametrize(("host", "port", "wire"), EXAMPLES)
def test_an_address_is_written_port_first_and_read_back(host: str | IPAddress, port: int, wire: str) -> None:
    assert encode_port_address(host, port).hex() == wire
    data = b"ab" + bytes.fromhex(wire) + b"rest"
    assert decode_port_address(data, 2, "udp") == (Destination("udp", host, port), len(data) - 4)
    assert decode_port_address(memoryview(bytearray(data)), 2, "tcp") == (Destination("tcp", host, port), len(data) - 4)


@pytest.mark.parametrize(("host", "port", "wire"), EXAMPLES)
def test_data_that_ends_within_the_address_is_told_apart(host: str | IPAddress, port: int, wire: str) -> None:
    data = bytes.fromhex(wire)
    for size in range(len(data)):
        with pytest.raises(TruncatedAddress):
            decode_port_address(data[:size], 0, "tcp")


@pytest.mark.parametrize(("text", "host"), [
    ("127.0.0.1", IPv4Address("127.0.0.1")),
    ("[::1]", IPv6Address("::1")),
    ("2001:db8::5", IPv6Address("2001:db8::5")),
    ("1.example", "1.example"),
    ("a_b-c.D", "a_b-c.D"),
])
def test_a_domain_that_is_the_text_of_an_ip_address_becomes_that_address(text: str, host: str | IPAddress) -> None:
    wire = encode_port_address(text, 1)
    assert decode_port_address(wire, 0, "tcp")[0].host == host


def test_a_v4_mapped_ipv6_address_becomes_ipv4() -> None:
    wire = bytes.fromhex("000103" "00000000000000000000ffff01020304")
    assert decode_port_address(wire, 0, "tcp")[0].host == IPv4Address("1.2.3.4")


@pytest.mark.parametrize("wire", [
    pytest.param("00500000", id="type 0"),
    pytest.param("0050040a090807", id="type 4"),
    pytest.param("0050ff0a090807", id="type 255"),
    pytest.param("00500200", id="empty domain"),
    pytest.param("00500203612f62", id="slash in a domain"),
    pytest.param("005002036120ff", id="not ASCII"),
    pytest.param("0050020966653a3a31256c6f30", id="colon in a domain"),
    pytest.param("00500205313a3a2531", id="scope id"),
])
def test_what_no_address_can_be_is_refused(wire: str) -> None:
    with pytest.raises(PeerError) as caught:
        decode_port_address(bytes.fromhex(wire), 0, "tcp")
    assert not isinstance(caught.value, TruncatedAddress)


def test_the_longest_domain_passes_and_a_longer_one_is_refused() -> None:
    wire = encode_port_address("a" * 255, 1)
    assert decode_port_address(wire, 0, "tcp") == (Destination("tcp", "a" * 255, 1), 259)
    with pytest.raises(LimitError) as caught:
        encode_port_address("a" * 256, 1)
    assert (caught.value.got, caught.value.limit) == (256, 255)
    with pytest.raises(PeerError, match="empty domain"):
        encode_port_address("", 1)


@given(st.binary(max_size=300))
def test_garbage_gives_a_destination_or_a_peer_error(data: bytes) -> None:
    try:
        destination, end = decode_port_address(data, 0, "tcp")
    except PeerError:
        return
    assert end <= len(data)
    again, _ = decode_port_address(encode_port_address(destination.host, destination.port), 0, "tcp")
    assert again == destination
