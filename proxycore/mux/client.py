"""The side of a carrier that opens sessions: a portal, or an outbound with `mux`."""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.errors import LinkDown
from proxycore.mux import codec
from proxycore.mux.carrier import Carrier
from proxycore.mux.codec_extension import OPTION_CREDITED
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel

MAX_LIVE_SESSIONS = 9998
"""A carrier with this many live sessions is not given another (Xray's ceiling)."""

_IDS = 1 << 16


class MuxClient(Carrier):
    """Opens sessions on a carrier."""

    __slots__ = ("_destination", "_encoded", "_last_id")

    def __init__(self, loop: Loop, wheel: Wheel) -> None:
        super().__init__(loop, wheel, is_client=True)
        self._last_id = 0
        self._destination: Destination | None = None    # of the last stream that was opened
        self._encoded = b""

    @property
    def is_full(self) -> bool:
        return self.ended or len(self.sessions) >= MAX_LIVE_SESSIONS

    def open(self, destination: Destination, optional: bytes = b"") -> MuxSession:
        """A new TCP session; its New frame, with `optional` fields, leaves in this turn of the loop.

        Raises: LinkDown, the carrier is full. PeerError, a destination that cannot be written.
        """
        if destination is not self._destination:        # (most tunnels have one)
            self._encoded = codec.encode_destination(destination)
            self._destination = destination
        session_id = self._new_id()
        options = OPTION_CREDITED if self.extension is not None else 0
        frame = codec.encode_new_to(session_id, self._encoded, b"", optional, options)
        session = MuxSession(self, session_id)
        if self.extension is not None:
            self.extension.begin(session)
        self.sessions[session_id] = session
        self.send_frame(frame)
        return session

    def open_packets(self, destination: Destination, first: bytes = b"", optional: bytes = b"") -> MuxPacketSession:
        """A new UDP session; `first` is a datagram that travels in the New frame. Raises: LinkDown, as above."""
        session_id = self._new_id()
        frame = codec.encode_new(session_id, destination, first, optional, OPTION_CREDITED if self.extension is not None else 0)
        session = MuxPacketSession(self, session_id, destination)
        self.sessions[session_id] = session
        self.send_frame(frame)
        return session

    def _new_id(self) -> int:
        if self.is_full:
            raise LinkDown("the carrier takes no more sessions")
        session_id = (self._last_id + 1) % _IDS or 1
        while session_id in self.sessions:      # ends: fewer sessions live than there are ids
            session_id = (session_id + 1) % _IDS or 1
        self._last_id = session_id
        self._refused.discard(session_id)
        self.opened += 1
        return session_id
