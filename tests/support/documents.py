"""Documents of the end-to-end tests. They run under V2Ray too, which wants `"type": "field"` in each rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.processes import LOCALHOST

Json = dict[str, Any]

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
DOMAIN = "reverse-proxy.xray.internal"


def log(level: str = "info") -> Json:
    return {"loglevel": level, "access": "none"}


def door(tag: str, port: int | str, target_port: int, network: str = "tcp", address: str = LOCALHOST) -> Json:
    """A dokodemo-door inbound."""
    settings = {"address": address, "port": target_port, "network": network}
    return {"tag": tag, "listen": LOCALHOST, "port": port, "protocol": "dokodemo-door", "settings": settings}


def vmess_inbound(tag: str, port: int) -> Json:
    settings = {"clients": [{"id": UUID, "alterId": 0, "email": "alice@example.org"}]}
    return {"tag": tag, "listen": LOCALHOST, "port": port, "protocol": "vmess", "settings": settings}


def vmess_outbound(tag: str, port: int, security: str = "aes-128-gcm", mux: int = 0) -> Json:
    user = {"id": UUID, "alterId": 0, "security": security}
    outbound: Json = {
        "tag": tag, "protocol": "vmess", "settings": {"vnext": [{"address": LOCALHOST, "port": port, "users": [user]}]}
    }
    if mux:
        outbound["mux"] = {"enabled": True, "concurrency": mux}
    return outbound


def freedom(tag: str, program: str = "xrev") -> Json:
    """An outbound to everywhere. Xray from 26.4.15 lets nobody who came by a tunnel or a proxy of its own to this host, unless a
    rule says so."""
    rules = {"settings": {"finalRules": [{"action": "allow"}]}} if program == "xray" else {}
    return {"tag": tag, "protocol": "freedom", **rules}


def rule(outbound_tag: str, **conditions: object) -> Json:
    return {"type": "field", "outboundTag": outbound_tag, **conditions}


def portal(doors: Sequence[Json], carrier_port: int, *, level: str = "info", dialect: str = "") -> Json:
    """Everything from `doors` goes through the tunnel whose bridges connect to `carrier_port`."""
    entry = {"tag": "portal", "domain": DOMAIN} | ({"dialect": dialect} if dialect else {})
    tags = [one["tag"] for one in doors]
    return {
        "log": log(level),
        "reverse": {"portals": [entry]},
        "inbounds": [*doors, vmess_inbound("interconn", carrier_port)],
        "outbounds": [{"tag": "direct", "protocol": "freedom"}],
        "routing": {"rules": [rule("portal", inboundTag=[*tags, "interconn"])]},
    }


def bridge(carrier_port: int, *, level: str = "info", security: str = "aes-128-gcm", freedom: Json | None = None) -> Json:
    """Sessions go where they want to, or as `freedom` (its settings) says."""
    return {
        "log": log(level),
        "reverse": {"bridges": [{"tag": "bridge", "domain": DOMAIN}]},
        "outbounds": [
            {"tag": "out", "protocol": "freedom", "settings": freedom or {}},
            vmess_outbound("interconn", carrier_port, security),
        ],
        "routing": {"rules": [
            rule("interconn", inboundTag=["bridge"], domain=[f"full:{DOMAIN}"]),
            rule("out", inboundTag=["bridge"]),
        ]},
    }


def proxy(inbounds: Sequence[Json], outbounds: Sequence[Json], rules: Sequence[Json] = (), *, level: str = "info") -> Json:
    """A document without a tunnel."""
    return {
        "log": log(level), "inbounds": list(inbounds), "outbounds": list(outbounds), "routing": {"rules": list(rules)}
    }
