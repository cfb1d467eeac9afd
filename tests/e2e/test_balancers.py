"""Balancers with real processes behind them: one is killed, and the others carry on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.certificates import authority, pair
from tests.support.processes import LOCALHOST, XREV, Process, Processes, free_port, until
from tests.support.target import Target, is_served
from tests.support.web import Web, web_server

INTERVAL_S = 0.3
START_S = 20.0
MOVED_S = 8.0
"""One probe of each of two outbounds, the pauses, and plenty for a slow machine."""

IDS = ("5783a3e7-e373-51cd-8642-c83782b807c5", "27848739-7e62-4138-9fd3-098a63964b6b")

IN_A_ROW = 8
"""Served so many times, with two outbounds to choose from: it was no chance."""


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


def balancer(strategy: str, *, fallback: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {"tag": "b", "selector": ["out-"], "strategy": {"type": strategy}}
    return entry | ({"fallbackTag": fallback} if fallback else {})


def observatory(web: Web) -> dict[str, Any]:
    return {"subjectSelector": ["out-"], "probeURL": web.url, "probeInterval": f"{INTERVAL_S}s"}


class Farm:
    """A client of ours with two VMess servers behind a balancer; what it falls back to goes to `last_port` directly."""

    def __init__(self, processes: Processes, target: Target, server: str, last_port: int = 0) -> None:
        self.processes = processes
        self.program = program(server)
        self.ports = {name: free_port() for name in ("a", "b")}
        self.port = free_port()
        self.servers: dict[str, Process] = {}
        for name in self.ports:
            self.start(name)
        last = {"redirect": f"{LOCALHOST}:{last_port or free_port()}"}
        self.document = documents.proxy(
            [documents.door("web", self.port, target.port)],
            [
                {"tag": "last", "protocol": "freedom", "settings": last},
                *(documents.vmess_outbound(f"out-{name}", port) for name, port in self.ports.items()),
            ],
        )

    def start(self, name: str) -> None:
        document = documents.proxy([documents.vmess_inbound("in", self.ports[name])], [{"tag": "out", "protocol": "freedom"}])
        self.servers[name] = self.processes.run_document(f"server-{name}", self.program, document)
        self.servers[name].await_port(self.ports[name])

    def run(self, balancer: dict[str, Any], **sections: Any) -> Process:
        rule = {"type": "field", "inboundTag": ["web"], "balancerTag": "b"}
        routing = {"balancers": [balancer], "rules": [rule]}
        client = self.processes.run_document("client", XREV, {**self.document, "routing": routing, **sections})
        client.await_port(self.port)
        return client

    def is_steady(self) -> bool:
        return all(is_served(self.port) for _ in range(IN_A_ROW))


@pytest.mark.parametrize("server", ["xrev", "v2ray"])
def test_least_ping_moves_over_when_a_server_dies_and_back_when_it_is_there_again(
    server: str, processes: Processes, target: Target, web: Web
) -> None:
    farm = Farm(processes, target, server)
    client = farm.run(balancer("leastPing"), observatory=observatory(web))
    until("both answer", lambda: client.log.count("answers:") >= 2, START_S)
    assert farm.is_steady()
    farm.servers["a"].kill()
    until("its death is seen", lambda: "out-a does not answer" in client.log, MOVED_S)
    assert farm.is_steady()
    farm.start("a")
    until("the first one is seen again", lambda: client.log.count("out-a answers:") >= 2, MOVED_S)
    farm.servers["b"].kill()
    until("its death is seen", lambda: "out-b does not answer" in client.log, MOVED_S)
    assert farm.is_steady()


def test_random_with_a_fallback_leaves_dead_servers_out_and_falls_back_when_all_are_dead(
    processes: Processes, target: Target, web: Web
) -> None:
    farm = Farm(processes, target, "v2ray", target.port)
    client = farm.run(balancer("random", fallback="last"), observatory=observatory(web) | {"enableConcurrency": True})
    until("both answer", lambda: client.log.count("answers:") >= 2, START_S)
    farm.servers["b"].kill()
    until("the other server does it all", farm.is_steady, MOVED_S)
    farm.servers["a"].kill()
    until("the fallback does it all", farm.is_steady, MOVED_S)


def test_least_load_chooses_by_what_a_burst_observatory_sees_at_the_start(
    processes: Processes, target: Target, web: Web
) -> None:
    farm = Farm(processes, target, "v2ray")
    farm.servers["a"].kill()
    ping = {"destination": web.url, "interval": "10s", "sampling": 2, "httpMethod": "GET"}
    client = farm.run(balancer("leastLoad"), burstObservatory={"subjectSelector": ["out-"], "pingConfig": ping})
    until("both were probed", lambda: "out-a does not answer" in client.log and "out-b answers:" in client.log, START_S)
    assert farm.is_steady()
    assert "GET /204" in web.asked


def test_probes_over_tls_check_the_certificate(processes: Processes, target: Target) -> None:
    folder = processes.folder
    (folder / "authority.pem").write_text(authority().pem)
    with web_server(pair(LOCALHOST)) as web:
        farm = Farm(processes, target, "xrev")
        routing = {"balancers": [balancer("leastPing")], "rules": [{"inboundTag": ["web"], "balancerTag": "b"}]}
        path = folder / "tls.json"
        path.write_text(json.dumps({**farm.document, "routing": routing, "observatory": observatory(web)}))
        trusting = processes.start("trusting", [*XREV, str(path)], {**os.environ, "SSL_CERT_FILE": str(folder / "authority.pem")})
        until("both answer", lambda: trusting.log.count("answers:") >= 2, START_S)
        assert farm.is_steady()
        trusting.end()
        wary = processes.start("wary", [*XREV, str(path)])
        until("nobody is believed", lambda: wary.log.count("does not answer: TLS: the certificate is not accepted") >= 2, START_S)


def test_a_tunnel_without_its_bridge_is_passed_over_at_once(processes: Processes, target: Target) -> None:
    port, carrier_ports = free_port(), {name: free_port() for name in ("1", "2")}
    names = {name: f"tunnel{name}.internal" for name in carrier_ports}
    inbounds = [documents.door("web", port, target.port)]
    inbounds += [documents.vmess_inbound(f"interconn{name}", carrier_port) for name, carrier_port in carrier_ports.items()]
    rules = [documents.rule(f"portal{name}", inboundTag=[f"interconn{name}"]) for name in names]
    rules.append({"type": "field", "inboundTag": ["web"], "balancerTag": "b"})
    portal = processes.run_document("portal", XREV, {
        "log": documents.log(),
        "reverse": {"portals": [{"tag": f"portal{name}", "domain": domain} for name, domain in names.items()]},
        "inbounds": inbounds,
        "outbounds": [{"tag": "refuse", "protocol": "blackhole"}],
        "routing": {"balancers": [{"tag": "b", "selector": ["portal"], "strategy": {"type": "roundRobin"}}], "rules": rules},
    })
    portal.await_port(port)
    bridges = {}
    for name, carrier_port in carrier_ports.items():
        text = json.dumps(documents.bridge(carrier_port)).replace(documents.DOMAIN, names[name])
        bridges[name] = processes.run_document(f"bridge{name}", program("xrev"), json.loads(text))
    until("both bridges are there", lambda: portal.log.count("bridge connected") >= 2, START_S)
    connections = target.connections
    assert all(is_served(port) for _ in range(IN_A_ROW))
    assert target.connections == connections + IN_A_ROW
    bridges["1"].kill()
    until("the portal knows", lambda: "portal portal1: bridge from" in portal.log, MOVED_S)
    assert all(is_served(port) for _ in range(IN_A_ROW))


def test_what_was_observed_outlives_a_changed_document(processes: Processes, target: Target, web: Web) -> None:
    farm = Farm(processes, target, "xrev")
    farm.servers["a"].kill()
    client = farm.run(balancer("random"), observatory=observatory(web) | {"probeInterval": "60s", "enableConcurrency": True})
    until("both were probed", lambda: "out-a does not answer" in client.log and "out-b answers:" in client.log, START_S)
    path = processes.folder / "client.json"
    document = json.loads(path.read_text())
    document["routing"]["balancers"] = [balancer("leastPing")]
    path.write_text(json.dumps(document))
    client.send_signal(signal.SIGHUP)
    until("the new balancer is at work", farm.is_steady, MOVED_S)
    assert client.log.count("answers:") == 1        # the next probe is due in a minute


def own_bridge(number: int, carrier_port: int) -> dict[str, Any]:
    """A bridge of VLESS's own reverse tunnel."""
    up = {
        "address": LOCALHOST, "port": carrier_port, "id": IDS[number], "encryption": "none", "reverse": {"tag": "back"}}
    return {
        "log": documents.log(),
        "outbounds": [{"tag": "up", "protocol": "vless", "settings": up}, {"tag": "out", "protocol": "freedom"}],
        "routing": {"rules": [documents.rule("out", inboundTag=["back"])]},
    }


