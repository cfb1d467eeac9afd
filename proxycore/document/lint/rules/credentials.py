"""Ids and passwords: not shared, not outdated, not readable on the way."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.matching import Asked
from proxycore.document.lint.paths import outcomes
from proxycore.document.lint.reach import is_public_host
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import Client, Inbound, View
from proxycore.document.places import render_path

SHARED_ID = Code(
    "XR601",
    "shared-id",
    "warning",
    "A bridge's id is also that of a public user.",
    "Who knows the id can register as a bridge and receive the clients' traffic.",
    "Give every bridge an id of its own.",
)
ALTER_ID = Code(
    "XR602",
    "alter-id",
    "warning",
    "alterId is above 0.",
    "It asked for VMess without authenticated encryption, which is gone: newer cores ignore it, and a V2Ray client that heeds "
    "it cannot talk to them.",
    "Set it to 0, on both sides.",
    is_fixable=True,
)
PLAIN_PASSWORD = Code(
    "XR603",
    "plain-password",
    "warning",
    "A password crosses other people's networks in the clear.",
    "SOCKS and HTTP send it as it is; without TLS everybody on the way can read it.",
    "Turn TLS on, listen on 127.0.0.1, or use vmess or vless with TLS.",
)
VMESS_PLAIN = Code(
    "XR604",
    "vmess-unencrypted",
    "warning",
    "VMess with security none or zero, without TLS, to a public address.",
    "The payload is readable and can be changed on the way.",
    'Use "auto", or turn TLS on.',
    is_fixable=True,
)
NO_TLS = Code(
    "XR605",
    "unencrypted-protocol",
    "warning",
    "VLESS or Trojan without TLS at a public address.",
    "They encrypt nothing themselves: id and payload are readable on the way, and the id lets its reader in. "
    "Xray 26.7.11 refuses such outbounds.",
    "Turn TLS or REALITY on, or use vmess.",
)
OPEN_PROXY = Code(
    "XR606",
    "open-proxy",
    "warning",
    "Anybody can use a SOCKS or HTTP proxy at a public address.",
    "Such ports are found within hours, and used.",
    "Ask for a password, or listen on 127.0.0.1.",
    is_fixable=True,
)
DUPLICATE_EMAIL = Code(
    "XR607",
    "duplicate-email",
    "error",
    "Two clients of an inbound have the same e-mail.",
    "Xray does not start then; letter case does not matter.",
    "Give each client its own.",
)
DUPLICATE_ID = Code(
    "XR608",
    "duplicate-id",
    "warning",
    "Two clients of an inbound have the same id.",
    "Only one of them is ever found; the other's e-mail, level and rules do not count.",
    "Give each client its own.",
)
NO_CLIENTS = Code(
    "XR609",
    "no-clients",
    "warning",
    "An inbound that needs credentials has no client.",
    "Nobody can connect.",
    "Add a client.",
)

CODES = (
    SHARED_ID,
    ALTER_ID,
    PLAIN_PASSWORD,
    VMESS_PLAIN,
    NO_TLS,
    OPEN_PROXY,
    DUPLICATE_EMAIL,
    DUPLICATE_ID,
    NO_CLIENTS,
)

_WITH_CLIENTS = ("vmess", "vless", "trojan")


def check(view: View, tell: Tell) -> None:
    _check_shared(view, tell)
    for inbound in view.inbounds:
        _check_inbound(view, inbound, tell)
        _check_clients(inbound, tell)
        for client in inbound.clients:
            _check_alter_id(view, client.node, tell)
    _check_outbounds(view, tell)


def _bridge_inbounds(view: View) -> list[Inbound]:
    """The inbounds through which a portal's domain can be asked for."""
    return [
        inbound
        for inbound in view.inbounds
        if inbound.can_ask_for_a_domain
        for portal in view.portals
        if any(portal in outcome.portals for outcome in outcomes(view, Asked(inbound.tag, portal.domain, None, "tcp")))
    ]


