"""A service that the wizard exposed is reached: our portal, and the far side's file run by its own core."""

from __future__ import annotations

import datetime

import pytest

from dashboard.engine.exposing import Carrier, Service, expose, new_document
from dashboard.engine.identity import self_signed
from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import LOCALHOST, XREV, Processes, free_port, until
from tests.support.target import Target, download_is_whole, is_served, udp_echo

KINDS: list[tuple[str, Carrier]] = [("xrev", "vmess"), ("xrev", "vless"), ("v2ray-4", "vmess"), ("v2ray-4", "vless")]


@pytest.mark.parametrize(("core", "carrier"), KINDS)
@pytest.mark.parametrize("network", ["tcp", "udp"])
def test_the_public_port_leads_to_the_service(
    core: str, carrier: Carrier, network: str, processes: Processes, target: Target
) -> None:
    identity = self_signed("home.xrev.internal", datetime.datetime.now(datetime.UTC)) if carrier == "vless" else None
    service = Service(
        name="home", target_host=LOCALHOST, target_port=target.port if network == "tcp" else target.udp_port, networks=(network,),
        public_listen=LOCALHOST, public_port=free_port(), portal_host=LOCALHOST, carrier_port=free_port(), carrier=carrier,
        core=core, user_id=documents.UUID, identity=identity,
    )
    exposed = expose(service)
    processes.run_document("portal", XREV, new_document(exposed)).await_port(service.carrier_port)
    processes.run_document("far", XREV if core == "xrev" else program("v2ray"), exposed.far)
    if network == "tcp":
        until("the service answers", lambda: is_served(service.public_port), 20)
        assert download_is_whole(service.public_port, 1 << 20)
    else:
        assert udp_echo(service.public_port, b"hello", 20) == b"hello"
