"""The sealed request and response headers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.protocols.vmess.authenticator import VmessCredential
from proxycore.protocols.vmess.header_codec import (
    MAX_HEADER_BYTES,
    Command,
    RequestDecoder,
    RequestHeader,
    ResponseDecoder,
    Security,
    decode_plain_request,
    encode_auth_id,
    encode_plain_request,
    encode_response,
    fnv1a32,
    response_keys,
    seal_request,
)
from tests.proxycore.protocols.vmess.vectors import CASES, VECTORS, Case

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
TCP = CASES["tcp-aes-masked-padded"]


def request_decoder(case: Case) -> RequestDecoder[VmessCredential]:
    def authenticate(auth_id: bytes) -> VmessCredential:
        assert auth_id == case.auth_id
        return case.credential

    return RequestDecoder(authenticate)


def sealed(case: Case, plain: bytes) -> bytes:
    return seal_request(case.credential.command_key, case.auth_id, case.nonce, plain)


@every_case
def test_a_request_is_written_as_the_vectors_have_it(case: Case) -> None:
    auth_id = encode_auth_id(case.credential.command_key, case.time_s, case.auth_random)
    plain = encode_plain_request(case.request, case.padding)
    assert auth_id == case.auth_id
    assert plain == case.plain_header
    assert sealed(case, plain) == case.header_wire


@every_case
def test_a_request_of_the_vectors_is_read_and_what_follows_is_left(case: Case) -> None:
    decoder = request_decoder(case)
    assert decoder.feed(case.header_wire + b"body") == case.request
    assert bytes(decoder.rest) == b"body"
    assert decoder.credential is case.credential


@pytest.mark.parametrize("step", [1, 7, 41], ids=["byte by byte", "odd cuts", "before the length"])
@every_case
def test_a_request_is_the_same_however_it_is_cut(case: Case, step: int) -> None:
    decoder, wire, found = request_decoder(case), case.header_wire, []
    for start in range(0, len(wire), step):
        found.append(decoder.feed(memoryview(wire)[start:start + step]))
    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1] == case.request


def test_a_request_cut_anywhere_waits_for_the_rest() -> None:
    for cut in range(len(TCP.header_wire)):
        decoder = request_decoder(TCP)
        assert decoder.feed(TCP.header_wire[:cut]) is None
        assert decoder.feed(TCP.header_wire[cut:] + b"!") == TCP.request
        assert bytes(decoder.rest) == b"!"


@pytest.mark.parametrize("position", [16, 33, 34, 41, 42, 60, len(TCP.header_wire) - 1])
def test_a_changed_byte_behind_the_auth_id_breaks_a_seal(position: int) -> None:
    wire = bytearray(TCP.header_wire)
    wire[position] ^= 1
    with pytest.raises(AuthError) as caught:
        request_decoder(TCP).feed(wire)
    assert caught.value.reason == "bad tag"


def test_a_header_above_the_limit_is_refused_before_it_comes() -> None:
    assert request_decoder(TCP).feed(sealed(TCP, TCP.plain_header.ljust(MAX_HEADER_BYTES, b"\0"))) == TCP.request
    wire = sealed(TCP, TCP.plain_header.ljust(MAX_HEADER_BYTES + 1, b"\0"))
    with pytest.raises(LimitError) as caught:
        request_decoder(TCP).feed(wire[:42])
    assert (caught.value.got, caught.value.limit) == (MAX_HEADER_BYTES + 1, MAX_HEADER_BYTES)


def with_hash(plain: bytes) -> bytes:
    return plain + fnv1a32(plain).to_bytes(4, "big")


def changed(offset: int, value: int) -> bytes:
    plain = bytearray(TCP.plain_header[:-4])
    plain[offset] = value
    return with_hash(bytes(plain))


@pytest.mark.parametrize(("plain", "reason"), [
    pytest.param(b"", "too short", id="empty"),
    pytest.param(TCP.plain_header[:41], "too short", id="no room for an address"),
    pytest.param(TCP.plain_header[:-1], "hash", id="cut"),
    pytest.param(TCP.plain_header[:-1] + b"\0", "hash", id="hash"),
    pytest.param(changed(34, 0x09), "padding without masking", id="padding without masking"),
    pytest.param(changed(35, 0x50), "Security", id="security unknown"),
    pytest.param(changed(35, 0x51), "Security", id="security legacy"),
    pytest.param(changed(35, 0x52), "Security", id="security auto"),
    pytest.param(changed(35, 0x56), "Security", id="security zero"),
    pytest.param(changed(35, 0xF3), "hash", id="padding longer than the header"),
    pytest.param(changed(37, 0), "Command", id="command 0"),
    pytest.param(changed(37, 4), "Command", id="command 4"),
    pytest.param(changed(40, 4), "address type", id="address type"),
    pytest.param(with_hash(TCP.plain_header[:40] + b"\x02\xff"), "within an address", id="address cut"),
])
def test_a_header_that_no_client_writes_is_refused(plain: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        request_decoder(TCP).feed(sealed(TCP, plain))


@pytest.mark.parametrize("offset", [0, 36], ids=["version", "reserved"])
def test_fields_that_servers_do_not_check_are_not_checked(offset: int) -> None:
    assert decode_plain_request(changed(offset, 77)) == TCP.request


def test_a_truncated_plain_header_is_refused_at_each_byte() -> None:
    for size in range(len(TCP.plain_header)):
        with pytest.raises(PeerError):
            decode_plain_request(TCP.plain_header[:size])


def test_the_repr_of_a_request_shows_no_key() -> None:
    assert repr(TCP.request) == "RequestHeader(TCP, AES_128_GCM, options 0x0d)"


@every_case
def test_a_response_is_written_and_read_as_the_vectors_have_it(case: Case) -> None:
    response = case.raw["response"]
    key, iv = response_keys(case.request.body_key, case.request.body_iv)
    assert (key.hex(), iv.hex()) == (response["body_key"], response["body_iv"])
    assert encode_response(case.request) == case.response_wire
    decoder = ResponseDecoder(case.request)
    assert decoder.feed(case.response_wire + b"body")
    assert bytes(decoder.rest) == b"body"


def test_a_response_cut_anywhere_waits_for_the_rest() -> None:
    for cut in range(len(TCP.response_wire)):
        decoder = ResponseDecoder(TCP.request)
        assert not decoder.feed(TCP.response_wire[:cut])
        assert decoder.has_begun == (cut > 0)
        assert decoder.feed(TCP.response_wire[cut:])
        assert bytes(decoder.rest) == b""


def test_a_response_with_an_option_byte_and_a_command_is_read() -> None:
    # V 53, the options echoed as sing-box does, and the old dynamic-port command with three bytes; made with these keys.
    wire = response_of(TCP, bytes.fromhex("530d0103aabbcc"))
    decoder = ResponseDecoder(TCP.request)
    assert decoder.feed(wire + b"x")
    assert bytes(decoder.rest) == b"x"


@pytest.mark.parametrize("plain", ["54000000", "530000", ""], ids=["another V", "too short", "empty"])
def test_a_response_that_does_not_answer_this_request_is_refused(plain: str) -> None:
    with pytest.raises(AuthError, match="another request"):
        ResponseDecoder(TCP.request).feed(response_of(TCP, bytes.fromhex(plain)))


def test_a_response_above_the_limit_is_refused_before_it_comes() -> None:
    with pytest.raises(LimitError):
        ResponseDecoder(TCP.request).feed(response_of(TCP, bytes.fromhex("53000000") + bytes(256))[:18])


@pytest.mark.parametrize("position", [0, 17, 18, 37])
def test_a_changed_byte_of_a_response_breaks_a_seal(position: int) -> None:
    wire = bytearray(TCP.response_wire)
    wire[position] ^= 0x80
    with pytest.raises(AuthError):
        ResponseDecoder(TCP.request).feed(wire)


def response_of(case: Case, plain: bytes) -> bytes:
    """A response header with any content, sealed with the keys that the vectors list."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    keys = {name: bytes.fromhex(value) for name, value in case.raw["response"].items() if isinstance(value, str)}
    length = AESGCM(keys["len_key"]).encrypt(keys["len_nonce"], len(plain).to_bytes(2, "big"), None)
    return length + AESGCM(keys["header_key"]).encrypt(keys["header_nonce"], plain, None)


