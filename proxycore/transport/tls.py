"""TLS as a layer of inbounds and outbounds. Source: Xray-core transport/internet/tls/config.go."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from proxycore.destination import Destination, HostPort, ip_text
from proxycore.errors import ConfigError, DialError
from proxycore.net.wheel import Wheel
from proxycore.stream import Stream
from proxycore.transport.base import Then
from proxycore.transport.tls_certificates import ServerCertificate, fits, load_pair, read_pair
from proxycore.transport.tls_settings import TlsSettings
from proxycore.transport.tls_stream import TlsFace, reason_of

if TYPE_CHECKING:
    from proxycore.transport.tls_peer_check import PeerCheck

SERVER_HANDSHAKE_S = 8.0
CLIENT_HANDSHAKE_S = 24.0
"""Together with connecting, which may take 16 s."""

DEFAULT_ALPN = ("h2", "http/1.1")
MAX_SESSIONS = 64
"""Server names whose last session an outbound keeps."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# Go's names of what it knows for TLS 1.2, and OpenSSL's. Those of TLS 1.3 cannot be chosen, there or here.
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_NO_NAME = "name.invalid"


def _configure(context: ssl.SSLContext, settings: TlsSettings, alpn: Sequence[str]) -> None:
    """What both sides have in common."""
    context.minimum_version = _VERSIONS.get(settings.min_version, ssl.TLSVersion.TLSv1_2)
    if settings.max_version:
        context.maximum_version = _VERSIONS[settings.max_version]
    ciphers = [_CIPHERS[name] for name in settings.cipher_suites.split(":") if name in _CIPHERS]
    if ciphers:
        context.set_ciphers(":".join(ciphers))
    context.set_alpn_protocols(list(alpn))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if not settings.enable_session_resumption:
        context.options |= ssl.OP_NO_TICKET


def _trust(context: ssl.SSLContext, authority: bytes, path: str) -> None:
    """Raises: ConfigError."""
    try:
        context.load_verify_locations(cadata=authority.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(path, "the certificate cannot be read") from None


class TlsServer:
    """The TLS layer of one inbound. `then` is called when the handshake is over, with a TlsFace."""

    def __init__(
        self,
        settings: TlsSettings,
        path: str,
        wheel: Wheel,
        alpn: Sequence[str] = DEFAULT_ALPN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` is that of the TLS settings; `alpn` counts where the settings name none. Raises: ConfigError."""
        self._settings = settings
        self._alpn = settings.alpn or alpn
        self._wheel = wheel
        self._clock = clock
        self._authorities = [
            (read_pair(entry, at)[0], at) for number, entry in enumerate(settings.certificates)
            if entry.usage != "encipherment" and (at := f"{path}.certificates[{number}]")
        ] if settings.verify_client_certificate else []
        self._certificates = [
            ServerCertificate(entry, f"{path}.certificates[{number}]", self._make_context)
            for number, entry in enumerate(settings.certificates) if entry.usage == "encipherment"
        ]
        if not self._certificates:
            raise ConfigError(path, "an inbound with TLS needs a certificate with its key")
        if settings.verify_client_certificate and not self._authorities:
            raise ConfigError(path, "to verify clients, an authority is needed: a certificate with usage verifyclient")

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        now_s = self._clock()
        for certificate in self._certificates:
            certificate.refresh(now_s)

        def on_ready(face: TlsFace) -> None:
            face.start()
            if not face.is_over:
                then(face, source, local)

        TlsFace(lower, self._wheel, SERVER_HANDSHAKE_S, self._certificates[0].context, on_ready, server_side=True)

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _configure(context, self._settings, self._alpn)
        if not self._settings.enable_session_resumption:
            context.num_tickets = 0
        context.sni_callback = self._choose
        if self._settings.verify_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            for authority, at in self._authorities:
                _trust(context, authority, at)
        return context

    def _choose(self, tls: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> int | None:
        """Called within the handshake with the name that the client asks for; returns an alert, or None to go on."""
        name = server_name.lower() if server_name else ""
        tls.client_wants = server_name      # type: ignore[attr-defined]   # TlsFace.server_name
        for certificate in self._certificates:
            if name and fits(certificate.names, name):
                if certificate.context is not context:
                    tls.context = certificate.context
                return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if self._settings.reject_unknown_sni else None


class TlsClient:
    """The TLS layer of one outbound."""

    def __init__(self, settings: TlsSettings, path: str, wheel: Wheel, alpn: Sequence[str] = DEFAULT_ALPN) -> None:
        """As TlsServer. Raises: ConfigError."""
        self._settings = settings
        self._wheel = wheel
        self._sessions: dict[str, ssl.SSLSession] = {}
        self._context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _configure(context, settings, settings.alpn or alpn)
        self._check: PeerCheck | None = None
        if settings.pinned_peer_cert_sha256 or settings.verify_peer_cert_by_name:
            from proxycore.transport.tls_peer_check import PeerCheck  # takes long to import, and few need it

            self._check = PeerCheck(settings.pinned_peer_cert_sha256, settings.verify_peer_cert_by_name)
            context.check_hostname = False
        if settings.allow_insecure or settings.pinned_peer_cert_sha256:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if not settings.disable_system_root:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        for number, entry in enumerate(settings.certificates):
            at = f"{path}.certificates[{number}]"
            chain, key = read_pair(entry, at)
            if entry.usage == "verify":
                _trust(context, chain, at)
            elif entry.usage == "encipherment":
                load_pair(context, chain, key, at)
        self._try_out(path)

    def wrap(self, lower: Stream, destination: Destination) -> Stream:
        host = destination.host
        name = self._settings.server_name or (host if isinstance(host, str) else ip_text(host))
        try:
            face = self._face(lower, name)
        except ValueError:              # such as a name with an empty label
            face = self._face(lower, _NO_NAME)
            error = DialError(str(destination), "this cannot be the name of a TLS server")
            asyncio.get_running_loop().call_soon(face.fail, error)      # the caller has not set the peer yet
        else:
            face.shake()
        return face

    def _face(self, lower: Stream, name: str) -> TlsFace:
        keeps = self._settings.enable_session_resumption

        def on_over(face: TlsFace) -> None:
            session = face.session
            if session is not None and session.has_ticket and (name in self._sessions or len(self._sessions) < MAX_SESSIONS):
                self._sessions[name] = session

        return TlsFace(
            lower, self._wheel, CLIENT_HANDSHAKE_S, self._context, self._on_ready, server_side=False, server_name=name,
            session=self._sessions.get(name), on_over=on_over if keeps else None)

    def _try_out(self, path: str) -> None:
        """What would fail in every handshake fails here. Raises: ConfigError."""
        try:
            name = self._settings.server_name or _NO_NAME
            self._context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name).do_handshake()
        except ssl.SSLWantReadError:
            pass        # the first message is written
        except ssl.SSLError as error:
            raise ConfigError(path, f"TLS cannot be used so: {reason_of(error)}") from None
        except ValueError:
            raise ConfigError(f"{path}.serverName", "this cannot be the name of a TLS server") from None

    def _on_ready(self, face: TlsFace) -> None:
        if self._check is not None and not face.is_resumed:     # a session is kept of those only who were checked
            self._check.check(face.peer_chain(), face.asked_for, datetime.datetime.now(datetime.UTC))
        face.start()
