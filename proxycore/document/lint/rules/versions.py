"""What the core that the document is meant for does not know, or knows no longer (--for)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from proxycore.document.lint.codes import Code
from proxycore.document.lint.cores import Core
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import View

NO_TYPE = Code(
    "XR901",
    "rule-without-type",
    "error",
    "A rule has no type, which V2Ray wants.",
    'V2Ray 4 refuses to start ("unknown router rule type"); Xray does not need it.',
    'Add `"type": "field"`.',
    is_fixable=True,
)
REVERSE_REMOVED = Code(
    "XR902",
    "reverse-removed",
    "error",
    "The core has no reverse section any more.",
    "Xray 26.4.25 and later refuse every document with `reverse`; 26.4.17 is the last that runs it. V2Ray and this program do.",
    "Stay with an older core, run the document with this program, or use VLESS reverse.",
)
TOO_NEW = Code(
    "XR903",
    "name-too-new",
    "error",
    "A name that the core does not know yet.",
    "Newer Xray versions gave old things new names.",
    "Use the old name.",
    is_fixable=True,
)
REMOVED = Code(
    "XR904",
    "feature-removed",
    "error",
    "The core has removed something that the document uses.",
    "The document does not load there.",
    "Use what took its place.",
)
PORT_LIST = Code(
    "XR905",
    "port-list",
    "error",
    "An inbound has several ports separated by commas, which V2Ray does not read.",
    "V2Ray knows one port or one range for an inbound; in rules it knows lists.",
    "Make an inbound for each.",
)
NOT_A_UUID = Code(
    "XR906",
    "id-not-a-uuid",
    "error",
    "A client's id is no UUID, which V2Ray wants.",
    "Xray turns any text of up to 30 bytes into an id; V2Ray 4 does not.",
    "Use a UUID on both sides.",
)
NO_VLESS_REVERSE = Code(
    "XR907",
    "no-vless-reverse",
    "error",
    "The core does not know VLESS reverse.",
    "It came with Xray 25.9.10; no V2Ray has it. Elsewhere the key is ignored and no tunnel comes up.",
    "Use a newer Xray, or the reverse section.",
)
NO_NEGATION = Code(
    "XR908",
    "negated-block",
    "error",
    "A negated CIDR block, which the core does not read.",
    "`!10.0.0.0/8` came with Xray 26.4.17; before, only lists such as geoip: could be negated.",
    "List the blocks that are meant, or use geoip:.",
)
FALLBACK_UNOBSERVED = Code(
    "XR909",
    "fallback-without-observatory",
    "error",
    "A random or roundRobin balancer has a fallbackTag, and there is no observatory.",
    "Xray 26 then wants an observatory and does not start: `not all dependencies are resolved`. Xray 24 and this program "
    "take every outbound for alive.",
    "Add `observatory` with a subjectSelector, even an empty one, or leave fallbackTag out.",
)

CODES = (NO_TYPE, REVERSE_REMOVED, TOO_NEW, REMOVED, PORT_LIST, NOT_A_UUID, NO_VLESS_REVERSE, NO_NEGATION, FALLBACK_UNOBSERVED)

# name -> the old one, and the Xray that brought it
_PROTOCOLS = {
    "tunnel": ("dokodemo-door", "25.8.3"),
    "direct": ("freedom", "25.8.3"),
    "block": ("blackhole", "25.8.3"),
    "mixed": ("socks", "24.12.31"),
}
_NETWORKS = {"raw": ("tcp", "24.9.30"), "xhttp": ("splithttp", "24.11.5")}
_REMOVED_NETWORKS = ("h2", "http", "quic")


def check(view: View, tell: Tell) -> None:
    core = view.core
    if core is None:
        return
    _check_names(view, core, tell)
    _check_vless_reverse(view, core, tell)
    if core.is_v2ray(before="5"):
        _check_v2ray(view, tell)
    if core.is_xray(since="26.4.25"):
        reverse = view.root.get("reverse")
        if reverse.exists:
            tell(
                REVERSE_REMOVED,
                reverse.loc,
                f"{core.name} refuses documents with reverse",
                "use 26.4.17, this program, or VLESS reverse",
                of_key=True,
            )
    if core.is_xray(since="25"):
        _check_removed(view, core, tell)
        _check_fallbacks(view, core, tell)
    if not core.is_xray(since="26.4.17"):
        for rule in view.rules:
            for name in ("ip", "source", "localIP"):
                node = rule.matchers.get(name)
                for word in node.words() if node is not None else ():
                    if word.text.startswith("!") and not word.text.startswith("!geoip:"):
                        tell(
                            NO_NEGATION,
                            word.loc,
                            f"{core.name} does not read {shown(word.text)}",
                            "list the blocks that are meant",
                        )


def _check_names(view: View, core: Core, tell: Tell) -> None:
    for node in _entries(view):
        _check_name(view, core, node.get("protocol"), _PROTOCOLS, tell)
        _check_name(view, core, node.get("streamSettings").get("network"), _NETWORKS, tell)


def _entries(view: View) -> list[Node]:
    return [*(one.node for one in view.inbounds), *(one.node for one in view.outbounds)]


def _check_name(view: View, core: Core, node: Node, names: dict[str, tuple[str, str]], tell: Tell) -> None:
    old, since = names.get(node.text.lower(), ("", ""))
    if old and not core.is_xray(since=since):
        message = f"{core.name} does not know {shown(node.text)}, which came with Xray {since}"
        tell(TOO_NEW, node.loc, message, f"write {shown(old)}", view.source.replace(node.loc, old))


def _check_v2ray(view: View, tell: Tell) -> None:
    for rule in view.rules:
        if isinstance(rule.node.value, dict) and not rule.node.get("type").exists:
            edits = view.source.insert_key(rule.node.loc, "type", "field")
            tell(NO_TYPE, rule.node.loc, f"{rule.label} has no type, and V2Ray does not start", 'add "type": "field"', edits)
    for inbound in view.inbounds:
        port = inbound.node.get("port")
        if "," in port.text:
            tell(
                PORT_LIST, port.loc, f"V2Ray does not read the ports {shown(port.text)} of an inbound", "make an inbound for each"
            )
    for node in _ids(view):
        if node.text and not _is_uuid(node.text):
            tell(NOT_A_UUID, node.loc, "V2Ray does not read this id, which is no UUID", "use a UUID on both sides")


def _ids(view: View) -> Iterable[Node]:
    for inbound in view.inbounds:
        if inbound.protocol in ("vmess", "vless"):
            yield from (client.node.get("id") for client in inbound.clients)
    for outbound in view.outbounds:
        if outbound.protocol in ("vmess", "vless"):
            yield from (user.node.get("id") for server in outbound.servers for user in server.users)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _check_vless_reverse(view: View, core: Core, tell: Tell) -> None:
    if core.is_xray(since="25.9.10"):
        return
    tags = [*view.reverse_clients, *(one.reverse_tag for one in view.outbounds)]
    for node in tags:
        if node.text:
            tell(NO_VLESS_REVERSE, node.loc, f"{core.name} does not know VLESS reverse", "use Xray 25.9.10 or later")


def _check_removed(view: View, core: Core, tell: Tell) -> None:
    transport = view.root.get("transport")
    if transport.is_given:
        tell(
            REMOVED, transport.loc, f"{core.name} refuses `transport` at the top", "use streamSettings of each entry", of_key=True
        )
    for entry in _entries(view):
        stream = entry.get("streamSettings")
        network = stream.get("network")
        if network.text.lower() in _REMOVED_NETWORKS:
            tell(REMOVED, network.loc, f"{core.name} has removed the network {shown(network.text)}", "use xhttp")
        if stream.get("security").text.lower() == "xtls":
            tell(REMOVED, stream.get("security").loc, f"{core.name} has removed xtls", "use tls or reality")
        noise = entry.get("settings").get("noise")
        if noise.exists:
            tell(REMOVED, noise.loc, f"{core.name} has removed `noise`", "use noises", of_key=True)
        insecure = stream.get("tlsSettings").get("allowInsecure")
        if insecure.is_true and core.is_xray(since="26.7.11"):
            tell(
                REMOVED, insecure.loc, f"{core.name} has removed allowInsecure", "pin the certificate, or use one that is trusted"
            )


def _check_fallbacks(view: View, core: Core, tell: Tell) -> None:
    if view.root.get("observatory").exists or view.root.get("burstObservatory").exists:
        return
    for balancer in view.balancers:
        fallback = balancer.node.get("fallbackTag")
        if fallback.text and balancer.strategy in ("", "random", "roundrobin"):
            message = f"{core.name} wants an observatory for the fallbackTag of the balancer {shown(balancer.tag)}"
            tell(FALLBACK_UNOBSERVED, fallback.loc, message, "add an observatory, or leave fallbackTag out")
