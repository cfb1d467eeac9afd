"""Outgoing connections: a stream is handed out at once and connects by itself, racing addresses if there are several."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from ipaddress import IPv6Address

from proxycore import tasks
from proxycore.destination import Destination, IPAddress, ip_text
from proxycore.errors import DialError
from proxycore.net.poller import Poller
from proxycore.net.resolve import Strategy, resolve
from proxycore.net.socket_stream import Census, SocketStream
from proxycore.net.wheel import Wheel

RACE_DELAY_S = 0.25
"""The next address is tried beside one that has not answered by then (RFC 8305, Connection Attempt Delay)."""

DIAL_TIMEOUT_S = 16.0
"""As the cores: the whole attempt, all addresses together."""

CARRIER_UNSENT_BYTES = 128 * 1024
"""TCP_NOTSENT_LOWAT of connections that many sessions share: more unsent data in the kernel would only let a new
small frame wait behind it."""

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 15, 5, 3
USER_TIMEOUT_MS = 30_000
"""A carrier whose peer is gone without a word ends after about half a minute rather than TCP's quarter of an hour."""

_IPPROTO_TCP, _TCP_NODELAY = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)


def tune(sock: socket.socket) -> None:
    """Options of every TCP connection."""
    sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)


def tune_carrier(sock: socket.socket) -> None:
    """Options of TCP connections between cores."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_NOTSENT_LOWAT", CARRIER_UNSENT_BYTES),
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    ):
        option = getattr(socket, name, None)        # not every system has every one
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class Dialer:
    """Makes connecting streams. `is_carrier`: they lead to another core."""

    __slots__ = ("_census", "_is_carrier", "_poller", "_wheel")

    def __init__(self, poller: Poller, wheel: Wheel, census: Census, *, is_carrier: bool) -> None:
        self._poller = poller
        self._wheel = wheel
        self._census = census
        self._is_carrier = is_carrier

    def dial(self, destination: Destination, strategy: Strategy = Strategy.AS_IS) -> SocketStream:
        """A stream to `destination` (TCP) that is still connecting; its peer is aborted with DialError if it cannot."""
        stream = SocketStream(self._poller, self._wheel, self._census, None)
        race = _Race(self._poller.loop, stream, destination, is_carrier=self._is_carrier)
        if isinstance(destination.host, str):
            tasks.spawn(f"dial {destination}", self._dial_name(race, destination.host, strategy))
        else:
            # at the end of this turn: the caller has not set the stream's peer yet
            self._poller.call_soon(race.start, (destination.host,))
        return stream

    async def _dial_name(self, race: _Race, host: str, strategy: Strategy) -> None:
        try:
            addresses = await asyncio.wait_for(resolve(host, strategy), DIAL_TIMEOUT_S)
        except TimeoutError:
            race.stream.fail(DialError(host, "the name lookup did not answer"))
        except DialError as error:
            race.stream.fail(error)
        else:
            race.start(addresses)


class _Race:
    """Tries addresses until one connects (RFC 8305): the first that does wins, the others are dropped."""

    __slots__ = ("_addresses", "_attempts", "_destination", "_error", "_is_carrier", "_loop", "_next", "_timer", "stream")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, stream: SocketStream, destination: Destination, *, is_carrier: bool
    ) -> None:
        self.stream = stream
        self._loop = loop
        self._destination = destination
        self._is_carrier = is_carrier
        self._addresses: Sequence[IPAddress] = ()
        self._next = 0
        self._attempts: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None
        self._error = "no address"

    def start(self, addresses: Sequence[IPAddress]) -> None:
        self._addresses = addresses
        self._try_next()

    def _try_next(self) -> None:
        """Start the next attempt; when there is none left and none under way, the dial has failed."""
        self._stop_timer()
        while self._next < len(self._addresses) and not self.stream.ended:
            ip = self._addresses[self._next]
            self._next += 1
            if self._attempt(ip):
                return
        if self.stream.ended:
            self._drop()
        elif self._attempts:
            self._timer = self._loop.call_later(DIAL_TIMEOUT_S, self._on_timer)
        else:
            self.stream.fail(DialError(str(self._destination), self._error))

    def _attempt(self, ip: IPAddress) -> bool:
        """Connect to `ip`; True if it did, or is under way."""
        family = socket.AF_INET6 if isinstance(ip, IPv6Address) else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._error = os.strerror(error.errno or 0)
            return False
        address = (ip_text(ip), self._destination.port)
        try:
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                # On this host the handshake is over by now, well or badly; asking again saves a turn of the loop.
                code = sock.connect_ex(address)
        except (OSError, OverflowError) as error:
            sock.close()
            self._error = str(error)
            return False
        if code in (0, errno.EISCONN):
            self._won(sock)
            return True
        if code in (errno.EINPROGRESS, errno.EALREADY):
            self._attempts.append(sock)
            self._loop.add_writer(sock.fileno(), self._on_writable, sock)
            last = self._next >= len(self._addresses)
            self._timer = self._loop.call_later(DIAL_TIMEOUT_S if last else RACE_DELAY_S, self._on_timer)
            return True
        sock.close()
        self._error = os.strerror(code)
        return False

    def _on_writable(self, sock: socket.socket) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._loop.remove_writer(sock.fileno())
        self._attempts.remove(sock)
        if not code:
            self._won(sock)
            return
        sock.close()
        self._error = os.strerror(code)
        self._try_next()

    def _on_timer(self) -> None:
        self._timer = None
        if self._next >= len(self._addresses):
            self._drop()
            self._error = f"no answer within {DIAL_TIMEOUT_S:.0f} s"
        self._try_next()

    def _won(self, sock: socket.socket) -> None:
        self._drop()
        tune(sock)
        if self._is_carrier:
            tune_carrier(sock)
        self.stream.connected(sock)

    def _drop(self) -> None:
        self._stop_timer()
        for sock in self._attempts:
            self._loop.remove_writer(sock.fileno())
            sock.close()
        self._attempts.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
