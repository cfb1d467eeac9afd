"""A panel, an agent that joined with the printed command, its workers and a tunnel: each a process of its own."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from proxycore.messages.patch import merge
from tests.support import documents
from tests.support.node import command_line, workers_of
from tests.support.panel import Served, served
from tests.support.processes import Process, free_port, until
from tests.support.target import Target, is_served

pytestmark = pytest.mark.timeout(240)

PATIENCE_S = 30.0
SOON_S = 5.0        # what the product does within two seconds, on a machine that does other things
_FIRST = """
from django.contrib.auth.models import User
from dashboard.services.tokens import create_token
ada = User.objects.create_superuser("ada", password="correct horse battery")
print(create_token(ada, by=None, name="test", scope="admin", may_read_secrets=True)[1])
"""

class Installation:
    """The panel, asked by REST, and the tunnel that its one node runs: portal and bridge are two instances."""

    def __init__(self, panel: Served, target: Target) -> None:
        self.panel = panel
        self.token = panel.python(_FIRST).strip().splitlines()[-1]
        self.port, self.carrier_port = free_port(), free_port()
        self.agent: Process | None = None
        self.portal = self._import("portal", documents.portal([documents.door("web", self.port, target.port)], self.carrier_port))
        self.bridge = self._import("bridge", documents.bridge(self.carrier_port))

    def ask(self, method: str, path: str, body: Any = None, text: str = "") -> Any:
        data = text.encode() if text else json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        kind = "text/plain" if text else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.panel.url}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:1000]}") from None
        return json.loads(said) if said else None

    def publish(self, instance: int, **options: Any) -> int:
        return int(self.ask("POST", f"instances/{instance}/publish/", {"accept_warnings": True, **options})["number"])

    @property
    def state_dir(self) -> Path:
        assert self.agent is not None
        return Path(self.agent.log_path.parent) / "home/.local/state/xrev-agent"

    def node(self) -> dict[str, Any]:
        (found,) = [one for one in self.ask("GET", "nodes/")["results"] if not one["is_local"]]
        return dict(found)

    def run(self, instance: int) -> dict[str, Any]:
        return dict(self.ask("GET", f"instances/{instance}/run/"))

    def join(self, folder: Path, **token: Any) -> None:
        """As a person does it: the command of the page, in a shell."""
        made = self.ask("POST", "join_tokens/", {"name": "edge", **token})
        home = folder / "home"
        home.mkdir()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["sh", "-c", f"exec 0<&-; {made['command']}"]
        environ = {"HOME": str(home), "PATH": path, "PYTHONPATH": os.getcwd()}
        self.agent = Process("agent", command, folder, environ)
        until("the node has joined", lambda: any(not one["is_local"] for one in self.ask("GET", "nodes/")["results"]), PATIENCE_S)

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "nodes/"))
        except OSError:
            return False

    def serves(self) -> bool:
        return is_served(self.port)

    def _import(self, name: str, document: dict[str, Any]) -> int:
        path = self.panel.folder / f"{name}.json"
        path.write_text(json.dumps(document))
        self.panel.manage("xray_import", str(path), "--name", name)
        (found,) = self.ask("GET", f"instances/?name={name}")["results"]
        return int(found["id"])

    def await_tunnel(self, patience_s: float = PATIENCE_S) -> None:
        until("the tunnel serves", self.serves, patience_s)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    one = Target()
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def site(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Everything runs, and the node was approved by a person."""
    with served("--without", "agent", "--without", "celery") as panel:
        one = Installation(panel, target)
        try:
            one.join(tmp_path_factory.mktemp("node"), approves=False)
            node = one.node()
            assert (node["name"], node["state"]) != ("", "approved")
            for instance in (one.portal, one.bridge):
                one.ask("PATCH", f"instances/{instance}/", {"node": node["id"]})
                one.publish(instance)
            time.sleep(1)
            assert not one.serves(), "nobody approved it yet"
            one.ask("POST", f"nodes/{node['id']}/approve/")
            one.await_tunnel()
            yield one
        except BaseException:
            if one.agent is not None:
                print(one.agent.log[-6000:])  # noqa: T201
            print(panel.log[-6000:])  # noqa: T201
            raise
        finally:
            if one.agent is not None:
                one.agent.end()


def test_the_state_and_what_moves_are_seen(site: Installation) -> None:
    nodes: dict[str, Any] = {}
    headers = {"Authorization": f"Bearer {site.token}"}
    with connect(f"ws{site.panel.url.removeprefix('http')}/ws/live/", additional_headers=headers, max_size=None) as socket:

        def follow() -> dict[str, Any]:
            while True:
                message = json.loads(socket.recv(PATIENCE_S))
                if message["type"] == "full":
                    nodes.clear()
                    nodes.update(message["nodes"])
                elif message["type"] == "patch":
                    merge(nodes, message["patch"]["nodes"])
                if "version" in message:
                    socket.send(json.dumps({"ack": message["version"]}))
                    return nodes

        def portal() -> dict[str, Any]:
            workers = follow().get(str(site.node()["id"]), {}).get("workers", {})
            return dict(workers.get(str(site.portal), {}).get("portals", {}).get("portal", {}))

        before = until("the portal has a carrier", lambda: (one := portal()).get("carriers") and one, PATIENCE_S, 0)
        begin = time.monotonic()
        assert site.serves()
        until("what moved is seen", lambda: portal().get("down", 0) > before.get("down", 0), SOON_S, 0)
        assert time.monotonic() - begin < SOON_S
    (carrier,) = before["carriers"].values()
    assert carrier["core"] == "xrev"


