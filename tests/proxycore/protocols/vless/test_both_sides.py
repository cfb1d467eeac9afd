"""Client and server joined by a wire, cut in every way; and joined in a row, as a relay has them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from proxycore.destination import Destination, Request
from tests.proxycore.protocols.vless.wires import Client, Server
from tests.support.streams import RecordingPackets, RecordingStream

WEB = Destination("tcp", IPv4Address("127.0.0.1"), 80)
BIG = bytes(range(256)) * 300

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("cut", [0, 1, 3, 1000])
async def test_bytes_arrive_as_they_were_both_ways(cut: int) -> None:
    server = Server()
    client = Client(server, cut=cut)
    near = RecordingStream()
    client.outbound.open(Request(WEB, "in"), near)
    near.peer.write(b"up")
    near.peer.write(BIG)
    near.peer.write_eof()
    client.wire.run()
    far = server.dispatcher.streams[0]
    assert far.take() == b"up" + BIG
    assert far.eof
    far.peer.write(b"down")
    far.peer.write(BIG)
    far.peer.write_eof()
    client.wire.run()
    assert near.take() == b"down" + BIG
    assert near.eof
    assert client.wire.near.sent == client.wire.near.writes[0][:26] + b"up" + BIG
    assert client.wire.far.sent == b"\x00\x00down" + BIG


@pytest.mark.parametrize("speaks_first", ["client", "server"])
async def test_a_relay_joins_its_two_sockets_directly(speaks_first: str) -> None:
    """An inbound whose dispatcher is an outbound: in the end neither VLESS side is between the two sockets."""
    last = Server()
    relay = Client(last)

    class Relay(Server):
        def __init__(self) -> None:
            super().__init__()
            self.dispatcher.dispatch = relay.outbound.open          # type: ignore[method-assign]

    first = Relay()
    client = Client(first)
    near = RecordingStream()
    client.outbound.open(Request(WEB, "in"), near)
    if speaks_first == "client":
        near.peer.write(b"hello")
    for _ in range(3):
        await asyncio.sleep(0)
        for wire in (*client.wires, *relay.wires):
            wire.run()
    far = last.dispatcher.streams[0]
    far.peer.write(b"welcome")
    for wire in (*relay.wires, *client.wires):
        wire.run()
    near.peer.write(b" and more")
    for wire in (*client.wires, *relay.wires):
        wire.run()
    assert near.take() == b"welcome"
    assert far.take() == (b"hello" if speaks_first == "client" else b"") + b" and more"
    assert client.wire.far.peer is relay.wire.near
    assert relay.wire.near.peer is client.wire.far


async def test_datagrams_arrive_both_ways() -> None:
    server = Server()
    client = Client(server, cut=1)
    near = RecordingPackets()
    client.outbound.open_packets(Request(WEB._replace(network="udp"), "in"), near)
    near.peer.write_packet(b"one", None)
    near.peer.write_packet(bytes(2000), None)
    client.wire.run()
    far = server.dispatcher.flows[0]
    assert far.packets == [(b"one", None), (bytes(2000), None)]
    far.peer.write_packet(b"back", None)
    client.wire.run()
    assert near.packets == [(b"back", None)]
    near.peer.close()
    client.wire.run()
    server.turn(4)
    assert far.closed
