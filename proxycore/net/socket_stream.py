"""A connected TCP (or Unix) socket as a stream: one `recv` a wake-up into a shared buffer, writes at once.

Why plain non-blocking sockets and not the loop's transports: a transport reads a ready socket up to 32 times in
a row, which lets one bulk transfer hold the loop for megabytes; it costs half as much memory again per
connection and a third more time per new one (measured with a relay in front of nginx).
"""

from __future__ import annotations

import fcntl
import logging
import socket
import termios
from collections.abc import Hashable
from time import monotonic
from typing import TYPE_CHECKING

from proxycore.destination import HostPort
from proxycore.errors import LinkDown
from proxycore.net.limits import DEFAULT_LIMITS, Limits
from proxycore.net.poller import FINISHED, READABLE, WRITABLE, Poller
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_STREAM, Buffer, Stream

if TYPE_CHECKING:
    from proxycore.stats import Account, User

FIRST_READ_BYTES, READ_BYTES = 32 * 1024, 256 * 1024
"""One read, at first and at most: it doubles while reads come back full, and begins anew after a pause.

Many bytes make few, large operations; but where the way on is full, what was read last is what waits, per connection.
"""

SLOW_S = 0.01
"""A read that took longer to hand on is followed by smaller ones: thousands of frames without payload fit into a large one, and
all others wait meanwhile."""

QUICK_BYTES = 8 * 1024
"""A read of no more, that was not full, is not timed."""

LEAST_READ_BYTES = 1024
"""No read is made smaller than this."""

MAX_GATHER = 64
"""Backlog pieces sent by one call."""

LINGER_S = 2.0
"""After `close`: how long what still comes in is read and thrown away, so that no reset overtakes the last bytes."""

LINGER_ABOVE_BYTES = 64 * 1024
"""A far end that has sent no more than this, all of which was read, is not taken to be sending still."""

_READING = READABLE | FINISHED
_NO_BYTES = bytes(4)
_buffer = bytearray(READ_BYTES)
_view = memoryview(_buffer)
_log = logging.getLogger("xrev.socket")