def test_a_client_that_is_switched_off_stops_at_once_and_comes_back(site: Installation) -> None:
    (client,) = site.ask("GET", "credentials/")["results"]
    site.ask("POST", f"credentials/{client['id']}/disable/")
    until("the carrier is cut", lambda: not site.serves(), SOON_S)
    site.ask("POST", f"credentials/{client['id']}/enable/")
    site.await_tunnel()


def test_a_paused_tunnel_takes_nobody_until_it_is_resumed(site: Installation) -> None:
    tunnel = {"instance": site.portal, "tunnel": "portal"}
    carriers = site.ask("POST", f"instances/{site.portal}/ask/", {"what": "pick", "arguments": {"tunnel": "portal"}})["carriers"]
    assert [one["is_chosen"] for one in carriers].count(True) == 1
    assert site.ask("POST", "tunnels/pause/", tunnel) == {"changed": True}
    until("nobody is served", lambda: not site.serves(), SOON_S)
    site.ask("POST", "outbounds/", {"instance": site.portal, "body": {"tag": "spare", "protocol": "freedom"}})
    number = site.publish(site.portal)
    until("another revision runs", lambda: site.run(site.portal)["applied"] == number, PATIENCE_S)
    assert not site.serves(), "it does not resume it"
    assert site.ask("POST", "tunnels/resume/", tunnel) == {"changed": True}
    site.await_tunnel(SOON_S)


def test_sessions_are_listed_and_closed_and_that_is_written_down(site: Installation) -> None:
    from tests.support.target import ask

    with ask(site.port, b"ECHO\n", 10) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        arguments = {"tunnel": "portal", "kind": "portal", "limit": 10}
        source = "{}:{}".format(*client.getsockname())

        def listed() -> list[dict[str, Any]]:
            answer = site.ask("POST", f"instances/{site.portal}/ask/", {"what": "sessions", "arguments": arguments})
            return [one for one in answer["sessions"] if one["source"] == source]

        (session,) = until("the session is listed", listed, SOON_S)
        done = site.ask("POST", f"instances/{site.portal}/ask/", {"what": "close", "arguments": {"ids": [session["id"]]}})
        assert done["closed"] == 1
        client.settimeout(SOON_S)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    (entry,) = site.ask("GET", "audit/?verb=closed")["results"]
    assert "1 closed" in entry["note"]


def test_limits_of_a_process_hold_from_its_next_start_on(site: Installation) -> None:
    site.ask("PATCH", f"instances/{site.bridge}/", {"memory_limit_mib": 512, "descriptor_limit": 777})

    def limits() -> tuple[int, int]:
        """Of the bridge's worker, while there is one."""
        pids = [pid for pid in workers_of(site.state_dir) if f"/{site.bridge}.sock" in command_line(pid)]
        if len(pids) != 1:
            return (0, 0)
        (pid,) = pids
        try:
            return (resource.prlimit(pid, resource.RLIMIT_DATA)[0], resource.prlimit(pid, resource.RLIMIT_NOFILE)[0])
        except ProcessLookupError:          # it has just ended
            return (0, 0)

    assert limits() != (512 * 2**20, 777)
    site.ask("POST", f"instances/{site.bridge}/ask/", {"what": "restart", "arguments": {}})
    until("the new worker has them", lambda: limits() == (512 * 2**20, 777), PATIENCE_S)
    site.await_tunnel()


def test_a_revision_waits_for_a_person(site: Installation) -> None:
    site.ask("POST", "outbounds/", {"instance": site.portal, "body": {"tag": "more", "protocol": "freedom"}})
    number = site.publish(site.portal, confirm_s=60, needs_confirm=True)
    until("it is applied", lambda: site.run(site.portal)["is_pending"], PATIENCE_S)
    assert site.ask("POST", f"instances/{site.portal}/confirm/", {"revision": number})["revision"] == number
    until("it stands", lambda: site.run(site.portal)["settled"] == number, PATIENCE_S)
    assert site.serves()


def test_the_panel_is_killed_and_the_tunnel_goes_on(site: Installation) -> None:
    from tests.support.target import ask

    with ask(site.port, b"ECHO\n", 10) as client:
        connected_at = site.node()["connected_at"]
        site.panel.kill_part("web")
        client.sendall(b"still here")
        assert client.recv(10) == b"still here"
        until("the panel answers", site.answers, PATIENCE_S)
        until("the node is back", lambda: (one := site.node())["is_up"] and one["connected_at"] != connected_at, PATIENCE_S)
        client.sendall(b"and now")
        assert client.recv(7) == b"and now"
    assert not site.ask("GET", "events/?kind=node_twice")["results"]


def test_a_paused_node_stops_and_a_revoked_one_for_good(site: Installation) -> None:
    """The web server that the agent is connected to is told by another process, a command's, too."""
    node = site.node()
    site.panel.manage("node", "pause", node["name"])
    until("the workers are stopped", lambda: not site.serves(), SOON_S + 5)
    site.ask("POST", f"nodes/{node['id']}/resume/")
    site.await_tunnel(10)
    site.ask("POST", f"nodes/{node['id']}/revoke/")
    agent = site.agent
    assert agent is not None
    until("the agent ends", lambda: agent.exit_code is not None, PATIENCE_S)
    assert not site.serves()
    assert not list(site.state_dir.glob("documents/*")), "nothing of it is left on the host"
