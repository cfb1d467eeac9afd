"""QUIC Initial packets: RFC 9001 appendix A (version 1), RFC 9369 appendix A (version 2), and what clients make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.sniff.codec_quic import MAX_CRYPTO_BYTES, MAX_DATAGRAM_BYTES, QuicSniffer
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Undecided, Verdict
from tests.proxycore.sniff.hellos import PAYLOAD_BYTES, RFC_FRAME, RFC_HELLO, crypto, initial

FOUND = Sniffed("quic", "example.com")
RFC_PAYLOAD = RFC_FRAME.ljust(PAYLOAD_BYTES, b"\x00")
VECTORS = {
    1: ("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"),
    2: ("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", "a18b2faa745b6fe189cf772a9f84cbfc"),
}
HANDSHAKE = b"\xe0\x00\x00\x00\x01\x00\x00\x14" + bytes(20)      # another packet of version 1, which cannot be opened


def sniff(*datagrams: bytes) -> Verdict:
    sniffer = QuicSniffer()
    return [sniffer.feed(datagram) for datagram in datagrams][-1]


def padded(*frames: bytes) -> bytes:
    return b"".join(frames).ljust(PAYLOAD_BYTES, b"\x00")


@pytest.mark.parametrize("version", [1, 2])
def test_the_packet_of_the_rfc_is_opened(version: int) -> None:
    packet = initial(version, RFC_PAYLOAD)
    begin, end = VECTORS[version]
    assert (len(packet), packet[:32].hex(), packet[-16:].hex()) == (1200, begin, end)
    assert sniff(packet) == FOUND


@pytest.mark.parametrize("cut", [1, 40, 62, 70, 200])
@pytest.mark.parametrize("version", [1, 2])
def test_a_hello_may_come_in_two_packets(version: int, cut: int) -> None:
    first = initial(version, padded(crypto(0, RFC_HELLO[:cut])), 0)
    second = initial(version, padded(crypto(cut, RFC_HELLO[cut:])), 1)
    assert sniff(first, second) == FOUND
    assert sniff(second, first) == FOUND
    assert sniff(second) is MORE


def test_frames_may_come_in_any_order_between_others() -> None:
    pieces = [crypto(start, RFC_HELLO[start : start + 20]) for start in range(0, len(RFC_HELLO), 20)]
    ack = b"\x02\x05\x00\x01\x00\x00\x00"
    assert sniff(initial(1, padded(b"\x01", *pieces[::2][::-1], ack, *pieces[1::2]))) == FOUND


def test_packets_of_other_kinds_in_the_datagram_are_passed_over() -> None:
    assert sniff(HANDSHAKE + initial(1, RFC_PAYLOAD)) == FOUND
    assert sniff(initial(1, RFC_PAYLOAD) + b"\x00" * 30) == FOUND


def test_two_packets_in_one_datagram_count_together() -> None:
    assert sniff(initial(1, crypto(0, RFC_HELLO[:100]), 0) + initial(1, crypto(100, RFC_HELLO[100:]), 1)) == FOUND


@pytest.mark.parametrize("datagram", [
    b"", b"\x40" + bytes(50), b"\x80\x00\x00\x00\x01" + bytes(50), b"\xc0\x00\x00\x00\x09" + bytes(50),
    b"\x12\x34\x01\x00\x00\x01",
    initial(1, RFC_PAYLOAD)[:-1] + b"\x00", initial(1, RFC_PAYLOAD)[:-1], HANDSHAKE,
], ids=[
    "nothing", "short header", "no fixed bit", "another version", "dns", "sealed by another", "cut", "handshake only",
])  # fmt: skip
def test_what_is_no_initial_packet_is_not_taken(datagram: bytes) -> None:
    assert sniff(datagram) is NOT


def test_every_truncation_is_not_taken() -> None:
    packet = initial(1, RFC_PAYLOAD)
    assert {sniff(packet[:size]) for size in range(0, len(packet), 7)} == {NOT}


def test_frames_that_have_no_business_there_end_it() -> None:
    assert sniff(initial(1, padded(b"\x08", RFC_FRAME))) is NOT


def test_a_datagram_larger_than_any_clients_first_is_not_read() -> None:
    assert sniff(initial(1, RFC_FRAME.ljust(MAX_DATAGRAM_BYTES - 200, b"\x01"))) == FOUND
    assert sniff(initial(1, RFC_FRAME.ljust(MAX_DATAGRAM_BYTES, b"\x01"))) is NOT
    assert sniff(initial(1, RFC_PAYLOAD) + bytes(60_000)) == FOUND


def test_a_hello_above_the_bound_is_not_kept() -> None:
    frame = b"\x06" + (0x80000000 | MAX_CRYPTO_BYTES).to_bytes(4) + b"\x01a"
    assert sniff(initial(1, padded(frame))) is NOT


@given(st.binary(max_size=200))
def test_no_payload_makes_it_raise(payload: bytes) -> None:
    assert isinstance(sniff(initial(1, payload + bytes(20))), Sniffed | Undecided)


@given(st.binary(max_size=200))
def test_no_datagram_makes_it_raise(data: bytes) -> None:
    assert sniff(b"\xc0\x00\x00\x00\x01" + data) is NOT
