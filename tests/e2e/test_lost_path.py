"""A tunnel whose path is lost without a word: packets vanish, or the bridge is suddenly somewhere else."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support import documents
from tests.support.networks import Host, two_hosts, why_not
from tests.support.processes import XREV, Process, Processes, until

ANSWER = b"here\n"
TARGET_PORT, PUBLIC_PORT, CARRIER_PORT = 8000, 8001, 8002

LOST_S = 6.0
"""From the loss to the next client that is served."""

MOVED_S = 3.0


@pytest.fixture(scope="module", autouse=True)
def _networks() -> None:
    reason = why_not()
    if reason:
        if os.environ.get("XREV_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


class Scene:
    """The portal on one host, the bridge and the target on another."""

    def __init__(self, processes: Processes, here: Host, there: Host) -> None:
        self.here, self.there = here, there
        self._listener = there.call(lambda: socket.create_server(("127.0.0.1", TARGET_PORT), backlog=128))
        threading.Thread(target=self._serve, daemon=True).start()
        portal = documents.portal([documents.door("web", PUBLIC_PORT, TARGET_PORT)], CARRIER_PORT)
        for inbound in portal["inbounds"]:
            inbound["listen"] = "0.0.0.0"
        bridge = documents.bridge(CARRIER_PORT)
        for outbound in bridge["outbounds"]:
            for server in outbound.get("settings", {}).get("vnext", ()):
                server["address"] = here.address
        self.portal: Process = processes.run_document("portal", here.command(*XREV), portal)
        self.bridge: Process = processes.run_document("bridge", there.command(*XREV), bridge)
        until("the target answers", self.is_served, 30)
        until("both know each other", lambda: "is one of ours" in self.portal.log, 20)
        time.sleep(2.5)         # a carrier that is lost at once would be dialled with a pause
        self.carriers_before = self.carriers()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.sendall(ANSWER)

    def is_served(self) -> bool:
        def ask() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", PUBLIC_PORT), 1) as client:
                    client.settimeout(1)
                    return client.recv(16) == ANSWER
            except OSError:
                return False

        return self.here.call(ask)

    def outage_s(self) -> float:
        """From now to the next client that is served by another carrier, with clients coming all the time."""
        begin = time.monotonic()
        until("clients are served again", lambda: self.is_served() and self.carriers() > self.carriers_before, 30)
        return time.monotonic() - begin

    def carriers(self) -> int:
        """How many there have been. (A bridge may have another one before a test could see that it lost the first.)"""
        return self.portal.log.count("bridge connected")


@pytest.fixture
def scene(processes: Processes) -> Iterator[Scene]:
    with two_hosts() as (here, there):
        scene = Scene(processes, here, there)
        try:
            yield scene
        finally:
            processes.end_all()
            scene.close()


def test_a_connection_that_goes_silent_is_replaced(scene: Scene) -> None:
    port = re.findall(r"bridge connected from 10\.99\.0\.2:(\d+)", scene.portal.log)[-1]
    scene.here.drop("tcp", "sport", port)
    scene.here.run("nft", f"add rule inet xrev output tcp dport {port} drop")
    assert scene.outage_s() < LOST_S


def test_a_path_that_comes_back_is_used_at_once(scene: Scene) -> None:
    scene.there.drop("ip", "daddr", scene.here.address)
    time.sleep(8)
    scene.there.heal()
    begin = time.monotonic()
    until("clients are served again", scene.is_served, 30)
    assert time.monotonic() - begin < LOST_S


def test_a_bridge_that_is_somewhere_else_suddenly_is_found_there(scene: Scene) -> None:
    scene.there.run("ip", "address", "del", f"{scene.there.address}/24", "dev", "cable")
    scene.there.run("ip", "address", "add", "10.99.0.3/24", "dev", "cable")
    assert scene.outage_s() < MOVED_S
