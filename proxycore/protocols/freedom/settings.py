"""What a document says about freedom: where to instead, and how names are resolved.

Source: Xray-core infra/conf/freedom.go, proxy/freedom/freedom.go.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from proxycore.destination import IPAddress, parse_host
from proxycore.protocols.base import Settings, Strategy
from proxycore.protocols.freedom.way_out_settings import MAX_NOISES, FinalRuleSettings, FragmentSettings, NoiseSettings

MAX_PORT = 65535
MAX_LEVEL = 2**32 - 1
MAX_PROXY_VERSION = 2
MAX_FINAL_RULES = 1024
STRATEGIES = (
    "AsIs", "UseIP", "UseIPv4", "UseIPv6", "UseIPv4v6", "UseIPv6v4", "ForceIP", "ForceIPv4", "ForceIPv6", "ForceIPv4v6",
    "ForceIPv6v4",
)
_BY_FOLDED = {name.lower(): name for name in STRATEGIES}
Redirect: TypeAlias = tuple[str | IPAddress | None, int | None]


def parse_redirect(text: str) -> Redirect:
    """Read `host:port` as (host, port); None is what is kept: an absent or unspecified address, port 0.

    Raises ValueError with one sentence; without a port too, as in the cores.
    """
    host_text, colon, port_text = text.strip().rpartition(":")
    if not colon or not port_text or (":" in host_text and not (host_text.startswith("[") and host_text.endswith("]"))):
        raise ValueError('"host:port", ":port" or "host:0" is expected')
    if not (port_text.isascii() and port_text.isdigit() and int(port_text[:6]) <= MAX_PORT):
        raise ValueError(f"the port must be a number from 0 to {MAX_PORT}")
    host = parse_host(host_text) if host_text else None
    if host is not None and not isinstance(host, str) and host.is_unspecified:
        host = None
    return host, int(port_text) or None


def _redirect_is_readable(text: str) -> str:
    if text:
        parse_redirect(text)
    return text


def _strategy(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    if not value:
        return Strategy.AS_IS.value
    if value.lower() not in _BY_FOLDED:
        near = difflib.get_close_matches(value.lower()[:40], _BY_FOLDED, n=1)
        hint = f'; did you mean "{_BY_FOLDED[near[0]]}"?' if near else ""
        raise ValueError(f'"{value[:40]}" is not one of {", ".join(STRATEGIES)}{hint}')
    return value.lower()


def _removed(value: object) -> object:
    raise ValueError('was removed from Xray; "noises", a list, has replaced it')


def _version(value: object) -> object:
    """Other numbers than 1 and 2 are none, as in the cores."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("0, 1 or 2 is expected")
    return value if value <= MAX_PROXY_VERSION else 0


class FreedomSettings(Settings):
    """Connections to the destinations themselves."""

    redirect: Annotated[str, AfterValidator(_redirect_is_readable)] = Field(
        default="", description='Go there instead: "host:port", ":port" (the address is kept) or "host:0" (the port is kept).')
    strategy: Annotated[str, BeforeValidator(_strategy)] = Field(
        default=Strategy.AS_IS.value, validation_alias=AliasChoices("targetStrategy", "domainStrategy"),
        description="How names are resolved: Use... prefers these families, Force... fails without them.",
        json_schema_extra={"enum": list(STRATEGIES), "default": STRATEGIES[0]})
    user_level: int = Field(default=0, alias="userLevel", ge=0, le=MAX_LEVEL, description="Policy level.")
    timeout: SkipJsonSchema[Any] = None             # of old versions; ignored
    ips_blocked: SkipJsonSchema[Any] = Field(default=None, alias="ipsBlocked")      # the same, with a warning
    fragment: FragmentSettings | None = Field(default=None, description="Cuts the first bytes of a connection into pieces.")
    noises: list[NoiseSettings] = Field(
        default_factory=list, max_length=MAX_NOISES, description="Datagrams that go before the first one.")
    noise: SkipJsonSchema[Annotated[Any, BeforeValidator(_removed)]] = None
    proxy_protocol: Annotated[int, BeforeValidator(_version)] = Field(
        default=0, alias="proxyProtocol", description="Version of the PROXY protocol to say; 0: none.",
        json_schema_extra={"enum": [0, 1, 2]})
    final_rules: list[FinalRuleSettings] | None = Field(
        default=None, alias="finalRules", max_length=MAX_FINAL_RULES, description="Which addresses may be dialled.")

    def cautions(self) -> Sequence[str]:
        if self.ips_blocked:
            return ('"ipsBlocked" was removed from Xray and blocks nothing; "finalRules" has replaced it',)
        return ()

    @cached_property
    def redirect_target(self) -> Redirect | None:
        """What replaces the destination's host and port, None for what is kept; None as a whole: nothing is replaced."""
        return parse_redirect(self.redirect) if self.redirect else None
