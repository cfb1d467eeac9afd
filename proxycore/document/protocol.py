"""Names of protocols: those that are run, those that only Xray and V2Ray run, and those that nobody does."""

from __future__ import annotations

from collections.abc import Mapping

from proxycore.document.nearest import did_you_mean
from proxycore.protocols.base import ProtocolSpec

KNOWN_INBOUNDS = (
    "dokodemo-door", "tunnel", "http", "shadowsocks", "socks", "mixed", "vless", "vmess", "trojan", "wireguard", "hysteria",
    "tun", "mtproto",
)
KNOWN_OUTBOUNDS = (
    "blackhole", "block", "loopback", "freedom", "direct", "http", "shadowsocks", "socks", "vless", "vmess", "trojan", "dns",
    "wireguard", "hysteria", "mtproto",
)


def find_inbound(name: str, protocols: Mapping[str, ProtocolSpec]) -> ProtocolSpec:
    """The protocol with an inbound that is called `name`, in any letter case. Raises ValueError with one sentence."""
    run = [one for one, spec in protocols.items() if spec.load_inbound is not None]
    return _find(name, protocols, run, KNOWN_INBOUNDS, "inbound")


def find_outbound(name: str, protocols: Mapping[str, ProtocolSpec]) -> ProtocolSpec:
    """The same for outbounds."""
    run = [one for one, spec in protocols.items() if spec.load_outbound is not None]
    return _find(name, protocols, run, KNOWN_OUTBOUNDS, "outbound")


def _find(
    name: str, protocols: Mapping[str, ProtocolSpec], run: list[str], known: tuple[str, ...], side: str
) -> ProtocolSpec:
    folded = name.lower()
    if folded in run:
        return protocols[folded]
    these_are_run = f"this version runs {', '.join(sorted(run))}"
    if folded in known:
        raise ValueError(f'the {side} protocol "{folded}" is known to Xray, not run by this version; {these_are_run}')
    if folded in protocols or folded in (*KNOWN_INBOUNDS, *KNOWN_OUTBOUNDS):
        raise ValueError(f'"{folded}" is no {side} protocol; {these_are_run}')
    hint = did_you_mean(folded, dict.fromkeys((*run, *known)))
    raise ValueError(f'"{name[:40]}" is no protocol' + (f"; {hint}" if hint else "") + f"; {these_are_run}")
