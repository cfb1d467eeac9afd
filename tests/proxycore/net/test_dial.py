"""Outgoing connections, to real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

import pytest
import uvloop

from proxycore.destination import Destination
from proxycore.errors import DialError
from proxycore.net.dial import Dialer
from proxycore.net.racing import RACE_DELAY_S
from proxycore.net.resolve import Strategy
from proxycore.net.socket_stream import SocketStream
from proxycore.transport.sockopt import Sockopt, SockoptSettings
from tests.support.processes import LOCALHOST, free_port, quickest
from tests.support.sockets import World, turns, until
from tests.support.streams import RecordingStream

T = TypeVar("T")
NAME = "service.example"
DEAD = IPv4Address("127.0.0.2")
ALIVE = IPv4Address(LOCALHOST)
NO_SUCH_LABEL = f"{'a' * 64}.example"       # 63 characters at most: no name server is asked


class NamingLoop(uvloop.Loop):
    """Knows one name, and the addresses that the test gives it."""

    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    lookups = 0

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        self.lookups += 1
        if host != NAME:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM, 6, "", (str(ip), 0))
            for ip in self.addresses
        ]


def run(test: Coroutine[Any, Any, T], *addresses: str | IPv4Address) -> T:
    """Run `test` on a loop where NAME has `addresses`."""
    loop = NamingLoop()
    loop.addresses = tuple(ip_address(str(address)) for address in addresses)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(test)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((LOCALHOST, 0)) as server:
        server.setblocking(False)
        yield server


@contextlib.contextmanager
def deaf(port: int) -> Iterator[None]:
    """Nothing answers at DEAD:`port`: a full row of connections that nobody accepts."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind((str(DEAD), port))
        full.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((str(DEAD), port))
        yield


def dial(
    world: World, host: object, port: int, strategy: Strategy = Strategy.AS_IS, racing: dict[str, int] | None = None
) -> tuple[SocketStream, RecordingStream]:
    """`racing`: as `happyEyeballs` of a document."""
    options = None if racing is None else Sockopt(SockoptSettings.model_validate({"happyEyeballs": racing}))
    dialer = Dialer(world.poller, world.wheel, world.census, is_carrier=False, options=options)
    stream = dialer.dial(Destination("tcp", host, port), strategy)  # type: ignore[arg-type]
    world.streams.append(stream)
    neighbour = RecordingStream()
    stream.peer, neighbour.peer = neighbour, stream
    return stream, neighbour


async def accepted(world: World, server: socket.socket) -> socket.socket:
    far, _ = await asyncio.wait_for(world.loop.sock_accept(server), 5)
    return world.own(far)


async def test_an_address_is_connected_to_and_data_written_meanwhile_is_sent(world: World, server: socket.socket) -> None:
    stream, neighbour = dial(world, ALIVE, server.getsockname()[1])
    assert not stream.ended
    stream.write(b"early")
    far = await accepted(world, server)
    assert await world.read(far, 5) == b"early"
    far.send(b"answer")
    await until(lambda: neighbour.data == b"answer")
    assert stream.sock is not None
    assert stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_a_connection_between_cores_is_watched_by_the_system(world: World, server: socket.socket) -> None:
    dialer = Dialer(world.poller, world.wheel, world.census, is_carrier=True)
    stream = dialer.dial(Destination("tcp", ALIVE, server.getsockname()[1]))
    world.streams.append(stream)
    await until(lambda: stream.sock is not None)
    assert stream.sock is not None
    assert stream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    # it would also end one whose far end is there but does not read
    assert stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_a_refused_connection_is_told_at_once_and_not_before_the_peer_is_set() -> None:
    async def test() -> float:
        world = World()
        begin = time.monotonic()
        stream, neighbour = dial(world, ALIVE, free_port())
        assert not neighbour.aborted
        await until(lambda: neighbour.aborted)
        seconds = time.monotonic() - begin
        assert isinstance(neighbour.error, DialError)
        assert neighbour.error.reason == "Connection refused"
        assert stream.ended
        assert world.census.count == 0
        world.close()
        return seconds

    assert quickest(lambda: run(test()), 0.5) < 0.5


@pytest.mark.parametrize("port", [0, 65536])
async def test_an_impossible_port_is_told(world: World, port: int) -> None:
    _, neighbour = dial(world, ALIVE, port)
    await until(lambda: neighbour.aborted)
    assert isinstance(neighbour.error, DialError)


async def test_a_dial_that_is_given_up_connects_to_nobody(world: World, server: socket.socket) -> None:
    stream, _neighbour = dial(world, ALIVE, server.getsockname()[1])
    stream.abort(None)
    await turns()
    assert stream.ended
    assert world.census.count == 0
    with pytest.raises(BlockingIOError):
        server.accept()


def test_a_name_is_looked_up(server: socket.socket) -> None:
    async def test() -> None:
        world = World()
        _stream, neighbour = dial(world, NAME, server.getsockname()[1])
        far = await accepted(world, server)
        far.send(b"hello")
        await until(lambda: neighbour.data == b"hello")
        world.close()

    run(test(), ALIVE)