def _check_shared(view: View, tell: Tell) -> None:
    carriers = _bridge_inbounds(view)
    of_bridges: dict[str, Client] = {client.id.lower(): client for inbound in carriers for client in inbound.clients if client.id}
    of_bridges.update(
        (client.id.lower(), client)
        for inbound in view.inbounds
        for client in inbound.clients
        if client.id and client.node.get("reverse").exists
    )
    for inbound in view.inbounds:
        if any(inbound is carrier for carrier in carriers):
            continue
        for client in inbound.clients:
            other = of_bridges.get(client.id.lower()) if client.id else None
            if other is not None and other.node.loc != client.node.loc and not client.node.get("reverse").exists:
                message = f"this is also the id of a bridge: {render_path(other.node.loc)}"
                tell(SHARED_ID, client.node.get("id", "password", "pass").loc, message, "give the bridge an id of its own")


def _check_alter_id(view: View, node: Node, tell: Tell) -> None:
    alter = node.get("alterId")
    if alter.number is not None and alter.number > 0:
        message = f"alterId {alter.number} asks for the old VMess, which is gone"
        tell(ALTER_ID, alter.loc, message, "set it to 0 on both sides", view.source.replace(alter.loc, 0))


def _check_inbound(view: View, inbound: Inbound, tell: Tell) -> None:
    if not inbound.is_public or inbound.has_tls:
        return
    at = inbound.node.loc
    where = f"the inbound {shown(inbound.tag)} listens on a public address"
    if inbound.protocol in ("socks", "http") and inbound.needs_no_credential:
        listen = inbound.node.get("listen")
        edits = (
            view.source.replace(listen.loc, "127.0.0.1") if listen.exists else view.source.insert_key(at, "listen", "127.0.0.1")
        )
        tell(OPEN_PROXY, at, f"{where} and asks for no password", 'ask for one, or set "listen" to "127.0.0.1"', edits)
    elif inbound.protocol in ("socks", "http"):
        tell(PLAIN_PASSWORD, at, f"{where} and takes passwords in the clear", "turn TLS on, or listen on 127.0.0.1")
    elif inbound.protocol == "trojan" or (inbound.protocol == "vless" and _is_none(inbound.settings.get("decryption"))):
        tell(NO_TLS, at, f"{where} and speaks {inbound.protocol} without TLS", "turn TLS on, or use vmess")


def _is_none(node: Node) -> bool:
    return node.text.lower() in ("", "none")


def _check_clients(inbound: Inbound, tell: Tell) -> None:
    emails: dict[str, Client] = {}
    ids: dict[str, Client] = {}
    for client in inbound.clients:
        same = emails.setdefault(client.email.lower(), client)
        if client.email and same is not client:
            message = f"{render_path(same.node.loc)} has the e-mail {shown(client.email)} already"
            tell(DUPLICATE_EMAIL, client.node.get("email", "user").loc, message, "give each client its own")
        same = ids.setdefault(client.id.lower(), client)
        if client.id and same is not client and inbound.protocol in _WITH_CLIENTS:
            tell(
                DUPLICATE_ID,
                client.node.get("id", "password").loc,
                f"{render_path(same.node.loc)} has this id already",
                "give each client its own",
            )
    if inbound.protocol in _WITH_CLIENTS and not inbound.clients:
        tell(NO_CLIENTS, inbound.node.loc, f"the inbound {shown(inbound.tag)} has no client: nobody can connect", "add a client")


def _check_outbounds(view: View, tell: Tell) -> None:
    for outbound in view.outbounds:
        for server in outbound.servers:
            is_plain = is_public_host(server.host) and not outbound.has_tls
            for user in server.users:
                _check_alter_id(view, user.node, tell)
                security = user.node.get("security")
                if outbound.protocol == "vmess" and is_plain and security.text.lower() in ("none", "zero"):
                    message = f"what goes to {shown(server.host)} is not encrypted"
                    tell(
                        VMESS_PLAIN,
                        security.loc,
                        message,
                        'use "auto", or turn TLS on',
                        view.source.replace(security.loc, "auto"),
                    )
                elif outbound.protocol in ("socks", "http") and is_plain and user.node.get("pass").text:
                    message = f"the password for {shown(server.host)} is sent in the clear"
                    tell(PLAIN_PASSWORD, user.node.get("pass").loc, message, "turn TLS on", of_key=True)
            is_vless_plain = outbound.protocol == "vless" and all(_is_none(user.node.get("encryption")) for user in server.users)
            if is_plain and (outbound.protocol == "trojan" or is_vless_plain):
                message = f"what goes to {shown(server.host)} by {outbound.protocol} is not encrypted"
                tell(NO_TLS, server.node.get("address").loc, message, "turn TLS or REALITY on")
