"""Names in outgoing flows of datagrams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest

from proxycore.destination import Destination, IPAddress
from proxycore.net.datagram_queue import MAX_DATAGRAMS
from proxycore.net.resolve import Strategy
from proxycore.net.udp import MAX_NAMES, UdpSocket
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer

V4, V6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
FIXED = Destination("udp", V4, 9)


class Flow(UdpSocket):
    """Remembers what would be sent."""

    __slots__ = ("sent",)

    def __init__(self, strategy: Strategy = Strategy.AS_IS) -> None:
        super().__init__(asyncio.get_running_loop(), Wheel(), FIXED, strategy)
        self.sent: list[tuple[bytes, IPAddress]] = []

    def _send(self, data: Buffer, ip: IPAddress, port: int) -> None:
        self.sent.append((bytes(data), ip))

    async def to(self, host: str, data: bytes = b"?") -> None:
        self.write_packet(data, Destination("udp", host, 9))
        for _ in range(8):
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def system_resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system's, which knows every name but those that begin with `no`; the lookups made."""
    lookups: list[str] = []

    async def getaddrinfo(host: str, port: None, **_: object) -> Sequence[tuple[object, ...]]:
        lookups.append(host)
        await asyncio.sleep(0)
        if host.startswith("no"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(None, None, None, "", (str(ip), 0)) for ip in (V6, V4)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return lookups


async def test_datagrams_wait_for_their_name_in_order_and_it_is_looked_up_once(system_resolver: list[str]) -> None:
    flow = Flow()
    flow.write_packet(b"1", Destination("udp", "a.example", 9))
    await flow.to("a.example", b"2")
    await flow.to("a.example", b"3")
    assert [data for data, _ in flow.sent] == [b"1", b"2", b"3"]
    assert system_resolver == ["a.example"]


async def test_a_name_that_fails_does_not_keep_other_names_from_being_looked_up(system_resolver: list[str]) -> None:
    flow = Flow()
    for _ in range(MAX_DATAGRAMS + 8):
        await flow.to("no.example")
    await flow.to("a.example", b"through")
    assert [data for data, _ in flow.sent] == [b"through"]


async def test_a_name_that_failed_is_looked_up_again_for_the_next_datagram(system_resolver: list[str]) -> None:
    flow = Flow()
    await flow.to("no.example")
    await flow.to("no.example")
    assert system_resolver == ["no.example", "no.example"]


async def test_the_names_of_a_flow_are_bounded() -> None:
    flow = Flow()
    for number in range(MAX_NAMES + 50):
        await flow.to(f"{number}.example")
    assert len(flow._addresses) <= MAX_NAMES
    assert len(flow.sent) == MAX_NAMES + 50


@pytest.mark.parametrize(("strategy", "ip"), [(Strategy.AS_IS, V4), (Strategy.USE_IPV6V4, V6)])
async def test_ipv4_is_taken_unless_the_strategy_says_otherwise(strategy: Strategy, ip: IPAddress) -> None:
    flow = Flow(strategy)
    await flow.to("a.example")
    assert flow.sent == [(b"?", ip)]