def test_least_ping_probes_vless_tunnels_through_their_bridges(processes: Processes, target: Target, web: Web) -> None:
    port, carrier_port = free_port(), free_port()
    clients = [{"id": uuid, "email": f"bridge{number}", "reverse": {"tag": f"out-{number}"}} for number, uuid in enumerate(IDS)]
    inbound = {
        "tag": "interconn", "listen": LOCALHOST, "port": carrier_port, "protocol": "vless",
        "settings": {"decryption": "none", "clients": clients}}
    document = documents.proxy(
        [documents.door("web", port, target.port), inbound],
        [{"tag": "refuse", "protocol": "blackhole"}])
    document["observatory"] = observatory(web)
    document["routing"] = {
        "balancers": [balancer("leastPing", fallback="out-0")], "rules": [{"inboundTag": ["web"], "balancerTag": "b"}]}
    portal = processes.run_document("portal", XREV, document)
    portal.await_port(carrier_port)
    assert not web.asked
    bridges = [processes.run_document(f"bridge{number}", XREV, own_bridge(number, carrier_port)) for number in range(len(IDS))]
    until("both answer", lambda: portal.log.count("answers:") >= 2, START_S)
    assert all(is_served(port) for _ in range(IN_A_ROW))
    for number, bridge in enumerate(bridges):
        bridge.kill()
        until("the portal knows", lambda tag=f"out-{number}": f"portal {tag}: bridge from" in portal.log, MOVED_S)
        if number == 0:
            assert all(is_served(port) for _ in range(IN_A_ROW))
    assert not is_served(port)


