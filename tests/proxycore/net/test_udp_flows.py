"""Flows of datagrams, on real sockets."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from proxycore.destination import Destination, HostPort, IPAddress, parse_host
from proxycore.net import flow_table
from proxycore.net.limits import FLOW_IDLE_S
from proxycore.net.listen import bind
from proxycore.net.udp import UdpListener, UdpSocket
from proxycore.stream import PacketStream
from tests.support.processes import LOCALHOST
from tests.support.sockets import World, turns, until
from tests.support.streams import RecordingPackets

PATH = "inbounds[0].port"
NO_SUCH_LABEL = f"{'a' * 64}.example"


class Door:
    """A listener, and the flows that it made."""

    def __init__(self, world: World, address: str = LOCALHOST) -> None:
        self.flows: list[PacketStream] = []
        self.neighbours: list[RecordingPackets] = []
        self.addresses: list[tuple[HostPort, HostPort]] = []
        self.sock = bind(address, 0, socket.SOCK_DGRAM, PATH)
        self.port = self.sock.getsockname()[1]
        self.listener = UdpListener(world.loop, world.wheel, self.sock, self._accept)

    def _accept(self, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        neighbour = RecordingPackets()
        packets.peer, neighbour.peer = neighbour, packets
        self.flows.append(packets)
        self.neighbours.append(neighbour)
        self.addresses.append((source, local))


def client(world: World, port: int) -> socket.socket:
    sock = world.own(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.connect((LOCALHOST, port))
    return sock


def server(world: World) -> socket.socket:
    sock = world.own(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind((LOCALHOST, 0))
    return sock


async def receive(world: World, sock: socket.socket) -> bytes:
    return await asyncio.wait_for(world.loop.sock_recv(sock, 65535), 5)


def answers(sock: socket.socket, question: bytes) -> bool:
    """Answer `question`, if it has come."""
    try:
        data, address = sock.recvfrom(100)
    except BlockingIOError:
        return False
    assert data == question
    sock.sendto(b"answer", address)
    return True


# the listening side


async def test_each_client_address_is_a_flow_of_its_own(world: World) -> None:
    door = Door(world)
    alice, bob = client(world, door.port), client(world, door.port)
    alice.send(b"one")
    alice.send(b"two")
    await until(lambda: door.neighbours and len(door.neighbours[0].packets) == 2)
    bob.send(b"three")
    await until(lambda: len(door.neighbours) == 2 and door.neighbours[1].packets)
    assert door.neighbours[0].packets == [(b"one", None), (b"two", None)]
    assert door.neighbours[1].packets == [(b"three", None)]
    assert door.addresses == [(sock.getsockname(), (LOCALHOST, door.port)) for sock in (alice, bob)]
    door.flows[1].write_packet(b"to bob", None)
    door.flows[0].write_packet(memoryview(b"to alice"), Destination("udp", "example.org", 53))
    assert await receive(world, bob) == b"to bob"
    assert await receive(world, alice) == b"to alice"
    door.listener.close()


async def test_the_largest_datagram_and_the_empty_one_arrive(world: World) -> None:
    door = Door(world)
    sock = client(world, door.port)
    largest = os.urandom(65507)
    sock.send(largest)
    sock.send(b"")
    await until(lambda: door.neighbours and len(door.neighbours[0].packets) == 2)
    assert door.neighbours[0].packets == [(largest, None), (b"", None)]
    door.listener.close()


async def test_a_flow_without_datagrams_expires_and_its_client_begins_a_new_one(world: World) -> None:
    door = Door(world)
    sock = client(world, door.port)
    sock.send(b"x")
    await until(lambda: door.neighbours and door.neighbours[0].packets)
    world.turn(FLOW_IDLE_S)
    assert not door.neighbours[0].closed
    world.turn(FLOW_IDLE_S)
    assert door.neighbours[0].closed
    sock.send(b"y")
    await until(lambda: len(door.neighbours) == 2 and door.neighbours[1].packets == [(b"y", None)])
    door.listener.close()


async def test_answers_keep_a_flow_alive(world: World) -> None:
    door = Door(world)
    sock = client(world, door.port)
    sock.send(b"x")
    await until(lambda: door.flows)
    for _ in range(4):
        door.flows[0].write_packet(b"tick", None)
        world.turn(FLOW_IDLE_S)
    assert not door.neighbours[0].closed
    door.listener.close()


async def test_a_closed_flow_is_forgotten(world: World) -> None:
    door = Door(world)
    sock = client(world, door.port)
    sock.send(b"x")
    await until(lambda: door.flows)
    door.flows[0].close()
    door.flows[0].close()
    assert not door.neighbours[0].closed, "who closed is not called again"
    sock.send(b"y")
    await until(lambda: len(door.flows) == 2)
    door.listener.close()


async def test_closing_the_listener_ends_its_flows(world: World) -> None:
    door = Door(world)
    client(world, door.port).send(b"x")
    await until(lambda: door.flows)
    door.listener.close()
    door.listener.close()
    assert door.neighbours[0].closed
    door.flows[0].write_packet(b"too late", None)


async def test_flows_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(world)
    monkeypatch.setattr(flow_table, "MAX_FLOWS", 3)
    for _ in range(5):
        client(world, door.port).send(b"x")
        await turns()
    assert len(door.flows) == 3
    door.listener.close()


async def test_where_flows_are_full_one_of_the_source_that_has_most_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(world)
    monkeypatch.setattr(flow_table, "MAX_FLOWS", 3)
    for address in ("127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.3", "127.0.0.3", "127.0.0.1"):
        sock = world.own(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind((address, 0))
        sock.connect((LOCALHOST, door.port))
        sock.send(b"x")
        await turns()
    sources = [source for (source, _), _ in door.addresses]
    assert sources == ["127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.3"]
    assert [one.closed for one in door.neighbours] == [False, True, False, False]
    door.listener.close()


async def test_a_listener_for_all_addresses_shows_ipv4_as_ipv4(world: World) -> None:
    door = Door(world, "")
    sock = client(world, door.port)
    sock.send(b"x")
    await until(lambda: door.addresses)
    source, local = door.addresses[0]
    assert source == sock.getsockname()
    assert parse_host(local[0]).version == 4     # type: ignore[union-attr]
    door.flows[0].write_packet(b"answer", None)
    assert await receive(world, sock) == b"answer"
    door.listener.close()


# the outgoing side


def outgoing(
    world: World, host: str | IPAddress, port: int, *, hides_source: bool = False
) -> tuple[UdpSocket, RecordingPackets]:
    sock = UdpSocket(world.loop, world.wheel, Destination("udp", host, port), hides_source=hides_source)
    neighbour = RecordingPackets()
    sock.peer, neighbour.peer = neighbour, sock
    return sock, neighbour


async def test_datagrams_go_to_their_address_or_to_the_default(world: World) -> None:
    first, second = server(world), server(world)
    packets, neighbour = outgoing(world, parse_host(LOCALHOST), first.getsockname()[1])
    other = Destination("udp", parse_host(LOCALHOST), second.getsockname()[1])
    packets.write_packet(b"default", None)
    packets.write_packet(b"other", other)
    assert await receive(world, first) == b"default"
    await until(lambda: answers(second, b"other"))
    await until(lambda: neighbour.packets)
    assert neighbour.packets == [(b"answer", other)]
    packets.close()


async def test_the_source_of_answers_can_be_hidden(world: World) -> None:
    far = server(world)
    packets, neighbour = outgoing(world, parse_host(LOCALHOST), far.getsockname()[1], hides_source=True)
    packets.write_packet(b"x", None)
    await until(lambda: answers(far, b"x"))
    await until(lambda: neighbour.packets)
    assert neighbour.packets == [(b"answer", None)]
    packets.close()


async def test_a_name_is_looked_up_and_what_waited_is_sent_in_order(world: World) -> None:
    far = server(world)
    packets, _ = outgoing(world, "localhost", far.getsockname()[1])
    packets.write_packet(b"one", None)
    packets.write_packet(bytearray(b"two"), None)
    assert [await receive(world, far), await receive(world, far)] == [b"one", b"two"]
    packets.close()


async def test_a_flow_to_a_name_that_does_not_exist_ends(world: World) -> None:
    packets, neighbour = outgoing(world, NO_SUCH_LABEL, 53)
    packets.write_packet(b"x", None)
    await until(lambda: neighbour.closed)


async def test_a_single_datagram_to_a_name_that_does_not_exist_costs_only_itself(world: World) -> None:
    far = server(world)
    packets, neighbour = outgoing(world, "localhost", far.getsockname()[1])
    packets.write_packet(b"lost", Destination("udp", NO_SUCH_LABEL, 53))
    packets.write_packet(b"kept", None)
    assert await receive(world, far) == b"kept"
    await turns()
    assert not neighbour.closed
    packets.close()


async def test_a_refused_datagram_does_not_end_the_flow(world: World) -> None:
    gone = server(world)
    packets, neighbour = outgoing(world, parse_host(LOCALHOST), gone.getsockname()[1])
    gone.close()
    far = server(world)
    for _ in range(3):
        packets.write_packet(b"nobody", None)
        await turns()
    packets.write_packet(b"somebody", Destination("udp", parse_host(LOCALHOST), far.getsockname()[1]))
    assert await receive(world, far) == b"somebody"
    assert not neighbour.closed
    packets.close()


async def test_an_impossible_datagram_is_dropped(world: World) -> None:
    packets, neighbour = outgoing(world, parse_host(LOCALHOST), 0)
    packets.write_packet(b"x", None)
    packets.write_packet(bytes(65535), Destination("udp", parse_host(LOCALHOST), 9))
    packets.write_packet(b"x", Destination("udp", parse_host("::1"), 70000))
    await turns()
    assert not neighbour.closed
    packets.close()


async def test_an_unused_outgoing_flow_expires(world: World) -> None:
    packets, neighbour = outgoing(world, parse_host(LOCALHOST), 9)
    packets.write_packet(b"x", None)
    world.turn(FLOW_IDLE_S)
    assert not neighbour.closed
    world.turn(FLOW_IDLE_S)
    assert neighbour.closed
    packets.write_packet(b"too late", None)
    packets.close()
