"""A flow of datagrams whose destination became the name that was found in it.

The client goes on talking to the address that it knows, and hears its answers from there.
"""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.stream import NULL_PACKETS, Buffer, PacketStream

MAX_OTHERS = 64
"""Other addresses that one flow sends to, and hears from under their own names."""


class OverriddenPackets(PacketStream):
    """What is dispatched in place of `client`. `original` is what the client takes for its destination."""

    __slots__ = ("_client", "_original", "others")

    def __init__(self, client: PacketStream, original: Destination) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.others: set[Destination] = set()
        self._client = client
        self._original = original
        client.peer = _ClientFace(self, original)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._client.write_packet(data, address if address in self.others else None)

    def close(self) -> None:
        self._client.close()


class _ClientFace(PacketStream):
    """The client's peer."""

    __slots__ = ("_original", "_overridden")

    def __init__(self, overridden: OverriddenPackets, original: Destination) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self._overridden = overridden
        self._original = original

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        overridden = self._overridden
        if address == self._original:
            address = None
        elif address is not None and len(overridden.others) < MAX_OTHERS:
            overridden.others.add(address)
        overridden.peer.write_packet(data, address)

    def close(self) -> None:
        self._overridden.peer.close()