CORE_SAYS = [
    ({"tag": "b", "selector": ["a"]}, True),
    ({"tag": "b", "selector": "a,d"}, True),
    ({"tag": "b", "selector": [""]}, True),
    ({"tag": "b", "selector": ["zz"]}, True),
    ({"tag": "b", "selector": []}, False),
    ({"tag": "b"}, False),
    ({"tag": "", "selector": ["a"]}, False),
    ({"tag": "other", "selector": ["a"]}, False),
]


@pytest.mark.parametrize(("entry", "is_accepted"), CORE_SAYS, ids=[json.dumps(entry) for entry, _ in CORE_SAYS])
def test_v2ray_accepts_the_balancers_that_we_accept(entry: dict[str, Any], is_accepted: bool, processes: Processes) -> None:
    path = processes.folder / "document.json"
    path.write_text(json.dumps({
        "outbounds": [{"tag": tag, "protocol": "freedom"} for tag in ("d", "a1", "a2")],
        "inbounds": [documents.door("web", free_port(), 80)],
        "routing": {"balancers": [entry], "rules": [{"type": "field", "inboundTag": ["web"], "balancerTag": "b"}]},
    }))
    v2ray, *_ = program("v2ray")
    ours = subprocess.run([*XREV, "--check", str(path)], capture_output=True, check=False, timeout=30)
    theirs = subprocess.run([v2ray, "-test", "-config", str(path)], capture_output=True, check=False, timeout=30)
    assert (ours.returncode == 0, theirs.returncode == 0) == (is_accepted, is_accepted)


def test_a_document_with_a_balancer_serves_under_ours_and_under_v2ray(processes: Processes, target: Target) -> None:
    for name in ("xrev", "v2ray"):
        port = free_port()
        document = documents.proxy(
            [documents.door("web", port, target.port)],
            [{"tag": "refuse", "protocol": "blackhole"}, *({"tag": tag, "protocol": "freedom"} for tag in ("a1", "a2"))])
        document["routing"] = {
            "balancers": [{"tag": "b", "selector": ["a"]}],
            "rules": [{"type": "field", "inboundTag": ["web"], "balancerTag": "b"}],
        }
        processes.run_document(name, program(name), document).await_port(port)
        assert all(is_served(port) for _ in range(IN_A_ROW))