@pytest.mark.parametrize("entry", VECTORS["primitives"]["fnv1a32"], ids=lambda entry: repr(entry["in_utf8"]))
def test_the_hash_comes_out(entry: dict[str, str]) -> None:
    assert f"{fnv1a32(entry['in_utf8'].encode()):08x}" == entry["out"]


hosts = st.one_of(st.ip_addresses(v=4), st.sampled_from(["example.org", "a" * 255, "x-y_z.A"]))
requests = st.builds(
    RequestHeader, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.integers(0, 255),
    st.sampled_from([0x00, 0x01, 0x05, 0x0D, 0x1D, 0xFF]), st.sampled_from(Security), st.just(Command.TCP),
    st.builds(Destination, st.just("tcp"), hosts, st.integers(0, 65535)))


@pytest.mark.fuzz
@given(requests, st.binary(max_size=15), st.integers(1, 400))
def test_any_request_comes_back_as_it_was(request: RequestHeader, padding: bytes, cut: int) -> None:
    wire = sealed(TCP, encode_plain_request(request, padding))
    decoder = request_decoder(TCP)
    found = decoder.feed(wire[:cut]) or decoder.feed(wire[cut:])
    assert found == request


@pytest.mark.fuzz
@given(st.binary(max_size=400))
def test_garbage_in_a_plain_header_gives_a_request_or_a_peer_error(garbage: bytes) -> None:
    for plain in (garbage, with_hash(garbage), with_hash(TCP.plain_header[:34] + garbage)):
        try:
            request = decode_plain_request(plain)
        except PeerError:
            continue
        assert replace(request) == request


@pytest.mark.fuzz
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_garbage_instead_of_a_header_is_an_auth_error(pieces: list[bytes]) -> None:
    def authenticate(auth_id: bytes) -> VmessCredential:
        return TCP.credential

    decoder, reasons = RequestDecoder(authenticate), []
    for piece in pieces:
        try:
            assert decoder.feed(piece) is None
        except AuthError as error:
            reasons.append(error.reason)
            break
    assert reasons == (["bad tag"] if sum(map(len, pieces)) >= 42 else [])
