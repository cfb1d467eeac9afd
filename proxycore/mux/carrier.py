"""One carrier: a stream that many sessions share, and who of them may send next.

While the carrier takes everything, what a session writes is framed at once and leaves at the end of the loop's
turn, together with what the others wrote in it. When the carrier is full, each session keeps its own data, its
source is paused, and the sessions take turns as the carrier drains: what is short goes first, the rest in equal parts.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxycore.errors import LinkDown, PeerError, ProxyError
from proxycore.mux import codec, codec_extension
from proxycore.mux.extension import Extension, Overloaded, reason_of
from proxycore.mux.session import CLOSED_LINGER_S, MuxPacketSession, MuxSession
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_STREAM, Buffer, Stream

STREAM_FRAME_BYTES = 65535
"""Payload of one frame. Every known reader takes it; turns between sessions are taken in smaller parts, below."""

TURN_BYTES = 64 * 1024
"""What is gathered before it is handed to the carrier without waiting for the end of the loop's turn."""

QUANTUM_BYTES = 16 * 1024
"""What a session may send in its turn while the carrier is full."""

EXPRESS_BYTES = 4 * 1024
"""A session with no more than this waiting goes before those with more."""

CARRIER_BUFFER_BYTES = 8 * 1024 * 1024
"""What may wait for slow readers of all sessions together before the carrier is no longer read."""

PROCESS_BUFFER_BYTES = 256 * 1024 * 1024
"""The same for all carriers of this process."""

PACKET_BACKLOG_BYTES = 256 * 1024
"""Datagrams that are still handed on while the carrier is full; the rest is dropped until it is not."""

ANSWER_BACKLOG_BYTES = 64 * 1024
"""Ends that answer data for unknown sessions while the carrier is full; a peer that sends and does not read gets no more."""

FRAME_BACKLOG_BYTES = 1024 * 1024
"""Frames without stream payload that may gather while the carrier is full; a peer that makes us write more is cut off."""

OVERLOADED_SESSION_BYTES = 64 * 1024
"""Where all carriers together are above their bound, the session with credit for which most waits is reset, if it is more
than this."""

LAZY_S = 0.01
"""What the last word of a session waits for company: a record, a write and a wake-up at the other end would be for it alone."""

MAX_REFUSED_IDS = 4096
"""Session ids that are remembered as ended here, so that what is in flight for them is answered once at the most."""

PROBE_ID = 0
"""No portal gives this number to a session."""

PROBE = codec.keep_head(4, PROBE_ID, codec.KEEP, codec.OPTION_DATA, 1) + b"\x00"

V2RAY_PACKET_BYTES = 2048
"""V2Ray's reader gives up a whole carrier for a larger datagram; Xray's for one above XRAY_PACKET_BYTES."""
XRAY_PACKET_BYTES = 8192

if TYPE_CHECKING:
    from proxycore.stats import Account, User

Session = MuxSession | MuxPacketSession
_log = logging.getLogger("xrev.mux")
_process_waiting = 0        # bytes, all carriers
_greedy: set[MuxSession] = set()        # with credit, of all carriers: those for which more than OVERLOADED_SESSION_BYTES wait


