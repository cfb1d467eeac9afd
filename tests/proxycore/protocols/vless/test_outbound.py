"""The client: what it says, when, and that it then stands in nobody's way."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from proxycore.destination import Destination, Request
from proxycore.errors import PeerError
from tests.proxycore.protocols.vless.wires import SERVER, TUNNEL_UUID, Client
from tests.support.streams import RecordingPackets, RecordingStream

HEADER = bytes.fromhex("005783a3e7e37351cd8642c83782b807c5000126ad017f000001")
UDP_HEADER = bytes.fromhex("005783a3e7e37351cd8642c83782b807c50002003501 01010101")
WEB = Destination("tcp", IPv4Address("127.0.0.1"), 9901)
DNS = Destination("udp", IPv4Address("1.1.1.1"), 53)

pytestmark = pytest.mark.asyncio


async def turn() -> None:
    import asyncio

    await asyncio.sleep(0)
    await asyncio.sleep(0)


def opened(client: Client, destination: Destination = WEB) -> RecordingStream:
    stream = RecordingStream()
    client.outbound.open(Request(destination, "in"), stream)
    return stream


async def test_the_request_goes_with_the_first_data() -> None:
    client = Client()
    stream = opened(client)
    stream.peer.write(b"GET /")
    stream.peer.write(b"more")
    await turn()
    assert client.dialled == [SERVER]
    assert client.wire.near.writes == [HEADER + b"GET /", b"more"]


async def test_the_request_goes_alone_when_nothing_is_said_at_once() -> None:
    client = Client()
    stream = opened(client)
    assert client.wire.near.writes == []
    await turn()
    assert client.wire.near.writes == [HEADER]
    stream.peer.write(b"later")
    assert client.wire.near.writes == [HEADER, b"later"]


async def test_both_streams_are_joined_directly_once_both_headers_have_passed() -> None:
    client = Client()
    stream = opened(client)
    near = client.wire.near
    await turn()
    assert stream.peer is near
    near.peer.write(b"\x00\x00hello")
    assert near.peer is stream
    assert stream.take() == b"hello"


@pytest.mark.parametrize("answer", [b"\x00\x00", b"\x00\x02xy"], ids=["plain", "with addons"])
async def test_the_answers_header_is_taken_off_however_it_is_cut(answer: bytes) -> None:
    client = Client()
    stream = opened(client)
    first = client.wire.near.peer
    for byte in answer + b"hello":
        first.write(bytes((byte,)))         # as one who still holds the face does
    assert stream.take() == b"hello"


async def test_an_answer_in_another_version_ends_both_sides() -> None:
    client = Client()
    stream = opened(client)
    client.wire.near.peer.write(b"HTTP/1.1 400 Bad Request")
    assert isinstance(stream.error, PeerError)
    assert client.wire.near.aborted
    assert not stream.data
    await turn()
    assert client.wire.near.writes == []


async def test_a_server_that_closes_without_a_byte_is_an_empty_answer() -> None:
    client = Client()
    stream = opened(client)
    await turn()
    client.wire.near.peer.write_eof()
    assert stream.eof
    assert not stream.aborted


async def test_an_answer_that_ends_within_its_header_is_a_failure() -> None:
    for end in ("write_eof", "close"):
        client = Client()
        stream = opened(client)
        face = client.wire.near.peer
        face.write(b"\x00")
        getattr(face, end)()
        assert isinstance(stream.error, PeerError)


async def test_a_server_that_cannot_be_reached_aborts_the_request() -> None:
    client = Client()
    stream = opened(client)
    client.wire.near.peer.abort(None)
    assert stream.aborted
    await turn()
    assert client.wire.near.writes == []


async def test_ends_and_pauses_are_passed_on_before_the_header_went_out() -> None:
    client = Client()
    stream = opened(client)
    near = client.wire.near
    stream.peer.pause()
    near.peer.pause()
    assert near.paused
    assert stream.paused
    stream.peer.write_eof()
    assert near.writes == [HEADER]
    assert near.eof


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_client_that_left_at_once_sends_nothing(end: str) -> None:
    client = Client()
    stream = opened(client)
    getattr(stream.peer, end)(*([None] if end == "abort" else []))
    await turn()
    assert client.wire.near.writes == []
    assert client.wire.near.closed or client.wire.near.aborted


async def test_a_mux_carrier_has_its_own_command() -> None:
    client = Client()
    opened(client, Destination("tcp", "v1.mux.cool", 9527)).peer.write(b"frames")
    assert client.wire.near.sent == HEADER[:18] + b"\x03frames"


async def test_a_destination_that_cannot_be_written_aborts_without_dialling() -> None:
    client = Client()
    stream = opened(client, Destination("tcp", "a" * 256, 80))
    assert isinstance(stream.error, PeerError)
    assert client.dialled == []


async def test_datagrams_go_with_their_lengths_and_come_back() -> None:
    client = Client()
    flow = RecordingPackets()
    client.outbound.open_packets(Request(DNS, "in"), flow)
    flow.peer.write_packet(b"?", None)
    flow.peer.write_packet(b"elsewhere", Destination("udp", IPv4Address("9.9.9.9"), 53))
    flow.peer.write_packet(b"!", DNS)
    await turn()
    near = client.wire.near
    assert near.writes == [UDP_HEADER + b"\x00\x01?", b"\x00\x01!"]
    near.peer.write(b"\x00")
    near.peer.write(b"\x00\x00\x02ok\x00")
    near.peer.write(b"\x01.")
    assert flow.packets == [(b"ok", None), (b".", None)]
    near.peer.write_eof()
    assert flow.closed
    assert near.closed


async def test_a_flow_whose_server_is_gone_is_closed() -> None:
    client = Client()
    flow = RecordingPackets()
    client.outbound.open_packets(Request(DNS, "in"), flow)
    client.wire.near.peer.abort(None)
    assert flow.closed
    await turn()
    assert client.wire.near.writes == []


async def test_a_tunnel_is_kept_open_with_its_own_command() -> None:
    client = Client(id=TUNNEL_UUID, email="home@example.org", level=3, reverse={"tag": "r-in"})
    [(origin, open_carrier)] = client.kept
    assert (origin.inbound_tag, origin.user, origin.level) == ("r-in", "home@example.org", 3)
    carrier = RecordingStream()
    open_carrier(carrier)
    await turn()
    near = client.wire.near
    assert near.writes == [bytes.fromhex("00278487397e6241389fd3098a63964b6b0004")]
    near.peer.write(b"\x00\x00frames")
    assert carrier.take() == b"frames"
    assert carrier.peer is near
    assert near.peer is carrier


async def test_servers_and_users_take_turns() -> None:
    users = [{"id": text, "encryption": "none"} for text in ("a", "b")]
    servers = [{"address": f"192.0.2.{number}", "port": 443, "users": users} for number in (1, 2)]
    client = Client(address=None, vnext=servers)
    for _ in range(4):
        opened(client).peer.write(b"x")
    assert [str(server.host) for server in client.dialled] == ["192.0.2.1", "192.0.2.2"] * 2
    assert len({wire.near.sent for wire in client.wires}) == 2
