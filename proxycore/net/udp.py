"""Datagrams: the listening side, one flow per client address, and the outgoing side, one socket per flow."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol, Self

from proxycore import tasks
from proxycore.destination import Destination, HostPort, IPAddress, unmapped
from proxycore.errors import DialError
from proxycore.net.datagram_queue import DatagramQueue
from proxycore.net.flow_table import FlowTable
from proxycore.net.limits import DEFAULT_LIMITS, Limits
from proxycore.net.resolve import Resolve, Strategy, resolve
from proxycore.net.transparent_udp import ANCILLARY_BYTES, Senders, as_destination, target_of
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_PACKETS, Buffer, PacketStream

if TYPE_CHECKING:
    from proxycore.stats import Account, User

PACKET_BYTES = 65535
PACKETS_PER_WAKE = 32
MAX_NAMES = 256
"""Names that one flow remembers; then it forgets them all and looks them up again."""

_buffer = bytearray(PACKET_BYTES)
_view = memoryview(_buffer)
_log = logging.getLogger("xrev.udp")

AcceptFlow = Callable[[PacketStream, HostPort, HostPort], None]


class DatagramOptions(Protocol):
    """Options of sockets for datagrams."""

    def for_one(self) -> Self:
        """What is set on the sockets of a flow that begins now."""

    @property
    def local_family(self) -> socket.AddressFamily | None:
        """The only family that can be sent to; None: both."""

    def before_send(self, sock: socket.socket) -> None:
        """Raises OSError."""


class UdpListener:
    """One listening socket; a client address that is new becomes a flow and is handed to `accept`.

    With `senders` the socket is one that TPROXY sends datagrams to: each has a target, and answers come from there.
    """

    __slots__ = ("_accept", "_flows", "_is_retired", "_local", "_loop", "_senders", "_sock", "_wheel", "account", "limits")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wheel: Wheel, sock: socket.socket, accept: AcceptFlow,
        limits: Limits = DEFAULT_LIMITS, account: Account | None = None, senders: Senders | None = None,
    ) -> None:
        self.limits = limits
        self.account = account
        self._senders = senders
        self._loop = loop
        self._wheel = wheel
        self._sock = sock
        self._accept = accept
        self._flows: FlowTable[_Flow] = FlowTable()
        self._is_retired = False
        name = sock.getsockname()
        self._local: HostPort = (name[0], name[1])
        loop.add_reader(sock, self._on_readable)

    @property
    def sock(self) -> socket.socket:
        return self._sock

    @property
    def is_gone(self) -> bool:
        return self._sock.fileno() < 0

    def serve(self, accept: AcceptFlow, limits: Limits = DEFAULT_LIMITS, account: Account | None = None) -> None:
        """Hand flows that begin from now on to `accept`, also if it was retired."""
        self._accept = accept
        self._is_retired = False
        self.limits = limits
        self.account = account

    def retire(self) -> None:
        """Begin no more flows; close when those that there are have ended."""
        self._is_retired = True
        if not self._flows:
            self.close()

    def close(self) -> None:
        """Receive no more; every flow ends."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            for flow in tuple(self._flows.values()):
                flow.expire()
            self._sock.close()
            if self._senders is not None:
                self._senders.close()

    def forget(self, address: tuple[str, int], flow: _Flow) -> None:
        self._flows.remove(address, flow)
        if self._is_retired and not self._flows:
            self.close()

    def end_flows_of(self, source: str) -> int:
        """End those of one client's address; how many there were."""
        found = [flow for address, flow in self._flows.items() if address[0].removeprefix("::ffff:") == source]
        for flow in found:
            flow.expire()
        return len(found)

    def send(self, data: Buffer, address: tuple[str, int], source: Destination | None) -> None:
        """`source` is where the answer comes from; it is shown where this is known to be possible."""
        try:
            if self._senders is None or source is None or isinstance(source.host, str):
                self._sock.sendto(data, address)
            else:
                self._senders.send(data, source, address)
        except OSError as error:        # full, unreachable, closed: a datagram may be lost
            _log.debug("datagram dropped: %s", error.strerror)

    def _on_readable(self) -> None:
        for _ in range(PACKETS_PER_WAKE):
            target: HostPort | None = None
            try:
                if self._senders is None:
                    size, address = self._sock.recvfrom_into(_buffer)
                else:
                    size, ancillary, _, address = self._sock.recvmsg_into([_buffer], ANCILLARY_BYTES)
                    target = target_of(ancillary)
                    if target is not None and target[1] == self._local[1]:
                        target = None       # it came here by itself
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue                # an answer to something that was sent earlier
            try:
                self._received(size, address, target)
            except Exception:   # noqa: BLE001 - a bug of ours must cost this one flow only
                _log.exception("while handing on a datagram of %d bytes", size)

    def _received(self, size: int, address: tuple[str, int], target: HostPort | None) -> None:
        flow = self._flows.get(address)
        destination = None if target is None else as_destination(target)
        if flow is None:
            if self._is_retired:
                return
            if self._flows.is_full:
                ending = self._flows.to_end_for(address)
                if ending is None:
                    return
                ending.expire()
            flow = _Flow(self, address, self._wheel, destination)
            self._flows.add(address, flow)
            plain = address[0].removeprefix("::ffff:")
            # one socket for both families: which address was hit is not known, but its family is
            local = ("0.0.0.0", self._local[1]) if plain != address[0] else self._local
            self._accept(flow, (plain, address[1]), target or local)
        flow.received += size
        flow.peer.write_packet(_view[:size], None if destination == flow.target else destination)


