"""Why a tunnel is down, asked of a whole panel: the node and the workers of both ends are real."""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import Any

import pytest

from tests.support import documents
from tests.support.panel import Served, served
from tests.support.processes import free_port, until
from tests.support.target import Target, is_served

_log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(180)

SET_UP = """
import json
from django.contrib.auth.models import User
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
from dashboard.services.tokens import create_token
found = {}
for name, text in json.loads(DOCUMENTS).items():
    instance, _ = import_new(text, name=name, node=local_node(), by=None)
    publish(instance, by=None, accept_warnings=True)
    found[name] = instance.pk
ada = User.objects.create_superuser("ada", password="correct horse battery")
found["token"] = create_token(ada, by=None, name="test", scope="admin")[1]
print(json.dumps(found))
"""


class Api:
    def __init__(self, panel: Served, found: dict[str, Any]) -> None:
        self._panel = panel
        self.found = found

    def ask(self, method: str, path: str, body: object) -> Any:
        request = urllib.request.Request(
            f"{self._panel.url}/api/v1/{path}", json.dumps(body).encode(), method=method,
            headers={"Authorization": f"Bearer {self.found['token']}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def diagnose(self, name: str, tunnel: str, target: str = "") -> list[dict[str, Any]]:
        asked = {"instance": self.found[name], "tunnel": tunnel, "target": target}
        steps: list[dict[str, Any]] = self.ask("POST", "tunnels/diagnose/", asked)["steps"]
        _log.warning("%s", [f"{step['side']} {step['name']}: {step['outcome']}, {step['seen']}" for step in steps])
        return steps

    def put(self, name: str, document: documents.Json) -> None:
        """Another document, published."""
        self.ask("PUT", f"instances/{self.found[name]}/document/", document)
        self.ask("POST", f"instances/{self.found[name]}/publish/", {"accept_warnings": True})


def with_outcomes(steps: list[dict[str, Any]], wanted: set[str]) -> list[dict[str, Any]]:
    """The steps, if these are all their outcomes."""
    return steps if {step["outcome"] for step in steps} == wanted else []


def with_failed(steps: list[dict[str, Any]], wanted: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The steps, if these failed and no others."""
    return steps if failed(steps) == wanted else []


def failed(steps: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(step["side"], step["name"]) for step in steps if step["outcome"] == "failed"]


def test_from_both_ends(target: Target) -> None:
    public, carrier = free_port(), free_port()
    portal, bridge = documents.portal([documents.door("web", public, target.port)], carrier), documents.bridge(carrier)
    texts = json.dumps({"edge": json.dumps(portal), "home": json.dumps(bridge)})
    with served("--without", "celery,beat") as panel:
        api = Api(panel, json.loads(panel.python(f"DOCUMENTS = {texts!r}\n{SET_UP}")))
        until("the target answers through the tunnel", lambda: is_served(public), 60)
        # The tunnel serves before the agent's word on its revisions reaches the panel, which until then says so as a warning.
        well = until("nothing is wrong", lambda: with_outcomes(api.diagnose("edge", "portal"), {"ok"}), 20)
        assert len({(step["side"], step["title"]) for step in well}) == len(well), "nothing is said twice"
        assert [(step["side"], step["name"]) for step in well[-4:]] == [
            ("portal", "control"), ("bridge", "answer"), ("bridge", "control"), ("bridge", "target")]
        assert f"(127.0.0.1:{target.port})" in well[-1]["title"]

        closed = free_port()
        assert failed(api.diagnose("home", "bridge", f"127.0.0.1:{closed}")) == [("bridge", "target")]

        bridge["outbounds"][1]["settings"]["vnext"][0]["port"] = closed
        api.put("home", bridge)
        # Its carriers of before go on, since no other could be made: what is wrong is that none can.
        broken = until(
            "the node runs it", lambda: with_failed(api.diagnose("edge", "portal"), [("bridge", "tcp")]), 60)
        [tcp] = [step for step in broken if step["name"] == "tcp"]
        assert "nothing listens on this port" in tcp["cause"]
        assert documents.UUID not in json.dumps([well, broken])
