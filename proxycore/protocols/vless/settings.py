"""What a document says about VLESS: an inbound's clients, an outbound's server.

Source: Xray-core infra/conf/vless.go, proxy/vless/account.go and validator.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, Field, field_validator, model_validator

from proxycore.protocols.base import Settings
from proxycore.protocols.vless.fallback_settings import Fallback
from proxycore.protocols.vless.users import significant
from proxycore.wire.user_id import user_id_from_text

MAX_LEVEL = 2**32 - 1
_ID_DESCRIPTION = "UUID, or a text of 1 to 30 bytes that one is made of."
_VISION = "xtls-rprx-vision"
_FOR_FLOW = "it is only used with a flow"
_NEWER = "mlkem768x25519plus"


def _readable_id(value: str) -> str:
    user_id_from_text(value)
    return value


def _no_flow(value: str) -> str:
    if value in (_VISION, f"{_VISION}-udp443"):
        raise ValueError(f'the flow "{value}" is known to Xray, not run by this version: leave flow empty, on both sides')
    if value:
        raise ValueError("this is no flow: leave it empty")
    return value


def _none(value: str) -> str:
    if value == "none":
        return value
    if value.startswith(_NEWER):
        raise ValueError(f'{_NEWER} is known to Xray, not run by this version: write "none", on both sides')
    raise ValueError('must be written out as "none"')


Id: TypeAlias = Annotated[str, AfterValidator(_readable_id), Field(description=_ID_DESCRIPTION)]
Level: TypeAlias = Annotated[int, Field(ge=0, le=MAX_LEVEL, description="Policy level of the user.")]
Email: TypeAlias = Annotated[str, Field(description="Name of the user in statistics and logs.")]
Flow: TypeAlias = Annotated[str, AfterValidator(_no_flow), Field(description="Must be empty.")]
Encryption: TypeAlias = Annotated[str, AfterValidator(_none), Field(validate_default=True, description='Must be "none".')]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, description="Port of the server.")]
Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=255, description="Domain or IP address of the server.")]


class _Reverse(Settings):
    """A reverse tunnel without a `reverse` section (Xray from 25.9.10)."""

    tag: str = Field(min_length=1, description="How rules name the tunnel.")


class ReverseOfClient(_Reverse):
    """Of an inbound's client: what it carries is an outbound."""

    not_run: ClassVar[Mapping[str, str]] = {"sniffing": "sniffing belongs to the other side of the tunnel"}


