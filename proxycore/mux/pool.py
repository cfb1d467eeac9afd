"""`mux` of an ordinary outbound: sessions share carriers that this outbound opens.

Source: Xray-core app/proxyman/outbound/handler.go, common/mux/client.go (limits: infra/conf/xray.go, MuxConfig).
"""

from __future__ import annotations

from typing import Literal

from proxycore.destination import Destination, Request
from proxycore.mux.client import MuxClient
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.policy import Policy
from proxycore.protocols.base import Outbound
from proxycore.stream import NULL_PACKETS, PacketStream, Stream

MUX_DOMAIN = "v1.mux.cool"
"""A request for this host is a carrier."""

CARRIER_DESTINATION = Destination("tcp", MUX_DOMAIN, 9527)
SESSIONS_PER_CARRIER_EVER = 128
"""Sessions ever opened on one carrier; then it only finishes what it has."""

IDLE_S = 16.0
"""A carrier without a session at this pace is closed."""

QUIC_PORT = 443


class MuxPool(Outbound):
    """Wraps `outbound`. `tcp_concurrency`: live sessions per carrier; negative: TCP is not multiplexed.

    `udp_concurrency`: 0, UDP shares the carriers of TCP; above, it has its own; below, it is not multiplexed.
    `udp443`: what becomes of UDP to port 443 where UDP is multiplexed.
    """

    def __init__(
        self,
        outbound: Outbound,
        loop: Loop,
        wheel: Wheel,
        tcp_concurrency: int,
        udp_concurrency: int = 0,
        udp443: Literal["reject", "allow", "skip"] = "reject",
        policy: Policy | None = None,
    ) -> None:
        self.tag = outbound.tag
        self._outbound = outbound
        self._udp443 = udp443
        self._policy = Policy() if policy is None else policy
        self._tcp = _Carriers(outbound, loop, wheel, tcp_concurrency) if tcp_concurrency > 0 else None
        self._udp = self._tcp
        self.is_metered = tcp_concurrency > 0 and udp_concurrency >= 0 and udp443 != "skip"
        if udp_concurrency:
            self._udp = _Carriers(outbound, loop, wheel, udp_concurrency) if udp_concurrency > 0 else None

    def open(self, request: Request, stream: Stream) -> None:
        if self._tcp is None:
            self._outbound.open(request, stream)
            return
        session = self._tcp.free(request).open(request.destination)
        session.buffer_bytes = self._policy.level(request.level).buffer_bytes
        session.peer, stream.peer = stream, session

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        is_quic = request.destination.port == QUIC_PORT
        if self._udp is None or (is_quic and self._udp443 == "skip"):
            self._outbound.open_packets(request, packets)
            return
        if is_quic and self._udp443 == "reject":
            packets.peer = NULL_PACKETS
            packets.close()
            return
        session = self._udp.free(request).open_packets(request.destination)
        session.peer, packets.peer = packets, session

    def close(self) -> None:
        self._outbound.close()


class _Carriers:
    """Carriers of one kind."""

    __slots__ = ("_carriers", "_concurrency", "_loop", "_outbound", "_wheel")

    def __init__(self, outbound: Outbound, loop: Loop, wheel: Wheel, concurrency: int) -> None:
        self._outbound = outbound
        self._loop = loop
        self._wheel = wheel
        self._concurrency = concurrency
        self._carriers: list[MuxClient] = []

    def free(self, request: Request) -> MuxClient:
        """The first carrier that is not full, which goes to the end of the list; a new one if there is none."""
        for index, carrier in enumerate(self._carriers):
            if len(carrier.sessions) < self._concurrency and carrier.opened < SESSIONS_PER_CARRIER_EVER:
                self._carriers.append(self._carriers.pop(index))
                return carrier
        carrier = MuxClient(self._loop, self._wheel)
        self._carriers.append(carrier)
        carrier.on_ended = lambda _ended: self._carriers.remove(carrier)
        self._wheel.watch(_IdleWatch(carrier), IDLE_S)
        self._outbound.open(request._replace(destination=CARRIER_DESTINATION), carrier)
        return carrier


class _IdleWatch:
    """Closes a carrier that has no session."""

    __slots__ = ("_carrier", "wheel_slot")

    def __init__(self, carrier: MuxClient) -> None:
        self._carrier = carrier
        self.wheel_slot = -1

    def on_watch(self) -> float | None:
        if self._carrier.ended:
            return None
        if self._carrier.sessions:
            return IDLE_S
        self._carrier.close()
        return None
