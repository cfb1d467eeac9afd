"""The PROXY protocol's header: vectors of both versions, cut anywhere, refused where it is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import HostPort, unmapped
from proxycore.errors import LimitError, PeerError
from proxycore.net.wheel import Wheel
from proxycore.transport.proxy_protocol import ProxyProtocolServer
from proxycore.transport.proxy_protocol_codec import Proxied, ProxyHeaderReader, encode_header
from tests.proxycore.transport.joined import SOURCE, accepted, wheel_of

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 8]) + b"\x10\x00\x01\xbb"
V2_WITH_TLV = SIGNATURE + b"\x21\x11\x00\x10" + bytes([192, 0, 2, 7, 192, 0, 2, 8]) + b"\x10\x00\x01\xbb" + b"\x04\x00\x01z"
V2_LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
V6 = SIGNATURE + b"\x21\x21\x00\x24" + bytes(15) + b"\x01" + bytes(15) + b"\x02" + b"\x00\x01\x00\x02"
ADDRESSES = Proxied(("192.0.2.7", 4096), ("192.0.2.8", 443))
VECTORS = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.8 4096 443\r\n", ADDRESSES),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", Proxied(("2001:db8::1", 1), ("2001:db8::2", 65535))),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Proxied(None, None)),
    (V2, ADDRESSES),
    (V2_WITH_TLV, ADDRESSES),
    (V2_LOCAL, Proxied(None, None)),
    (V6, Proxied(("::1", 1), ("::2", 2))),
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c000:208 4096 443\r\n", ADDRESSES),
    (encode_header(2, ("192.0.2.7", 1), ("::2", 2)), Proxied(("192.0.2.7", 1), ("::2", 2))),
]


@pytest.mark.parametrize(("header", "expected"), VECTORS)
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_a_header_is_read_however_it_is_cut(header: bytes, expected: Proxied, step: int) -> None:
    reader = ProxyHeaderReader()
    found = [reader.feed(header[start:start + step]) for start in range(0, len(header), step)]
    assert found[-1] == expected
    assert set(found[:-1]) <= {None}


@pytest.mark.parametrize(("header", "expected"), VECTORS)
def test_what_follows_in_the_same_read_is_kept(header: bytes, expected: Proxied) -> None:
    reader = ProxyHeaderReader()
    assert reader.feed(header + b"GET /") == expected
    assert reader.rest == b"GET /"


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY TCP4 300.0.0.1 192.0.2.8 1 2\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.8 1 70000\r\n",
    b"PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n", b"PROXY \r\n", SIGNATURE + b"\x31\x11\x00\x0c", SIGNATURE + b"\x21\x11\x00\x02ab",
])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        ProxyHeaderReader().feed(data)


@pytest.mark.parametrize("data", [b"PROXY " + b"x" * 101, SIGNATURE + b"\x21\x11\xff\xff"])
def test_a_header_that_is_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(LimitError):
        ProxyHeaderReader().feed(data)


@pytest.mark.fuzz
@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE]))
def test_any_bytes_make_addresses_or_a_peer_error(data: bytes, start: bytes) -> None:
    try:
        found = ProxyHeaderReader().feed(start + data)
    except PeerError:
        return
    assert found is None or isinstance(found, Proxied)


def test_the_source_of_the_header_counts_and_the_rest_passes() -> None:
    wire, served, _ = accepted(ProxyProtocolServer(Wheel()))
    wire.client.write(V2 + b"hello")
    wire.pump()
    assert served.source == ("192.0.2.7", 4096)
    assert bytes(served.far.data) == b"hello"


def test_a_header_without_addresses_leaves_those_of_the_connection() -> None:
    wire, served, _ = accepted(ProxyProtocolServer(Wheel()))
    wire.client.write(V2_LOCAL)
    wire.pump()
    assert served.source == SOURCE


def test_a_connection_without_the_header_ends_at_once_and_a_silent_one_after_ten_seconds() -> None:
    wheel = Wheel()
    wire, served, _ = accepted(ProxyProtocolServer(wheel))
    wire.client.write(b"GET / HTTP/1.1\r\n\r\n")
    wire.pump()
    assert wire.server.is_closed
    wire, served, _ = accepted(ProxyProtocolServer(wheel))
    wheel_of(9, wheel)
    assert not wire.server.is_closed
    wheel_of(2, wheel)
    assert wire.server.is_closed
    assert served.upper is None


@pytest.mark.parametrize(("version", "source", "local", "header"), [
    (1, ("192.0.2.7", 4096), ("192.0.2.8", 443), b"PROXY TCP4 192.0.2.7 192.0.2.8 4096 443\r\n"),
    (1, ("2001:db8::1", 1), ("2001:db8::2", 65535), b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
    (2, ("192.0.2.7", 1), ("::2", 2),
     SIGNATURE + b"\x21\x21\x00\x24" + bytes(10) + b"\xff\xff\xc0\x00\x02\x07" + bytes(15) + b"\x02" + b"\x00\x01\x00\x02"),
    (1, None, ("192.0.2.8", 443), b"PROXY UNKNOWN\r\n"),
    (1, ("0.0.0.0", 0), ("0.0.0.0", 0), b"PROXY UNKNOWN\r\n"),
    (1, ("visitor", 1), ("192.0.2.8", 443), b"PROXY UNKNOWN\r\n"),
    (2, ("192.0.2.7", 4096), ("192.0.2.8", 443), V2),
    (2, ("::1", 1), ("::2", 2), V6),
    (2, ("192.0.2.7", 4096), None, V2_LOCAL),
])
def test_a_header_is_written(version: int, source: HostPort | None, local: HostPort | None, header: bytes) -> None:
    assert encode_header(version, source, local) == header


@given(st.sampled_from([1, 2]), st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535), st.integers(0, 65535))
def test_what_is_written_can_be_read(version: int, source: Any, local: Any, source_port: int, local_port: int) -> None:
    header = encode_header(version, (str(source), source_port), (str(local), local_port))
    found = ProxyHeaderReader().feed(header)
    assert found is not None
    if source.is_unspecified or local.is_unspecified:
        assert found == Proxied(None, None)
    elif source.version == local.version:
        assert found == Proxied((str(unmapped(source)), source_port), (str(unmapped(local)), local_port))
