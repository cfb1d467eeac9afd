"""The side of a carrier that dispatches sessions: a bridge, or an inbound whose client multiplexes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from proxycore.destination import Destination, HostPort
from proxycore.mux import codec
from proxycore.mux.carrier import Carrier
from proxycore.mux.codec_extension import OPTION_CREDITED
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer

MAX_LIVE_SESSIONS = 10_000
"""A New above this is answered with End."""

_log = logging.getLogger("xrev.mux")

AcceptStream = Callable[[Destination, MuxSession], None]
AcceptPackets = Callable[[Destination, MuxPacketSession], None]


class MuxServer(Carrier):
    """Hands each session to `accept_stream` or `accept_packets`, which set its peer before they return."""

    __slots__ = ("_accept_packets", "_accept_stream", "_has_told_limit", "_reads_addresses", "addresses")

    def __init__(
        self, loop: Loop, wheel: Wheel, accept_stream: AcceptStream, accept_packets: AcceptPackets, *,
        reads_addresses: bool = False,
    ) -> None:
        """`reads_addresses`: New frames may say who the visitor is (VLESS's own reverse tunnel)."""
        super().__init__(loop, wheel, is_client=False)
        self._reads_addresses = reads_addresses
        self._has_told_limit = False        # in the log
        self.addresses: tuple[HostPort, HostPort] | None = None     # source and local, of the session that is being accepted
        self._accept_stream = accept_stream
        self._accept_packets = accept_packets

    def _on_new(self, session_id: int, option: int, extra: Buffer) -> codec.Receiver | None:
        destination, optional = codec.decode_new(extra)
        extension = self.extension if option & OPTION_CREDITED else None
        if extension is not None and not extension.can_send:
            extension.understood()
        self.addresses = codec.decode_addresses(optional) if self._reads_addresses or extension is not None else None
        replaced = self.sessions.pop(session_id, None)
        if replaced is not None:
            replaced.remote_end()
        if len(self.sessions) >= MAX_LIVE_SESSIONS:
            if not self._has_told_limit:
                self._has_told_limit = True
                _log.warning("a carrier has %d sessions: it gets no more", MAX_LIVE_SESSIONS)
            self.send_frame(codec.encode_end(session_id, is_error=True))
            return None
        self.opened += 1
        self._refused.discard(session_id)
        if destination.network == "udp":
            packets = MuxPacketSession(self, session_id, destination)
            self.sessions[session_id] = packets
            self._accept_packets(destination, packets)
            return packets
        session = MuxSession(self, session_id)
        if extension is not None:
            extension.begin(session)
        self.sessions[session_id] = session
        self._accept_stream(destination, session)
        return session
