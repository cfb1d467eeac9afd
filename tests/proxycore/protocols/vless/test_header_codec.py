"""The two headers, by bytes that real programs sent (the first example was captured), cut everywhere, and by nonsense."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import PeerError
from proxycore.protocols.vless.header_codec import (
    Command,
    NotVless,
    RequestDecoder,
    RequestHeader,
    ResponseDecoder,
    decode_flow,
    encode_request,
)
from tests.proxycore.protocols.vless.wires import USER_ID

ID_HEX = "5783a3e7e37351cd8642c83782b807c5"
TO_IPV4 = bytes.fromhex(f"00{ID_HEX}000126ad017f000001")
TO_DOMAIN = bytes.fromhex(f"00{ID_HEX}00020050020b6578616d706c652e6f7267")
TO_IPV6 = bytes.fromhex(f"00{ID_HEX}000101bb0320010db8000000000000000000000001")
MUX = bytes.fromhex(f"00{ID_HEX}0003")
REVERSE = bytes.fromhex(f"00{ID_HEX}0004")
VISION = "120a1078746c732d727072782d766973696f6e"       # length, then Flow = xtls-rprx-vision
WITH_FLOW = bytes.fromhex(f"00{ID_HEX}{VISION}0126ad017f000001")
WITH_SEED = bytes.fromhex(f"00{ID_HEX}051203aabbcc0126ad017f000001")

HEADERS = [
    (TO_IPV4, RequestHeader("", Command.TCP, Destination("tcp", IPv4Address("127.0.0.1"), 9901))),
    (TO_DOMAIN, RequestHeader("", Command.UDP, Destination("udp", "example.org", 80))),
    (TO_IPV6, RequestHeader("", Command.TCP, Destination("tcp", IPv6Address("2001:db8::1"), 443))),
    (MUX, RequestHeader("", Command.MUX, None)),
    (REVERSE, RequestHeader("", Command.REVERSE, None)),
]
names = pytest.mark.parametrize(
    ("wire", "header"), [*HEADERS, (WITH_SEED, HEADERS[0][1]), (WITH_FLOW, HEADERS[0][1]._replace(flow="xtls-rprx-vision"))],
    ids=["IPv4", "domain", "IPv6", "mux", "reverse", "seed", "flow"])


def decoder() -> RequestDecoder[str]:
    return RequestDecoder(lambda user_id: "alice" if user_id == USER_ID else None)


@pytest.mark.parametrize(("wire", "header"), HEADERS, ids=["IPv4", "domain", "IPv6", "mux", "reverse"])
def test_a_request_is_written_as_the_cores_write_it(wire: bytes, header: RequestHeader) -> None:
    assert encode_request(USER_ID, header.command, header.destination) == wire


@names
def test_a_request_is_read_in_one_piece_with_what_follows(wire: bytes, header: RequestHeader) -> None:
    one = decoder()
    assert one.feed(wire + b"payload") == header
    assert one.credential == "alice"
    assert bytes(one.rest) == b"payload"


@names
def test_a_request_is_the_same_however_it_is_cut(wire: bytes, header: RequestHeader) -> None:
    for cut in range(1, len(wire)):
        one = decoder()
        assert one.feed(wire[:cut]) is None, cut
        assert one.feed(wire[cut:] + b"x") == header
        assert bytes(one.rest) == b"x"
    one = decoder()
    answers = [one.feed(wire[at : at + 1]) for at in range(len(wire))]
    assert answers == [None] * (len(wire) - 1) + [header]


@pytest.mark.parametrize(("wire", "reason"), [
    (b"\x01", "version 1"), (b"GET / HTTP/1.1\r\n\r\n", "version 71"), (bytes(17), "unknown user")])
def test_what_is_no_vless_of_a_known_user_is_told_apart(wire: bytes, reason: str) -> None:
    one = decoder()
    with pytest.raises(NotVless) as raised:
        one.feed(wire)
    assert str(raised.value) == reason
    assert bytes(one.received) == wire


@pytest.mark.parametrize("tail", [
    "0007", "0000", "0005", "000100500401020304", "0001005000", "000100500200", "01ff01", "02080001", "010701"])
def test_a_known_user_with_a_header_that_cannot_be_is_an_error(tail: str) -> None:
    with pytest.raises(PeerError) as raised:
        decoder().feed(bytes.fromhex(f"00{ID_HEX}{tail}") + bytes(30))
    assert not isinstance(raised.value, NotVless)


@pytest.mark.parametrize(("addons", "flow"), [
    ("", ""), ("0a03616263", "abc"), ("0a0161 0a0162", "b"), ("1800 0a0161", "a"), ("25 00000000 29 0000000000000000", "")])
def test_fields_of_addons_that_we_do_not_know_are_skipped(addons: str, flow: str) -> None:
    assert decode_flow(bytes.fromhex(addons)) == flow


@pytest.mark.parametrize("addons", ["0a", "0a05 6162", "80" * 11, "07", "0b", "00", "25 00"])
def test_addons_that_are_no_protobuf_are_an_error(addons: str) -> None:
    with pytest.raises(PeerError):
        decode_flow(bytes.fromhex(addons))


@pytest.mark.parametrize("wire", [b"\x00\x00", b"\x00\x03abc", b"\x00\xff" + bytes(255)])
def test_the_answers_header_is_cut_off_however_it_is_cut(wire: bytes) -> None:
    for cut in range(len(wire) + 1):
        one = ResponseDecoder()
        parts = [one.feed(wire[:cut]), one.feed(wire[cut:] + b"body")] if cut < len(wire) else [one.feed(wire + b"body")]
        assert parts[:-1] == [None] * (len(parts) - 1)
        assert bytes(parts[-1] or b"") == b"body"


def test_an_answer_with_another_version_is_an_error() -> None:
    with pytest.raises(PeerError, match="version 72"):
        ResponseDecoder().feed(b"HTTP/1.1 400")


@given(st.binary(max_size=600), st.integers(1, 50))
def test_nothing_that_a_client_sends_raises_anything_else(data: bytes, step: int) -> None:
    one, wire = decoder(), b"\x00" + USER_ID + data
    try:
        for start in range(0, len(wire), step):
            if one.feed(wire[start : start + step]) is not None:
                break
        assert len(one.received) <= 17 + 1 + 255 + 1 + 259 + step
    except PeerError:
        pass
