"""The documents of a new tunnel: the entries of the public side, and the whole file of the far side in its core's dialect.

Pure: ids and certificates are made by who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Carrier: TypeAlias = Literal["vmess", "vless"]

DOMAIN_SUFFIX: Final = ".xrev.internal"
_TO_SERVICE, _TO_PORTAL, _NOWHERE = "to-service", "to-portal", "block"


@dataclass(frozen=True, slots=True)
class Core:
    """What runs the far side. `lint_name` is the linter's; `has_bridges`: knows `reverse.bridges`."""

    title: str
    command: str            # {file}: the path of the file
    lint_name: str
    carriers: tuple[Carrier, ...]
    has_bridges: bool = True


CORES: Final[Mapping[str, Core]] = {
    "xrev": Core("xrev", "python -m proxycore run {file}", "", ("vmess", "vless")),
    "v2ray-4": Core("V2Ray 4", "v2ray -config {file}", "v2ray-4.34", ("vmess", "vless")),
    "v2fly-5": Core("V2Ray 5 (v2fly)", "v2ray run -config {file}", "v2fly-5", ("vmess", "vless")),
    "xray-26.4.17": Core("Xray up to 26.4.17", "xray run -config {file}", "xray-26.4.17", ("vmess", "vless")),
    "xray": Core("Xray 26.5 and newer", "xray run -config {file}", "xray-26.7", ("vless",), has_bridges=False),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A self-signed certificate that the far side is told to trust; PEM."""

    name: str               # what it was made for (a DNS name)
    certificate_pem: str
    key_pem: str = field(repr=False)
    sha256: str             # of the certificate's DER form, hexadecimal


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be exposed. `name` becomes the tags; `user_id` is the far side's VMess or VLESS id."""

    name: str
    target_host: str        # as the far side reaches it
    target_port: int
    networks: tuple[str, ...]
    public_listen: str      # empty: all addresses
    public_port: int
    portal_host: str        # as the far side reaches the portal
    carrier_port: int
    carrier: Carrier
    core: str               # a key of CORES
    user_id: str = field(repr=False)
    identity: Identity | None = None        # required for VLESS, which does not encrypt

    @property
    def domain(self) -> str:
        return f"{self.name}{DOMAIN_SUFFIX}"

    @property
    def door_tag(self) -> str:
        return f"{self.name}-entry"

    @property
    def carrier_tag(self) -> str:
        return f"{self.name}-carrier"


@dataclass(frozen=True, slots=True)
class Exposed:
    """Entries for the instance of the public side, by section, and the far side's document."""

    inbounds: list[Json]
    portals: list[Json]
    rules: list[Json]
    far: Json


def expose(service: Service) -> Exposed:
    """Raises ValueError, with one sentence, for what does not go together."""
    core = CORES[service.core]
    if service.carrier not in core.carriers:
        raise ValueError(f"{core.title} keeps tunnels over {' or '.join(core.carriers)} only")
    if service.carrier == "vless" and service.identity is None:
        raise ValueError("VLESS does not encrypt: it needs a certificate")
    door: Json = {
        "tag": service.door_tag, "listen": service.public_listen, "port": service.public_port, "protocol": "dokodemo-door",
        "settings": {"address": service.target_host, "port": service.target_port, "network": ",".join(service.networks)},
    }
    if not service.public_listen:
        del door["listen"]
    inbounds = [door, _carrier_inbound(service, has_bridges=core.has_bridges)]
    if not core.has_bridges:
        rules = [{"type": "field", "inboundTag": [service.door_tag], "outboundTag": service.name}]
        return Exposed(inbounds, [], rules, _far_of_vless_reverse(service))
    rules = [{"type": "field", "inboundTag": [service.door_tag, service.carrier_tag], "outboundTag": service.name}]
    return Exposed(inbounds, [{"tag": service.name, "domain": service.domain}], rules, _far_of_bridge(service))


def new_document(exposed: Exposed) -> Json:
    """The public side as a document of its own; what belongs to no tunnel ends."""
    document: Json = {"log": {"loglevel": "info"}}
    if exposed.portals:
        document["reverse"] = {"portals": exposed.portals}
    return document | {
        "inbounds": exposed.inbounds,
        "outbounds": [{"tag": _NOWHERE, "protocol": "blackhole"}],
        "routing": {"rules": exposed.rules},
    }


def _carrier_inbound(service: Service, *, has_bridges: bool) -> Json:
    client: Json = {"id": service.user_id, "email": f"{service.name}@bridge"}
    settings: Json = {"clients": [client]}
    if service.carrier == "vless":
        settings["decryption"] = "none"
    if not has_bridges:
        client["reverse"] = {"tag": service.name}
    inbound: Json = {"tag": service.carrier_tag, "port": service.carrier_port, "protocol": service.carrier, "settings": settings}
    if _is_loopback(service.portal_host):       # the far side runs here as well: nobody else needs to reach it
        inbound["listen"] = service.portal_host
    if service.identity is not None:
        inbound["streamSettings"] = {"network": "tcp", "security": "tls", "tlsSettings": {"certificates": [
            {"certificate": service.identity.certificate_pem.splitlines(), "key": service.identity.key_pem.splitlines()}]}}
    return inbound


def _far_of_bridge(service: Service) -> Json:
    user: Json = {"id": service.user_id}
    user |= {"encryption": "none"} if service.carrier == "vless" else {"alterId": 0, "security": "auto"}
    server = {"address": service.portal_host, "port": service.carrier_port, "users": [user]}
    from_tunnel = {"type": "field", "inboundTag": [service.name]}
    return {
        "log": {"loglevel": "info" if service.core == "xrev" else "warning"},      # others say much at info
        "reverse": {"bridges": [{"tag": service.name, "domain": service.domain}]},
        "outbounds": [
            {"tag": _TO_SERVICE, "protocol": "freedom", "settings": {"redirect": _host_port(service)}},
            {"tag": _TO_PORTAL, "protocol": service.carrier, "settings": {"vnext": [server]}, **_client_tls(service)},
        ],
        "routing": {"rules": [
            {**from_tunnel, "domain": [f"full:{service.domain}"], "outboundTag": _TO_PORTAL},
            {**from_tunnel, "outboundTag": _TO_SERVICE},
        ]},
    }


def _far_of_vless_reverse(service: Service) -> Json:
    """Xray from 25.9.10 on; from 26.5.3 its freedom lets nothing out of such a tunnel that finalRules do not allow."""
    allowed: Json = {"action": "allow", "network": ",".join(service.networks), "port": str(service.target_port)}
    settings = {
        "address": service.portal_host, "port": service.carrier_port, "id": service.user_id, "encryption": "none",
        "reverse": {"tag": service.name},
    }
    return {
        "log": {"loglevel": "warning"},
        "outbounds": [
            {"tag": _TO_SERVICE, "protocol": "freedom", "settings": {"redirect": _host_port(service), "finalRules": [allowed]}},
            {"tag": _TO_PORTAL, "protocol": "vless", "settings": settings, **_client_tls(service)},
        ],
        "routing": {"rules": [{"type": "field", "inboundTag": [service.name], "outboundTag": _TO_SERVICE}]},
    }


def _client_tls(service: Service) -> Json:
    identity = service.identity
    if identity is None:
        return {}
    tls: Json = {"serverName": identity.name}
    if service.core in ("xrev", "xray"):
        tls["pinnedPeerCertSha256"] = identity.sha256
    else:
        # Older cores have no pins of this form; trusting the one certificate comes to the same.
        tls["certificates"] = [{"usage": "verify", "certificate": identity.certificate_pem.splitlines()}]
        tls["disableSystemRoot"] = True
    return {"streamSettings": {"network": "tcp", "security": "tls", "tlsSettings": tls}}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host_port(service: Service) -> str:
    host = f"[{service.target_host}]" if ":" in service.target_host else service.target_host
    return f"{host}:{service.target_port}"
