"""What a document says about dokodemo-door: the fixed destination, and the networks that are taken.

Source: Xray-core infra/conf/dokodemo.go, proxy/dokodemo/dokodemo.go.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AliasChoices, BeforeValidator, Field, field_validator

from proxycore.destination import IPAddress, Network, parse_host
from proxycore.protocols.base import Settings

MAX_PORT = 65535
MAX_LEVEL = 2**32 - 1
Target: TypeAlias = tuple[str | IPAddress | None, int | None]
"""Host and port; None is what the setting leaves open."""


def _networks(value: object) -> object:
    """`"tcp,udp"` or a list, in any letter case."""
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError('a list, or text such as "tcp,udp", is expected')
    names = tuple(dict.fromkeys(word.lower() for word in words if word)) or ("tcp",)
    for name in names:
        if name == "unix":
            raise ValueError("to listen on a unix socket, write its path into the inbound's \"listen\"; the network is tcp then")
        if name not in ("tcp", "udp"):
            raise ValueError(f'"{name[:40]}" is no network; tcp and udp are')
    return names


def parse_target(text: str) -> Target:
    """Read `host:port`, `:port` or `host:` of a port map. Raises ValueError with one sentence."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        raise ValueError('"host:port", ":port" or "host:" is expected')
    if port and not (port.isascii() and port.isdigit() and int(port[:6]) <= MAX_PORT):
        raise ValueError(f"the port must be a number from 0 to {MAX_PORT}")
    return (parse_host(host) if host else None), (int(port) or None) if port else None


class DokodemoSettings(Settings):
    """A fixed destination. Without an address it is this host, without a port the port that the client came in by."""

    address: str | None = Field(
        default=None, validation_alias=AliasChoices("address", "rewriteAddress"), max_length=255,
        description="Domain or IP address.")
    port: int = Field(
        default=0, validation_alias=AliasChoices("port", "rewritePort"), ge=0, le=MAX_PORT,
        description="Port; 0 is the port that the client came in by.")
    networks: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        default=("tcp",), validation_alias=AliasChoices("network", "allowedNetwork"), description="What is listened for.")
    port_map: dict[str, str] = Field(
        default_factory=dict, alias="portMap", description='By local port: "host:port", ":port" or "host:".')
    follow_redirect: bool = Field(default=False, alias="followRedirect",
        description="Go where the client was going before the system sent it here (sockopt.tproxy).")
    user_level: int = Field(default=0, alias="userLevel", ge=0, le=MAX_LEVEL, description="Policy level.")
    timeout: Any = Field(default=None, description="Of old versions; ignored.")

    @field_validator("address")
    @classmethod
    def _address_is_written_out(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("env:"):
            raise ValueError("an address from an environment variable is known to Xray, not run by this version")
        return value

    @field_validator("port_map")
    @classmethod
    def _port_map_is_readable(cls, value: dict[str, str]) -> dict[str, str]:
        for port, target in value.items():
            if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= MAX_PORT):
                raise ValueError(f'the key "{port[:40]}" is no port')
            try:
                parse_target(target)
            except ValueError as error:
                raise ValueError(f"for port {port}: {error}") from None
        return value

    @property
    def needs_a_port(self) -> bool:
        """Whether the port that a client came in by is needed to know where it goes."""
        return not self.port and not self.follow_redirect

    def target(self, local_port: int) -> tuple[str | IPAddress | None, int]:
        """Where a client goes that came in by `local_port`; host None: to this host, in the family it came by."""
        host = parse_host(self.address) if self.address and self.address.strip() else None
        port = self.port or local_port
        mapped = next((target for key, target in self.port_map.items() if int(key) == local_port), None)
        if mapped is not None:
            mapped_host, mapped_port = parse_target(mapped)
            host = host if mapped_host is None else mapped_host
            port = mapped_port or port
        return host, port
