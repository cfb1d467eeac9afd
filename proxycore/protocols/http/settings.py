"""What a document says about HTTP proxies. Source: Xray-core infra/conf/http.go."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from proxycore.errors import PeerError
from proxycore.protocols.base import Settings
from proxycore.protocols.http.codec_head import check_field

MAX_LEVEL = 2**32 - 1
MAX_NAME_CHARACTERS = 255
MAX_HEADERS = 64
Level: TypeAlias = Annotated[int, Field(ge=0, le=MAX_LEVEL, description="Policy level.")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, description="Port of the server.")]
Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=255, description="Domain or IP address of the server.")]
Headers: TypeAlias = Annotated[
    dict[str, str], Field(max_length=MAX_HEADERS, description="Header lines that are sent with CONNECT, by name.")]


class HttpAccount(Settings):
    """A user name and password, of who may connect or as whom we connect."""

    user: str = Field(default="", max_length=MAX_NAME_CHARACTERS, description="Name of the user.")
    password: str = Field(default="", alias="pass", max_length=MAX_NAME_CHARACTERS, description="Password of the user.")
    level: Level = 0

    @field_validator("user")
    @classmethod
    def _has_no_colon(cls, value: str) -> str:
        if ":" in value:
            raise ValueError("must not have a colon, which ends the name in HTTP")
        return value

    @property
    def login(self) -> bytes:
        """As it is written before it is encoded."""
        return f"{self.user}:{self.password}".encode()


class HttpInboundSettings(Settings):
    """An HTTP proxy."""

    accounts: tuple[HttpAccount, ...] | None = Field(default=None, description="Who may connect; nobody here: everybody.")
    users: tuple[HttpAccount, ...] | None = Field(default=None, description="Another name of accounts, which win.")
    allow_transparent: bool = Field(
        default=False, alias="allowTransparent", description="Also take requests as a web server gets them; Host decides.")
    user_level: Level = Field(default=0, alias="userLevel")
    timeout: SkipJsonSchema[Any] = None             # of old versions; ignored

    @property
    def logins(self) -> dict[bytes, str] | None:
        """Names of users by `name:password`; None: everybody may connect."""
        accounts = (self.users if self.accounts is None else self.accounts) or ()
        return {account.login: account.user for account in accounts} or None


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        try:
            check_field(name.encode(), value.encode())
        except PeerError as error:
            raise ValueError(str(error)) from None
    return headers


class HttpServer(Settings):
    """A server, and the user to be there."""

    address: Address
    port: Port
    users: tuple[HttpAccount, ...] = Field(default=(), max_length=1, description="Whom to be there; none: without a password.")


class HttpOutboundSettings(HttpAccount):
    """An HTTP proxy client: either `servers`, or one server written flat, which wins."""

    servers: tuple[HttpServer, ...] | None = Field(default=None, max_length=1, description="The server.")
    address: Address | None = None
    port: Port | None = None
    headers: Headers = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        return _check_headers(value)

    @model_validator(mode="after")
    def _has_a_server(self) -> HttpOutboundSettings:
        if self.address is None and not self.servers:
            raise ValueError("a server is missing: give either servers, or address and port")
        if self.address is not None and self.port is None:
            raise ValueError("port is missing beside address")
        return self

    @property
    def server(self) -> tuple[str, int]:
        """Host and port, however they were written."""
        if self.address is not None and self.port is not None:
            return self.address, self.port
        assert self.servers
        return self.servers[0].address, self.servers[0].port

    @property
    def server_login(self) -> bytes | None:
        """`name:password`, or None."""
        if self.address is not None:
            return self.login if self.user else None
        assert self.servers
        return next((user.login for user in self.servers[0].users), None)