class Carrier(Stream):
    """What both sides have in common. `peer` is the stream below; `write` is what came from it."""

    __slots__ = (
        "_answer_room", "_behind", "_blocked", "_bulk", "_decoder", "_express", "_frame_room", "_is_lazy", "_is_scheduled",
        "_is_stalled", "_loop",
        "_packet_room", "_refused", "_slow", "_turn",
        "account", "blocked_at", "counted_received", "counted_sent", "ended", "error", "extension", "is_client",
        "max_packet_bytes", "now", "on_congested", "on_ended", "on_outcome", "on_probed", "opened",
        "received", "rtt_s", "sent", "sessions", "stalled_at", "waiting_bytes", "wheel",
    )
    counted_received: int           # the account's
    counted_sent: int

    def __init__(self, loop: Loop, wheel: Wheel, *, is_client: bool) -> None:
        self.peer: Stream = NULL_STREAM
        self.wheel = wheel
        self.is_client = is_client
        self.sessions: dict[int, Session] = {}
        self.opened = 0                 # sessions ever opened on this carrier
        self.sent = 0                   # bytes of frames
        self.received = 0
        self.account: Account | None = None
        self.max_packet_bytes = V2RAY_PACKET_BYTES
        self.ended = False
        self.error: ProxyError | None = None    # why it ended
        self.on_ended: Callable[[Carrier], None] | None = None
        self.extension: Extension | None = None     # once the other side is known to be one of ours
        self.rtt_s: float | None = None         # there and back, as last measured
        self.blocked_at: float | None = None    # loop time since when it takes nothing
        self.stalled_at: float | None = None    # ... since when it is not read, because of slow readers
        self.on_congested: Callable[[Carrier], None] | None = None      # either has begun
        self.on_outcome: Callable[[bool], None] | None = None       # a session was ended by the other side; False: it failed
        self.on_probed: Callable[[], None] | None = None                # the other side answered `probe`
        self.now = loop.time
        self.waiting_bytes = 0          # for slow readers of all sessions
        self._loop = loop
        self._decoder = codec.FrameDecoder(self._on_frame)
        self._turn = bytearray()
        self._is_scheduled = False
        self._is_lazy = False
        self._blocked = False
        self._packet_room = self._answer_room = self._frame_room = 0      # bytes, while blocked
        self._express: deque[MuxSession] = deque()
        self._bulk: deque[MuxSession] = deque()
        self._behind: set[MuxSession] = set()   # for whose readers something waits; without credit, and they may have ended
        self._slow: set[MuxSession] = set()     # of them, those above their buffer_bytes
        self._is_stalled = False
        self._refused: set[int] = set()

    # what the stream below does

    def write(self, data: Buffer) -> None:
        if self.ended:
            return
        self.received += len(data)
        try:
            self._decoder.feed(data)
        except PeerError as error:
            _log.info("carrier ended: %s", error)
            self.fail(error)

    def write_eof(self) -> None:
        self.fail(LinkDown("the other side closed the carrier"))

    def close(self) -> None:
        self.fail(LinkDown("the carrier was closed"))

    def abort(self, error: Exception | None) -> None:
        self.fail(error if isinstance(error, ProxyError) else LinkDown(str(error or "the carrier was lost")))

    def pause(self) -> None:
        if not self._blocked:
            self._blocked = True
            self.blocked_at = self.now()
            if self.on_congested is not None:
                self.on_congested(self)
            self._packet_room = PACKET_BACKLOG_BYTES
            self._answer_room = ANSWER_BACKLOG_BYTES
            self._frame_room = FRAME_BACKLOG_BYTES

    def resume(self) -> None:
        if self._blocked:
            self._blocked = False
            self.blocked_at = None
            self._serve()

    def charge(self, user: User, ip: str) -> bool:
        """A bridge's carrier, which is the client of its portal."""
        if not self.ended:
            if self.account is not None:
                self.account.charge(self, user, ip)
            else:
                user.served.open(self, ip)
        return True

    # what sessions do

    def send(self, session: MuxSession, data: Buffer) -> None:
        """Payload of `session`: framed now if the carrier takes it, else kept until its turn."""
        size = len(data)
        if self._blocked or session.tx is not None or size > session.credit:
            self._keep(session, data)
            return
        session.credit -= size
        turn = self._turn
        if size <= STREAM_FRAME_BYTES:
            turn += codec.keep_head(4, session.id, codec.KEEP, codec.OPTION_DATA, size)
            turn += data
        else:
            view = memoryview(data)
            for start in range(0, size, STREAM_FRAME_BYTES):
                piece = view[start : start + STREAM_FRAME_BYTES]
                turn += codec.keep_head(4, session.id, codec.KEEP, codec.OPTION_DATA, len(piece))
                turn += piece
        if len(turn) >= TURN_BYTES:
            self._flush()
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._on_turn_end)

    def send_packet(self, frame: bytes) -> None:
        """A whole frame with a datagram; dropped while the carrier is full."""
        if self._blocked:
            if self._packet_room < len(frame):
                return
            self._packet_room -= len(frame)
        self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        """A whole frame; it leaves at the end of the loop's turn."""
        if self._blocked:
            self._frame_room -= len(frame)
            if self._frame_room < 0:
                self._loop.call_soon(self.fail, LinkDown("the other side makes us write and does not read"))
                return
        self._turn += frame
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._on_turn_end)

    def finish(self, session: MuxSession, *, is_error: bool) -> None:
        """Send an End after what `session` still has to send, and forget it then."""
        if session.tx is not None:
            session.ending = True
            if session.window:
                session.tx_mark = session.tx_bytes
                self.wheel.watch(session, CLOSED_LINGER_S)
            return
        self._forget(session.id, session)
        if not self.ended:
            self.send_frame(codec.encode_end(session.id, is_error=is_error))
        session.finished()

    def finish_sending(self, session: MuxSession) -> None:
        """`session`, which has credit, has nothing more to send, now or once what waits has gone; it still receives."""
        if session.tx is not None:
            session.is_finishing = True
            return
        if not self.ended:
            finish = codec_extension.encode_finish(session.id)
            if self.is_client and session.is_finished and not self._blocked:
                # the target has had its say, and perhaps nobody listens there any more: it leaves with what is sent next
                self._turn += finish
                if not self._is_scheduled and not self._is_lazy:
                    self._is_lazy = True
                    self._loop.call_later(LAZY_S, self._on_lazy_end)
            else:
                self.send_frame(finish)
        session.sent_finish()

    def reset(self, session: MuxSession, error: Exception | None) -> None:
        """`session`, which has credit, is over, and not in order."""
        self._forget(session.id, session)
        if not self.ended:
            self.send_frame(codec_extension.encode_reset(session.id, reason_of(error)))
        session.finished()

    def credit(self, session: MuxSession, size: int) -> None:
        """The other side takes `size` bytes more of `session`."""
        is_starved = not session.credit
        session.credit += size
        if is_starved and session.tx is not None:
            (self._express if session.tx_bytes <= EXPRESS_BYTES else self._bulk).append(session)
            if not self._blocked:
                self._serve()

    def probe(self) -> None:
        """Ask for a sign of life that every core gives: data for a session that does not exist is answered by its End."""
        self.send_frame(PROBE)

    def finish_packets(self, session: MuxPacketSession) -> None:
        self._forget(session.id, session)
        if not self.ended:
            self.send_frame(codec.encode_end(session.id))

    def waits(self, session: MuxSession, change: int) -> None:
        """`change` more bytes wait for the reader of `session`. Above a bound the carrier is not read until they went."""
        global _process_waiting
        _process_waiting += change
        if session.window:
            if session.rx_bytes > OVERLOADED_SESSION_BYTES:
                _greedy.add(session)
            else:
                _greedy.discard(session)
            if change > 0 and _process_waiting > PROCESS_BUFFER_BYTES and _greedy:
                max(_greedy, key=lambda one: one.rx_bytes).fail(Overloaded("too much waits for slow readers"))
            return
        self.waiting_bytes += change
        if session.rx_bytes:
            self._behind.add(session)
        else:
            self._behind.discard(session)
        if session.rx_bytes > session.buffer_bytes:
            self._slow.add(session)
        elif self._slow and session.rx_bytes <= session.buffer_bytes // 2:
            self._slow.discard(session)
        if self._is_stalled:
            if (
                not self._slow
                and self.waiting_bytes <= CARRIER_BUFFER_BYTES // 2
                and (_process_waiting <= PROCESS_BUFFER_BYTES or not self.waiting_bytes)
            ):
                self._is_stalled = False
                self.stalled_at = None
                self.peer.resume()
        elif self._slow or self.waiting_bytes > CARRIER_BUFFER_BYTES or (
            change > 0 and _process_waiting > PROCESS_BUFFER_BYTES
        ):
            self._is_stalled = True
            self.stalled_at = self.now()
            self.peer.pause()
            if self.on_congested is not None:
                self.on_congested(self)

    def slow_sessions(self) -> list[MuxSession]:
        """Those whose readers keep the carrier from being read."""
        return list(self._slow) or sorted(self._behind, key=lambda session: -session.rx_bytes)[:1]

    # frames that came

    def _on_frame(self, session_id: int, status: int, option: int, extra: Buffer) -> codec.Receiver | None:
        if self.ended:          # by a frame before this one in the same read
            return None
        if status == codec.KEEP:
            session = self.sessions.get(session_id)
            if session is None:
                if option & codec.OPTION_DATA:
                    self._refuse(session_id)
                return None
            if session.is_packet:
                session.next_address = codec.decode_packet_address(extra)  # type: ignore[union-attr]
            return session
        if status == codec.END:
            session = self.sessions.pop(session_id, None)
            if session is not None:
                if self.on_outcome is not None:
                    self.on_outcome(session.received > 0 or not option & codec.OPTION_ERROR)
                session.remote_end()
            elif not session_id and self.on_probed is not None:
                self.on_probed()
            return None
        if status == codec.NEW:
            return self._on_new(session_id, option, extra)
        extension = self.extension
        if extension is not None and status == codec_extension.FINISH:      # (most sessions end so)
            extension.on_finish(session_id)
            return None
        if status == codec.KEEP_ALIVE or (extension is not None and extension.on_frame(session_id, status, extra)):
            return None
        raise PeerError(f"unknown mux status {status}")

    def _on_new(self, session_id: int, option: int, extra: Buffer) -> codec.Receiver | None:
        """A session was opened by the other side, which only a mux client does."""
        return None

    def _refuse(self, session_id: int) -> None:
        """Answer data for a session that does not exist, once. That is a probe where the session's number is none."""
        if session_id in self._refused and session_id != PROBE_ID:
            return
        if len(self._refused) >= MAX_REFUSED_IDS:
            self._refused.clear()
        end = codec.encode_end(session_id)
        if self._blocked:
            if self._answer_room < len(end):
                return
            self._answer_room -= len(end)
        self._refused.add(session_id)
        self.send_frame(end)

    # taking turns

    def _keep(self, session: MuxSession, data: Buffer) -> None:
        session.peer.pause()
        is_first = session.tx is None
        if session.tx is None:
            session.tx = []
        session.tx.append(memoryview(bytes(data)))
        session.tx_bytes += len(data)
        if is_first and session.credit:         # (without, its turn comes with the credit)
            (self._express if len(data) <= EXPRESS_BYTES else self._bulk).append(session)
            if not self._blocked:
                self._serve()

    def _serve(self) -> None:
        """Let the waiting sessions send until the carrier is full again or none waits."""
        while not self._blocked and not self.ended:
            if self._express:
                session = self._express.popleft()
                budget = session.tx_bytes
            elif self._bulk:
                session = self._bulk.popleft()
                budget = QUANTUM_BYTES if self._bulk else TURN_BYTES      # (alone it need not take turns)
            else:
                break
            if session.tx is None:      # ended meanwhile
                continue
            self._take(session, budget)
            if len(self._turn) >= (QUANTUM_BYTES if self._bulk else TURN_BYTES):
                self._flush()
        if self._turn and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._on_turn_end)

    def _take(self, session: MuxSession, budget: int) -> None:
        """Frame up to `budget` bytes of what waits in `session`, and put it at the end of the row if more does."""
        tx = session.tx
        assert tx is not None
        budget = min(budget, session.credit)
        while tx and budget > 0:
            data = tx[0]
            if len(data) <= budget:
                del tx[0]
            else:
                tx[0] = data[budget:]
                data = data[:budget]
            for start in range(0, len(data), STREAM_FRAME_BYTES):
                piece = data[start : start + STREAM_FRAME_BYTES] if len(data) > STREAM_FRAME_BYTES else data
                self._turn += codec.keep_head(4, session.id, codec.KEEP, codec.OPTION_DATA, len(piece))
                self._turn += piece
            budget -= len(data)
            session.tx_bytes -= len(data)
            session.credit -= len(data)
        if tx:
            if session.credit:
                self._bulk.append(session)
            return
        session.tx = None
        if session.ending:
            self.finish(session, is_error=False)
        elif session.is_finishing:
            self.finish_sending(session)
        else:
            session.peer.resume()

    def _on_lazy_end(self) -> None:
        self._is_lazy = False
        if self._turn and not self._is_scheduled and not self.ended:
            self._flush()

    def _on_turn_end(self) -> None:
        self._is_scheduled = False
        if self._turn:
            self._flush()

    def _flush(self) -> None:
        turn, self._turn = self._turn, bytearray()
        self.sent += len(turn)
        self.peer.write(turn)

    # the end

    def _forget(self, session_id: int, session: Session) -> None:
        """Take `session` out of the table (unless its id has been taken over) and remember that it was ended here."""
        if self.sessions.get(session_id) is session:
            del self.sessions[session_id]
            if len(self._refused) >= MAX_REFUSED_IDS:
                self._refused.clear()
            self._refused.add(session_id)

    def fail(self, error: ProxyError) -> None:
        """The carrier is over: all its sessions end."""
        if self.ended:
            return
        self.ended = True
        self.error = error
        sessions, self.sessions = self.sessions, {}
        for session in sessions.values():
            session.carrier_lost(error)
        if self._turn:
            self._flush()
        if self.account is not None:
            self.account.close(self)
        peer, self.peer = self.peer, NULL_STREAM
        peer.close()
        self._express.clear()
        self._bulk.clear()
        self._behind.clear()
        self._slow.clear()
        if self.on_ended is not None:
            self.on_ended(self)
