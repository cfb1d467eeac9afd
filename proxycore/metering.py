"""Counts the payload of a user where neither side of a connection does: towards another core, through TLS, by datagrams.

    a stream  <->  UplinkFace | DownlinkFace  <->  what the outbound opened

Everything else (a socket, a session of a mux) counts its bytes anyway, and nothing is put in between.
"""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.stats import Account, User
from proxycore.stream import NULL_PACKETS, Buffer, PacketStream, Stream
from proxycore.transport.chain import JointFace


class Meter:
    """What an account looks at."""

    __slots__ = ("account", "counted_received", "counted_sent", "received", "sent")
    counted_received: int           # the account's
    counted_sent: int

    def __init__(self, user: User, ip: str) -> None:
        self.received = 0           # bytes from the client
        self.sent = 0               # bytes to the client
        self.account: Account | None = None
        user.served.open(self, ip)

    def close(self) -> None:
        if self.account is not None:
            self.account.close(self)


class _MeteredFace(JointFace):
    __slots__ = ("_meter",)

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def charge(self, user: User, ip: str) -> bool:
        return True         # it is, by whoever put this here

    def _part(self) -> Stream:
        self._meter.close()
        return super()._part()


class UplinkFace(_MeteredFace):
    __slots__ = ()

    def write(self, data: Buffer) -> None:
        self._meter.received += len(data)
        super().write(data)


class DownlinkFace(_MeteredFace):
    __slots__ = ()

    def write(self, data: Buffer) -> None:
        self._meter.sent += len(data)
        super().write(data)


def metered(stream: Stream, user: User, ip: str) -> Stream:
    """What is to be dispatched in the place of `stream`."""
    meter = Meter(user, ip)
    near, far = UplinkFace(meter), DownlinkFace(meter)
    near.other, far.other = far, near
    near.peer, stream.peer = stream, near
    return far


class _PacketFace(PacketStream):
    __slots__ = ("_is_uplink", "_meter", "other")

    other: _PacketFace

    def __init__(self, meter: Meter, *, is_uplink: bool) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self._meter = meter
        self._is_uplink = is_uplink

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._is_uplink:
            self._meter.received += len(data)
        else:
            self._meter.sent += len(data)
        self.other.peer.write_packet(data, address)

    def charge(self, user: User, ip: str) -> bool:
        return True

    def close(self) -> None:
        peer = self.other.peer
        self._meter.close()
        self.peer = self.other.peer = NULL_PACKETS
        peer.close()


def metered_packets(packets: PacketStream, user: User, ip: str) -> PacketStream:
    """The same for a flow of datagrams."""
    meter = Meter(user, ip)
    near, far = _PacketFace(meter, is_uplink=True), _PacketFace(meter, is_uplink=False)
    near.other, far.other = far, near
    near.peer, packets.peer = packets, near
    return far
