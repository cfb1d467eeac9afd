"""One session of a carrier: as a stream (TCP), or as a flow of datagrams (UDP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxycore.destination import Destination
from proxycore.errors import LimitError, LinkDown
from proxycore.mux.codec import encode_packet
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

if TYPE_CHECKING:
    import socket

    from proxycore.destination import Request
    from proxycore.mux.carrier import Carrier
    from proxycore.stats import Account, User

UNLIMITED = 1 << 62
"""Bytes that no session moves."""

SESSION_BUFFER_BYTES = 512 * 1024
"""What may wait for a session's slow reader before the whole carrier is no longer read (bufferSize of the cores)."""

GATHER_BYTES = 16 * 1024
"""Small pieces that wait for a slow reader are put together up to this, or frames of two bytes would cost sixty each."""

HALF_CLOSE_LINGER_S = 5.0
"""How long a session whose client has finished sending, and has had no answer to its last bytes, waits for one,
and then for more of it.

Mux.cool has no half-close: an End is the end of both directions, so an End sent at once would lose the answer.
"""

CLOSED_LINGER_S = 600.0
"""How long a session that was closed waits for credit for its last bytes. Where both ends were, nobody would grant any; a slow
reader grants seldom, since it does so when half a window is taken."""


class MuxSession(Stream):
    """A TCP session. What its neighbour writes goes to the carrier; `deliver` is what came from the carrier."""

    __slots__ = (
        "_awaits_answer", "_error", "_has_sent_finish", "_paused", "_remote_ended", "_rx", "account", "begun_at",
        "buffer_bytes", "carrier", "counted_received", "counted_sent", "credit", "ended", "ending", "granted_at", "id",
        "is_finished", "is_finishing", "received", "request", "rx_bytes", "rx_limit", "rx_mark", "sent", "tx", "tx_bytes",
        "tx_mark", "wheel_slot", "window",
    )  # fmt: skip

    counted_received: int           # the account's
    counted_sent: int
    tx_mark: int                    # `tx_bytes` when it was last looked at, while `ending`

    is_packet = False

    def __init__(self, carrier: Carrier, session_id: int) -> None:
        self.peer: Stream = NULL_STREAM
        self.carrier = carrier
        self.id = session_id
        self.sent = 0               # bytes taken for the carrier
        self.received = 0           # bytes that came from the carrier
        self.account: Account | None = None
        self.request: Request | None = None     # what it was opened for, and when (loop time, s); None: it is no tunnel's
        self.begun_at = 0.0
        self.buffer_bytes = SESSION_BUFFER_BYTES
        self.tx: list[memoryview] | None = None      # waits for its turn on the carrier
        self.tx_bytes = 0
        self.rx_bytes = 0           # waits for our neighbour
        self._rx: list[bytearray] | None = None
        self._paused = False
        self.ending = False         # an End follows what is in `tx`
        self.is_finishing = False   # a Finish does
        self.credit = UNLIMITED     # payload that the other side still takes
        self.window = 0             # payload that may be on its way to us; 0: the session is without credit
        self.rx_limit = UNLIMITED   # `received` may not be above
        self.rx_mark = UNLIMITED    # what our neighbour has taken may not be above without a new grant
        self.granted_at = 0.0       # loop time, s
        self._has_sent_finish = False
        self.is_finished = False    # the other side has sent all, and said so
        self._remote_ended = False
        self._error: Exception | None = None    # of the other side's reset, for after what still waits
        self.ended = False
        self._awaits_answer = False     # the last bytes went to the carrier, none came back since
        self.wheel_slot = -1

    def __repr__(self) -> str:
        return f"<MuxSession {self.id} sent={self.sent} received={self.received} tx={self.tx_bytes} rx={self.rx_bytes}>"

    @property
    def is_half_closed(self) -> bool:
        """One side has sent all, and the other has not."""
        return (self.is_finishing or self.is_finished) and not self.ended

    # what the neighbour does

    def write(self, data: Buffer) -> None:
        if self.ended or self.ending or self.is_finishing:
            return
        self.sent += len(data)
        self._awaits_answer = True
        self.carrier.send(self, data)

    def write_eof(self) -> None:
        if self.ended or self.ending or self.is_finishing:
            return
        if self.window:
            self.is_finishing = True
            self.carrier.finish_sending(self)
            return
        if self.carrier.is_client and (self._awaits_answer or self._rx is not None) and not self._remote_ended:
            self.carrier.wheel.watch(self, HALF_CLOSE_LINGER_S)
            return
        self._finish()

    def on_watch(self) -> float | None:
        """The time to wait for an answer is over, or that for credit."""
        if self.ending and self.window and not self.ended:
            if self.tx_bytes != self.tx_mark:
                self.tx_mark = self.tx_bytes
                return CLOSED_LINGER_S
            self.abort(LinkDown("what it had still to send was not taken"))
        elif not self.ended and not self.ending:
            if not self._awaits_answer or self._rx is not None:
                self._awaits_answer = True      # it came or still comes, or its reader is slow: wait for more of it
                return HALF_CLOSE_LINGER_S
            self._finish()
        return None

    def close(self) -> None:
        self.peer = NULL_STREAM
        self._drop_rx()
        if not self.ended and not self.ending:
            self.carrier.finish(self, is_error=False)

    def abort(self, error: Exception | None) -> None:
        self.peer = NULL_STREAM
        self._drop_rx()
        if not self.ended:
            self.drop_tx()
            if self.window:
                self.carrier.reset(self, error)
            else:
                self.carrier.finish(self, is_error=True)

    def fail(self, error: Exception) -> None:
        """We end it: the other side and our neighbour are told."""
        peer = self.peer
        self.abort(error)
        peer.abort(error)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        rx = self._rx
        if rx is not None:
            while rx and not self._paused:
                data = rx.pop(0)
                self.rx_bytes -= len(data)
                self.carrier.waits(self, -len(data))
                self.peer.write(data)
            if not rx:
                self._rx = None
                if self._remote_ended:
                    self._end_towards_peer()
                elif self.is_finished:
                    self._finish_towards_peer()
        if self.received - self.rx_bytes >= self.rx_mark and not self._paused:
            self._grant()

    def charge(self, user: User, ip: str) -> bool:
        if not self.ended:
            _charge(self, user, ip)
        return True

    def carried_by(self) -> socket.socket | None:
        return self.carrier.peer.carried_by()

    # what the carrier does

    def deliver(self, data: Buffer) -> None:
        """Payload came; valid during the call only."""
        self.received += len(data)
        self._awaits_answer = False
        if self.received > self.rx_limit:
            raise LimitError("bytes on a session", got=self.received, limit=self.rx_limit)
        if not self._paused and self._rx is None:
            self.peer.write(data)
            if self.received >= self.rx_mark and not self._paused:
                self._grant()
            return
        if self.peer is NULL_STREAM:
            return
        rx = self._rx
        if rx is None:
            self._rx = [bytearray(data)]
        elif rx and len(rx[-1]) < GATHER_BYTES:
            rx[-1] += data
        else:
            rx.append(bytearray(data))
        self.rx_bytes += len(data)
        self.carrier.waits(self, len(data))

    def remote_end(self) -> None:
        """The other side ended the session: our neighbour gets what is still waiting, then the end."""
        self.drop_tx()
        self._on_ended()
        self._remote_ended = True
        if self._rx is None:
            self._end_towards_peer()

    def remote_finish(self) -> None:
        """The other side has sent all; it still receives."""
        if self.is_finished:
            return
        self.is_finished = True
        self.rx_limit, self.rx_mark = self.received, UNLIMITED
        if self._has_sent_finish:
            self._finished_by_both()
        if self._rx is None:
            self._finish_towards_peer()

    def remote_reset(self, error: Exception) -> None:
        """The other side gave the session up: our neighbour gets what is still waiting, then the news."""
        self._error = error
        self.remote_end()

    def sent_finish(self) -> None:
        """The carrier has put our Finish on its way."""
        self._has_sent_finish = True
        if self.is_finished:
            self._finished_by_both()
            if self._rx is None:
                self.peer = NULL_STREAM         # it was told the end before

    def carrier_lost(self, error: Exception) -> None:
        """There is no carrier any more."""
        self.drop_tx()
        self._drop_rx()
        self._on_ended()
        self.carrier.wheel.forget(self)
        peer, self.peer = self.peer, NULL_STREAM
        peer.abort(error)

    def drop_tx(self) -> None:
        self.tx = None
        self.tx_bytes = 0

    def finished(self) -> None:
        """The carrier has put our End on its way."""
        self._on_ended()
        self._drop_rx()
        self.carrier.wheel.forget(self)
        peer, self.peer = self.peer, NULL_STREAM
        peer.close()

    def _on_ended(self) -> None:
        extension = self.carrier.extension
        if extension is not None and self.window > extension.initial_in:
            extension.release(self)
        self.ended = True
        if self.account is not None:
            self.account.close(self)

    def _grant(self) -> None:
        if not self.ended and not self.is_finished and self.carrier.extension is not None:
            self.carrier.extension.grant(self)

    def _finish_towards_peer(self) -> None:
        """All that came was handed on, and no more will come."""
        peer = self.peer
        if self._has_sent_finish:
            self.peer = NULL_STREAM
        peer.write_eof()

    def _finished_by_both(self) -> None:
        """The carrier has no more to do with it; our neighbour may still read."""
        sessions = self.carrier.sessions
        if sessions.get(self.id) is self:
            del sessions[self.id]
        self._on_ended()

    def _finish(self) -> None:
        self.carrier.finish(self, is_error=False)

    def _end_towards_peer(self) -> None:
        self.carrier.wheel.forget(self)
        peer, self.peer = self.peer, NULL_STREAM
        if self._error is None:
            peer.close()
        else:
            peer.abort(self._error)

    def _drop_rx(self) -> None:
        if self._rx is not None:
            self._rx.clear()        # resume() may be in the middle of it
            self._rx = None
            waited, self.rx_bytes = self.rx_bytes, 0
            self.carrier.waits(self, -waited)


