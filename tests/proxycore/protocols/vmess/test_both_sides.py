"""Our client and our server, joined by a wire in memory."""

from __future__ import annotations

import asyncio
import os
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination, Request
from proxycore.protocols import all_protocols
from proxycore.protocols.vmess import PROTOCOL
from tests.proxycore.protocols.vmess.wires import UUID, Client, Server
from tests.support.streams import RecordingPackets, RecordingStream

WEB = Destination("tcp", "www.example.org", 80)
DNS = Destination("udp", IPv4Address("192.0.2.53"), 53)
USERS = [
    {"security": security, "experiments": experiments}
    for security in ("aes-128-gcm", "chacha20-poly1305", "none", "zero")
    for experiments in ("", "AuthenticatedLength", "NoTerminationSignal", "AuthenticatedLength|NoTerminationSignal")
]
every_user = pytest.mark.parametrize("user", USERS, ids=lambda user: " ".join(filter(None, user.values())))


def joined(user: dict[str, Any], cut: int) -> tuple[Client, Server, RecordingStream, RecordingStream]:
    """A client's stream and the stream that the server was asked for."""
    server = Server({"id": UUID, "experiments": user.get("experiments", "")})
    client = Client(server, cut=cut, **user)
    near = RecordingStream()
    client.outbound.open(Request(WEB, "in"), near)
    near.peer.write(b"first")
    client.wire.run()
    [request] = server.dispatcher.requests
    assert request.destination == WEB
    [far] = server.dispatcher.streams
    assert far.take() == b"first"
    return client, server, near, far


def test_the_registry_finds_the_protocol() -> None:
    assert all_protocols()["vmess"] is PROTOCOL


@pytest.mark.parametrize("cut", [0, 1, 999], ids=["whole", "byte by byte", "odd cuts"])
@every_user
async def test_data_and_both_ends_pass(user: dict[str, Any], cut: int) -> None:
    client, _, near, far = joined(user, cut)
    up, down = os.urandom(3000 if cut == 1 else 200_000), os.urandom(3000 if cut == 1 else 300_000)
    near.peer.write(up)
    far.peer.write(down)
    client.wire.run()
    assert far.take() == up
    assert near.take() == down
    near.peer.write_eof()
    client.wire.run()
    assert (far.eof, near.eof) == (True, False)
    far.peer.write(b"said after the question's end")
    far.peer.write_eof()
    client.wire.run()
    assert near.data == b"said after the question's end"
    assert near.eof
    assert (client.wire.near.closed, client.wire.far.closed) == (True, True)
    assert (near.aborted, far.aborted) == (False, False)


@every_user
async def test_the_server_may_speak_first_and_end_first(user: dict[str, Any]) -> None:
    server = Server({"id": UUID, "experiments": user["experiments"]})
    client = Client(server, **user)
    near = RecordingStream()
    client.outbound.open(Request(WEB, "in"), near)
    await asyncio.sleep(0)
    client.wire.run()
    [far] = server.dispatcher.streams
    far.peer.write(b"220 ready\r\n")
    far.peer.write_eof()
    client.wire.run()
    assert near.data == b"220 ready\r\n"
    assert (near.eof, far.eof) == (True, False)
    near.peer.write(b"still talking")
    near.peer.close()
    client.wire.run()
    assert far.data == b"still talking"
    assert far.eof
    assert (client.wire.near.closed, client.wire.far.closed) == (True, True)


@every_user
async def test_an_empty_answer_is_a_clean_end(user: dict[str, Any]) -> None:
    client, _, near, far = joined(user, 0)
    far.peer.close()
    client.wire.run()
    assert near.data == b""
    assert near.eof
    assert not near.aborted


async def test_an_abort_on_either_side_reaches_the_other() -> None:
    client, _, near, far = joined({}, 0)
    far.peer.abort(ConnectionResetError())
    client.wire.run()
    assert near.aborted
    client, _, near, far = joined({}, 0)
    near.peer.abort(None)
    client.wire.run()
    assert far.aborted


@every_user
async def test_datagrams_keep_their_borders(user: dict[str, Any]) -> None:
    for cut in (0, 1):
        if user["security"] == "zero" and cut:
            continue        # has no borders of its own: one read is one datagram
        server = Server({"id": UUID, "experiments": user["experiments"]})
        client = Client(server, cut=cut, **user)
        near = RecordingPackets()
        client.outbound.open_packets(Request(DNS, "in"), near)
        up, down = [os.urandom(size) for size in (1, 500, 1400)], [os.urandom(size) for size in (8000, 2)]
        for data in up:
            near.peer.write_packet(data, DNS)
        client.wire.run()
        [far] = server.dispatcher.flows
        for data in down:
            far.peer.write_packet(data, DNS)
        client.wire.run()
        assert server.dispatcher.requests[0].destination == DNS
        assert far.packets == [(data, None) for data in up]
        assert near.packets == [(data, None) for data in down]
        near.peer.close()
        client.wire.run()
        server.turn(3)
        assert far.closed


async def test_one_request_can_travel_in_another() -> None:
    client, _, near, far = joined({}, 0)
    inner_client, inner_server, source, data = Client(), Server(), RecordingStream(), os.urandom(100_000)
    inner_client.outbound.open(Request(WEB, "in"), source)
    inner_lower = RecordingStream()
    inner_server.accept(inner_lower)
    source.peer.write(data)
    near.peer.write(inner_client.wire.near.sent)
    client.wire.run()
    inner_lower.peer.write(far.data)
    assert inner_server.dispatcher.streams[0].data == data


@pytest.mark.fuzz
@given(st.sampled_from(USERS), st.integers(0, 50), st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=8))
def test_any_talk_passes_as_it_was(user: dict[str, Any], cut: int, talk: list[tuple[bool, bytes]]) -> None:
    async def run() -> None:
        client, _, near, far = joined(user, cut)
        for is_up, data in talk:
            (near if is_up else far).peer.write(data)
        client.wire.run()
        assert far.data == b"".join(data for is_up, data in talk if is_up)
        assert near.data == b"".join(data for is_up, data in talk if not is_up)

    asyncio.run(run())
