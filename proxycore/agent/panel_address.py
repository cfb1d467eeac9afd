"""Which panel, and how it is known to be that panel."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from proxycore.errors import ConfigError
from proxycore.messages.link import JOIN_PATH, PATH

PLAIN_OPTION: Final = "--plain-http-on-the-network"

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PanelAddress:
    """`prefix`: the path below which the panel is, "" or "/xrev". `fingerprint`: SHA-256 of its certificate, in hexadecimal."""

    host: str
    port: int
    is_secure: bool
    prefix: str = ""
    fingerprint: str = ""

    @classmethod
    def parse(cls, url: str, fingerprint: str = "", *, may_be_plain: bool = False) -> PanelAddress:
        """Raises: ConfigError, it is not the address of a panel, or one that must not be spoken to without TLS."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError("--panel", f"{url!r} is not an address: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("--panel", f"{url!r} is not the address of a panel: it looks like https://panel.example.com")
        if parts.username or parts.query or parts.fragment:
            raise ConfigError("--panel", "an address of a panel has no user, no ? and no #")
        is_secure = parts.scheme == "https"
        if not is_secure and not may_be_plain and not _is_loopback(parts.hostname):
            raise ConfigError(
                "--panel",
                f"http:// to {parts.hostname} would send this node's identity and its documents, with their keys, in the clear: "
                f"use https://, or say {PLAIN_OPTION} where the network itself is trusted (a VPN, say)",
            )
        return cls(
            parts.hostname, port or (443 if is_secure else 80), is_secure, parts.path.rstrip("/"),
            _parse_fingerprint(fingerprint, is_secure=is_secure),
        )

    @property
    def join_path(self) -> str:
        return self.prefix + JOIN_PATH

    @property
    def websocket_url(self) -> str:
        return f"{'wss' if self.is_secure else 'ws'}://{self.authority}{self.prefix}{PATH}"

    @property
    def authority(self) -> str:
        """host:port, for headers and people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.prefix}"

    def tls(self) -> ssl.SSLContext | None:
        """None without TLS. Where there is a fingerprint the certificate is not judged here, but by `check`."""
        if not self.is_secure:
            return None
        context = ssl.create_default_context()
        if self.fingerprint:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, certificate: bytes | None) -> None:
        """The peer's certificate (DER), before anything is said to it. Raises: WrongCertificate, it is not the pinned one."""
        if not self.fingerprint:
            return
        import hashlib

        seen = hashlib.sha256(certificate or b"").hexdigest()
        if seen != self.fingerprint:
            raise WrongCertificate(seen)


class WrongCertificate(ssl.SSLError):
    """The panel showed another certificate than the pinned one; nothing was said to it."""

    def __init__(self, seen: str) -> None:
        super().__init__(1, f"the certificate is not the pinned one: its SHA-256 is {seen}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_fingerprint(text: str, *, is_secure: bool) -> str:
    if not text:
        return ""
    fingerprint = text.replace(":", "").strip().lower().removeprefix("sha256")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ConfigError("--fingerprint", "a SHA-256 has 64 hexadecimal digits, with or without colons")
    if not is_secure:
        raise ConfigError("--fingerprint", "it is of a certificate, and http:// has none: use https://")
    return fingerprint
