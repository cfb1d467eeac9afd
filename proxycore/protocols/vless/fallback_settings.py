"""`fallbacks` of a document: where a connection goes whose beginning is no VLESS. Source: Xray-core infra/conf/vless.go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from proxycore.destination import Destination, parse_host
from proxycore.protocols.base import Settings

LOCALHOST = "localhost"
_UNIX = "a unix socket is known to Xray, not run by this version"


def _path(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError('must be empty or begin with "/"')
    return value


def _target(dest: int | str) -> Destination:
    """Raises ValueError with one sentence."""
    text = str(dest)
    if text.startswith(("/", "@")):
        raise ValueError(_UNIX)
    if text == "serve-ws-none":
        raise ValueError('"serve-ws-none" is known to Xray, not run by this version')
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535) or (colon and not host):
        raise ValueError('a port, or "host:port", is expected')
    return Destination("tcp", parse_host(host) if colon else LOCALHOST, int(port))


class Fallback(Settings):
    """One of them. The most specific name counts first, then alpn, then path; "" stands for all others."""

    name: str = Field(default="", description="Server name (SNI) of TLS, or a part of it.")
    alpn: str = Field(default="", description="Protocol that was agreed on in TLS.")
    path: Annotated[str, AfterValidator(_path)] = Field(default="", description="Path of the first HTTP/1 request.")
    dest: int | str = Field(description='Port of this host, or "host:port".')
    type: Literal["", "tcp"] = Field(default="", description="May be left out.")
    xver: Annotated[int, Field(ge=0, le=2)] = Field(default=0, description="Version of the PROXY protocol to say; 0: none.")

    @field_validator("dest")
    @classmethod
    def _dest_is_readable(cls, value: int | str) -> int | str:
        _target(value)
        return value

    @field_validator("xver")
    @classmethod
    def _says_nothing(cls, value: int) -> int:
        if value:
            raise ValueError("saying the PROXY protocol to a fallback is known to Xray, not run by this version")
        return value

    @property
    def target(self) -> Destination:
        return _target(self.dest)
