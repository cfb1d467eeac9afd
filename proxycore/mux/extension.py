"""What two peers of ours do on one carrier beyond Mux.cool: credit for each session, resets with a reason, pings.

A session that begins with credit may have sent, at any time, no more payload than the other side has said that it takes.
So a reader that stops stalls its own session, and the carrier is read on. How much is granted follows the path: a window
of which half is used up within two round trips is doubled. See docs/protocol-extension.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxycore.errors import DialError, LimitError, LinkDown, PeerError
from proxycore.mux import codec_extension as codec
from proxycore.mux.codec_extension import MAX_CREDIT_BYTES, Reason
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.stream import Buffer

if TYPE_CHECKING:
    from proxycore.mux.carrier import Carrier

INITIAL_WINDOW_BYTES = 256 * 1024
"""What a session may send before it has heard from the other side; each side states its own."""

MIN_INITIAL_WINDOW_BYTES, MAX_INITIAL_WINDOW_BYTES = 4 * 1024, 16 * 1024 * 1024
"""What the other side may state."""

MAX_WINDOW_BYTES = 16 * 1024 * 1024
"""A session's window grows no further: 160 MB/s at 100 ms."""

PROCESS_GROWTH_BYTES = 96 * 1024 * 1024
"""What the windows of all sessions of this process may be above the initial ones."""

MAX_PACKET_BYTES = 65507
"""A datagram between two of ours may be as large as UDP has them."""

ASSUMED_RTT_S = 0.1
"""Until the first answer to a ping."""

GROW_WITHIN_RTTS = 2.0
MIN_RTT_S = 0.002
"""What a turn of both sides' loops takes under load counts too, however near they are."""

_WITHOUT_CREDIT = "a frame about credit for a session without"
_process_growth = 0         # bytes


class Overloaded(LinkDown):
    """Too much waited for the readers of this process; this session's was one of them."""


