"""Outgoing connections: a stream is handed out at once and connects by itself, racing addresses if there are several."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from typing import Protocol, Self, TypeAlias

from proxycore import tasks
from proxycore.destination import Destination, IPAddress, ip_text
from proxycore.errors import DialError
from proxycore.net import liveness
from proxycore.net.avoided import Avoided
from proxycore.net.limits import DEFAULT_LIMITS, Limits
from proxycore.net.poller import Poller
from proxycore.net.racing import RACE_DELAY_S, Racing
from proxycore.net.resolve import Resolve, Strategy, resolve
from proxycore.net.socket_stream import Census, SocketStream
from proxycore.net.tcp_info import IPPROTO_MPTCP
from proxycore.net.unix import system_name
from proxycore.net.wheel import Wheel
from proxycore.stats import Account

DIAL_TIMEOUT_S = 16.0
"""As the cores: the whole attempt, all addresses together."""

STILL_WANTED_S = 1.0
"""How soon an attempt under way notices that its client has left."""

CARRIER_UNSENT_BYTES = 128 * 1024
"""TCP_NOTSENT_LOWAT of connections that many sessions share: more unsent data in the kernel would only let a new
small frame wait behind it."""

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 15, 5, 3
"""An idle carrier whose peer is gone without a word ends after half a minute; for others see liveness.py."""

_IPPROTO_TCP, _TCP_NODELAY = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)


def multipath_socket(family: int, kind: int) -> socket.socket:
    """One of Multipath TCP, or of plain TCP where the system has only that. Raises OSError."""
    with contextlib.suppress(OSError):
        return socket.socket(family, kind, IPPROTO_MPTCP)
    return socket.socket(family, kind)


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
    ):
        option = getattr(socket, name, None)        # not every system has every one, or takes it for Multipath TCP
        if option is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


class DialOptions(Protocol):
    """Options of an outgoing socket."""

    def for_one(self) -> Self:
        """What is set on the socket of a dial that begins now."""

    @property
    def local_family(self) -> socket.AddressFamily | None:
        """The only family that can be dialled; None: both."""

    @property
    def racing(self) -> Racing | None:
        """How several addresses are tried; None: as usual."""

    @property
    def is_multipath(self) -> bool:
        """Whether it is to be one of Multipath TCP."""

    def before_connect(self, sock: socket.socket) -> None:
        """Raises OSError."""

    def apply(self, sock: socket.socket) -> None:
        """Once more after it has connected and was tuned. Raises OSError."""


OnUnreached: TypeAlias = Callable[[SocketStream, Destination, DialError], None]
"""Told of each dial that fails, before its stream is ended."""


class Dialer:
    """Makes connecting streams. `is_carrier`: they lead to another core."""

    __slots__ = ("_account", "_census", "_is_carrier", "_limits", "_on_unreached", "_options", "_poller", "_resolve", "_wheel",
                 "avoided")

    def __init__(
        self,
        poller: Poller,
        wheel: Wheel,
        census: Census,
        *,
        is_carrier: bool,
        options: DialOptions | None = None,
        resolve: Resolve = resolve,
        limits: Limits = DEFAULT_LIMITS,
        account: Account | None = None,
        on_unreached: OnUnreached | None = None,
    ) -> None:
        self._on_unreached = on_unreached
        self._resolve = resolve
        self._limits = limits
        self._account = account
        self._options = options
        self._poller = poller
        self._wheel = wheel
        self._census = census
        self._is_carrier = is_carrier
        self.avoided = Avoided(poller.time)

    def dial(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> SocketStream:
        """A stream to `destination` (TCP) that is still connecting; its peer is aborted with DialError if it cannot.
        `resolve`: asked in place of the usual resolver."""
        stream = SocketStream(self._poller, self._wheel, self._census, None, self._limits, self._account)
        race = _Race(
            self._poller, stream, destination, wheel=self._wheel,
            options=None if self._options is None else self._options.for_one(), on_unreached=self._on_unreached,
            avoided=self.avoided if self._is_carrier else None,
        )
        if isinstance(destination.host, str):
            tasks.spawn(f"dial {destination}", self._dial_name(race, destination.host, strategy, resolve))
        else:
            # at the end of this turn: the caller has not set the stream's peer yet
            self._poller.call_soon(race.start, (destination.host,))
        return stream

    def dial_unix(self, name: str) -> SocketStream:
        """The same to a unix socket: a file's path, or an abstract name (`@name`, `@@name`)."""
        stream = SocketStream(self._poller, self._wheel, self._census, None, self._limits, self._account)
        self._poller.call_soon(_connect_unix, stream, name)
        return stream

    async def _dial_name(self, race: _Race, host: str, strategy: Strategy, resolve: Resolve | None) -> None:
        try:
            addresses = await asyncio.wait_for((resolve or self._resolve)(host, strategy), DIAL_TIMEOUT_S)
        except TimeoutError:
            race.fail(DialError(host, "the name lookup did not answer"))
        except DialError as error:
            race.fail(error)
        else:
            racing = None if self._options is None else self._options.racing
            if racing is not None:
                addresses = racing.order(addresses)
            race.start(self.avoided.order(addresses) if self._is_carrier else addresses)


