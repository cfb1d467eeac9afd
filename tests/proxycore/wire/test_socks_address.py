"""Addresses as SOCKS5, Trojan and Shadowsocks write them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import LimitError, PeerError
from proxycore.wire.address import TruncatedAddress
from proxycore.wire.socks_address import decode_socks_address, encode_socks_address

VECTORS = [
    (ip_address("192.0.2.1"), 80, "01c00002010050"),
    (ip_address("2001:db8::1"), 443, "0420010db800000000000000000000000101bb"),
    ("example.org", 65535, "030b6578616d706c652e6f7267ffff"),
]


@pytest.mark.parametrize(("host", "port", "wire"), VECTORS)
def test_an_address_is_read_and_written(host: object, port: int, wire: str) -> None:
    raw = bytes.fromhex(wire)
    assert encode_socks_address(host, port) == raw      # type: ignore[arg-type]
    assert decode_socks_address(b"x" + raw + b"rest", 1, "tcp") == (Destination("tcp", host, port), 1 + len(raw))     # type: ignore[arg-type]


@pytest.mark.parametrize(("host", "port", "wire"), VECTORS)
def test_an_address_that_is_cut_anywhere_is_truncated(host: object, port: int, wire: str) -> None:
    raw = bytes.fromhex(wire)
    for size in range(len(raw)):
        with pytest.raises(TruncatedAddress):
            decode_socks_address(raw[:size], 0, "tcp")


def test_the_text_of_an_address_is_that_address() -> None:
    assert decode_socks_address(b"\x03\x09127.0.0.1\0\x50", 0, "udp")[0] == Destination("udp", ip_address("127.0.0.1"), 80)


@pytest.mark.parametrize("wire", [b"\x02\x01a\0\x50", b"\x03\x00\0\x50", b"\x03\x03a b\0\x50", b"\x03\x02\xc3\xa9\0\x50"])
def test_what_is_no_address_is_refused(wire: bytes) -> None:
    with pytest.raises(PeerError):
        decode_socks_address(wire, 0, "tcp")


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(LimitError):
        encode_socks_address("a" * 256, 1)
    with pytest.raises(PeerError):
        encode_socks_address("", 1)


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    try:
        destination, end = decode_socks_address(data, 0, "tcp")
    except PeerError:
        return
    assert end <= len(data)
    assert decode_socks_address(encode_socks_address(destination.host, destination.port), 0, "tcp")[0] == destination