class Extension:
    """The extension's state on one carrier, from when it was agreed on."""

    __slots__ = ("_carrier", "can_send", "initial_in", "initial_out", "nonce", "on_forget", "on_pong", "on_understood")

    def __init__(self, carrier: Carrier, nonce: int, initial_out: int, *, can_send: bool) -> None:
        """`nonce` names the carrier; `initial_out` is the window that the other side stated. `can_send`: the other side is known
        to understand us; else that follows from what it sends."""
        self._carrier = carrier
        self.nonce = nonce
        self.initial_in = INITIAL_WINDOW_BYTES
        self.initial_out = initial_out
        self.can_send = can_send
        self.on_understood: Callable[[], None] | None = None    # `can_send` has become true
        self.on_forget: Callable[[int], None] | None = None
        self.on_pong: Callable[[int], None] | None = None

    # what goes out

    def ping(self, token: int) -> bool:
        """Ask for a sign of life; False: the other side may not know pings yet."""
        if self.can_send:
            self._carrier.send_frame(codec.encode_ping(token))
        return self.can_send

    def forget(self, nonce: int) -> bool:
        """Say that another carrier is lost to us. False: it cannot be said."""
        if self.can_send:
            self._carrier.send_frame(codec.encode_forget(nonce))
        return self.can_send

    def begin(self, session: MuxSession) -> None:
        """`session` is about to begin, with credit."""
        session.credit = self.initial_out
        session.window = self.initial_in
        session.rx_limit = self.initial_in
        session.rx_mark = self.initial_in // 2
        session.granted_at = self._carrier.now()

    def grant(self, session: MuxSession) -> None:
        """The reader of `session` has taken half of what was granted: grant it anew, and more if it was quick."""
        global _process_growth
        now = self._carrier.now()
        rtt_s = self._carrier.rtt_s
        window = session.window
        if (
            window < MAX_WINDOW_BYTES
            and now - session.granted_at < GROW_WITHIN_RTTS * (ASSUMED_RTT_S if rtt_s is None else max(rtt_s, MIN_RTT_S))
            and _process_growth + window <= PROCESS_GROWTH_BYTES
        ):
            _process_growth += window
            session.window = window = window * 2
        session.granted_at = now
        limit = session.received - session.rx_bytes + window
        self._carrier.send_frame(codec.encode_credit(session.id, limit - session.rx_limit))
        session.rx_limit = limit
        session.rx_mark = limit - window // 2

    def release(self, session: MuxSession) -> None:
        """`session` has ended: what its window grew by is free for others."""
        global _process_growth
        _process_growth -= session.window - self.initial_in
        session.window = self.initial_in

    # what comes in

    def on_finish(self, session_id: int) -> None:
        """The other side has sent all of a session. Raises: PeerError, it is one without credit."""
        if not self.can_send:
            self.understood()
        carrier = self._carrier
        session = carrier.sessions.get(session_id)
        if session is None:
            return
        if not session.window:
            raise PeerError(_WITHOUT_CREDIT)
        if carrier.on_outcome is not None:
            carrier.on_outcome(True)
        session.remote_finish()  # type: ignore[union-attr]

    def on_frame(self, session_id: int, status: int, extra: Buffer) -> bool:
        """Another frame that Mux.cool does not know; False: nor do we. Raises: PeerError, what it says cannot be."""
        handler = _HANDLERS.get(status)
        if handler is None:
            return False
        if not self.can_send:
            self.understood()
        handler(self, session_id, extra)
        return True

    def understood(self) -> None:
        """The other side has used the extension, so it knows that we do."""
        if not self.can_send:
            self.can_send = True
            if self.on_understood is not None:
                self.on_understood()

    def _on_credit(self, session_id: int, extra: Buffer) -> None:
        size = codec.decode_credit(extra)
        session = self._credited(session_id)
        if session is None:
            return
        if session.credit + size > MAX_CREDIT_BYTES:
            raise LimitError("bytes of credit", got=session.credit + size, limit=MAX_CREDIT_BYTES)
        self._carrier.credit(session, size)

    def _on_reset(self, session_id: int, extra: Buffer) -> None:
        session = self._carrier.sessions.pop(session_id, None)
        if session is not None:
            if self._carrier.on_outcome is not None:
                self._carrier.on_outcome(session.received > 0)
            session.remote_reset(LinkDown(codec.decode_reset(extra).text))

    def _on_ping(self, session_id: int, extra: Buffer) -> None:
        self._carrier.send_frame(codec.encode_pong(codec.decode_number(extra)))

    def _on_pong(self, session_id: int, extra: Buffer) -> None:
        token = codec.decode_number(extra)
        if self.on_pong is not None:
            self.on_pong(token)

    def _on_forget(self, session_id: int, extra: Buffer) -> None:
        nonce = codec.decode_number(extra)
        if self.on_forget is not None:
            self.on_forget(nonce)

    def _credited(self, session_id: int) -> MuxSession | None:
        """The session of that number; None: it has ended meanwhile. Raises: PeerError, it is one without credit."""
        session = self._carrier.sessions.get(session_id)
        if session is None:
            return None
        if isinstance(session, MuxPacketSession) or not session.window:
            raise PeerError(_WITHOUT_CREDIT)
        return session


_HANDLERS: dict[int, Callable[[Extension, int, Buffer], None]] = {
    codec.CREDIT: Extension._on_credit,
    codec.RESET: Extension._on_reset,
    codec.PING: Extension._on_ping,
    codec.PONG: Extension._on_pong,
    codec.FORGET: Extension._on_forget,
}


def reason_of(error: Exception | None) -> Reason:
    """What a Reset says about `error`: nothing that describes us."""
    if isinstance(error, DialError):
        return Reason.UNREACHABLE
    if isinstance(error, Overloaded):
        return Reason.OVERLOADED
    return Reason.UNSPECIFIED if error is None else Reason.LOST
