"""Flows of datagrams on their way out: what is not allowed is dropped, and noise goes before the first.

Source: Xray-core proxy/freedom/freedom.go, PacketWriter and NoisePacketWriter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from proxycore import tasks
from proxycore.destination import Destination, IPAddress
from proxycore.errors import DialError
from proxycore.net.datagram_queue import DatagramQueue
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.protocols.freedom.codec_fragment import Pick
from proxycore.protocols.freedom.final_rules import FinalRules
from proxycore.protocols.freedom.way_out_settings import NoiseSettings
from proxycore.stream import NULL_PACKETS, Buffer, PacketStream


class Through(PacketStream):
    """Hands on what goes out and what comes back. `peer` is the client's flow."""

    __slots__ = ("_out",)

    def __init__(self, out: PacketStream) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self._out = out
        out.peer = _Back(self)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._out.write_packet(data, address)

    def close(self) -> None:
        self._out.close()

    def answered(self, data: Buffer, address: Destination | None) -> None:
        """A datagram came back."""
        self.peer.write_packet(data, address)

    def ended(self) -> None:
        """The flow is over at its far end."""
        self.peer.close()


class _Back(PacketStream):
    """The peer of what a Through sends to."""

    __slots__ = ("_through",)

    def __init__(self, through: Through) -> None:
        self._through = through

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._through.answered(data, address)

    def close(self) -> None:
        self._through.ended()


class Redirected(Through):
    """Every datagram goes to the one target of the flow, whatever its own destination."""

    __slots__ = ()

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._out.write_packet(data, None)


class Ruled(Through):
    """Drops datagrams to and from addresses that are not allowed. Names are judged where they are resolved, for the port of
    the flow; so where a rule knows ports, a datagram to a name at another port is dropped."""

    __slots__ = ("_port", "_rules")

    def __init__(self, out: PacketStream, rules: FinalRules, port: int) -> None:
        super().__init__(out)
        self._rules = rules
        self._port = port

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if address is None or self._may(address):
            self._out.write_packet(data, address)

    def answered(self, data: Buffer, address: Destination | None) -> None:
        if address is None or self._may(address):
            self.peer.write_packet(data, address)

    def _may(self, address: Destination) -> bool:
        if isinstance(address.host, str):
            return address.port == self._port or not self._rules.know_ports
        return self._rules.blocks("udp", address.host, address.port) is None


class SwallowedPackets(PacketStream):
    """A flow whose target is not allowed: nothing is sent, and after a while it ends."""

    __slots__ = ("_wheel", "wheel_slot")

    def __init__(self, client: PacketStream, wheel: Wheel, delay_s: int) -> None:
        self.peer = client
        self.wheel_slot = -1
        self._wheel = wheel
        client.peer = self
        wheel.watch(self, delay_s)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        pass

    def close(self) -> None:
        self._wheel.forget(self)
        self.peer = NULL_PACKETS

    def on_watch(self) -> None:
        peer = self.peer
        self.close()
        peer.close()


class Noisy(Through):
    """Sends its datagrams before the first one of the client, which waits until they are over."""

    __slots__ = ("_find", "_held", "_is_over", "_loop", "_noises", "_pick", "_random", "_target", "_timer")

    def __init__(
        self,
        out: PacketStream,
        loop: Loop,
        target: Destination,
        noises: Sequence[NoiseSettings],
        pick: Pick,
        random: Callable[[int], bytes],
        find: Callable[[str], Awaitable[IPAddress]],
    ) -> None:
        """`find` gives the address of a name, or raises DialError; it is asked only where a noise is for one family."""
        super().__init__(out)
        self._loop = loop
        self._target = target
        self._noises = deque(noises)
        self._pick = pick
        self._random = random
        self._find = find
        self._held = DatagramQueue()        # what waits for the end of the noise
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False           # the noise, or the flow

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._is_over:
            self._out.write_packet(data, address)
        elif self._held.put(data, address) and len(self._held) == 1:
            self._begin((address or self._target).host)

    def close(self) -> None:
        self._is_over = True
        self._held.take()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._out.close()

    def ended(self) -> None:
        self.close()
        self.peer.close()

    def _begin(self, host: str | IPAddress) -> None:
        if not isinstance(host, str):
            self._noises = deque(one for one in self._noises if one.apply_to in ("ip", f"ipv{host.version}"))
            self._next()
        elif all(one.apply_to == "ip" for one in self._noises):
            self._next()
        else:
            tasks.spawn(f"noise to {host}", self._begin_with_name(host))

    async def _begin_with_name(self, host: str) -> None:
        try:
            ip = await self._find(host)
        except DialError:
            self._noises.clear()        # the datagram itself will find out
            self._next()
        else:
            self._begin(ip)

    def _next(self) -> None:
        self._timer = None
        while self._noises and not self._is_over:
            noise = self._noises.popleft()
            content = noise.content
            self._out.write_packet(self._random(self._pick(*noise.length)) if content is None else content, self._held.first[1])
            delay_ms = self._pick(*noise.delay)
            if delay_ms and not self._is_over:
                self._timer = self._loop.call_later(delay_ms / 1000, self._next)
                return
        if self._is_over:
            return
        self._is_over = True
        for data, address in self._held.take():
            self._out.write_packet(data, address)
