"""The offer of the extension and its answer, within the control message."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import PeerError
from proxycore.mux.extension import MAX_INITIAL_WINDOW_BYTES, MIN_INITIAL_WINDOW_BYTES
from proxycore.reverse import control
from proxycore.reverse.extension_codec import Extension, decode_extension, encode_extension

OFFER = Extension(1, 0x0807060504030201, 262144, is_answer=False)
OFFER_BYTES = bytes.fromhex("fa7f 0f 08 01 11 0102030405060708 18 808010")


def test_an_offer_is_these_bytes() -> None:
    assert encode_extension(OFFER) == OFFER_BYTES
    assert encode_extension(OFFER._replace(is_answer=True)) == bytes.fromhex("fa7f 11") + OFFER_BYTES[3:] + bytes.fromhex("2001")


def test_it_stands_in_a_control_message_that_stays_one_for_everybody() -> None:
    message = control.encode_control(control.ACTIVE, b"padding", encode_extension(OFFER))
    assert control.decode_state(message) == control.ACTIVE
    assert decode_extension(message) == OFFER


def test_a_message_without_it_offers_nothing() -> None:
    assert decode_extension(control.encode_control(control.ACTIVE, b"x")) is None
    assert decode_extension(b"") is None


@pytest.mark.parametrize("other", [
    OFFER._replace(version=0), OFFER._replace(nonce=0), OFFER._replace(window=MIN_INITIAL_WINDOW_BYTES - 1),
    OFFER._replace(window=MAX_INITIAL_WINDOW_BYTES + 1),
])
def test_what_cannot_be_used_is_no_offer(other: Extension) -> None:
    assert decode_extension(encode_extension(other)) is None


def test_fields_that_a_later_version_adds_are_skipped() -> None:
    body = OFFER_BYTES[3:] + bytes.fromhex("2a 02 6869 30 05")
    assert decode_extension(bytes((0xFA, 0x7F, len(body))) + body) == OFFER


@given(st.binary(max_size=100))
def test_garbage_is_refused_or_no_offer(data: bytes) -> None:
    for message in (data, bytes((0xFA, 0x7F, len(data))) + data):
        with suppress(PeerError):
            decode_extension(message)


@given(st.integers(1, 1 << 30), st.integers(1, (1 << 64) - 1),
       st.integers(MIN_INITIAL_WINDOW_BYTES, MAX_INITIAL_WINDOW_BYTES), st.booleans())
def test_what_is_encoded_is_read(version: int, nonce: int, window: int, is_answer: bool) -> None:
    extension = Extension(version, nonce, window, is_answer)
    message = control.encode_control(control.ACTIVE, b"x", encode_extension(extension))
    assert decode_extension(message) == extension
    with pytest.raises(PeerError):
        decode_extension(message[:-1])