class _Flow(PacketStream):
    """The datagrams of one client address. `target`: where the first was going, if that is known."""

    __slots__ = (
        "_address", "_listener", "_mark", "_wheel", "account", "counted_received", "counted_sent", "received", "sent", "target",
        "wheel_slot",
    )
    counted_received: int           # the account's
    counted_sent: int

    def __init__(self, listener: UdpListener, address: tuple[str, int], wheel: Wheel, target: Destination | None) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.target = target
        self.received = 0           # bytes
        self.sent = 0               # bytes
        self.wheel_slot = -1
        self.account = listener.account
        if self.account is not None:
            self.account.open(self)
        self._listener = listener
        self._address = address
        self._wheel = wheel
        self._mark = 0
        wheel.watch(self, listener.limits.flow_idle_s)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self.sent += len(data)
        self._listener.send(data, self._address, address or self.target)

    def close(self) -> None:
        self._wheel.forget(self)
        self._listener.forget(self._address, self)
        if self.account is not None:
            self.account.close(self)
        self.peer = NULL_PACKETS

    def on_watch(self) -> float | None:
        total = self.received + self.sent
        if total != self._mark:
            self._mark = total
            return self._listener.limits.flow_idle_s
        self.expire()
        return None

    def expire(self) -> None:
        peer = self.peer
        self.close()
        peer.close()


