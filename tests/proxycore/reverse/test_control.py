"""The control message: the bytes that live cores send."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import PeerError
from proxycore.reverse.control import ACTIVE, DRAIN, decode_state, encode_control


def test_encoded_messages_are_the_captured_bytes() -> None:
    assert encode_control(ACTIVE, bytes.fromhex("fb5a49")) == bytes.fromhex("9a0603fb5a49")
    assert encode_control(DRAIN, bytes(50)) == bytes.fromhex("08019a0632") + bytes(50)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("9a0603fb5a49", ACTIVE),
        ("", ACTIVE),
        ("08019a0601ff", DRAIN),
        ("9a0601ff0801", DRAIN),
        ("08010800", ACTIVE),                                   # the last value wins
        ("0805", 5),
        ("0801" "120161" "1801" "21" + "00" * 8 + "2d00000000", DRAIN),   # unknown fields of every wire type
    ],
)
def test_the_state_is_read_as_protobuf(message: str, state: int) -> None:
    assert decode_state(bytes.fromhex(message)) == state


@pytest.mark.parametrize("message", ["08", "9a", "9a0603fb5a", "9a06ff", "0b", "08" + "ff" * 10 + "01", "2100"])
def test_what_is_not_protobuf_is_refused(message: str) -> None:
    with pytest.raises(PeerError):
        decode_state(bytes.fromhex(message))


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    with suppress(PeerError):
        assert decode_state(data) >= 0


@given(st.sampled_from([ACTIVE, DRAIN]), st.binary(min_size=1, max_size=64))
def test_what_is_encoded_is_read(state: int, padding: bytes) -> None:
    message = encode_control(state, padding)
    assert decode_state(message) == state
    with pytest.raises(PeerError):
        decode_state(message[:-1])
