"""Dialling through another outbound: names, and datagrams, which are not to go past it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from proxycore.destination import Destination, IPAddress, Request
from proxycore.errors import DialError
from proxycore.net.resolve import Strategy
from proxycore.protocols.base import Outbound
from proxycore.stream import PacketStream, Stream
from proxycore.transport.chain import ChainedDial
from tests.support.sockets import turns, until
from tests.support.streams import RecordingPackets, RecordingStream

NAME = Destination("tcp", "home.example", 80)
DATAGRAMS = Destination("udp", "home.example", 53)
HOME = ip_address("192.0.2.7")


class Next(Outbound):
    """The outbound that is dialled through."""

    def __init__(self) -> None:
        self.tag = "hop"
        self.requests: list[Destination] = []
        self.stream = RecordingStream()
        self.packets = RecordingPackets()

    def open(self, request: Request, stream: Stream) -> None:
        self.requests.append(request.destination)
        self.stream.peer, stream.peer = stream, self.stream

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        self.requests.append(request.destination)
        self.packets.peer, packets.peer = packets, self.packets


async def known(host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
    await asyncio.sleep(0)
    return [HOME]


async def unknown(host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
    raise DialError(host, "no such name")


def chained(hop: Outbound | None, resolve: object = known) -> ChainedDial:
    return ChainedDial("hop", lambda: hop, asyncio.get_running_loop().call_soon, resolve)   # type: ignore[arg-type]


async def test_a_name_is_left_to_the_other_outbound() -> None:
    hop = Next()
    chained(hop)(NAME)
    assert hop.requests == [NAME]


async def test_with_a_strategy_its_address_is_dialled_and_what_was_written_meanwhile_arrives() -> None:
    hop, client = Next(), RecordingStream()
    near = chained(hop)(NAME, Strategy.USE_IPV4)
    near.peer, client.peer = client, near
    near.write(b"hello")
    assert near.is_connecting
    assert client.paused
    await until(lambda: hop.requests)
    assert hop.requests == [NAME._replace(host=HOME)]
    assert bytes(hop.stream.data) == b"hello"
    assert not client.paused


@pytest.mark.parametrize(("strategy", "went"), [(Strategy.USE_IP, [NAME]), (Strategy.FORCE_IP, [])])
async def test_a_name_without_an_address_is_left_to_the_other_one_or_fails(
    strategy: Strategy, went: list[Destination]
) -> None:
    hop, client = Next(), RecordingStream()
    near = chained(hop, unknown)(NAME, strategy)
    near.peer, client.peer = client, near
    await until(lambda: hop.requests or client.aborted)
    assert hop.requests == went
    assert client.aborted is not bool(went)


async def test_what_only_a_guard_may_resolve_never_goes_on_as_a_name() -> None:
    hop, client = Next(), RecordingStream()
    near = chained(hop)(NAME, resolve=unknown)
    near.peer, client.peer = client, near
    await until(lambda: client.aborted)
    assert hop.requests == []
    chained(hop)(NAME, resolve=known)
    await until(lambda: hop.requests)
    assert hop.requests == [NAME._replace(host=HOME)]


async def test_a_client_that_leaves_meanwhile_opens_nothing() -> None:
    hop = Next()
    near = chained(hop)(NAME, Strategy.USE_IP)
    near.abort(None)
    await turns()
    assert hop.requests == []


async def test_datagrams_take_the_same_way_and_come_back() -> None:
    hop, client = Next(), RecordingPackets()
    near = chained(hop).datagrams(DATAGRAMS)
    near.peer, client.peer = client, near
    other = Destination("udp", HOME, 5353)
    near.write_packet(b"one", None)
    near.write_packet(b"two", other)
    assert hop.requests == [DATAGRAMS]
    assert hop.packets.packets == [(b"one", None), (b"two", other)]
    hop.packets.peer.write_packet(b"answer", other)
    assert client.packets == [(b"answer", other)]
    hop.packets.peer.close()
    assert client.closed


async def test_sources_are_hidden_and_names_dropped_where_that_is_asked_for() -> None:
    hop, client = Next(), RecordingPackets()
    near = chained(hop).datagrams(DATAGRAMS, resolve=known, hides_source=True)
    near.peer, client.peer = client, near
    near.write_packet(b"one", None)
    near.write_packet(b"two", Destination("udp", "other.example", 53))
    await until(lambda: hop.requests)
    assert hop.requests == [DATAGRAMS._replace(host=HOME)]
    assert hop.packets.packets == [(b"one", None)]
    hop.packets.peer.write_packet(b"answer", Destination("udp", HOME, 5353))
    assert client.packets == [(b"answer", None)]


async def test_where_the_other_outbound_is_gone_both_fail() -> None:
    client, packets = RecordingStream(), RecordingPackets()
    near, flow = chained(None)(NAME), chained(None).datagrams(DATAGRAMS)
    near.peer, client.peer = client, near
    flow.peer, packets.peer = packets, flow
    await until(lambda: client.aborted and packets.closed)
    assert isinstance(client.error, DialError)
