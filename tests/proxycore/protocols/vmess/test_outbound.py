"""The client, with a server that the test plays."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any

import pytest

from proxycore.destination import Destination, Request
from proxycore.errors import AuthError, DialError, LimitError, PeerError
from proxycore.protocols.vmess.authenticator import Authenticator, VmessCredential
from proxycore.protocols.vmess.body_codec import PaddingSource, body_decoder, body_encoder
from proxycore.protocols.vmess.header_codec import (
    MUX_HOST,
    Command,
    RequestDecoder,
    RequestHeader,
    Security,
    encode_response,
)
from proxycore.protocols.vmess.ids import user_id_from_text
from proxycore.stream import NULL_PACKETS, NULL_STREAM
from tests.proxycore.protocols.vmess.wires import NOW, SERVER, UUID, Client, WireEnd
from tests.support.streams import RecordingPackets, RecordingStream

WEB = Destination("tcp", "www.example.org", 80)
DNS = Destination("udp", IPv4Address("192.0.2.53"), 53)


def open_stream(client: Client, destination: Destination = WEB) -> RecordingStream:
    stream = RecordingStream()
    client.outbound.open(Request(destination, "socks"), stream)
    return stream


def open_flow(client: Client, destination: Destination = DNS) -> RecordingPackets:
    packets = RecordingPackets()
    client.outbound.open_packets(Request(destination, "socks"), packets)
    return packets


class PlayedServer:
    """Reads what a client sent; answers with any bytes."""

    def __init__(self, lower: WireEnd, user: str = UUID) -> None:
        self._lower = lower
        credential = VmessCredential(user_id_from_text(user))
        decoder = RequestDecoder(Authenticator([credential], lambda: NOW).authenticate)
        header = decoder.feed(lower.sent)
        assert header is not None
        self.header: RequestHeader = header
        self.pieces: list[bytes] = []
        body = body_decoder(header, is_response=False)
        body.feed(decoder.rest, lambda piece: self.pieces.append(bytes(piece)))
        self.ended = body.ended
        self._encoder = body_encoder(header, PaddingSource(bytes), is_response=True)

    def response(self, *data: bytes, ends: bool = False) -> bytes:
        wire = bytearray(encode_response(self.header))
        for piece in data:
            self._encoder.encode(piece, wire.extend)
        if ends:
            self._encoder.encode_end(wire.extend)
        return bytes(wire)

    def answer(self, wire: bytes) -> None:
        self._lower.peer.write(memoryview(wire))


async def test_the_header_goes_out_with_the_first_data_of_the_same_turn() -> None:
    client = Client()
    stream = open_stream(client)
    lower = client.wire.near
    assert client.dialled == [SERVER]
    assert lower.writes == []
    stream.peer.write(b"GET /")
    assert len(lower.writes) == 1
    await asyncio.sleep(0)
    assert len(lower.writes) == 1
    played = PlayedServer(lower)
    assert (played.header.destination, played.header.command, played.pieces) == (WEB, Command.TCP, [b"GET /"])


async def test_a_header_without_data_goes_out_in_the_next_turn() -> None:
    client = Client()
    stream = open_stream(client)
    await asyncio.sleep(0)
    assert len(client.wire.near.writes) == 1
    assert PlayedServer(client.wire.near).header.destination == WEB
    stream.peer.write(b"later")
    assert len(client.wire.near.writes) == 2
    assert PlayedServer(client.wire.near).pieces == [b"later"]


@pytest.mark.parametrize(("user", "security", "options"), [
    ({}, Security.AES_128_GCM, 0x0D),
    ({"security": "auto"}, Security.AES_128_GCM, 0x0D),
    ({"security": "aes-128-gcm", "experiments": "AuthenticatedLength"}, Security.AES_128_GCM, 0x1D),
    ({"security": "chacha20-poly1305"}, Security.CHACHA20_POLY1305, 0x0D),
    ({"security": "none", "experiments": "AuthenticatedLength"}, Security.NONE, 0x05),
    ({"security": "zero"}, Security.NONE, 0x00),
    ({"security": "salsa20"}, Security.AES_128_GCM, 0x0D),
])
async def test_the_security_setting_decides_cipher_and_options(user: dict[str, Any], security: Security, options: int) -> None:
    client = Client(**user)
    open_stream(client).peer.write(b"x")
    header = PlayedServer(client.wire.near).header
    assert (header.security, header.options) == (security, options)


async def test_every_request_has_keys_of_its_own() -> None:
    client = Client()
    seen = set()
    for _ in range(20):
        open_stream(client).peer.write(b"x")
        header = PlayedServer(client.wire.near).header
        seen |= {header.body_key, header.body_iv}
    assert len(seen) == 40


async def test_a_mux_destination_is_the_mux_command() -> None:
    client = Client()
    open_stream(client, Destination("tcp", MUX_HOST, 9527)).peer.write(b"frames")
    played = PlayedServer(client.wire.near)
    assert (played.header.command, played.header.destination) == (Command.MUX, Destination("tcp", MUX_HOST, 0))


@pytest.mark.parametrize("step", [1, 20, 10_000], ids=["byte by byte", "odd cuts", "one read"])
async def test_an_answer_is_read_however_it_is_cut(step: int) -> None:
    client = Client()
    stream = open_stream(client)
    stream.peer.write(b"x")
    played = PlayedServer(client.wire.near)
    first_face = client.wire.near.peer
    wire = played.response(b"hello ", b"world", ends=True)
    for start in range(0, len(wire), step):
        client.wire.near.peer.write(wire[start:start + step])
    assert stream.data == b"hello world"
    assert stream.eof
    assert not stream.closed
    first_face.write(b"held by a neighbour")
    assert stream.data == b"hello world"
    stream.peer.write_eof()
    assert client.wire.near.closed


async def test_a_server_that_closes_before_its_header_gave_an_empty_answer() -> None:
    for end in ("write_eof", "close"):
        client = Client()
        stream = open_stream(client)
        stream.peer.write(b"x")
        getattr(client.wire.near.peer, end)()
        assert (stream.eof, stream.closed, stream.aborted) == (end == "write_eof", end == "close", False)
        stream.peer.close()
        assert client.wire.near.closed == (end == "write_eof")


async def test_a_server_that_closes_within_its_header_has_failed() -> None:
    for end in ("write_eof", "close"):
        client = Client()
        stream = open_stream(client)
        stream.peer.write(b"x")
        client.wire.near.peer.write(PlayedServer(client.wire.near).response()[:-1])
        getattr(client.wire.near.peer, end)()
        assert isinstance(stream.error, PeerError)
        assert client.wire.near.peer is NULL_STREAM


async def test_an_answer_that_is_not_for_this_request_aborts_both_sides() -> None:
    client = Client()
    other = open_stream(client)
    other.peer.write(b"x")
    wire = PlayedServer(client.wire.near).response(b"for the other")
    stream = open_stream(client)
    stream.peer.write(b"x")
    client.wire.near.peer.write(wire)
    assert isinstance(stream.error, AuthError)
    assert isinstance(client.wire.near.error, AuthError)
    assert stream.data == b""


async def test_a_broken_chunk_in_the_answer_aborts_both_sides() -> None:
    client = Client()
    stream = open_stream(client)
    stream.peer.write(b"x")
    wire = bytearray(PlayedServer(client.wire.near).response(b"good", b"bad" * 100))
    wire[-200] ^= 1
    client.wire.near.peer.write(wire)
    assert stream.data == b"good"
    assert isinstance(stream.error, PeerError)
    assert client.wire.near.aborted


async def test_a_dial_that_fails_is_told_and_nothing_is_written_after_it() -> None:
    client = Client()
    stream = open_stream(client)
    error = DialError(str(SERVER), "refused")
    client.wire.near.peer.abort(error)
    await asyncio.sleep(0)
    assert stream.error is error
    assert client.wire.near.writes == []


async def test_the_end_of_the_request_is_marked_unless_switched_off() -> None:
    marked, unmarked = Client(), Client(experiments="NoTerminationSignal")
    for client in (marked, unmarked):
        stream = open_stream(client)
        stream.peer.write(b"x")
        stream.peer.write_eof()
        stream.peer.write(b"too late")
    assert PlayedServer(marked.wire.near).ended
    assert not marked.wire.near.eof
    assert not PlayedServer(unmarked.wire.near).ended
    assert PlayedServer(unmarked.wire.near).pieces == [b"x"]
    assert unmarked.wire.near.eof


async def test_a_stream_that_is_closed_at_once_sends_a_whole_request() -> None:
    client = Client()
    open_stream(client).peer.close()
    await asyncio.sleep(0)
    assert PlayedServer(client.wire.near).ended
    assert client.wire.near.closed
    assert len(client.wire.near.writes) == 1


async def test_a_stream_that_is_aborted_at_once_sends_nothing() -> None:
    client = Client()
    open_stream(client).peer.abort(None)
    await asyncio.sleep(0)
    assert client.wire.near.writes == []
    assert client.wire.near.aborted


async def test_a_destination_that_cannot_be_written_is_refused_without_dialling() -> None:
    client = Client()
    stream = open_stream(client, Destination("tcp", "x" * 256, 80))
    packets = open_flow(client, Destination("udp", "x" * 256, 53))
    assert isinstance(stream.error, LimitError)
    assert stream.peer is NULL_STREAM
    assert (packets.closed, packets.peer) == (True, NULL_PACKETS)
    assert client.dialled == []


async def test_datagrams_go_out_as_chunks_and_come_back_one_by_one() -> None:
    client = Client()
    packets = open_flow(client)
    packets.peer.write_packet(b"question 1", None)
    packets.peer.write_packet(b"question 2", DNS)
    packets.peer.write_packet(b"elsewhere", Destination("udp", IPv4Address("192.0.2.54"), 53))
    played = PlayedServer(client.wire.near)
    assert (played.header.command, played.header.destination) == (Command.UDP, DNS)
    assert played.pieces == [b"question 1", b"question 2"]
    client.wire.near.peer.write(played.response(b"answer 1", b"answer 2"))
    assert packets.packets == [(b"answer 1", None), (b"answer 2", None)]
    packets.peer.close()
    assert PlayedServer(client.wire.near).ended
    assert client.wire.near.closed


async def test_the_header_of_a_flow_goes_out_in_the_next_turn_and_a_flow_ends_with_its_answers() -> None:
    client = Client()
    packets = open_flow(client)
    await asyncio.sleep(0)
    played = PlayedServer(client.wire.near)
    client.wire.near.peer.write(played.response(b"answer", ends=True))
    assert packets.packets == [(b"answer", None)]
    assert packets.closed
    assert client.wire.near.closed


async def test_several_servers_and_their_users_take_turns() -> None:
    def server(name: str, *users: str) -> dict[str, Any]:
        return {"address": name, "port": 443, "users": [{"id": user} for user in users]}

    client = Client(document={"vnext": [server("a.example", "one", "two"), server("192.0.2.2", "three")]})
    for user in ("one", "three", "two", "three", "one"):
        open_stream(client).peer.write(b"x")
        assert PlayedServer(client.wire.near, user).pieces == [b"x"]
    assert [str(destination.host) for destination in client.dialled] == ["a.example", "192.0.2.2"] * 2 + ["a.example"]
