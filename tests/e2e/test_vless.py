"""VLESS on the wire: ours and V2Ray as client and server and as a tunnel's carrier; its own reverse tunnel, with Xray too."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import LOCALHOST, XREV, Processes, free_port
from tests.support.target import (
    GREETING,
    Target,
    ask,
    download_is_whole,
    read_exactly,
    udp_echo,
    upload_is_whole,
)
from tests.support.tunnel import Tunnel

PAIRS = [("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev")]
ALL_PAIRS = [*PAIRS, ("xrev", "xray"), ("xray", "xrev")]
TRANSFER_BYTES = 3 << 20
ENTRY = "entry"
FREEDOM = {"tag": "out", "protocol": "freedom"}


def vless_inbound(port: int, **client: Any) -> documents.Json:
    settings = {"decryption": "none", "clients": [{"id": documents.UUID, "email": "alice@example.org", **client}]}
    return {"tag": "interconn", "listen": LOCALHOST, "port": port, "protocol": "vless", "settings": settings}


def vless_outbound(tag: str, port: int, mux: int = 0) -> documents.Json:
    user = {"id": documents.UUID, "encryption": "none"}
    outbound: documents.Json = {
        "tag": tag, "protocol": "vless", "settings": {"vnext": [{"address": LOCALHOST, "port": port, "users": [user]}]}}
    return outbound | ({"mux": {"enabled": True, "concurrency": mux}} if mux else {})


def check_traffic(port: int, udp_port: int, greeting_port: int) -> None:
    assert download_is_whole(port, TRANSFER_BYTES)
    assert upload_is_whole(port, os.urandom(TRANSFER_BYTES))
    for data in (b"a", os.urandom(1400)):
        assert udp_echo(udp_port, data) == data
    with ask(greeting_port, b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING


@pytest.mark.parametrize("mux", [0, 8], ids=["plain", "mux"])
@pytest.mark.parametrize(
    ("client", "server"), ALL_PAIRS, ids=[f"{client}-client {server}-server" for client, server in ALL_PAIRS])
def test_traffic_arrives_whole_both_ways(client: str, server: str, mux: int, processes: Processes, target: Target) -> None:
    port, udp_port, greeting_port, server_port = (free_port() for _ in range(4))
    doors = [documents.door("web", port, target.port), documents.door("udp", udp_port, target.udp_port, "udp"),
             documents.door("greeting", greeting_port, target.greeting_port)]
    serving = documents.proxy([vless_inbound(server_port)], [documents.freedom("out", server)])
    processes.run_document("server", program(server), serving).await_port(server_port)
    document = documents.proxy(doors, [vless_outbound("next", server_port, mux)])
    processes.run_document("client", program(client), document).await_port(greeting_port)
    check_traffic(port, udp_port, greeting_port)


@pytest.mark.parametrize(("portal", "bridge"), PAIRS, ids=[f"{portal}-portal {bridge}-bridge" for portal, bridge in PAIRS])
def test_a_tunnel_is_carried(portal: str, bridge: str, processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target, program(portal), program(bridge))
    tunnel.documents["portal"]["inbounds"][-1] = vless_inbound(tunnel.carrier_port)
    tunnel.documents["bridge"]["outbounds"][-1] = vless_outbound("interconn", tunnel.carrier_port)
    tunnel.up()
    check_traffic(tunnel.port, tunnel.udp_port, tunnel.greeting_port)


def own_tunnel(tunnel: Tunnel, bridge: str) -> None:
    """Make it VLESS's own reverse tunnel."""
    portal = tunnel.documents["portal"]
    del portal["reverse"]
    portal["inbounds"][-1] = vless_inbound(tunnel.carrier_port, reverse={"tag": "home"})
    portal["routing"]["rules"] = [documents.rule("home", inboundTag=[one["tag"] for one in portal["inbounds"][:-1]])]
    outbound = {"tag": "portal", "protocol": "vless", "settings": {
        "address": LOCALHOST, "port": tunnel.carrier_port, "id": documents.UUID, "encryption": "none",
        "reverse": {"tag": "r-in"}}}
    # Only a session that came with its visitor's address gets out.
    rules = [documents.rule("out", inboundTag=["r-in"], source=["127.0.0.0/8"])] if bridge == "xray" else [
        documents.rule("out", inboundTag=["r-in"])]
    tunnel.documents["bridge"] = {"log": {"loglevel": "info"}, "outbounds": [
        {"tag": "none", "protocol": "blackhole"}, outbound, documents.freedom("out", bridge)], "routing": {"rules": rules}}


@pytest.mark.parametrize(("portal", "bridge"), [("xrev", "xrev"), ("xray", "xrev"), ("xrev", "xray")],
                         ids=["xrev-portal xrev-bridge", "xray-portal xrev-bridge", "xrev-portal xray-bridge"])
def test_vlesss_own_tunnel_carries_traffic(portal: str, bridge: str, processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target, program(portal), program(bridge), level="debug")
    own_tunnel(tunnel, bridge)
    tunnel.up()
    check_traffic(tunnel.port, tunnel.udp_port, tunnel.greeting_port)
    for number in range(300):
        assert download_is_whole(tunnel.port, number + 1), number


def test_what_is_no_vless_is_answered_by_the_fallback(processes: Processes, target: Target) -> None:
    port = free_port()
    inbound = vless_inbound(port)
    inbound["settings"]["fallbacks"] = [{"dest": f"{LOCALHOST}:{target.port}"}]
    processes.run_document("server", XREV, documents.proxy([inbound], [FREEDOM])).await_port(port)
    assert download_is_whole(port, TRANSFER_BYTES)