def _connect_unix(stream: SocketStream, name: str) -> None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(system_name(name))     # never waits: it connects, or fails
    except OSError as error:
        sock.close()
        stream.fail(DialError(name, os.strerror(error.errno) if error.errno else str(error)))
    else:
        stream.connected(sock)


class _Race:
    """Tries addresses until one connects (RFC 8305): the first that does wins, the others are dropped."""

    __slots__ = ("_addresses", "_attempts", "_avoided", "_deadline", "_destination", "_error", "_loop", "_next",
                 "_on_unreached", "_options", "_poller", "_timer", "_wheel", "stream")

    def __init__(
        self,
        poller: Poller,
        stream: SocketStream,
        destination: Destination,
        *,
        wheel: Wheel,
        avoided: Avoided | None,
        options: DialOptions | None,
        on_unreached: OnUnreached | None,
    ) -> None:
        self._wheel = wheel
        self._options = options
        self._on_unreached = on_unreached
        self.stream = stream
        self._poller = poller
        self._loop = poller.loop
        self._destination = destination
        self._avoided = avoided     # of a dialler of carriers
        self._addresses: Sequence[IPAddress] = ()
        self._next = 0
        self._attempts: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0                    # loop time, s
        self._error = "no address"

    def start(self, addresses: Sequence[IPAddress]) -> None:
        self._addresses = addresses
        self._deadline = self._loop.time() + DIAL_TIMEOUT_S
        self._try_next()

    def fail(self, error: DialError) -> None:
        """None of the addresses connects."""
        self.drop()
        if self._on_unreached is not None and not self.stream.ended:
            self._on_unreached(self.stream, self._destination, error)
        self.stream.fail(error)

    def _try_next(self) -> None:
        """Start the next attempt; when there is none left and none under way, the dial has failed."""
        self._stop_timer()
        while self._has_next() and not self.stream.ended:
            ip = self._addresses[self._next]
            self._next += 1
            if self._attempt(ip):
                return
        if self.stream.ended:
            self.drop()
        elif self._attempts:
            self._set_timer()
        else:
            self.fail(DialError(str(self._destination), self._error))

    def _attempt(self, ip: IPAddress) -> bool:
        """Connect to `ip`; True if it did, or is under way."""
        family = socket.AF_INET6 if isinstance(ip, IPv6Address) else socket.AF_INET
        options = self._options
        if options is not None and options.local_family not in (None, family):
            self._error = "the address to come from is of another family"
            return False
        try:
            kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
            is_multipath = options is not None and options.is_multipath
            sock = multipath_socket(family, kind) if is_multipath else socket.socket(family, kind)
        except OSError as error:
            self._error = os.strerror(error.errno or 0)
            return False
        if options is not None:
            try:
                options.before_connect(sock)
            except OSError as error:
                sock.close()
                self._error = f"the socket options are not possible here: {os.strerror(error.errno or 0)}"
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
            self._poller.connecting[self] = None
            self._loop.add_writer(sock.fileno(), self._on_writable, sock)
            self._set_timer()
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

    def _set_timer(self) -> None:
        """Look again when the next address is due, or a little later whether anyone still wants the connection."""
        delay_s = STILL_WANTED_S
        if self._has_next():
            racing = None if self._options is None else self._options.racing
            delay_s = RACE_DELAY_S if racing is None else racing.delay_s
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _has_next(self) -> bool:
        """Whether there is an address that may be tried beside those under way."""
        if self._next >= len(self._addresses):
            return False
        racing = None if self._options is None else self._options.racing
        return racing is None or len(self._attempts) < racing.most

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() >= self._deadline:
            self.drop()
            self._next = len(self._addresses)
            self._error = f"no answer within {DIAL_TIMEOUT_S:.0f} s"
        self._try_next()

    def _won(self, sock: socket.socket) -> None:
        if self._attempts or self._timer is not None:
            self.drop()
        tune(sock)
        if self._avoided is not None:
            tune_carrier(sock)
        if self._options is not None:
            with contextlib.suppress(OSError):      # they were possible before it connected
                self._options.apply(sock)
        self.stream.connected(sock)
        if self._avoided is not None:
            liveness.watch(self.stream, self._wheel)
            address = self.stream.remote_address
            if address is not None:
                self._avoided.connected(address[0].partition("%")[0], self.stream)

    def drop(self) -> None:
        """Give up what is under way."""
        self._poller.connecting.pop(self, None)
        self._stop_timer()
        for sock in self._attempts:
            self._loop.remove_writer(sock.fileno())
            sock.close()
        self._attempts.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
