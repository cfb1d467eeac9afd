"""A request that needs addresses waits for them, and is then carried as if it had not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from proxycore.destination import Destination, IPAddress, Request
from proxycore.dispatcher import RoutingDispatcher
from proxycore.logs import SilentAccessLog
from proxycore.net.resolve import Strategy
from proxycore.protocols.base import Outbound
from proxycore.resolving import Resolving, explain
from proxycore.routing.addresses import AddressCondition, parse_address
from proxycore.routing.resolution import Resolution
from proxycore.routing.router import Router
from proxycore.routing.rule import Rule
from proxycore.stats import Stats
from proxycore.stream import PacketStream, Stream
from proxycore.wire.answered import AnsweredStream
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream

HOME = ip_address("10.0.0.1")
WEB = Request(Destination("tcp", "home.example", 80), "in")
DNS = Request(Destination("udp", "home.example", 53), "in")
_LOCAL = Rule("r", "local", (AddressCondition("destination", [parse_address("10.0.0.0/8")]),))
ROUTER = Router.compile([_LOCAL], "default", "IPIfNonMatch")


class Connecting(RecordingStream):
    @property
    def is_connecting(self) -> bool:
        return True


class ConnectingDispatcher(RecordingDispatcher):
    """Its outbounds say when they have connected."""

    def dispatch(self, request: Request, stream: Stream) -> None:
        far = Connecting()
        far.peer, stream.peer = stream, far
        self.requests.append(request)
        self.streams.append(far)


class World:
    def __init__(self, inner: RecordingDispatcher | None = None) -> None:
        self.may_answer = asyncio.Event()
        self.inner = inner or RecordingDispatcher()
        self.resolution = Resolution(self.resolve, lambda: 0.0)
        self.resolving = Resolving(self.resolution)

    def dispatch(self, client: Stream) -> None:
        self.resolving.dispatch(WEB, client, self.inner)

    def dispatch_packets(self, client: PacketStream) -> None:
        self.resolving.dispatch_packets(DNS, client, self.inner)

    async def resolve(self, host: str, strategy: Strategy) -> Sequence[IPAddress]:
        await self.may_answer.wait()
        return [HOME]

    async def answer(self) -> None:
        self.may_answer.set()
        for _ in range(5):
            await asyncio.sleep(0)


def test_a_client_is_held_until_the_addresses_are_there_and_then_joined() -> None:
    async def scenario() -> None:
        world, client = World(), RecordingStream()
        world.dispatch(client)
        client.peer.write(b"early")
        assert (world.inner.requests, client.paused) == ([], True)
        await world.answer()
        assert world.inner.requests == [WEB._replace(resolved=(HOME,))]
        assert (world.inner.streams[0].take(), client.paused) == (b"early", False)
        assert client.peer is world.inner.streams[0]

    asyncio.run(scenario())


def test_a_known_name_is_routed_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.may_answer.set()
        await world.resolution.addresses("home.example")
        world.dispatch(RecordingStream())
        world.dispatch_packets(RecordingPackets())
        assert world.inner.requests == [WEB._replace(resolved=(HOME,)), DNS._replace(resolved=(HOME,))]

    asyncio.run(scenario())


class FarOutbound(Outbound):
    """Joins what it carries, and remembers it."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.carried = RecordingDispatcher()

    def open(self, request: Request, stream: Stream) -> None:
        self.carried.dispatch(request, stream)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        self.carried.dispatch_packets(request, packets)


def test_the_router_decides_by_the_addresses() -> None:
    async def scenario() -> None:
        world = World()
        local, default = FarOutbound("local"), FarOutbound("default")
        outbounds = {"local": local, "default": default}
        dispatcher = RoutingDispatcher(ROUTER, outbounds, SilentAccessLog(), Stats(), world.resolving)
        dispatcher.dispatch(WEB, RecordingStream())
        dispatcher.dispatch_packets(DNS, RecordingPackets())
        dispatcher.dispatch(WEB._replace(destination=Destination("tcp", ip_address("192.0.2.1"), 80)), RecordingStream())
        assert ([request.destination.port for request in default.carried.requests], local.carried.requests) == ([80], [])
        await world.answer()
        assert [request.resolved for request in local.carried.requests] == [(HOME,), (HOME,)]

    asyncio.run(scenario())


def test_a_client_that_leaves_meanwhile_is_never_routed() -> None:
    async def scenario() -> None:
        world, client, packets = World(), RecordingStream(), RecordingPackets()
        world.dispatch(client)
        world.dispatch_packets(packets)
        client.peer.abort(None)
        packets.peer.close()
        await world.answer()
        assert world.inner.requests == []

    asyncio.run(scenario())


@pytest.mark.parametrize("tells", [False, True], ids=["an outbound that cannot tell", "an outbound that connects"])
def test_success_is_told_once_the_outbound_says_so(tells: bool) -> None:
    async def scenario() -> None:
        world, client = World(ConnectingDispatcher() if tells else None), RecordingStream()
        answered = AnsweredStream(client, b"success", lambda error: b"refused")
        world.dispatch(answered)
        answered.settle()
        assert not client.data
        await world.answer()
        assert bytes(client.data) == (b"" if tells else b"success")
        if tells:
            answered.on_connected()
        assert client.take() == b"success"
        assert (client.peer, world.inner.streams[0].peer) == (world.inner.streams[0], client)

    asyncio.run(scenario())


def test_datagrams_wait_too() -> None:
    async def scenario() -> None:
        world, client = World(), RecordingPackets()
        world.dispatch_packets(client)
        client.peer.write_packet(b"a", None)
        await world.answer()
        assert world.inner.requests == [DNS._replace(resolved=(HOME,))]
        assert world.inner.flows[0].packets == [(b"a", None)]

    asyncio.run(scenario())


def test_an_explanation_looks_the_name_up() -> None:
    async def scenario() -> None:
        world = World()
        world.may_answer.set()
        (step,) = await explain(ROUTER, world.resolution, WEB)
        assert step.why == "the destination address 10.0.0.1 fits 10.0.0.0/8: goes to local"

    asyncio.run(scenario())
