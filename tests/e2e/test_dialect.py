"""A portal finds out which control domain a V2Ray 4.34 bridge speaks, and is understood from then on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import Processes, until
from tests.support.target import Target, download_is_whole, is_served
from tests.support.tunnel import Tunnel

FOUND_OUT_S = 15.0
"""Some ticks of 2 s on either side."""

V2RAY = "reverse.internal.v2ray.com"
UNKNOWN = ("reverse", "reverse.internal.v2fly.org")


def test_the_portal_finds_the_dialect_and_the_bridge_honours_the_drain(processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target, bridge=program("v2ray"), level="debug")
    # V2Ray takes the names that it does not know for targets: here these end at once, and no name server is asked
    bridge = tunnel.documents["bridge"]
    bridge["outbounds"].append({"tag": "nowhere", "protocol": "blackhole"})
    bridge["routing"]["rules"].insert(0, documents.rule("nowhere", domain=[f"full:{name}" for name in UNKNOWN]))
    tunnel.up()
    until(f"the portal tries {V2RAY}", lambda: f"trying {V2RAY}" in tunnel.portal.log, FOUND_OUT_S)
    assert tunnel.portal.log.count("bridge connected") == 1
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda size: download_is_whole(tunnel.port, size), range(1, 270)))
    until("V2Ray opens a second carrier", lambda: tunnel.portal.log.count("bridge connected") == 2, FOUND_OUT_S)
    assert "draining a carrier after" in tunnel.portal.log
    assert "gone after" not in tunnel.portal.log        # the first one is not what the second replaces
    # what was found out is remembered: the second carrier is addressed in the right dialect at once
    assert tunnel.portal.log.count("does not understand") == 2
    assert is_served(tunnel.port, 5)


def test_a_dialect_that_is_set_is_used_from_the_start(processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target, bridge=program("v2ray"), level="debug")
    tunnel.documents["portal"]["reverse"]["portals"][0]["dialect"] = V2RAY
    tunnel.up()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda size: download_is_whole(tunnel.port, size), range(1, 270)))
    until("V2Ray opens a second carrier", lambda: tunnel.portal.log.count("bridge connected") == 2, FOUND_OUT_S)
    assert "does not understand" not in tunnel.portal.log
    assert "received request for udp:" not in tunnel.bridge.log.replace(f"udp:{V2RAY}", "")
