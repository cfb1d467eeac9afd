"""`targetStrategy`: an outbound gets addresses instead of names."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from proxycore.destination import Destination, IPAddress, Request
from proxycore.errors import DialError
from proxycore.net.resolve import Strategy
from proxycore.target_strategy import TargetResolving
from tests.proxycore.transport.test_chain import DATAGRAMS, HOME, NAME, Next
from tests.support.sockets import until
from tests.support.streams import RecordingPackets, RecordingStream


class Names:
    def __init__(self, *, is_known: bool = True) -> None:
        self.is_known = is_known
        self.asked: list[tuple[str, Strategy]] = []

    async def resolve(self, host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
        self.asked.append((host, strategy))
        if not self.is_known:
            raise DialError(host, "no such name")
        return [HOME]

    def is_own(self, request: Request) -> bool:
        return request.destination.port == 853


async def opened(strategy: Strategy, destination: Destination, names: Names) -> tuple[list[Destination], RecordingStream]:
    inner, client = Next(), RecordingStream()
    TargetResolving(inner, strategy, names).open(Request(destination, "in"), client)
    client.peer.write(b"hello")
    await until(lambda: inner.requests or client.aborted)
    assert client.aborted or bytes(inner.stream.data) == b"hello"
    return inner.requests, client


async def test_a_name_becomes_its_address() -> None:
    names = Names()
    assert (await opened(Strategy.USE_IPV4, NAME, names))[0] == [NAME._replace(host=HOME)]
    assert names.asked == [("home.example", Strategy.USE_IPV4)]


@pytest.mark.parametrize("destination", [NAME._replace(host=ip_address("192.0.2.9")), NAME._replace(port=853)])
async def test_addresses_and_the_dns_own_questions_go_as_they_are(destination: Destination) -> None:
    names = Names()
    assert (await opened(Strategy.FORCE_IP, destination, names))[0] == [destination]
    assert names.asked == []


async def test_a_name_without_an_address_goes_as_it_is_or_is_refused() -> None:
    assert (await opened(Strategy.USE_IP, NAME, Names(is_known=False)))[0] == [NAME]
    requests, client = await opened(Strategy.FORCE_IP, NAME, Names(is_known=False))
    assert requests == []
    assert isinstance(client.error, DialError)


async def test_datagrams_too() -> None:
    for is_known, strategy, went in ((True, Strategy.USE_IP, [DATAGRAMS._replace(host=HOME)]), (False, Strategy.FORCE_IP, [])):
        inner, client = Next(), RecordingPackets()
        TargetResolving(inner, strategy, Names(is_known=is_known)).open_packets(Request(DATAGRAMS, "in"), client)
        client.peer.write_packet(b"question", None)
        await until(lambda inner=inner, client=client: inner.requests or client.closed)    # type: ignore[misc]
        assert inner.requests == went
        assert inner.packets.packets == ([(b"question", None)] if went else [])
