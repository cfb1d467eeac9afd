"""A name server, and the instance's DNS as a document asks for it, in a world of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxycore.destination import Request
from proxycore.dns.build import Ways, build_dns
from proxycore.dns.dns import Dns
from proxycore.net.dial import Dialer
from proxycore.net.resolve import NoAddress, Strategy
from proxycore.net.udp import UdpSocket
from proxycore.stream import PacketStream, Stream
from tests.proxycore.document.reading import read
from tests.support.name_server import NameServer
from tests.support.sockets import World

BuildDns = Callable[..., Dns]


class DirectDispatcher:
    """Sends everything to where it wants to go, and remembers what was asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.requests: list[Request] = []

    def dispatch(self, request: Request, stream: Stream) -> None:
        self.requests.append(request)
        out = Dialer(self._world.poller, self._world.wheel, self._world.census, is_carrier=False).dial(request.destination)
        self._world.streams.append(out)
        out.peer, stream.peer = stream, out

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        self.requests.append(request)
        out = UdpSocket(self._world.loop, self._world.wheel, request.destination)
        out.peer, packets.peer = packets, out


class SystemNames:
    """The system's resolver, as the test has it."""

    def __init__(self) -> None:
        self.names: dict[str, list[Any]] = {}
        self.asked: list[str] = []

    async def resolve(self, host: str, strategy: Strategy) -> list[Any]:
        self.asked.append(host)
        if host not in self.names:
            raise NoAddress(host, "no such name")
        return self.names[host]


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def second_server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def system() -> SystemNames:
    return SystemNames()


@pytest.fixture
async def world() -> Any:
    world = World()
    yield world
    world.close()


@pytest.fixture
async def dispatcher(world: World) -> DirectDispatcher:
    return DirectDispatcher(world)


@pytest.fixture
async def build(world: World, dispatcher: DirectDispatcher, system: SystemNames) -> Any:
    """`build(section)`: the Dns that this section asks for."""
    built: list[Dns] = []

    def build(section: dict[str, Any]) -> Dns:
        document = read(json.dumps({"dns": section, "inbounds": [], "outbounds": []}))
        dial = Dialer(world.poller, world.wheel, world.census, is_carrier=False).dial
        around = Ways(asyncio.get_running_loop(), world.wheel, dispatcher, dial, system.resolve)
        built.append(build_dns(document.dns, around))
        return built[-1]

    yield build
    for dns in built:
        dns.close()