class ReverseOfOutbound(_Reverse):
    """Of an outbound: what comes through it is an inbound."""

    sniffing: dict[str, Any] = Field(default_factory=dict, description="Must be off.")

    @field_validator("sniffing")
    @classmethod
    def _is_off(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("enabled"):
            raise ValueError("sniffing in a tunnel is known to Xray, not run by this version; set it to false")
        return value


class VlessClient(Settings):
    """Who may connect."""

    id: Id
    email: Email = ""
    level: Level = 0
    flow: Flow = ""
    reverse: ReverseOfClient | None = Field(default=None, description="This client opens carriers of a tunnel, nothing else.")

    no_effect: ClassVar[Mapping[str, str]] = {"seed": _FOR_FLOW, "testseed": _FOR_FLOW}
    not_run: ClassVar[Mapping[str, str]] = {"encryption": 'belongs to outbounds; an inbound has "decryption" in its settings'}

    @property
    def user_id(self) -> bytes:
        return user_id_from_text(self.id)


class VlessInboundSettings(Settings):
    """A VLESS server."""

    clients: tuple[VlessClient, ...] | None = Field(default=None, description="Who may connect.")
    users: tuple[VlessClient, ...] | None = Field(default=None, description="Another name of clients, which win.")
    decryption: Encryption = ""
    flow: Flow = ""
    fallbacks: tuple[Fallback, ...] = Field(default=(), description="Where connections go that are not VLESS.")

    no_effect: ClassVar[Mapping[str, str]] = {"testseed": _FOR_FLOW}

    @model_validator(mode="after")
    def _emails_differ(self) -> VlessInboundSettings:
        seen: set[str] = set()
        for user in self.accounts:
            email = user.email.lower()
            if email in seen:
                raise ValueError(f"the e-mail {user.email!r} is used twice (upper and lower case do not differ)")
            if email:
                seen.add(email)
        return self

    @property
    def accounts(self) -> tuple[VlessClient, ...]:
        return (self.users or ()) if self.clients is None else self.clients

    def provides_outbound_tags(self) -> Sequence[str]:
        return tuple(dict.fromkeys(user.reverse.tag for user in self.accounts if user.reverse is not None))

    def cautions(self) -> Sequence[str]:
        first: dict[bytes, int] = {}
        found = []
        for number, user in enumerate(self.accounts):
            earlier = first.setdefault(significant(user.user_id), number)
            if earlier != number:
                found.append(f"the ids of clients {earlier} and {number} are the same but for their third group, which does not "
                             f"count: client {earlier} is never seen")
        return found


class VlessUser(Settings):
    """As whom to connect."""

    id: Id
    encryption: Encryption = ""
    email: Email = ""
    level: Level = 0
    flow: Flow = ""

    no_effect: ClassVar[Mapping[str, str]] = {"seed": _FOR_FLOW, "testseed": _FOR_FLOW}
    not_run: ClassVar[Mapping[str, str]] = {
        "reverse": "is read beside address, port and id, not inside vnext",
    }

    @property
    def user_id(self) -> bytes:
        return user_id_from_text(self.id)


class VlessServer(Settings):
    """A server, and the users to be there in turn."""

    address: Address
    port: Port
    users: tuple[VlessUser, ...] = Field(min_length=1, description="Whom to be there; several take turns.")


class VlessOutboundSettings(Settings):
    """A VLESS client: either `vnext`, or one server with one user written flat, which wins."""

    vnext: tuple[VlessServer, ...] | None = Field(default=None, description="Servers; several take turns.")
    address: Address | None = None
    port: Port | None = None
    id: Id | None = None
    encryption: str = Field(default="", description='Must be "none".')
    email: Email = ""
    level: Level = 0
    flow: Flow = ""
    reverse: ReverseOfOutbound | None = Field(default=None, description="Keep a reverse tunnel to the server open.")

    no_effect: ClassVar[Mapping[str, str]] = {"seed": _FOR_FLOW, "testseed": _FOR_FLOW}
    not_run: ClassVar[Mapping[str, str]] = {"testpre": "connections in advance are known to Xray, not run by this version"}

    @model_validator(mode="after")
    def _has_a_server(self) -> VlessOutboundSettings:
        if self.address is None:
            if not self.vnext:
                raise ValueError("a server is missing: give either vnext, or address, port and id")
            if self.reverse is not None:
                raise ValueError("reverse needs the server written flat: address, port and id beside it, not vnext")
            return self
        if self.port is None or self.id is None:
            raise ValueError(f"{'port' if self.port is None else 'id'} is missing beside address")
        try:
            _none(self.encryption)
        except ValueError as error:
            raise ValueError(f"encryption {error}") from None
        return self

    @property
    def policy_level(self) -> int:
        """Of the first user; the others' are not told apart."""
        return next((user.level for server in self.servers for user in server.users), 0)

    @property
    def servers(self) -> tuple[VlessServer, ...]:
        """Where to connect, however it was written."""
        if self.address is None or self.port is None or self.id is None:
            return self.vnext or ()
        user = VlessUser(id=self.id, encryption=self.encryption, email=self.email, level=self.level)
        return (VlessServer(address=self.address, port=self.port, users=(user,)),)

    def provides_inbound_tags(self) -> Sequence[str]:
        return () if self.reverse is None else (self.reverse.tag,)
