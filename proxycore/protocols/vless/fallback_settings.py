"""`fallbacks` of a document: where a connection goes whose beginning is no VLESS. Source: Xray-core infra/conf/vless.go."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from proxycore.destination import Destination, parse_host
from proxycore.net.unix import is_unix, parse_unix_name
from proxycore.protocols.base import Settings

LOCALHOST = "localhost"


def _path(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError('must be empty or begin with "/"')
    return value


def _target(dest: int | str) -> Destination | str:
    """Where `dest` leads, as text if it is a unix socket. Raises ValueError with one sentence."""
    text = str(dest)
    if is_unix(text):
        return parse_unix_name(text)
    if text == "serve-ws-none":
        raise ValueError('"serve-ws-none" is known to Xray, not run by this version')
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535) or (colon and not host):
        raise ValueError('a port, "host:port" or the path of a unix socket is expected')
    return Destination("tcp", parse_host(host) if colon else LOCALHOST, int(port))


class Fallback(Settings):
    """One of them. The most specific name counts first, then alpn, then path; "" stands for all others."""

    name: str = Field(default="", description="Server name (SNI) of TLS, or a part of it.")
    alpn: str = Field(default="", description="Protocol that was agreed on in TLS.")
    path: Annotated[str, AfterValidator(_path)] = Field(default="", description="Path of the first HTTP/1 request.")
    dest: int | str = Field(description='Port of this host, "host:port", or a unix socket: its path or "@name".')
    type: Literal["", "tcp", "unix"] = Field(default="", description="May be left out.")
    xver: Annotated[int, Field(ge=0, le=2)] = Field(default=0, description="Version of the PROXY protocol to say; 0: none.")

    @field_validator("dest")
    @classmethod
    def _dest_is_readable(cls, value: int | str) -> int | str:
        _target(value)
        return value

    @model_validator(mode="after")
    def _type_is_that_of_dest(self) -> Self:
        if self.type and (self.type == "unix") != isinstance(self.target, str):
            raise ValueError(f'type is "{self.type}", and dest is another kind of address; type may be left out')
        return self

    @property
    def target(self) -> Destination | str:
        """Text: the name of a unix socket."""
        return _target(self.dest)