class MuxPacketSession(PacketStream):
    """A UDP session."""

    __slots__ = (
        "account", "begun_at", "carrier", "counted_received", "counted_sent", "destination", "ended", "id", "next_address",
        "received", "request", "sent",
    )
    counted_received: int           # the account's
    counted_sent: int

    is_packet = True
    window = 0

    def __init__(self, carrier: Carrier, session_id: int, destination: Destination) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.carrier = carrier
        self.id = session_id
        self.destination = destination
        self.next_address: Destination | None = None     # of the datagram whose metadata was just read
        self.ended = False
        self.received = 0           # bytes
        self.sent = 0               # bytes
        self.account: Account | None = None
        self.request: Request | None = None     # as of a MuxSession
        self.begun_at = 0.0

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if not self.ended and 0 < len(data) <= self.carrier.max_packet_bytes:
            if address == self.destination and self.carrier.is_client:
                address = None
            self.sent += len(data)
            self.carrier.send_packet(encode_packet(self.id, data, address))

    def write_control(self, data: bytes) -> None:
        """The same for what must not be dropped while the carrier is full."""
        if not self.ended:
            self.carrier.send_frame(encode_packet(self.id, data, None))

    def charge(self, user: User, ip: str) -> bool:
        if not self.ended:
            _charge(self, user, ip)
        return True

    def close(self) -> None:
        if not self.ended:
            self._on_ended()
            self.peer = NULL_PACKETS
            self.carrier.finish_packets(self)

    def deliver(self, data: Buffer) -> None:
        """One datagram came; valid during the call only."""
        self.received += len(data)
        address, self.next_address = self.next_address, None
        self.peer.write_packet(data, address)

    def remote_end(self) -> None:
        self._end()

    def remote_reset(self, error: Exception) -> None:
        self._end()

    def carrier_lost(self, error: Exception) -> None:
        self._end()

    def _end(self) -> None:
        self._on_ended()
        peer, self.peer = self.peer, NULL_PACKETS
        peer.close()

    def _on_ended(self) -> None:
        self.ended = True
        if self.account is not None:
            self.account.close(self)


def _charge(session: MuxSession | MuxPacketSession, user: User, ip: str) -> None:
    """Count `session` for `user`; what we open on a carrier goes up on it."""
    if session.account is not None:
        session.account.charge(session, user, ip)
    else:
        (user.opened if session.carrier.is_client else user.served).open(session, ip)