@pytest.mark.parametrize("name", ["unknown.example", NO_SUCH_LABEL])
def test_a_name_that_does_not_exist_is_told(name: str) -> None:
    async def test() -> None:
        world = World()
        stream, neighbour = dial(world, name, 80)
        await until(lambda: neighbour.aborted)
        assert isinstance(neighbour.error, DialError)
        assert neighbour.error.reason == "name lookup failed: Name or service not known"
        assert stream.ended
        world.close()

    run(test())


async def test_a_name_that_cannot_be_written_is_told(world: World) -> None:
    stream, neighbour = dial(world, NO_SUCH_LABEL, 80)
    await until(lambda: neighbour.aborted)
    assert isinstance(neighbour.error, DialError)
    assert stream.ended


def test_the_next_address_is_tried_at_once_when_one_refuses(server: socket.socket) -> None:
    async def test() -> float:
        world = World()
        begin = time.monotonic()
        _stream, _neighbour = dial(world, NAME, server.getsockname()[1])
        await accepted(world, server)
        seconds = time.monotonic() - begin
        world.close()
        return seconds

    assert quickest(lambda: run(test(), "127.0.0.3", ALIVE), RACE_DELAY_S) < RACE_DELAY_S


def test_the_next_address_is_tried_beside_one_that_does_not_answer(server: socket.socket) -> None:
    port = server.getsockname()[1]

    async def test() -> float:
        world = World()
        begin = time.monotonic()
        stream, neighbour = dial(world, NAME, port)
        stream.write(b"once")
        far = await accepted(world, server)
        seconds = time.monotonic() - begin
        assert await world.read(far, 4) == b"once"
        assert not neighbour.ended
        world.close()
        return seconds

    with deaf(port):
        limit_s = RACE_DELAY_S + 0.5
        assert RACE_DELAY_S * 0.9 < quickest(lambda: run(test(), DEAD, ALIVE), limit_s) < limit_s


@pytest.mark.parametrize(("racing", "least_s", "most_s"), [
    ({"tryDelayMs": 60}, 0.05, RACE_DELAY_S * 0.8), ({"tryDelayMs": 700}, 0.65, 1.5), ({"tryDelayMs": 0}, 0.2, 0.65)])
def test_when_the_next_address_is_tried_can_be_said(
    server: socket.socket, racing: dict[str, int], least_s: float, most_s: float
) -> None:
    port = server.getsockname()[1]

    async def test() -> float:
        world = World()
        begin = time.monotonic()
        dial(world, NAME, port, racing=racing)
        await accepted(world, server)
        seconds = time.monotonic() - begin
        world.close()
        return seconds

    with deaf(port):
        assert least_s < quickest(lambda: run(test(), DEAD, ALIVE), most_s) < most_s


def test_so_many_attempts_at_once_can_be_said(server: socket.socket) -> None:
    port = server.getsockname()[1]

    async def test() -> None:
        world = World()
        stream, neighbour = dial(world, NAME, port, racing={"tryDelayMs": 20, "maxConcurrentTry": 1})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.loop.sock_accept(server), 0.5)
        assert stream.is_connecting
        assert not neighbour.aborted
        stream.abort(None)
        world.close()

    with deaf(port):
        run(test(), DEAD, ALIVE)


def test_one_attempt_at_a_time_goes_on_when_it_is_refused(server: socket.socket) -> None:
    async def test() -> None:
        world = World()
        dial(world, NAME, server.getsockname()[1], racing={"tryDelayMs": 20, "maxConcurrentTry": 1})
        await accepted(world, server)
        world.close()

    run(test(), "127.0.0.3", "127.0.0.4", ALIVE)


def test_the_last_refusal_is_told_when_every_address_refuses() -> None:
    async def test() -> None:
        world = World()
        _stream, neighbour = dial(world, NAME, free_port())
        await until(lambda: neighbour.aborted)
        assert isinstance(neighbour.error, DialError)
        assert neighbour.error.reason == "Connection refused"
        world.close()

    run(test(), "127.0.0.3", "127.0.0.4", ALIVE)


def test_a_forced_family_that_the_name_has_not_is_told() -> None:
    async def test() -> None:
        world = World()
        _, neighbour = dial(world, NAME, 80, Strategy.FORCE_IPV6)
        await until(lambda: neighbour.aborted)
        assert isinstance(neighbour.error, DialError)
        assert "forceipv6" in neighbour.error.reason
        world.close()

    run(test(), ALIVE)


async def test_an_attempt_that_is_under_way_ends_with_the_socket_layer(world: World, server: socket.socket) -> None:
    port = server.getsockname()[1]
    with deaf(port):
        dial(world, DEAD, port)
        await until(lambda: world.poller.connecting)
        stream, neighbour = dial(world, ALIVE, port)
        await until(lambda: stream.sock is not None)
        dial(world, ALIVE, free_port())
        await until(lambda: len(world.poller.connecting) == 1)      # neither what has connected nor what was refused
        assert not neighbour.ended
        world.poller.close()
        assert not world.poller.connecting
