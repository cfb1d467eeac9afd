"""What the agent of this host finds when it starts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dashboard.choices import Standing
from dashboard.models import JoinToken, Node
from dashboard.services.instances import local_node
from dashboard.services.joining import join
from tests.support.panel import short_folder
from xrevsite.serving import local_agent

pytestmark = pytest.mark.django_db


def token(var: Path) -> str:
    path = var / "agent" / "join-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text().strip()


def test_a_host_that_has_not_joined_gets_a_token_for_its_own_node_and_one_use() -> None:
    with short_folder() as var:
        assert local_agent.prepare(var) == ""
        assert stat.S_IMODE((var / "agent").stat().st_mode) == 0o700
        node, _ = join(token(var), wished_name="other", version="1", address="127.0.0.1")
        assert (node.pk, node.name, node.state) == (local_node().pk, "local", Standing.APPROVED)
        assert not JoinToken.objects.usable().exists()
        (var / "agent" / "identity.json").write_text("{}")
        assert local_agent.prepare(var) == ""
        assert JoinToken.objects.count() == 1, "it has joined"


def test_an_identity_of_another_database_is_thrown_away() -> None:
    with short_folder() as var:
        (var / "agent").mkdir(mode=0o700)
        (var / "agent" / "identity.json").write_text("{}")
        assert local_agent.prepare(var) == ""
        assert not (var / "agent" / "identity.json").exists()
        assert token(var)


def test_a_node_that_was_revoked_stays_so() -> None:
    node = local_node()
    Node.objects.filter(pk=node.pk).update(state=Standing.REVOKED)
    with short_folder() as var:
        assert local_agent.prepare(var) == "the node of this host was revoked"
        assert not (var / "agent").exists()


def test_a_folder_with_too_long_a_name_is_said(tmp_path: Path) -> None:
    assert "too long a name" in local_agent.prepare(tmp_path / ("x" * 100))
