"""`mux` of an ordinary outbound: sessions share carriers that this outbound opens.

Source: Xray-core app/proxyman/outbound/handler.go, common/mux/client.go (limits: mux-cool, section 5).
"""

from __future__ import annotations

import asyncio

from proxycore.destination import Destination, Request
from proxycore.mux.client import MuxClient
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Outbound
from proxycore.stream import PacketStream, Stream

MUX_DOMAIN = "v1.mux.cool"
"""A request for this host is a carrier."""

CARRIER_DESTINATION = Destination("tcp", MUX_DOMAIN, 9527)
SESSIONS_PER_CARRIER_EVER = 128
"""Sessions ever opened on one carrier; then it only finishes what it has."""

IDLE_S = 16.0
"""A carrier without a session at this pace is closed."""


class MuxPool(Outbound):
    """Wraps `outbound`. `concurrency`: live sessions per carrier; 0 or less: TCP is not multiplexed."""

    def __init__(self, outbound: Outbound, concurrency: int, loop: asyncio.AbstractEventLoop, wheel: Wheel) -> None:
        self.tag = outbound.tag
        self._outbound = outbound
        self._concurrency = concurrency
        self._loop = loop
        self._wheel = wheel
        self._carriers: list[_Pooled] = []

    def open(self, request: Request, stream: Stream) -> None:
        if self._concurrency <= 0:
            self._outbound.open(request, stream)
            return
        session = self._carrier(request).open(request.destination)
        session.peer, stream.peer = stream, session

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        if self._concurrency <= 0:
            self._outbound.open_packets(request, packets)
            return
        session = self._carrier(request).open_packets(request.destination)
        session.peer, packets.peer = packets, session

    def close(self) -> None:
        self._outbound.close()

    def _carrier(self, request: Request) -> MuxClient:
        """The first carrier that is not full; it goes to the end of the list. A new one if there is none."""
        for index, pooled in enumerate(self._carriers):
            carrier = pooled.carrier
            if len(carrier.sessions) < self._concurrency and carrier.opened < SESSIONS_PER_CARRIER_EVER:
                self._carriers.append(self._carriers.pop(index))
                return carrier
        carrier = MuxClient(self._loop, self._wheel)
        pooled = _Pooled(self, carrier, self._wheel)
        self._carriers.append(pooled)
        carrier.on_ended = lambda _carrier: self._carriers.remove(pooled)
        self._outbound.open(request._replace(destination=CARRIER_DESTINATION), carrier)
        return carrier


class _Pooled:
    """One carrier of a pool, with the eye on its idleness."""

    __slots__ = ("carrier", "wheel_slot")

    def __init__(self, pool: MuxPool, carrier: MuxClient, wheel: Wheel) -> None:
        self.carrier = carrier
        self.wheel_slot = -1
        wheel.watch(self, IDLE_S)

    def on_watch(self) -> float | None:
        if self.carrier.ended:
            return None
        if not self.carrier.sessions:
            self.carrier.close()
            return None
        return IDLE_S
