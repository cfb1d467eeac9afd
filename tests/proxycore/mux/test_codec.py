"""Frames of Mux.cool: the bytes of the specification, however they are cut."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import LimitError, PeerError
from proxycore.mux import codec
from proxycore.mux.codec import (
    FrameDecoder,
    decode_addresses,
    decode_new,
    decode_packet_address,
    encode_addresses,
    encode_end,
    encode_new,
    encode_packet,
    keep_head,
)
from proxycore.stream import Buffer

# Captured from live cores, see the specification of Mux.cool, section 2, and of the reverse proxy, section 1.
NEW_IPV4 = bytes.fromhex("000c 0002 01 00 01 0050 01 0a090807")
NEW_DOMAIN = bytes.fromhex("0014 0003 01 01 01 0050 02 0b 6578616d706c652e6f7267 0001 78")
KEEP_HI = bytes.fromhex("0004 0002 02 01 0002 6869")
END_CLEAN = bytes.fromhex("0004 0002 03 00")
END_ERROR = bytes.fromhex("0004 0002 03 02")
CONTROL_NEW = bytes.fromhex("0001 01 01 02 0000 02 1a 726576657273652e696e7465726e616c2e7632666c792e6f7267")
STREAM = NEW_IPV4 + NEW_DOMAIN + KEEP_HI + END_CLEAN + END_ERROR

Seen = list[tuple[int, int, int, bytes, bytes]]


class Recorder:
    """Remembers frames, and the payload of each, joined."""

    is_packet = False

    def __init__(self, *, packets: bool = False) -> None:
        self.is_packet = packets
        self.frames: Seen = []
        self.pieces: list[bytes] = []
        self.decoder = FrameDecoder(self._on_frame)

    def _on_frame(self, session_id: int, status: int, option: int, extra: Buffer) -> Recorder:
        self.frames.append((session_id, status, option, bytes(extra), b""))
        return self

    def deliver(self, data: Buffer) -> None:
        self.pieces.append(bytes(data))
        *head, payload = self.frames[-1]
        self.frames[-1] = (*head, payload + bytes(data))  # type: ignore[assignment]


EXPECTED = [
    (2, codec.NEW, 0, bytes.fromhex("01 0050 01 0a090807"), b""),
    (3, codec.NEW, 1, bytes.fromhex("01 0050 02 0b 6578616d706c652e6f7267"), b"x"),
    (2, codec.KEEP, 1, b"", b"hi"),
    (2, codec.END, 0, b"", b""),
    (2, codec.END, 2, b"", b""),
]


def test_encoded_frames_are_the_captured_bytes() -> None:
    assert encode_new(2, Destination("tcp", IPv4Address("10.9.8.7"), 80)) == NEW_IPV4
    assert encode_new(3, Destination("tcp", "example.org", 80), b"x") == NEW_DOMAIN
    assert keep_head(4, 2, codec.KEEP, codec.OPTION_DATA, 2) + b"hi" == KEEP_HI
    assert encode_end(2) == END_CLEAN
    assert encode_end(2, is_error=True) == END_ERROR
    control = encode_new(1, Destination("udp", "reverse.internal.v2fly.org", 0), b"?")
    assert control == len(CONTROL_NEW).to_bytes(2) + CONTROL_NEW + b"\x00\x01?"


@pytest.mark.parametrize("step", [1, 2, 7, 4096], ids=["byte by byte", "pairs", "odd cuts", "one read"])
def test_frames_are_the_same_however_the_stream_is_cut(step: int) -> None:
    recorder = Recorder()
    for start in range(0, len(STREAM), step):
        recorder.decoder.feed(STREAM[start : start + step])
    assert recorder.frames == EXPECTED
    assert recorder.decoder.is_between_frames


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_two_reads_give_what_one_gives(cut: int) -> None:
    recorder = Recorder()
    recorder.decoder.feed(STREAM[:cut])
    recorder.decoder.feed(STREAM[cut:])
    assert recorder.frames == EXPECTED


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_datagram_is_handed_on_whole(cut: int) -> None:
    recorder = Recorder(packets=True)
    recorder.decoder.feed(KEEP_HI[:cut])
    assert recorder.pieces == []
    recorder.decoder.feed(KEEP_HI[cut:])
    assert recorder.pieces == [b"hi"]


def test_stream_payload_is_handed_on_as_it_comes() -> None:
    recorder = Recorder()
    recorder.decoder.feed(KEEP_HI[:-1])
    assert recorder.pieces == [b"h"]


def test_payload_without_a_receiver_is_thrown_away() -> None:
    seen: list[int] = []
    decoder = FrameDecoder(lambda session_id, status, option, extra: seen.append(status))
    decoder.feed(KEEP_HI + END_CLEAN)
    assert seen == [codec.KEEP, codec.END]


@pytest.mark.parametrize(("size", "error"), [(0, PeerError), (3, PeerError), (513, LimitError), (65535, LimitError)])
def test_metadata_of_an_impossible_size_ends_the_carrier(size: int, error: type[Exception]) -> None:
    for first in (6, 3):
        data = size.to_bytes(2) + bytes(20)
        decoder = Recorder().decoder
        with pytest.raises(error):
            _feed(decoder, data[:first], data[first:])


def _feed(decoder: FrameDecoder, *parts: bytes) -> None:
    for part in parts:
        decoder.feed(part)


def test_metadata_of_the_largest_size_is_skipped_by_its_length() -> None:
    recorder = Recorder()
    recorder.decoder.feed(bytes.fromhex("0200 0005 04 00") + bytes(508) + END_CLEAN)
    assert [frame[:2] for frame in recorder.frames] == [(5, codec.KEEP_ALIVE), (2, codec.END)]


def test_an_empty_payload_does_nothing() -> None:
    recorder = Recorder()
    recorder.decoder.feed(bytes.fromhex("0004 0002 02 01 0000") + KEEP_HI)
    assert recorder.pieces == [b"hi"]


def test_new_with_trailing_fields_gives_them_back() -> None:
    extra = bytes.fromhex("02 0035 01 01010101 0102030405060708")
    destination, optional = decode_new(extra)
    assert destination == Destination("udp", IPv4Address("1.1.1.1"), 53)
    assert optional == bytes.fromhex("0102030405060708")


@pytest.mark.parametrize(
    "extra",
    ["", "03 0050 01 0a090807", "01 0050 01 0a0908", "01 0050 09 0a090807", "01 0050 02 00", "01 0050 02 02 6120"],
)
def test_a_new_frame_that_cannot_be_is_refused(extra: str) -> None:
    with pytest.raises(PeerError):
        decode_new(bytes.fromhex(extra))


def test_a_datagram_can_carry_its_own_address() -> None:
    address = Destination("udp", IPv4Address("9.9.9.9"), 53)
    frame = encode_packet(7, b"q", address)
    assert frame == bytes.fromhex("000c 0007 02 01 02 0035 01 09090909 0001 71")
    recorder = Recorder(packets=True)
    recorder.decoder.feed(frame)
    assert decode_packet_address(recorder.frames[0][3]) == address
    assert decode_packet_address(b"") is None


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_garbage_is_refused_or_read_but_never_breaks_the_decoder(data: bytes, step: int) -> None:
    recorder = Recorder()
    try:
        for start in range(0, len(data), step):
            recorder.decoder.feed(data[start : start + step])
    except PeerError:
        return
    taken = sum(6 + len(extra) + (2 + len(payload) if option & 1 else 0) for _, _, option, extra, payload in recorder.frames)
    assert taken <= len(data)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(min_size=1, max_size=300)), max_size=8), st.integers(1, 40))
def test_what_is_encoded_is_decoded(frames: list[tuple[int, bytes]], step: int) -> None:
    stream = b"".join(keep_head(4, number, codec.KEEP, codec.OPTION_DATA, len(data)) + data for number, data in frames)
    recorder = Recorder()
    for start in range(0, len(stream), step):
        recorder.decoder.feed(stream[start : start + step])
    assert [(frame[0], frame[4]) for frame in recorder.frames] == frames


VISITOR, LOCAL = ("198.51.100.7", 5000), ("2001:db8::1", 443)
ADDRESSES = bytes.fromhex("01 1388 01 c6336407 01 01bb 03 20010db8000000000000000000000001")


def test_a_new_frame_can_tell_who_the_visitor_is() -> None:
    assert encode_addresses("tcp", VISITOR, LOCAL) == ADDRESSES
    assert encode_addresses("udp", VISITOR, VISITOR)[:1] == b"\x02"
    frame = encode_new(2, Destination("tcp", IPv4Address("10.9.8.7"), 80), b"", ADDRESSES)
    assert frame == bytes.fromhex("0028 0002 01 00 01 0050 01 0a090807") + ADDRESSES
    assert decode_addresses(decode_new(frame[6:])[1]) == (VISITOR, LOCAL)


@pytest.mark.parametrize("optional", [
    b"", b"\x00", bytes(8), ADDRESSES[:8], ADDRESSES[:8] + b"\x00", bytes.fromhex("01 0050 02 03 612e62") * 2])
def test_without_both_addresses_the_visitor_is_unknown(optional: bytes) -> None:
    assert decode_addresses(optional) is None


def test_a_host_that_is_no_address_is_not_told() -> None:
    assert encode_addresses("tcp", ("/run/x.sock", 0), LOCAL) == b""


@pytest.mark.parametrize("optional", [b"\x03", b"\x01", ADDRESSES[:-1], ADDRESSES[:8] + b"\x07", b"\x01\x00\x50\x09"])
def test_addresses_that_cannot_be_are_an_error(optional: bytes) -> None:
    with pytest.raises(PeerError):
        decode_addresses(optional)
