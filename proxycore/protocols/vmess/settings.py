"""What a document says about VMess: an inbound's clients, an outbound's servers.

Source: Xray-core infra/conf/vmess.go, proxy/vmess/account.go and validator.go.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from proxycore.protocols.base import Settings
from proxycore.protocols.vmess.ids import user_id_from_text

if TYPE_CHECKING:
    from proxycore.protocols.vmess.authenticator import VmessCredential

SecurityName: TypeAlias = Literal["auto", "aes-128-gcm", "chacha20-poly1305", "none", "zero"]
_SECURITY_NAMES = frozenset(get_args(SecurityName))
MAX_LEVEL = 2**32 - 1
_ID_DESCRIPTION = "UUID, or a text of 1 to 30 bytes that one is made of."


def _known_security(value: object) -> object:
    """Every core takes a security that it does not know for `auto`."""
    if not isinstance(value, str):
        return value
    return value.lower() if value.lower() in _SECURITY_NAMES else "auto"


Level: TypeAlias = Annotated[int, Field(ge=0, le=MAX_LEVEL, description="Policy level of the user.")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, description="Port of the server.")]
Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=255, description="Domain or IP address of the server.")]


class _Account(Settings):
    """What belongs to a user besides the id."""

    email: str = Field(default="", description="Name of the user in statistics and logs.")
    level: Level = 0
    security: Annotated[SecurityName, BeforeValidator(_known_security)] = Field(
        default="auto", description="Cipher of the body; the client decides. `auto` is aes-128-gcm.")
    experiments: str = Field(
        default="", description="Any of the words AuthenticatedLength and NoTerminationSignal, separated by `|`.")
    alter_id: int = Field(default=0, alias="alterId", description="Must be 0: there is VMess with AEAD only.")

    @field_validator("alter_id")
    @classmethod
    def _alter_id_is_zero(cls, value: int) -> int:
        if value > 0:
            raise ValueError("legacy VMess is refused, its headers can be forged and probed: set alterId to 0 on both sides")
        return value

    @property
    def seals_lengths(self) -> bool:
        return "AuthenticatedLength" in self.experiments

    @property
    def sends_end_mark(self) -> bool:
        return "NoTerminationSignal" not in self.experiments


class VmessUser(_Account):
    """Who may connect, or as whom we connect."""

    id: str = Field(description=_ID_DESCRIPTION)

    @field_validator("id")
    @classmethod
    def _id_is_readable(cls, value: str) -> str:
        user_id_from_text(value)
        return value

    @property
    def user_id(self) -> bytes:
        """The 16 bytes of the id."""
        return user_id_from_text(self.id)

    @cached_property
    def credential(self) -> VmessCredential:
        """What an inbound knows the user by. Its keys cost some 20 µs, so they are made once."""
        from proxycore.protocols.vmess.authenticator import VmessCredential  # documents are also read to be looked at only

        return VmessCredential(self.user_id, self.email, self.level, self.sends_end_mark)


class VmessDefault(Settings):
    """Of users that are added while running."""

    level: Level = 0


class VmessInboundSettings(Settings):
    """A VMess server."""

    clients: tuple[VmessUser, ...] | None = Field(default=None, description="Who may connect.")
    users: tuple[VmessUser, ...] | None = Field(default=None, description="Another name of clients, which win.")
    default: VmessDefault = Field(default_factory=VmessDefault, description="Level of users that are added while running.")
    detour: Any = Field(default=None, description="Of old versions; ignored.")
    disable_insecure_encryption: Any = Field(
        default=None, alias="disableInsecureEncryption", description="Of old versions; ignored.")

    @model_validator(mode="after")
    def _emails_differ(self) -> VmessInboundSettings:
        seen: set[str] = set()
        for user in self.accounts:
            email = user.email.lower()
            if email in seen:
                raise ValueError(f"the e-mail {user.email!r} is used twice (upper and lower case do not differ)")
            if email:
                seen.add(email)
        return self

    @property
    def accounts(self) -> tuple[VmessUser, ...]:
        return (self.users or ()) if self.clients is None else self.clients

    def prepare(self) -> None:
        for user in self.accounts:
            _ = user.credential


class VmessServer(Settings):
    """A server, and the users to be there in turn."""

    address: Address
    port: Port
    users: tuple[VmessUser, ...] = Field(min_length=1, description="Whom to be there; several take turns.")


class VmessOutboundSettings(_Account):
    """A VMess client: either `vnext`, or one server with one user written flat, which wins."""

    vnext: tuple[VmessServer, ...] | None = Field(default=None, description="Servers; several take turns.")
    address: Address | None = None
    port: Port | None = None
    id: str | None = Field(default=None, description=_ID_DESCRIPTION)

    @field_validator("id")
    @classmethod
    def _id_is_readable(cls, value: str | None) -> str | None:
        if value is not None:
            user_id_from_text(value)
        return value

    @model_validator(mode="after")
    def _has_a_server(self) -> VmessOutboundSettings:
        if self.address is None and not self.vnext:
            raise ValueError("a server is missing: give either vnext, or address, port and id")
        if self.address is not None and (self.port is None or self.id is None):
            raise ValueError(f"{'port' if self.port is None else 'id'} is missing beside address")
        return self

    @property
    def policy_level(self) -> int:
        """Of the first user; the others' are not told apart."""
        return next((user.level for server in self.servers for user in server.users), 0)

    @property
    def servers(self) -> tuple[VmessServer, ...]:
        """Where to connect, however it was written."""
        if self.address is None or self.port is None or self.id is None:
            return self.vnext or ()
        user = VmessUser(id=self.id, email=self.email, level=self.level, security=self.security, experiments=self.experiments)
        return (VmessServer(address=self.address, port=self.port, users=(user,)),)
