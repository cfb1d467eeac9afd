"""`streamSettings`: what this version does not run is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from proxycore.document.jsonc import Loc
from proxycore.document.nearest import did_you_mean
from proxycore.document.report import Report
from proxycore.document.shape import Shape, field_of
from proxycore.transport.http_settings import HttpUpgradeSettings, RawSettings, WebSocketSettings
from proxycore.transport.sockopt import SockoptSettings
from proxycore.transport.tls_settings import TlsSettings

RUN_NETWORKS = {
    "": "raw", "raw": "raw", "tcp": "raw", "ws": "ws", "websocket": "ws", "httpupgrade": "httpupgrade",
}
KNOWN_NETWORKS = (
    "grpc", "xhttp", "splithttp", "kcp", "mkcp", "hysteria", "h2", "h3", "http", "quic", "domainsocket",
)
KNOWN_SECURITIES = ("reality", "xtls")
_UNUSED = "it belongs to a transport or security that is not used here"
_USED_WITH = {"wssettings": "ws", "httpupgradesettings": "httpupgrade", "tlssettings": "tls"}       # keys in lower case
_OLD_TLS = ("1.0", "1.1")


def _network(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    name = value.lower()
    if name in RUN_NETWORKS:
        return RUN_NETWORKS[name]
    if name in KNOWN_NETWORKS:
        raise ValueError(
            f'the network "{name}" is known to Xray, not run by this version, which runs raw (tcp), ws and httpupgrade')
    hint = did_you_mean(name, (*filter(None, RUN_NETWORKS), *KNOWN_NETWORKS))
    raise ValueError(f'"{value[:40]}" is no network' + (f"; {hint}" if hint else ""))


def _security(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    name = value.lower()
    if name in ("", "none", "tls"):
        return name or "none"
    if name in KNOWN_SECURITIES:
        raise ValueError(f'the security "{name}" is known to Xray, not run by this version, which runs none and tls')
    hint = did_you_mean(name, ("none", "tls", *KNOWN_SECURITIES))
    raise ValueError(f'"{value[:40]}" is no security' + (f"; {hint}" if hint else ""))


class StreamSettings(Shape):
    network: Annotated[str, BeforeValidator(_network)] = Field(default="raw", validation_alias=AliasChoices("method", "network"))
    security: Annotated[str, BeforeValidator(_security)] = "none"
    raw_settings: RawSettings = Field(default=RawSettings(), validation_alias=AliasChoices("rawSettings", "tcpSettings"))
    ws_settings: WebSocketSettings = WebSocketSettings()
    httpupgrade_settings: HttpUpgradeSettings = HttpUpgradeSettings()
    tls_settings: TlsSettings = TlsSettings()
    sockopt: SockoptSettings = SockoptSettings()

    no_effect: ClassVar[Mapping[str, str]] = dict.fromkeys((
        "realitySettings", "xtlsSettings", "grpcSettings", "xhttpSettings", "splithttpSettings", "kcpSettings",
        "hysteriaSettings", "httpSettings", "quicSettings", "dsSettings",
    ), _UNUSED)
    not_run: ClassVar[Mapping[str, str]] = {"finalmask": "is known to Xray, not run by this version"}

    @property
    def is_raw(self) -> bool:
        """Whether the stream is that of the socket or of TLS, as it is."""
        return self.network == "raw" and self.raw_settings.header.type == "none"

    @property
    def accepts_proxy_protocol(self) -> bool:
        """Whether a PROXY protocol header is required."""
        own = {"ws": self.ws_settings, "httpupgrade": self.httpupgrade_settings}.get(self.network, self.raw_settings)
        return self.sockopt.accept_proxy_protocol or own.accept_proxy_protocol


PLAIN = StreamSettings()


def check_stream(settings: StreamSettings | None, entry: object, loc: Loc, report: Report, *, is_inbound: bool) -> None:
    """What only shows when the settings are seen together. `loc` is the place of `entry`, which they are part of."""
    given = field_of(entry, "streamSettings")
    if settings is None or not isinstance(given, dict):
        return
    loc = (*loc, "streamSettings")
    for key in given:
        needed = _USED_WITH.get(key.lower())
        if needed is not None and needed not in (settings.network, settings.security):
            report.warn((*loc, key), f"has no effect: {_UNUSED}", of_key=True)
    sockopt = settings.sockopt
    if is_inbound and sockopt.dialer_proxy:
        report.warn((*loc, "sockopt", "dialerProxy"), "has no effect: an inbound does not dial")
    if not is_inbound and settings.accepts_proxy_protocol:
        report.warn(loc, "acceptProxyProtocol has no effect on an outbound")
    if settings.security == "tls":
        _check_tls(settings.tls_settings, (*loc, "tlsSettings"), report, is_inbound=is_inbound)


def _check_tls(tls: TlsSettings, loc: Loc, report: Report, *, is_inbound: bool) -> None:
    at = loc if report.has(loc) else (*loc[:-1], "security")
    if is_inbound and not tls.keyed:
        report.error(at, "an inbound with TLS needs a certificate with its key", 'give "certificates"')
    if is_inbound and tls.verify_client_certificate and not tls.trusted:
        message = "to verify clients, an authority is needed"
        report.error((*loc, "verifyClientCertificate"), message, 'give a certificate with "usage": "verifyclient"')
    if not is_inbound and tls.verify_client_certificate:
        report.warn((*loc, "verifyClientCertificate"), "has no effect on an outbound")
    if is_inbound and (tls.pinned_peer_cert_sha256 or tls.verify_peer_cert_by_name):
        report.warn(at, "pins and names to verify have no effect on an inbound")
    if not is_inbound and tls.allow_insecure and not tls.pinned_peer_cert_sha256:
        message = "anybody on the way can pretend to be the server: its certificate is not checked"
        report.warn((*loc, "allowInsecure"), message, "pin it with pinnedPeerCertSha256")
    if tls.min_version in _OLD_TLS:
        report.warn((*loc, "minVersion"), f"TLS {tls.min_version} is broken (RFC 8996); the least that is offered is 1.2")
    if tls.max_version == "1.2" and tls.min_version == "1.3":
        report.error((*loc, "minVersion"), "is above maxVersion")
