"""The frames of the extension: literal bytes both ways, and what cannot be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import PeerError
from proxycore.mux import codec_extension as codec
from proxycore.mux.codec import FrameDecoder
from proxycore.mux.codec_extension import MAX_CREDIT_BYTES, Reason
from proxycore.stream import Buffer


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (codec.encode_credit(7, 65536), "0008 0007 21 00 00010000"),
        (codec.encode_finish(7), "0004 0007 22 00"),
        (codec.encode_reset(7, Reason.UNREACHABLE), "0005 0007 23 00 01"),
        (codec.encode_ping(0x0102030405060708), "000c 0000 24 00 0102030405060708"),
        (codec.encode_pong(1), "000c 0000 25 00 0000000000000001"),
        (codec.encode_forget(1 << 63), "000c 0000 26 00 8000000000000000"),
    ],
    ids=["credit", "finish", "reset", "ping", "pong", "forget"],
)
def test_frames_are_these_bytes(frame: bytes, expected: str) -> None:
    assert frame == bytes.fromhex(expected)


def test_every_frame_is_one_for_a_reader_of_mux_cool() -> None:
    seen: list[tuple[int, int]] = []

    def on_frame(session_id: int, status: int, option: int, extra: Buffer) -> None:
        seen.append((session_id, status))

    FrameDecoder(on_frame).feed(
        codec.encode_credit(1, 1) + codec.encode_finish(2) + codec.encode_reset(3, Reason.LOST) + codec.encode_ping(4)
        + codec.encode_pong(5) + codec.encode_forget(6))
    assert seen == [(1, codec.CREDIT), (2, codec.FINISH), (3, codec.RESET), (0, codec.PING), (0, codec.PONG), (0, codec.FORGET)]


@pytest.mark.parametrize("extra", ["", "000001", "00000000", f"{MAX_CREDIT_BYTES + 1:08x}", "ffffffff"])
def test_a_credit_that_cannot_be_is_refused(extra: str) -> None:
    with pytest.raises(PeerError):
        codec.decode_credit(bytes.fromhex(extra))


def test_bytes_behind_what_is_known_are_left_to_later_versions() -> None:
    assert codec.decode_credit(bytes.fromhex("00000005ffff")) == 5
    assert codec.decode_number(bytes.fromhex("0000000000000009ff")) == 9
    assert codec.decode_reset(b"\x03\xff") is Reason.OVERLOADED


def test_a_reset_without_a_reason_that_is_known_is_a_reset() -> None:
    assert codec.decode_reset(b"") is Reason.UNSPECIFIED
    assert codec.decode_reset(b"\xfe") is Reason.UNSPECIFIED


def test_every_reason_has_words() -> None:
    assert all(reason.text for reason in Reason)


@given(st.binary(max_size=16))
def test_garbage_is_refused_or_read(extra: bytes) -> None:
    for decode in (codec.decode_credit, codec.decode_number, codec.decode_reset):
        with suppress(PeerError):
            assert decode(extra) >= 0
