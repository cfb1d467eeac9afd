"""The datagrams of a SOCKS inbound: all clients share the listening port; each destination of a client is a flow.

A datagram is taken from an IP address that has an association, a TCP connection that asked for one; with the last of
them its flows end. (The cores' older versions take datagrams from anybody.)
"""

from __future__ import annotations

from proxycore.destination import Destination, HostPort, Request
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext
from proxycore.protocols.socks.codec import decode_datagram, encode_datagram
from proxycore.stream import NULL_PACKETS, Buffer, PacketStream, Stream

MAX_DESTINATIONS = 256
"""Flows of one client address and port; a datagram that would begin one more is dropped."""

TOUCH_S = 60.0
"""How often it is looked at whether a client's datagrams keep its association alive."""


class Client:
    """What one IP address has."""

    __slots__ = ("associations", "flows", "packets", "user")

    def __init__(self) -> None:
        self.associations = 0
        self.user = ""              # of its latest association
        self.packets = 0            # both ways
        self.flows: set[ClientFlow] = set()


class UdpRelay:
    """Datagrams of one inbound."""

    def __init__(self, context: InboundContext, level: int) -> None:
        self.wheel: Wheel = context.wheel
        self.dispatcher = context.dispatcher
        self.tag = context.tag
        self.level = level
        self.limits = context.policy.level(level).client
        self.clients: dict[str, Client] = {}        # by IP address; as many as there are TCP connections at most

    def associate(self, stream: Stream, ip: str, user: str) -> Association:
        """A client at `ip` asked for datagrams; it may send them until `stream` ends."""
        client = self.clients.setdefault(ip, Client())
        client.associations += 1
        client.user = user
        return Association(self, client, stream, ip)

    def release(self, ip: str) -> None:
        client = self.clients[ip]
        client.associations -= 1
        if not client.associations:
            del self.clients[ip]
            for flow in tuple(client.flows):
                flow.end()

    def take_over(self, old: UdpRelay) -> None:
        """Go on with the associations of `old`."""
        self.clients = old.clients

    def accept(self, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        client = self.clients.get(source[0])
        if client is None:
            packets.peer = NULL_PACKETS
            packets.close()
            return
        packets.peer = ClientFlow(self, client, packets, source, local)


class Association(Stream):
    """The peer of the TCP connection that an association lives by. What the client says on it is thrown away."""

    __slots__ = ("_client", "_ip", "_mark", "_relay", "_stream", "wheel_slot")

    def __init__(self, relay: UdpRelay, client: Client, stream: Stream, ip: str) -> None:
        self._relay = relay
        self._client = client
        self._stream = stream
        self._ip = ip
        self._mark = client.packets
        self.wheel_slot = -1
        stream.peer = self
        relay.wheel.watch(self, TOUCH_S)

    def write(self, data: Buffer) -> None:
        pass

    def write_eof(self) -> None:
        stream = self._stream
        self.close()
        stream.close()

    def close(self) -> None:
        if self.wheel_slot != _RELEASED:
            self._relay.wheel.forget(self)
            self.wheel_slot = _RELEASED
            self._relay.release(self._ip)

    def abort(self, error: Exception | None) -> None:
        self.close()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def on_watch(self) -> float | None:
        if self._client.packets != self._mark:
            self._mark = self._client.packets
            self._stream.touch()
        return TOUCH_S


_RELEASED = -3


class ClientFlow(PacketStream):
    """The datagrams of one client address and port, each with its destination before it."""

    __slots__ = ("_client", "_legs", "_local", "_packets", "_relay", "_source")

    def __init__(self, relay: UdpRelay, client: Client, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        self._relay = relay
        self._client = client
        self._packets = packets
        self._source = source
        self._local = local
        self._legs: dict[Destination, Leg] = {}
        client.flows.add(self)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        try:
            destination, at = decode_datagram(data)
        except PeerError:
            return
        leg = self._legs.get(destination)
        if leg is None:
            if len(self._legs) >= MAX_DESTINATIONS:
                return
            leg = self._legs[destination] = Leg(self, destination, self._relay.wheel)
            relay = self._relay
            relay.dispatcher.dispatch_packets(
                Request(destination, relay.tag, self._source, self._local, self._client.user, relay.level), leg)
        leg.packets += 1
        self._client.packets += 1
        leg.peer.write_packet(memoryview(data)[at:], None)

    @property
    def idle_s(self) -> float:
        """A flow without a datagram for one to two periods ends."""
        return self._relay.limits.flow_idle_s

    def reply(self, data: Buffer, source: Destination) -> None:
        try:
            datagram = encode_datagram(source, data)
        except PeerError:
            return
        self._client.packets += 1
        self._packets.write_packet(datagram, None)

    def forget(self, leg: Leg) -> None:
        self._legs.pop(leg.destination, None)

    def close(self) -> None:
        """The client has been silent for long, or the listener ends."""
        self._client.flows.discard(self)
        self._packets = NULL_PACKETS
        for leg in tuple(self._legs.values()):
            leg.end()

    def end(self) -> None:
        """The client's last association has ended."""
        packets = self._packets
        self.close()
        packets.peer = NULL_PACKETS
        packets.close()


class Leg(PacketStream):
    """One destination of a client: what is dispatched."""

    __slots__ = ("_flow", "_mark", "_wheel", "destination", "packets", "wheel_slot")

    def __init__(self, flow: ClientFlow, destination: Destination, wheel: Wheel) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.destination = destination
        self.packets = 0            # both ways
        self.wheel_slot = -1
        self._flow = flow
        self._wheel = wheel
        self._mark = 0
        wheel.watch(self, flow.idle_s)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self.packets += 1
        self._flow.reply(data, self.destination if address is None else address)

    def close(self) -> None:
        self._wheel.forget(self)
        self.peer = NULL_PACKETS
        self._flow.forget(self)

    def end(self) -> None:
        """The client's side is over: tell the outbound."""
        peer = self.peer
        self.close()
        peer.close()

    def on_watch(self) -> float | None:
        if self.packets != self._mark:
            self._mark = self.packets
            return self._flow.idle_s
        self.end()
        return None
