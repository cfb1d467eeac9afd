"""TLS over any stream: one SSLObject between two memory buffers, no socket and no task."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable

from proxycore.errors import AuthError, PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer, Stream
from proxycore.transport.face import UpperFace

PLAINTEXT_BYTES = 256 * 1024
"""What is handed on at once; as much as one read of a socket gives."""

MAX_RECORD_BYTES = 16 * 1024
MAX_UNREAD_ANSWER_BYTES = 16 * 1024
"""What TLS itself may have to say (a client may ask for new keys as often as it likes) while the stream below is full."""

MAX_SPARE_BUFFERS = 4
"""Buffers kept for use again. More than one is in use only where TLS runs within TLS."""

_spare: list[bytearray] = []


class TlsFace(UpperFace):
    """Plaintext above, records below. `alpn` and `server_name` (SNI) are known once it is ready; both may be None."""

    __slots__ = ("_has_notified", "_incoming", "_is_reading", "_on_over", "_on_ready", "_outgoing", "_tls", "_write")

    handshake = "TLS handshake"

    def __init__(
        self,
        lower: Stream,
        wheel: Wheel,
        timeout_s: float,
        context: ssl.SSLContext,
        on_ready: Callable[[TlsFace], None],
        *,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        on_over: Callable[[TlsFace], None] | None = None,
    ) -> None:
        """`on_ready` is called after the handshake; it raises AuthError if the peer is not who it should be. `on_over` is
        called at the end of a connection that was ready.

        Raises: ValueError, `server_name` cannot be one.
        """
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name, session=session)
        self._write = self._tls.write
        self._on_ready = on_ready
        self._on_over = on_over
        self._is_reading = False
        self._has_notified = False      # close_notify was sent
        super().__init__(lower, wheel, timeout_s)

    @property
    def alpn(self) -> str | None:
        return self._tls.selected_alpn_protocol()

    @property
    def server_name(self) -> str | None:
        return getattr(self._tls, "client_wants", None)

    @property
    def version(self) -> str | None:
        return self._tls.version()

    @property
    def session(self) -> ssl.SSLSession | None:
        return self._tls.session

    @property
    def is_resumed(self) -> bool:
        """Whether it goes on with the session of an earlier connection; then the peer shows no certificate."""
        return bool(self._tls.session_reused)

    def peer_certificate(self) -> bytes | None:
        """In DER, unchecked unless the context checks it."""
        return self._tls.getpeercert(binary_form=True)

    def peer_chain(self) -> list[bytes]:
        """All that the peer has shown, its own certificate first; in DER, unchecked."""
        from proxycore.transport.tls_peer_check import chain_of

        return chain_of(self._tls)

    @property
    def asked_for(self) -> str:
        """The name that a client asks for."""
        return self._tls.server_hostname or ""

    def shake(self) -> None:
        """Go on with the handshake as far as it goes."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except (ssl.SSLError, ValueError) as error:      # CertificateError is one of both
            self._refuse(tls_error(error))
            return
        try:
            self._on_ready(self)
        except AuthError as error:
            self._refuse(error)

    def start(self) -> None:
        """The handshake is over and the peer is who it should be."""
        if not self._kept:
            self._flush()
        self._ready()

    def _refuse(self, error: Exception) -> None:
        """Tell the other side why (OpenSSL has written an alert), then end."""
        if self.is_over:
            return
        self._flush()
        if not self.is_over:
            peer = self._part()
            self._lower.close()
            peer.abort(error)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._lower.write(data)

    def _send(self, data: Buffer) -> None:
        if not len(data):
            return
        try:
            self._write(data)
        except ssl.SSLError as error:
            self.fail(tls_error(error))
            return
        self._lower.write(self._outgoing.read())

    def _send_end(self) -> None:
        if not self._is_reading:        # what came must be read before; _on_data does it then
            self._notify_end()
            self._lower.write_eof()

    def _send_farewell(self) -> None:
        self._notify_end()

    def _notify_end(self) -> None:
        """Send close_notify. OpenSSL would also wait for the other side's, and complains that it has not come."""
        if not self._has_notified:
            self._has_notified = True
            with contextlib.suppress(ssl.SSLError, ValueError):
                self._tls.unwrap()
            self._flush()

    def _on_data(self, data: Buffer) -> None:
        self._incoming.write(data)
        if self._is_reading:
            return                      # the loop below, which called whom called us, will see it
        if not self.is_ready:
            self.shake()
            if self.is_over or not self.is_ready:
                return
        self._is_reading = True
        try:
            self._read()
        finally:
            self._is_reading = False
        if self._sent_end and not self.is_over:
            if not self._has_notified:
                self._send_end()
            if self._received_end:
                self._end()

    def _read(self) -> None:
        """Hand on what has come, as much as possible at once."""
        tls, incoming = self._tls, self._incoming
        buffer = _spare.pop() if _spare else bytearray(PLAINTEXT_BYTES)
        view = memoryview(buffer)
        try:
            goes_on = True
            while goes_on and not self.is_over:
                filled = 0
                ended = False
                try:
                    while filled + MAX_RECORD_BYTES <= PLAINTEXT_BYTES and (incoming.pending or tls.pending()):
                        n = tls.read(MAX_RECORD_BYTES, view[filled:])
                        if not n:
                            ended = True
                            break
                        filled += n     # type: ignore[operator]
                    goes_on = not ended and bool(incoming.pending or tls.pending())
                except ssl.SSLWantReadError:
                    goes_on = False
                except ssl.SSLZeroReturnError:
                    goes_on, ended = False, True
                except ssl.SSLError as error:
                    self._flush()       # the alert
                    self.fail(tls_error(error))
                    return
                if self._outgoing.pending and not self.is_over:     # an answer to a key update
                    if not self._is_lower_full:
                        self._flush()
                    elif self._outgoing.pending > MAX_UNREAD_ANSWER_BYTES:
                        self.fail(PeerError("TLS: it asks for new keys and does not read"))
                        return
                if filled:
                    self.peer.write(view[:filled])
                if ended:
                    self._on_eof()
        finally:
            view.release()
            if len(_spare) < MAX_SPARE_BUFFERS:
                _spare.append(buffer)

    def _on_eof(self) -> None:
        # Without close_notify too, as in Go: what matters has marks of its own above.
        if not self._is_reading:
            super()._on_eof()
        elif not self._received_end:
            self._received_end = True
            self.peer.write_eof()       # a close by the peer's answer waits for the end of _on_data

    def _part(self) -> Stream:
        if self._on_over is not None and self.is_ready and not self.is_over:
            self._on_over(self)
        return super()._part()


def tls_error(error: Exception) -> PeerError:
    """What `error` of OpenSSL is to us."""
    found = PeerError(f"TLS: {reason_of(error)}")
    found.kind = "tls"
    return found


def reason_of(error: Exception) -> str:
    """What OpenSSL says, in words, without its codes."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)
