"""`streamSettings` and `sniffing`: so far only the plain TCP connection is run, and the rest is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from proxycore.document.jsonc import Loc
from proxycore.document.nearest import did_you_mean
from proxycore.document.report import Report
from proxycore.document.shape import Shape, field_of, is_empty

RUN_NETWORKS = ("raw", "tcp")
KNOWN_NETWORKS = (
    "ws", "websocket", "httpupgrade", "grpc", "xhttp", "splithttp", "kcp", "mkcp", "hysteria", "h2", "h3", "http", "quic",
    "domainsocket",
)
KNOWN_SECURITIES = ("tls", "reality", "xtls")
_DEFAULT_WORDS = {"tproxy": "off", "domainstrategy": "asis", "addressportstrategy": "none"}     # of sockopt, in lower case
_UNUSED = "it belongs to a transport or security that is not used here"


def _network(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    name = value.lower()
    if name in ("", *RUN_NETWORKS):
        return "raw"
    if name in KNOWN_NETWORKS:
        raise ValueError(f'the network "{name}" is known to Xray, not run by this version, which runs raw (tcp)')
    hint = did_you_mean(name, (*RUN_NETWORKS, *KNOWN_NETWORKS))
    raise ValueError(f'"{value[:40]}" is no network' + (f"; {hint}" if hint else ""))


def _security(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    name = value.lower()
    if name in ("", "none"):
        return "none"
    if name in KNOWN_SECURITIES:
        raise ValueError(f'the security "{name}" is known to Xray, not run by this version, which runs none')
    hint = did_you_mean(name, ("none", *KNOWN_SECURITIES))
    raise ValueError(f'"{value[:40]}" is no security' + (f"; {hint}" if hint else ""))


def _header(value: object) -> object:
    kind = value.get("type", "") if isinstance(value, dict) else value
    if not isinstance(value, dict) or not isinstance(kind, str):
        raise ValueError('an object such as {"type": "none"} is expected')
    if kind.lower() not in ("", "none"):
        raise ValueError(f'the header "{kind[:40]}" is known to Xray, not run by this version, which runs none')
    return value


def _no_proxy_protocol(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")
    if value:
        raise ValueError("accepting the PROXY protocol is known to Xray, not run by this version")
    return value


class RawSettings(Shape):
    header: Annotated[dict[str, Any], BeforeValidator(_header)] = Field(default_factory=dict)
    accept_proxy_protocol: Annotated[bool, BeforeValidator(_no_proxy_protocol)] = False


class StreamSettings(Shape):
    network: Annotated[str, BeforeValidator(_network)] = Field("raw", validation_alias=AliasChoices("method", "network"))
    security: Annotated[str, BeforeValidator(_security)] = "none"
    raw_settings: RawSettings = Field(RawSettings(), validation_alias=AliasChoices("rawSettings", "tcpSettings"))
    sockopt: dict[str, Any] = Field(default_factory=dict)

    no_effect: ClassVar[Mapping[str, str]] = dict.fromkeys((
        "tlsSettings", "realitySettings", "xtlsSettings", "wsSettings", "httpupgradeSettings", "grpcSettings", "xhttpSettings",
        "splithttpSettings", "kcpSettings", "hysteriaSettings", "httpSettings", "quicSettings", "dsSettings",
    ), _UNUSED)
    not_run: ClassVar[Mapping[str, str]] = {"finalmask": "is known to Xray, not run by this version"}


def check_sockopt(entry: object, loc: Loc, report: Report) -> None:
    """Refuse, each by its name, the socket options that would change something. `loc` is the place of `entry`."""
    options = field_of(field_of(entry, "streamSettings"), "sockopt")
    for name, value in options.items() if isinstance(options, dict) else ():
        is_default_word = isinstance(value, str) and value.lower() == _DEFAULT_WORDS.get(name.lower())
        if not is_empty(value) and not is_default_word:
            message = "the socket option is known to Xray, not run by this version"
            report.error((*loc, "streamSettings", "sockopt", name), message, of_key=True)


def _off(value: object) -> object:
    if value is True:
        raise ValueError("sniffing is known to Xray, not run by this version; set it to false")
    return value


class Sniffing(Shape):
    """Accepted while it is off."""

    enabled: Annotated[bool, BeforeValidator(_off)] = False
    dest_override: Any = None
    domains_excluded: Any = None
    ips_excluded: Any = None
    metadata_only: bool = False
    route_only: bool = False
