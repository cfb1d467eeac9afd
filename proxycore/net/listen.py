"""Listening TCP sockets."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Protocol

from proxycore.destination import HostPort
from proxycore.errors import ConfigError
from proxycore.net import liveness
from proxycore.net.dial import multipath_socket, tune, tune_carrier
from proxycore.net.limits import DEFAULT_LIMITS, Limits
from proxycore.net.poller import READABLE, Poller
from proxycore.net.socket_stream import Census, SocketStream
from proxycore.net.wheel import Wheel
from proxycore.stats import Account

BACKLOG = 4096
ACCEPTS_PER_WAKE = 64
"""Connections taken before the others of this loop turn have theirs."""

NO_DESCRIPTOR_PAUSE_S = 0.2
"""How long nothing is accepted after the process ran out of descriptors."""

UNIX_ADDRESS: HostPort = ("0.0.0.0", 0)
"""What stands for the address of a unix socket's client, which has none."""

_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logging.getLogger("xrev.listen")

Accept = Callable[[SocketStream, HostPort, HostPort], None]


class ListenOptions(Protocol):
    """Options of a listening socket and of what it accepts."""

    @property
    def is_multipath(self) -> bool:
        """Whether a socket for connections is to be one of Multipath TCP."""

    def before_listen(self, sock: socket.socket) -> None:
        """Raises OSError."""

    def apply(self, sock: socket.socket) -> None:
        """Raises OSError."""

    def target_of(self, sock: socket.socket) -> HostPort | None:
        """Where an accepted connection was going before the system sent it here; None: nowhere else. Raises OSError."""


def bind(
    address: str, port: int, kind: socket.SocketKind, path: str, options: ListenOptions | None = None, *, shares: bool = False
) -> socket.socket:
    """A bound, non-blocking socket. `address` is an IP address, or "" for all of IPv4 and IPv6. With `shares` it may be bound
    beside others that share their port (`share_port`).

    Raises: ConfigError at `path`, with the reason in words.
    """
    host = address or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        is_multipath = options is not None and options.is_multipath and kind == socket.SOCK_STREAM
        sock = multipath_socket(family, kind) if is_multipath else socket.socket(family, kind)
    except OSError as error:
        raise ConfigError(path, f"cannot listen on {host}: {os.strerror(error.errno or 0)}") from None
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tune(sock)          # inherited by what is accepted
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not address else 1)
        if options is not None:
            _set_options(sock, options, path)
        if shares:
            share_port(sock, is_shared=True)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except ConfigError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        where = f"{address or '*'}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(path, f"{where} is already taken by another program") from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ConfigError(path, f"this user may not listen on {where}") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(path, f"{address} is not an address of this machine") from None
        raise ConfigError(path, f"cannot listen on {where}: {os.strerror(error.errno or 0)}") from None
    return sock