class Census:
    """The sockets of one kind that are open."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: set[SocketStream] = set()

    @property
    def count(self) -> int:
        return len(self.open)

    def end_all(self) -> None:
        """End every one now."""
        for stream in tuple(self.open):
            stream.fail(LinkDown("stopped"))


class SocketStream(Stream):
    """Reads go to `peer.write`, `write` goes to the socket; what it does not take waits, and the peer is paused."""

    __slots__ = (
        "_backlog", "_blocked", "_census", "_closing", "_eof_in", "_eof_out", "_interest", "_mark", "_paused", "_poller",
        "_read_bytes", "_wheel", "account", "counted_received", "counted_sent", "limits", "owner", "received", "sent", "sock",
        "wheel_slot",
    )
    counted_received: int           # the account's
    counted_sent: int

    def __init__(
        self, poller: Poller, wheel: Wheel, census: Census, sock: socket.socket | None,
        limits: Limits = DEFAULT_LIMITS, account: Account | None = None,
    ) -> None:
        """`sock` is connected and non-blocking, or None: then `connected` or `abort` must follow."""
        self.peer: Stream = NULL_STREAM
        self.sock = sock
        self.received = 0           # bytes
        self.sent = 0               # bytes
        self.wheel_slot = -1
        self.owner: Hashable = None     # the credential that the far end has proven to have
        self._poller = poller
        self._wheel = wheel
        self._census = census
        census.open.add(self)
        self.limits = limits
        self.account = account
        if account is not None:
            account.open(self)
        self._mark = 0              # received + sent when the wheel last looked
        self._backlog: list[bytes] = []
        self._blocked = sock is None    # write() cannot go straight to the socket
        self._read_bytes = FIRST_READ_BYTES
        self._paused = False        # the peer cannot take more
        self._interest = 0          # what the poller watches for
        self._eof_in = False
        self._eof_out = False       # asked for; done once the backlog is empty
        self._closing = False       # incoming data is thrown away
        if sock is not None:
            wheel.watch(self, limits.idle_s)

    def __repr__(self) -> str:
        state = "ended" if self.ended else "connecting" if self.sock is None else "open"
        return f"<SocketStream {state} received={self.received} sent={self.sent} backlog={self.backlog_bytes}>"

    @property
    def ended(self) -> bool:
        return self.sock is None and self._eof_in

    @property
    def is_connecting(self) -> bool:
        return self.sock is None and not self._eof_in

    @property
    def remote_address(self) -> HostPort | None:
        """The address it is connected to; None: it is not, or that has none."""
        try:
            address = self.sock.getpeername() if self.sock is not None else None
        except OSError:
            return None
        return (address[0], address[1]) if isinstance(address, tuple) else None

    def touch(self) -> None:
        self._mark = -1

    def claim(self, owner: Hashable) -> None:
        self.owner = owner

    def carried_by(self) -> socket.socket | None:
        return self.sock

    def obey(self, limits: Limits) -> None:
        if limits is self.limits:
            return
        self.limits = limits
        if self.sock is not None and not self._closing:
            self._look_in(self._half_closed_s() if self._eof_in or self._eof_out else limits.idle_s)

    def charge(self, user: User, ip: str) -> bool:
        if self.account is None:
            return False
        if not self.ended:
            self.account.charge(self, user, ip)
        return True

    @property
    def backlog_bytes(self) -> int:
        return sum(map(len, self._backlog))

    def start(self) -> None:
        """Begin to read; `peer` has been set."""
        interest = self._interest
        if self.sock is not None and not interest & READABLE and not self._paused:
            self._interest = interest | _READING
            self._poller.set_interest(self.sock.fileno(), interest, interest | _READING, self)

    def connected(self, sock: socket.socket) -> None:
        """A stream that was made without a socket has one now: send what waited, begin to read."""
        if self.ended:
            sock.close()
            return
        self.sock = sock
        self._wheel.watch(self, self.limits.idle_s)
        self.peer.on_connected()
        if self.sock is None:
            return                  # the peer could not take that, and ended this stream
        if self._backlog:
            if not self._send_backlog():
                return
            if self._backlog:
                self._await_writable()
            else:
                self._unblock()
        else:
            self._unblock()
        if self.sock is not None and not self._eof_in:
            self.start()

    # what the neighbour does

    def write(self, data: Buffer) -> None:
        if self._blocked:
            if not self._eof_out and not self.ended:
                self._backlog.append(bytes(data))
                self.peer.pause()
            return
        try:
            n = self.sock.send(data)  # type: ignore[union-attr]
        except (BlockingIOError, InterruptedError):
            n = 0
        except OSError as error:
            self.fail(error)
            return
        self.sent += n
        if n != len(data):
            self._blocked = True
            self._backlog.append(bytes(memoryview(data)[n:]))
            self._await_writable()
            self.peer.pause()

    def write_eof(self) -> None:
        if self._eof_out or self.ended:
            return
        self._eof_out = True
        if not self._backlog and self.sock is not None:
            self._blocked = True
            self._shut_down()

    def close(self) -> None:
        if self._closing or self.ended:
            return
        self._closing = True
        self.peer = NULL_STREAM
        if self.sock is None and not self._backlog:
            self._end()
            return
        if not self._backlog and self._is_quiet():
            self._end()
            return
        self._paused = False
        self.write_eof()
        if self.sock is not None:
            if not self._eof_in:
                self.start()
            self._wheel.watch(self, LINGER_S)

    def abort(self, error: Exception | None) -> None:
        if not self.ended:
            self.peer = NULL_STREAM
            self._end()

    def pause(self) -> None:
        self._paused = True         # interest is withdrawn only if input comes meanwhile
        self._read_bytes = FIRST_READ_BYTES

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self._eof_in:
                self.start()

    def _is_quiet(self) -> bool:
        """Nothing more is to be expected from the far end: it has finished, or has said little and all was read."""
        if self._eof_in:
            return True
        if self.received > LINGER_ABOVE_BYTES:
            return False
        unread = fcntl.ioctl(self.sock.fileno(), termios.FIONREAD, _NO_BYTES)  # type: ignore[union-attr]
        return unread == _NO_BYTES

    # what the poller does

    def on_events(self, events: int) -> None:
        # a broken socket is reported whatever the interest: then the next read or write finds out
        if events & ~_READING and self._interest & WRITABLE:
            self._on_writable()
        if events & ~WRITABLE and self._interest & READABLE:
            self._on_readable(events)

    def _on_readable(self, events: int) -> None:
        sock = self.sock
        if sock is None:
            return
        if self._paused:
            self._drop_interest(_READING)
            return
        try:
            n = sock.recv_into(_buffer, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.fail(error)
            return
        if not n:
            self._on_eof()
            return
        self.received += n
        begun = 0.0
        if n == self._read_bytes:
            begun = monotonic()
            if n < READ_BYTES:
                self._read_bytes = min(n * 2, READ_BYTES)
        elif n > QUICK_BYTES:
            begun = monotonic()
        try:
            self.peer.write(_view[:n])
        except Exception:   # noqa: BLE001 - a bug of ours must not leave a stuck pair
            _log.exception("while handing on %d bytes", n)
            self.fail(None)
            return
        if begun and (took := monotonic() - begun) > SLOW_S:
            self._read_bytes = max(LEAST_READ_BYTES, int(n * SLOW_S / took))
        if events & FINISHED and n < self._read_bytes and self._interest & READABLE and not self._paused:
            self._on_readable(0)        # the end: so it leaves together with the last bytes

    def _on_eof(self) -> None:
        self._eof_in = True
        if self._eof_out and not self._backlog:
            peer, self.peer = self.peer, NULL_STREAM
            self._end()
            peer.write_eof()
            return
        try:
            self.peer.write_eof()           # most peers end this stream in answer
        finally:
            if self.sock is not None:
                self._drop_interest(_READING)
                if not self._closing:
                    self._look_in(self.limits.after_eof_in_s)

    def _on_writable(self) -> None:
        if not self._send_backlog() or self._backlog:
            return
        self._drop_interest(WRITABLE)
        self._unblock()

    def _send_backlog(self) -> bool:
        """Send what the socket takes; False if the stream was lost."""
        backlog = self._backlog
        try:
            n = self.sock.send(backlog[0]) if len(backlog) == 1 else self.sock.sendmsg(backlog[:MAX_GATHER])  # type: ignore[union-attr]
        except (BlockingIOError, InterruptedError):
            return True
        except OSError as error:
            self.fail(error)
            return False
        self.sent += n
        done = 0
        for piece in backlog:
            if n < len(piece):
                break
            n -= len(piece)
            done += 1
        del backlog[:done]
        if n:
            backlog[0] = backlog[0][n:]
        return True

    def _unblock(self) -> None:
        """The backlog is empty."""
        if self._eof_out:
            self._shut_down()
            return
        self._blocked = False
        self.peer.resume()

    def _shut_down(self) -> None:
        if self._eof_in:
            self.peer = NULL_STREAM
            self._end()
            return
        try:    # noqa: SIM105 - `suppress` costs a microsecond
            self.sock.shutdown(socket.SHUT_WR)  # type: ignore[union-attr]
        except OSError:
            pass
        if self._closing:
            self._wheel.watch(self, LINGER_S)
        else:
            self._look_in(self.limits.after_eof_out_s)

    def _await_writable(self) -> None:
        interest = self._interest
        self._interest = interest | WRITABLE
        self._poller.set_interest(self.sock.fileno(), interest, interest | WRITABLE, self)  # type: ignore[union-attr]

    def _drop_interest(self, which: int) -> None:
        interest = self._interest
        if interest & which and self.sock is not None:
            self._interest = interest & ~which
            self._poller.set_interest(self.sock.fileno(), interest, interest & ~which, self)

    def on_watch(self) -> float | None:
        """Idle for a whole period: end."""
        if self.ended:
            return None
        total = self.received + self.sent
        if total != self._mark and not self._closing:
            self._mark = total
            period_s = self._half_closed_s() if self._eof_in or self._eof_out else self.limits.idle_s
            if period_s:
                return period_s
        elif self._closing and self._backlog and total != self._mark:
            self._mark = total      # a slow reader still takes what was written before the close
            return self.limits.idle_s
        self.fail(LinkDown("idle"))
        return None

    def _half_closed_s(self) -> float:
        """The limit where one side has finished; what is still on its way to a slow reader has not."""
        if self._eof_in:
            return self.limits.after_eof_in_s
        return self.limits.idle_s if self._backlog else self.limits.after_eof_out_s

    def _look_in(self, period_s: float) -> None:
        """A new limit: it begins now, so that a look in its first period finds the connection used."""
        self._mark = -1
        self._wheel.watch(self, period_s)

    def fail(self, error: Exception | None) -> None:
        """The socket failed, or its time is over: the peer is told."""
        if self.ended:
            return
        peer, self.peer = self.peer, NULL_STREAM
        self._end()
        peer.abort(error)

    def _end(self) -> None:
        self._census.open.discard(self)
        if self.account is not None:
            self.account.close(self)
        self._wheel.forget(self)
        self._eof_in = self._eof_out = self._blocked = True
        sock, self.sock = self.sock, None
        if sock is not None:
            if self._interest:
                self._interest = 0
                self._poller.forget(sock.fileno())
            sock.close()
        self._backlog.clear()
