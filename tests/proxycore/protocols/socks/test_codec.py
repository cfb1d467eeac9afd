"""What SOCKS peers say, byte by byte."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.protocols.socks.codec import (
    MAX_SOCKS4_BYTES,
    ClientDecoder,
    Command,
    Refusal,
    ServerDecoder,
    SocksRequest,
    decode_datagram,
    encode_datagram,
    encode_reply,
)

IP = ip_address("192.0.2.1")
USERS = {b"alice": b"secret"}
LOGIN = b"\x01\x05alice\x06secret"
V5 = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"
HANDSHAKES = [
    (None, b"\x04\x01\x00\x50\xc0\x00\x02\x01me\x00", b"", SocksRequest(4, Command.CONNECT, Destination("tcp", IP, 80), "")),
    (None, b"\x04\x01\x00\x50\x00\x00\x00\x01\x00example.org\x00", b"",
     SocksRequest(4, Command.CONNECT, Destination("tcp", "example.org", 80), "")),
    (None, b"\x05\x02\x02\x00" + V5, b"\x05\x00", SocksRequest(5, Command.CONNECT, Destination("tcp", IP, 80), "")),
    (USERS, b"\x05\x01\x02" + LOGIN + V5, b"\x05\x02\x01\x00",
     SocksRequest(5, Command.CONNECT, Destination("tcp", IP, 80), "alice")),
    (None, b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0", b"\x05\x00",
     SocksRequest(5, Command.ASSOCIATE, Destination("udp", ip_address("0.0.0.0"), 0), "")),
    (None, b"\x05\x01\x00\x05\xf0\x00\x03\x0bexample.org\x00\x00", b"\x05\x00",
     SocksRequest(5, Command.CONNECT, Destination("tcp", "example.org", 0), "")),
]


@pytest.mark.parametrize("step", [1, 3, 4096], ids=["byte by byte", "odd cuts", "one read"])
@pytest.mark.parametrize(("users", "said", "answers", "request_"), HANDSHAKES)
def test_a_handshake_is_the_same_however_it_is_cut(
    users: dict[bytes, bytes] | None, said: bytes, answers: bytes, request_: SocksRequest, step: int
) -> None:
    decoder, got = ServerDecoder(users, takes_udp=True), b""
    for start in range(0, len(said), step):
        assert decoder.request is None
        got += decoder.feed(said[start:start + step])
    assert (got, decoder.request, decoder.rest) == (answers, request_, b"")


@pytest.mark.parametrize(("users", "said", "answers", "request_"), HANDSHAKES)
def test_what_follows_a_request_is_kept(
    users: dict[bytes, bytes] | None, said: bytes, answers: bytes, request_: SocksRequest
) -> None:
    decoder = ServerDecoder(users, takes_udp=True)
    decoder.feed(said + b"payload")
    assert (decoder.request, decoder.rest) == (request_, b"payload")


@pytest.mark.parametrize(
    ("users", "said", "answer"),
    [
        (None, b"\x04\x02\x00\x50\xc0\x00\x02\x01\x00", "005b000000000000"),
        (USERS, b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", "005b000000000000"),
        (None, b"\x05\x01\x02", "05ff"),
        (None, b"\x05\x00", "05ff"),
        (USERS, b"\x05\x01\x00", "05ff"),
        (USERS, b"\x05\x01\x02\x01\x05alice\x05wrong", "050201ff"),
        (USERS, b"\x05\x01\x02\x01\x03bob\x06secret", "050201ff"),
        (USERS, b"\x05\x01\x02\x01\x00\x00", "050201ff"),
        (None, b"\x05\x01\x00\x05\x02\x00\x01\0\0\0\0\0\0", "0500" "05070001000000000000"),
        (None, b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0", "0500" "05070001000000000000"),
    ],
)
def test_what_is_not_given_is_refused_with_an_answer(users: dict[bytes, bytes] | None, said: bytes, answer: str) -> None:
    with pytest.raises(Refusal) as caught:
        ServerDecoder(users, takes_udp=False).feed(said)
    assert caught.value.answer.hex() == answer


@pytest.mark.parametrize("said", [b"GET /", b"\x05\x01\x00\x04", b"\x05\x01\x00\x05\x01\x00\x09",
                                  b"\x05\x01\x00\x05\x01\x00\x03\x01 \0\0", b"\x04\x01\0\x50\0\0\0\x01\0\0"])
def test_what_is_no_socks_is_an_error(said: bytes) -> None:
    decoder = ServerDecoder(None, takes_udp=False)
    with pytest.raises(PeerError):
        decoder.feed(said + b"\0" * 8)


def test_texts_of_socks_4_are_bounded() -> None:
    with pytest.raises(LimitError):
        ServerDecoder(None, takes_udp=False).feed(b"\x04\x01\x00\x50\xc0\x00\x02\x01" + b"a" * MAX_SOCKS4_BYTES)


@given(st.binary(max_size=64), st.sampled_from([b"", b"\x05\x01\x00", b"\x05\x01\x02", b"\x04\x01\0\x50"]))
def test_garbage_for_a_server_is_waited_for_or_refused(data: bytes, begin: bytes) -> None:
    for users in (None, USERS):
        decoder = ServerDecoder(users, takes_udp=True)
        with contextlib.suppress(PeerError):
            decoder.feed(begin + data)
        assert len(decoder.rest) <= len(begin + data)


def test_an_answer_is_written() -> None:
    assert encode_reply(0, IP, 1080).hex() == "05000001c00002010438"
    assert encode_reply(5).hex() == "05050001000000000000"


@pytest.mark.parametrize("step", [1, 4096], ids=["byte by byte", "one read"])
@pytest.mark.parametrize(
    ("login", "answers", "said", "bound"),
    [
        (None, "0500" "05000001c00002010438", [b"\x05\x01\x00", V5], Destination("udp", IP, 1080)),
        ((b"alice", b"secret"), "0502" "0100" "050000030000ff", [b"\x05\x01\x02", LOGIN + V5],
         Destination("udp", ip_address("0.0.0.0"), 255)),
        ((b"alice", b"secret"), "0500" "050000030161" "0001", [b"\x05\x01\x02", V5], Destination("udp", "a", 1)),
    ],
)
def test_a_client_answers_step_by_step(
    login: tuple[bytes, bytes] | None, answers: str, said: list[bytes], bound: Destination, step: int
) -> None:
    client = ClientDecoder(Command.CONNECT, Destination("tcp", IP, 80), login)
    assert client.hello() == said[0]
    raw, got = bytes.fromhex(answers) + b"rest", b""
    at = 0
    while not client.is_done:
        got += client.feed(raw[at:at + step])
        at += step
    assert got == said[1]
    assert (client.bound, client.rest + raw[at:]) == (bound, b"rest")


@pytest.mark.parametrize(
    ("login", "answers", "error"),
    [
        (None, "05ff", AuthError), (None, "0502", PeerError), (None, "0400", PeerError), (None, "0501", PeerError),
        ((b"a", b"b"), "05020101", AuthError), (None, "05000505", PeerError), (None, "050004", PeerError),
        (None, "05000500000900", PeerError), (None, b"HTTP/1.1 400".hex(), PeerError),
    ],
)
def test_a_server_that_refuses_or_is_none_is_an_error(
    login: tuple[bytes, bytes] | None, answers: str, error: type[Exception]
) -> None:
    client = ClientDecoder(Command.CONNECT, Destination("tcp", IP, 80), login)
    with pytest.raises(error):
        client.feed(bytes.fromhex(answers) + b"\0\0")


def test_a_datagram_is_written_and_read() -> None:
    raw = encode_datagram(Destination("udp", IP, 53), b"data")
    assert raw.hex() == "00000001c0000201003564617461"
    assert decode_datagram(raw) == (Destination("udp", IP, 53), 10)


@pytest.mark.parametrize("size", range(10))
def test_a_datagram_that_is_cut_is_refused(size: int) -> None:
    with pytest.raises(PeerError):
        decode_datagram(encode_datagram(Destination("udp", IP, 53), b"")[:size])


def test_a_fragment_is_refused() -> None:
    with pytest.raises(PeerError, match="fragment"):
        decode_datagram(b"\0\0\x01\x01\xc0\0\x02\x01\0\x35x")
