"""Listening sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from proxycore.destination import HostPort
from proxycore.errors import ConfigError
from proxycore.net.listen import NO_DESCRIPTOR_PAUSE_S, Listener, bind
from proxycore.net.socket_stream import SocketStream
from proxycore.stream import Stream
from tests.support.processes import LOCALHOST
from tests.support.sockets import World, until
from tests.support.streams import RecordingStream

PATH = "inbounds[0].port"
MANY = 500


class Door:
    """A listener, and what it accepted."""

    def __init__(self, world: World, address: str = LOCALHOST) -> None:
        self.streams: list[SocketStream] = []
        self.neighbours: list[RecordingStream] = []
        self.addresses: list[tuple[HostPort, HostPort]] = []
        self.listener = Listener(
            world.poller, world.wheel, world.census, bind(address, 0, socket.SOCK_STREAM, PATH), self._accept, is_carrier=False
        )

    def _accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        assert isinstance(stream, SocketStream)
        neighbour = RecordingStream()
        stream.peer, neighbour.peer = neighbour, stream
        self.streams.append(stream)
        self.neighbours.append(neighbour)
        self.addresses.append((source, local))

    def close(self) -> None:
        self.listener.close()
        for stream in self.streams:
            stream.abort(None)


@contextlib.contextmanager
def no_free_descriptor() -> Iterator[None]:
    """None is left for an accept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_connection_is_handed_over_with_its_addresses_and_then_read(world: World) -> None:
    door = Door(world)
    with socket.create_connection((LOCALHOST, door.listener.port)) as sock:
        sock.sendall(b"hello")
        await until(lambda: door.neighbours and door.neighbours[0].data == b"hello")
        assert door.addresses == [(sock.getsockname(), (LOCALHOST, door.listener.port))]
    door.close()


async def test_many_connections_at_once_are_all_accepted(world: World) -> None:
    door = Door(world)
    socks = [world.own(socket.socket()) for _ in range(MANY)]
    await asyncio.gather(*(world.loop.sock_connect(sock, (LOCALHOST, door.listener.port)) for sock in socks))
    await until(lambda: len(door.streams) == MANY)
    assert world.census.count == MANY
    for sock in socks:
        sock.send(b"x")
    await until(lambda: all(neighbour.data == b"x" for neighbour in door.neighbours))
    door.close()
    assert world.census.count == 0


async def test_a_listener_for_all_addresses_shows_ipv4_as_ipv4(world: World) -> None:
    door = Door(world, "")
    with socket.create_connection((LOCALHOST, door.listener.port)) as sock:
        await until(lambda: door.addresses)
        assert door.addresses == [(sock.getsockname(), (LOCALHOST, door.listener.port))]
    door.close()


async def test_a_closed_listener_refuses_and_leaves_connections_alone(world: World) -> None:
    door = Door(world)
    with socket.create_connection((LOCALHOST, door.listener.port)) as sock:
        await until(lambda: door.streams)
        port = door.listener.port
        door.listener.close()
        door.listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOCALHOST, port))
        sock.sendall(b"still here")
        await until(lambda: door.neighbours[0].data == b"still here")
    door.close()


async def test_without_free_descriptors_accepting_pauses_and_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door(world)
    clients = [world.own(socket.socket()) for _ in range(2)]
    with no_free_descriptor():
        for sock in clients:
            await world.loop.sock_connect(sock, (LOCALHOST, door.listener.port))
        await until(lambda: "no new connections for" in caplog.text)
        assert door.streams == []
    begin = world.loop.time()
    await until(lambda: len(door.streams) == 2)
    assert world.loop.time() - begin < NO_DESCRIPTOR_PAUSE_S + 0.5
    assert caplog.text.count("no new connections for") <= 2, "a line a pause, not a line a connection"
    door.close()


async def test_closing_during_the_pause_ends_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    door = Door(world)
    client = world.own(socket.socket())
    with no_free_descriptor():
        await world.loop.sock_connect(client, (LOCALHOST, door.listener.port))
        await until(lambda: "no new connections for" in caplog.text)
        door.close()
    await asyncio.sleep(NO_DESCRIPTOR_PAUSE_S * 1.2)
    assert door.streams == []


async def test_a_bug_in_accept_costs_that_connection_only(world: World, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def accept(stream: SocketStream, source: HostPort, local: HostPort) -> None:
        calls.append(stream)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        stream.peer = RecordingStream()

    listener = Listener(
        world.poller, world.wheel, world.census, bind(LOCALHOST, 0, socket.SOCK_STREAM, PATH), accept, is_carrier=False
    )
    with socket.create_connection((LOCALHOST, listener.port)) as first:
        await until(lambda: len(calls) == 1)
        first.settimeout(5)
        assert first.recv(1) == b""
    with socket.create_connection((LOCALHOST, listener.port)):
        await until(lambda: len(calls) == 2)
    assert calls[0].ended
    assert not calls[1].ended
    assert "while accepting a connection" in caplog.text
    calls[1].abort(None)
    listener.close()


def test_a_taken_port_is_said_in_words() -> None:
    with socket.create_server((LOCALHOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            bind(LOCALHOST, port, socket.SOCK_STREAM, PATH)
    assert caught.value.path == PATH
    assert caught.value.reason == f"{LOCALHOST}:{port} is already taken by another program"


def test_an_address_of_another_machine_is_said_in_words() -> None:
    with pytest.raises(ConfigError) as caught:
        bind("192.0.2.1", 0, socket.SOCK_STREAM, PATH)
    assert caught.value.reason == "192.0.2.1 is not an address of this machine"
