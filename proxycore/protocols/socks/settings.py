"""What a document says about SOCKS. Source: Xray-core infra/conf/socks.go."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from proxycore.destination import Network
from proxycore.protocols.base import Settings

MAX_LEVEL = 2**32 - 1
MAX_NAME_BYTES = 255
"""Of a user name and of a password: their length is one byte on the wire."""


def _fits(value: str) -> str:
    if len(value.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"must not be longer than {MAX_NAME_BYTES} bytes")
    return value


def _auth(value: object) -> object:
    """Every core takes a word that it does not know for `noauth`; here that would open a proxy, so it is refused."""
    return value.lower() or "noauth" if isinstance(value, str) else value


Name: TypeAlias = Annotated[str, BeforeValidator(lambda value: _fits(value) if isinstance(value, str) else value)]
Level: TypeAlias = Annotated[int, Field(ge=0, le=MAX_LEVEL, description="Policy level.")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, description="Port of the server.")]
Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=255, description="Domain or IP address of the server.")]


class SocksAccount(Settings):
    """Who may connect."""

    user: Name = Field(default="", description="Name of the user; also in logs and in `user` rules.")
    password: Name = Field(default="", alias="pass", description="Password of the user.")


class SocksInboundSettings(Settings):
    """A SOCKS server, which takes HTTP proxy clients too."""

    auth: Annotated[Literal["noauth", "password"], BeforeValidator(_auth)] = Field(
        default="noauth", description="Whether clients must give a name and password.")
    accounts: tuple[SocksAccount, ...] | None = Field(default=None, description="Who may connect, with auth `password`.")
    users: tuple[SocksAccount, ...] | None = Field(default=None, description="Another name of accounts, which win.")
    udp: bool = Field(default=False, description="Take datagrams (UDP ASSOCIATE), on the same port.")
    ip: str = Field(
        default="", description="Address that clients are told to send datagrams to; empty: the one they connected to.")
    user_level: Level = Field(default=0, alias="userLevel")

    @field_validator("ip")
    @classmethod
    def _ip_is_an_address(cls, value: str) -> str:
        if value:
            try:
                ip_address(value)
            except ValueError:
                raise ValueError("an IP address is expected") from None
        return value

    @property
    def passwords(self) -> dict[bytes, bytes] | None:
        """By user name; None: everybody may connect."""
        if self.auth != "password":
            return None
        accounts = self.users if self.accounts is None else self.accounts
        return {account.user.encode(): account.password.encode() for account in accounts or ()}

    @property
    def networks(self) -> tuple[Network, ...]:
        return ("tcp", "udp") if self.udp else ("tcp",)


class SocksUser(Settings):
    """As whom we connect."""

    user: Name = Field(default="", description="Name.")
    password: Name = Field(default="", alias="pass", description="Password.")
    level: Level = 0


class SocksServer(Settings):
    """A server, and the user to be there."""

    address: Address
    port: Port
    users: tuple[SocksUser, ...] = Field(default=(), max_length=1, description="Whom to be there; none: without a password.")

    @property
    def login(self) -> tuple[bytes, bytes] | None:
        return next(((user.user.encode(), user.password.encode()) for user in self.users), None)


class SocksOutboundSettings(SocksUser):
    """A SOCKS 5 client: either `servers`, or one server written flat, which wins."""

    servers: tuple[SocksServer, ...] | None = Field(default=None, max_length=1, description="The server.")
    address: Address | None = None
    port: Port | None = None

    @model_validator(mode="after")
    def _has_a_server(self) -> SocksOutboundSettings:
        if self.address is None and not self.servers:
            raise ValueError("a server is missing: give either servers, or address and port")
        if self.address is not None and self.port is None:
            raise ValueError("port is missing beside address")
        return self

    @property
    def policy_level(self) -> int:
        return next((user.level for user in self.server.users), self.level)

    @property
    def server(self) -> SocksServer:
        """Where to connect, however it was written."""
        if self.address is None or self.port is None:
            assert self.servers
            return self.servers[0]
        users = (SocksUser.model_validate({"user": self.user, "pass": self.password}),) if self.user else ()
        return SocksServer(address=self.address, port=self.port, users=users)
