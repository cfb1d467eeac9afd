"""WebSocket frames: the examples of RFC 6455 (section 5.7), cuts, limits, illegal orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import LimitError, PeerError
from proxycore.transport.websocket_codec import (
    BINARY,
    PING,
    Control,
    FrameDecoder,
    accept_key,
    decode_early,
    encode_early,
    encode_frame,
    is_key,
    mask,
)

MASKED_HELLO = bytes.fromhex("818537fa213d7f9f4d5158")
FRAGMENTED = bytes.fromhex("010348656c" "80026c6f")


def read(decoder: FrameDecoder, data: bytes, step: int = 0) -> tuple[bytes, list[Control]]:
    controls: list[Control] = []
    plain = b"".join(
        bytes(decoder.feed(data[at:at + (step or len(data))], controls.append)) for at in range(0, len(data), step or len(data)))
    return plain, controls


def test_the_key_of_the_rfc_has_its_answer() -> None:
    assert is_key("dGhlIHNhbXBsZSBub25jZQ==")
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("step", [0, 1, 3])
def test_the_frames_of_the_rfc_are_read(step: int) -> None:
    assert read(FrameDecoder(is_masked=True), MASKED_HELLO, step) == (b"Hello", [])
    assert read(FrameDecoder(is_masked=False), FRAGMENTED, step) == (b"Hello", [])
    assert read(FrameDecoder(is_masked=False), bytes.fromhex("890548656c6c6f"), step) == (b"", [Control(PING, b"Hello")])


def test_frames_are_written_as_in_the_rfc() -> None:
    assert encode_frame(1, b"Hello", bytes.fromhex("37fa213d")) == MASKED_HELLO
    assert encode_frame(BINARY, bytes(256), None) == bytes.fromhex("827e0100") + bytes(256)
    assert encode_frame(BINARY, bytes(65536), None) == bytes.fromhex("827f0000000000010000") + bytes(65536)


def test_a_control_frame_within_a_message_does_not_disturb_it() -> None:
    data = FRAGMENTED[:5] + bytes.fromhex("8900") + FRAGMENTED[5:]
    assert read(FrameDecoder(is_masked=False), data) == (b"Hello", [Control(PING, b"")])


def test_nothing_counts_after_a_close_frame() -> None:
    decoder = FrameDecoder(is_masked=False)
    assert read(decoder, bytes.fromhex("880203e8" "810141"))[0] == b""
    assert decoder.ended


@pytest.mark.parametrize("data", ["8105", "c100", "8300", "0900", "8000", "0101418101", "897e"])
def test_what_the_protocol_does_not_allow_is_refused(data: str) -> None:
    decoder = FrameDecoder(is_masked=data == "8105")
    with pytest.raises(PeerError):
        read(decoder, bytes.fromhex(data))


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(LimitError):
        read(FrameDecoder(is_masked=False), bytes.fromhex("827fffffffffffffffff"))


@pytest.mark.parametrize("cut", range(1, len(FRAGMENTED)))
def test_a_message_that_is_cut_is_not_at_a_border(cut: int) -> None:
    decoder = FrameDecoder(is_masked=False)
    read(decoder, FRAGMENTED[:cut])
    assert not decoder.is_at_border


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 40), st.binary(min_size=4, max_size=4))
def test_what_is_written_is_read_however_it_is_cut(messages: list[bytes], step: int, key: bytes) -> None:
    data = b"".join(encode_frame(BINARY, message, key) for message in messages)
    assert read(FrameDecoder(is_masked=True), data or b"", step)[0] == b"".join(messages)


@given(st.binary(max_size=100), st.binary(min_size=4, max_size=4))
def test_masking_is_xor_byte_by_byte(data: bytes, key: bytes) -> None:
    assert mask(data, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(data))


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_make_data_or_a_peer_error(data: bytes, is_masked: bool) -> None:
    decoder = FrameDecoder(is_masked=is_masked)
    try:
        plain, _ = read(decoder, data, 7)
    except PeerError:
        return
    assert len(plain) <= len(data)


def test_early_data_is_base64url_with_or_without_padding() -> None:
    assert encode_early(b"\xfb\xff\xfe\x01") == "-__-AQ"
    assert [decode_early(text) for text in ("-__-AQ", "-__-AQ==", "+//+AQ")] == [b"\xfb\xff\xfe\x01"] * 3
    assert decode_early("chat, superchat") is None
