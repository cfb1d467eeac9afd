"""node_token and node as one types them; that an agent does what they say is in tests/e2e/test_panel_and_agent.py."""

from __future__ import annotations

import json

import pytest

from dashboard.choices import Standing
from dashboard.models import JoinToken, Node
from tests.dashboard.management.test_documents import refused, run

pytestmark = pytest.mark.django_db


def test_a_token_is_for_one_node_which_is_made() -> None:
    said = json.loads(run("node_token", "--name", "attic", "--panel", "https://panel.example", "--format", "json"))
    assert said["node"] == Node.objects.get(name="attic").pk
    assert said["token"] in said["command"]
    assert "https://panel.example" in said["command"]
    assert JoinToken.objects.get().approves
    assert run("node_token", "--name", "attic").startswith("Type this on the host, within ")


def test_a_token_for_several_hosts_lets_them_wait_for_approval() -> None:
    assert "Then approve the node on the panel's page of nodes." in run("node_token", "--name", "shelf", "--uses", "3")
    assert not Node.objects.filter(name="shelf").exists()
    assert refused("node_token", "--name", "x", "--approve", "--ask-first") == ("--approve and --ask-first say the opposite", 1)
    assert refused("node_token", "--name", "x", "--hours", "0")[1] == 1


def test_a_node_is_paused_resumed_and_revoked() -> None:
    node = Node.objects.create(name="attic", state=Standing.APPROVED)
    for act, state in (("pause", Standing.PAUSED), ("resume", Standing.APPROVED), ("revoke", Standing.REVOKED)):
        assert run("node", act, "attic") == f"attic is {state.label}.\n"
        node.refresh_from_db()
        assert node.state == state
    assert refused("node", "pause", "attic")[0] == f"attic is {Standing.REVOKED.label}: nothing to pause"
    assert refused("node", "pause", "cellar")[0].startswith("there is no node cellar; there are: ")
    assert "attic: revoked, not connected, never seen" in run("node")
    assert [one["state"] for one in json.loads(run("node", "list", "--format", "json")) if one["name"] == "attic"] == ["revoked"]
