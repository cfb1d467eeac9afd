"""By what kind of inbound a request came, told by its inbound tag."""

from __future__ import annotations

from collections.abc import Mapping

from proxycore.document.model import Document

REVERSE = "vless-reverse"
_STRICTEST_FIRST = (REVERSE, "vless", "vmess", "trojan", "shadowsocks", "hysteria", "wireguard")


def inbound_kinds(document: Document) -> Mapping[str, str]:
    """The protocol of each inbound, REVERSE for tags of VLESS's own tunnel. Several of one tag, and what loopbacks give
    another tag, count as the kind that is trusted least."""
    found: dict[str, list[str]] = {}
    for inbound in document.inbounds:
        found.setdefault(inbound.tag, []).append(inbound.spec.name)
    for outbound in document.outbounds:
        for tag in outbound.settings.provides_inbound_tags():
            found.setdefault(tag, []).append(REVERSE)
    all_kinds = [kind for kinds in found.values() for kind in kinds]
    for outbound in document.outbounds:
        if outbound.spec.name == "loopback":
            found.setdefault(getattr(outbound.settings, "inbound_tag", ""), []).extend(all_kinds)
    return {tag: min(kinds, key=_rank) for tag, kinds in found.items()}


def _rank(kind: str) -> int:
    return _STRICTEST_FIRST.index(kind) if kind in _STRICTEST_FIRST else len(_STRICTEST_FIRST)
