"""Inbounds and outbounds: ports free, protocols known, ways that do not exclude each other."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import Inbound, Outbound, View
from proxycore.document.nearest import did_you_mean
from proxycore.document.places import render_path

DUPLICATE_PORT = Code(
    "XR701",
    "duplicate-port",
    "error",
    "Two inbounds listen on the same address and port.",
    "The second one cannot listen, and the core does not start.",
    "Give each its own port or address.",
)
UNKNOWN_PROTOCOL = Code(
    "XR702",
    "unknown-protocol",
    "error",
    "A protocol that no core has.",
    "The document does not load.",
    "Write the protocol as the core spells it.",
    is_fixable=True,
)
NO_OUTBOUND = Code(
    "XR703",
    "no-outbound",
    "warning",
    "There are inbounds and no outbound.",
    "Every connection is closed.",
    "Add an outbound, freedom for instance.",
)
TWO_WAYS = Code(
    "XR704",
    "two-proxies",
    "error",
    "An outbound has proxySettings.tag and sockopt.dialerProxy.",
    "Both say through which other outbound to connect, and Xray refuses the document.",
    "Keep dialerProxy.",
)
UNUSED = Code(
    "XR705",
    "unused-outbound",
    "note",
    "Nothing leads to an outbound.",
    "It is not the first one, and no rule, balancer or other outbound names it.",
    "Lead something to it, or remove it.",
)
WRONG_SECTION = Code(
    "XR706",
    "wrong-type",
    "error",
    "A section is not of the type that it must have.",
    "The document does not load.",
    "Write the section as the cores read it.",
)

CODES = (DUPLICATE_PORT, UNKNOWN_PROTOCOL, NO_OUTBOUND, TWO_WAYS, UNUSED, WRONG_SECTION)

_INBOUNDS = (
    "dokodemo-door",
    "tunnel",
    "http",
    "shadowsocks",
    "socks",
    "mixed",
    "vless",
    "vmess",
    "trojan",
    "wireguard",
    "hysteria",
    "tun",
    "hysteria2",
    "shadowsocks2022",
    "vlite",
    "mtproto",
)
_OUTBOUNDS = (
    "blackhole",
    "block",
    "loopback",
    "freedom",
    "direct",
    "http",
    "shadowsocks",
    "socks",
    "vless",
    "vmess",
    "trojan",
    "dns",
    "wireguard",
    "hysteria",
    "hysteria2",
    "shadowsocks2022",
    "vlite",
    "mtproto",
)
_MAX_COMPARED_INBOUNDS = 500
_ANY = ("", "0.0.0.0", "::", "[::]")
_LISTS = (
    ("inbounds",),
    ("outbounds",),
    ("routing", "rules"),
    ("routing", "balancers"),
    ("reverse", "bridges"),
    ("reverse", "portals"),
)
_OBJECTS = ("log", "routing", "dns", "policy", "api", "metrics", "stats", "reverse", "observatory", "burstObservatory")


def check(view: View, tell: Tell) -> None:
    _check_types(view, tell)
    _check_ports(view, tell)
    for kind, known, entries in (("inbound", _INBOUNDS, view.inbounds), ("outbound", _OUTBOUNDS, view.outbounds)):
        for entry in entries:
            _check_protocol(view, entry, kind, known, tell)
    if view.inbounds and not view.outbounds and not view.portals:
        tell(
            NO_OUTBOUND,
            view.inbounds[0].node.loc,
            "there is no outbound: every connection is closed",
            "add one, freedom for instance",
        )
    used = _used_tags(view)
    for number, outbound in enumerate(view.outbounds):
        dialer = outbound.node.get("streamSettings").get("sockopt").get("dialerProxy")
        if dialer.text and outbound.node.get("proxySettings").get("tag").text:
            message = f"the outbound {shown(outbound.tag)} has both proxySettings.tag and sockopt.dialerProxy"
            tell(TWO_WAYS, outbound.node.get("proxySettings").loc, message, "keep dialerProxy", of_key=True)
        if number and outbound.tag and outbound.tag not in used and not outbound.reverse_tag.text:
            tell(
                UNUSED,
                outbound.node.loc,
                f"nothing leads to the outbound {shown(outbound.tag)}",
                "lead something to it, or remove it",
            )


def _check_types(view: View, tell: Tell) -> None:
    if not isinstance(view.root.value, dict):
        tell(WRONG_SECTION, (), "a document is an object: { ... }", "put the sections into one object")
    for names in _LISTS:
        node = view.root
        for name in names:
            node = node.get(name)
        if node.exists and not isinstance(node.value, list):
            tell(WRONG_SECTION, node.loc, f"{names[-1]} must be a list", "write [ ... ]")
        for item in node.items():
            if not isinstance(item.value, dict):
                tell(WRONG_SECTION, item.loc, f"an entry of {names[-1]} must be an object", "write { ... }")
    for name in _OBJECTS:
        node = view.root.get(name)
        if node.exists and not isinstance(node.value, dict):
            tell(WRONG_SECTION, node.loc, f"{name} must be an object", "write { ... }")


def _check_ports(view: View, tell: Tell) -> None:
    listening = [
        (inbound, inbound.networks, ports, inbound.node.get("listen").text.strip().lower())
        for inbound in view.inbounds[:_MAX_COMPARED_INBOUNDS]
        if (ports := inbound.ports) is not None and not inbound.node.get("listen").text.startswith(("/", "@"))
    ]
    for number, (inbound, networks, ports, listen) in enumerate(listening):
        for other, other_networks, other_ports, other_listen in listening[:number]:
            if not networks & other_networks or not (listen == other_listen or listen in _ANY or other_listen in _ANY):
                continue
            if {listen, other_listen} == {"0.0.0.0", "::"} or (":" in listen + other_listen and "." in listen + other_listen):
                continue  # different families
            both = [
                max(low, other_low)
                for low, high in ports
                for other_low, other_high in other_ports
                if low <= other_high and other_low <= high and max(low, other_low) > 0
            ]
            if both:
                message = f"{render_path(other.node.loc)} listens on port {both[0]} of the same address already"
                tell(DUPLICATE_PORT, inbound.node.get("port").loc, message, "give each its own port or address")
                break


def _check_protocol(view: View, entry: Inbound | Outbound, kind: str, known: tuple[str, ...], tell: Tell) -> None:
    node = entry.node.get("protocol")
    if entry.written_protocol.strip().lower() in known or not isinstance(entry.node.value, dict):
        return
    if not node.text:
        tell(UNKNOWN_PROTOCOL, node.loc, f"the {kind} {shown(entry.tag)} has no protocol", "give it one")
        return
    hint = did_you_mean(node.text, known)
    edits = view.source.replace(node.loc, hint.split('"')[1]) if hint else []
    tell(
        UNKNOWN_PROTOCOL, node.loc, f"there is no {kind} protocol {shown(node.text)}", hint or "use one that the core has", edits
    )


def _used_tags(view: View) -> set[str]:
    used = {rule.outbound_tag for rule in view.rules}
    for balancer in view.balancers:
        used |= {*view.members(balancer), balancer.node.get("fallbackTag").text}
    for outbound in view.outbounds:
        used.add(outbound.node.get("proxySettings").get("tag").text)
        used.add(outbound.node.get("streamSettings").get("sockopt").get("dialerProxy").text)
        used.add(_download_proxy(outbound.node))
    return used


def _download_proxy(node: Node) -> str:
    return (
        node.get("streamSettings")
        .get("xhttpSettings", "splithttpSettings")
        .get("downloadSettings")
        .get("sockopt")
        .get("dialerProxy")
        .text
    )