class UdpSocket(PacketStream):
    """An outgoing flow on an unconnected socket: each datagram goes to its own destination, or to `default`.

    A name is looked up once per flow. Answers carry their source, unless `hides_source`.
    """

    __slots__ = (
        "_addresses", "_default", "_ended", "_hides_source", "_limits", "_look_up", "_loop", "_mark", "_options", "_socks",
        "_strategy",
        "_unresolved", "_wheel", "account", "counted_received", "counted_sent", "received", "sent", "wheel_slot",
    )
    counted_received: int           # the account's
    counted_sent: int

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        default: Destination,
        strategy: Strategy = Strategy.AS_IS,
        *,
        hides_source: bool = False,
        resolve: Resolve = resolve,
        limits: Limits = DEFAULT_LIMITS,
        account: Account | None = None,
        options: DatagramOptions | None = None,
    ) -> None:
        self._options = None if options is None else options.for_one()
        self._look_up = resolve
        self.peer: PacketStream = NULL_PACKETS
        self.wheel_slot = -1
        self._loop = loop
        self._wheel = wheel
        self._default = default
        self._strategy = strategy
        self._hides_source = hides_source
        self._socks: dict[int, socket.socket] = {}              # by family
        self._addresses: dict[str, IPAddress | None] = {}       # names of this flow; None: under way
        self._unresolved = DatagramQueue()
        self.received = 0           # bytes
        self.sent = 0               # bytes
        self.account = account
        if account is not None:
            account.open(self)
        self._limits = limits
        self._mark = 0
        self._ended = False
        wheel.watch(self, limits.flow_idle_s)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._ended:
            return
        destination = address or self._default
        host = destination.host
        if not isinstance(host, str):
            self._send(data, host, destination.port)
            return
        ip = self._addresses.get(host)
        if ip is not None:
            self._send(data, ip, destination.port)
        elif self._unresolved.put(data, destination) and host not in self._addresses:
            if len(self._addresses) >= MAX_NAMES:
                self._addresses.clear()
            self._addresses[host] = None
            tasks.spawn(f"resolve {host}", self._resolve(host))

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._wheel.forget(self)
            if self.account is not None:
                self.account.close(self)
            self.peer = NULL_PACKETS
            self._unresolved.take()
            for sock in self._socks.values():
                self._loop.remove_reader(sock)
                sock.close()
            self._socks.clear()

    def charge(self, user: User, ip: str) -> bool:
        if self.account is None:
            return False
        if not self._ended:
            self.account.charge(self, user, ip)
        return True

    def on_watch(self) -> float | None:
        total = self.received + self.sent
        if total != self._mark:
            self._mark = total
            return self._limits.flow_idle_s
        self._fail()
        return None

    def _fail(self) -> None:
        peer = self.peer
        self.close()
        peer.close()

    async def _resolve(self, host: str) -> None:
        try:
            found = await self._look_up(host, self._strategy)
        except DialError as error:
            _log.info("datagrams dropped: %s", error)
            self._addresses.pop(host, None)
            for data, address in self._unresolved.take():
                if address is not None and address.host != host:
                    self._unresolved.put(data, address)
            if host == self._default.host:
                self._fail()
            return
        # Nothing tells whether a datagram to IPv6 arrives, and many a service listens on IPv4 only: as the cores, IPv4 first.
        if self._options is not None and self._options.local_family is not None:
            version = 6 if self._options.local_family == socket.AF_INET6 else 4
            found = [ip for ip in found if ip.version == version] or found
        first_v4 = (ip for ip in found if isinstance(ip, IPv4Address))
        self._addresses[host] = next(first_v4, found[0]) if self._strategy is Strategy.AS_IS else found[0]
        for data, address in self._unresolved.take():
            self.write_packet(data, address)

    def _send(self, data: Buffer, ip: IPAddress, port: int) -> None:
        family = socket.AF_INET6 if isinstance(ip, IPv6Address) else socket.AF_INET
        sock = self._socks.get(family)
        try:
            if sock is None:
                sock = self._socks[family] = self._open(family)
                self._loop.add_reader(sock, self._on_readable, sock)
            self.sent += sock.sendto(data, (str(ip), port))
        except (OSError, OverflowError) as error:
            _log.debug("datagram dropped: %s", error)

    def _open(self, family: socket.AddressFamily) -> socket.socket:
        """Raises: OSError, the options are not possible here."""
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if self._options is not None:
            try:
                if self._options.local_family not in (None, family):
                    raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
                self._options.before_send(sock)
            except OSError:
                sock.close()
                raise
        return sock

    def _on_readable(self, sock: socket.socket) -> None:
        for _ in range(PACKETS_PER_WAKE):
            if self._ended:
                return
            try:
                size, source = sock.recvfrom_into(_buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            self.received += size
            address = None
            if not self._hides_source:
                address = Destination("udp", unmapped(ip_address(source[0].partition("%")[0])), source[1])
            try:
                self.peer.write_packet(_view[:size], address)
            except Exception:   # noqa: BLE001 - a bug of ours must cost this one flow only
                _log.exception("while handing on a datagram of %d bytes", size)
                self._fail()