def share_port(sock: socket.socket, *, is_shared: bool = False) -> None:
    """Whether other sockets of this user that share their port, too, may be bound beside this one. Raises: OSError."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)


def _set_options(sock: socket.socket, options: ListenOptions, path: str) -> None:
    """Raises: ConfigError, a right is missing; OSError."""
    try:
        options.before_listen(sock)
    except PermissionError:
        reason = "the socket options (tproxy, mark, interface) need a right that this user has not: CAP_NET_ADMIN"
        raise ConfigError(path, reason) from None


class Listener:
    """Accepts connections and hands each to `accept` as a stream that begins to read when `accept` returns."""

    __slots__ = (
        "_accept", "_account", "_census", "_clean_up", "_family", "_interest", "_is_carrier", "_limits", "_local", "_options",
        "_poller", "_protocol", "_resume", "_sock", "_wheel",
    )

    def __init__(
        self,
        poller: Poller,
        wheel: Wheel,
        census: Census,
        sock: socket.socket,
        accept: Accept,
        *,
        is_carrier: bool,
        options: ListenOptions | None = None,
        clean_up: Callable[[], None] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        account: Account | None = None,
    ) -> None:
        """`clean_up` is called once `sock` has been closed."""
        self._census = census
        self._clean_up = clean_up
        self._limits = limits
        self._account = account
        self._poller = poller
        self._wheel = wheel
        self._sock = sock
        self._accept = accept
        self._is_carrier = is_carrier
        self._options = options
        self._resume: asyncio.TimerHandle | None = None
        self._family = sock.family
        self._protocol = sock.proto
        name = sock.getsockname()
        self._local: HostPort | None
        if self._family == socket.AF_UNIX:
            self._local = UNIX_ADDRESS
        else:
            self._local = None if name[0] in ("::", "0.0.0.0") else (name[0], name[1])
        self._interest = 0
        self._set_interest(READABLE)

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    @property
    def sock(self) -> socket.socket:
        return self._sock

    def serve(
        self, accept: Accept, census: Census, *, is_carrier: bool, options: ListenOptions | None,
        limits: Limits = DEFAULT_LIMITS, account: Account | None = None,
    ) -> None:
        """Hand what is accepted from now on to `accept`, as if this listener had been made for it."""
        self._accept = accept
        self._census = census
        self._is_carrier = is_carrier
        self._options = options
        self._limits = limits
        self._account = account

    def accept_waiting(self) -> None:
        """Accept who has connected already, without waiting for this listener's turn."""
        for _ in range(0, BACKLOG, ACCEPTS_PER_WAKE):
            if not self._interest or self._accept_some() < ACCEPTS_PER_WAKE:
                return

    def close(self) -> None:
        """Accept no more."""
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self._sock.fileno() >= 0:
            self._set_interest(0)
            self._sock.close()
            if self._clean_up is not None:
                self._clean_up()

    def on_events(self, events: int) -> None:
        self._accept_some()

    def _accept_some(self) -> int:
        """Accept who waits, ACCEPTS_PER_WAKE at most; how many were taken off the queue."""
        for number in range(ACCEPTS_PER_WAKE):
            try:
                fd, source = self._sock._accept()  # type: ignore[attr-defined]
            except (BlockingIOError, InterruptedError):
                return number
            except OSError as error:
                if error.errno in _OUT_OF:
                    self._wait(error)
                    return number
                continue            # that connection was over before it was accepted
            # what socket.accept does, without asking the listener for its family, type and protocol each time
            sock = socket.socket(self._family, socket.SOCK_STREAM, self._protocol, fileno=fd)
            self._accepted(sock, source)
        return ACCEPTS_PER_WAKE

    def _accepted(self, sock: socket.socket, source: tuple[str, int]) -> None:
        try:
            sock.setblocking(False)
            if self._is_carrier and self._family != socket.AF_UNIX:
                tune_carrier(sock)
            if self._options is not None:
                self._options.apply(sock)
            local = self._local or sock.getsockname()
            if self._options is not None:
                local = self._options.target_of(sock) or local
        except OSError:
            sock.close()            # reset meanwhile
            return
        stream = SocketStream(self._poller, self._wheel, self._census, sock, self._limits, self._account)
        try:
            self._accept(stream, plain(source) if source else UNIX_ADDRESS, plain(local))
        except Exception:   # noqa: BLE001 - a bug of ours must cost this one connection only
            _log.exception("while accepting a connection")
            stream.abort(None)
            return
        stream.start()
        if self._is_carrier:
            liveness.watch(stream, self._wheel)

    def _wait(self, error: OSError) -> None:
        _log.warning("no new connections for %.1f s: %s", NO_DESCRIPTOR_PAUSE_S, os.strerror(error.errno or 0))
        self._set_interest(0)
        self._resume = self._poller.call_later(NO_DESCRIPTOR_PAUSE_S, self._on_resume)

    def _on_resume(self) -> None:
        self._resume = None
        self._set_interest(READABLE)

    def _set_interest(self, interest: int) -> None:
        if interest != self._interest:
            before, self._interest = self._interest, interest
            self._poller.set_interest(self._sock.fileno(), before, interest, self)


def plain(address: tuple[str, int]) -> HostPort:
    """Without flow and scope, and IPv4 as IPv4."""
    return address[0].removeprefix("::ffff:"), address[1]
