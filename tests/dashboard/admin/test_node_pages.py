from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from dashboard.choices import Standing
from dashboard.models import AuditEntry, JoinToken, Node
from dashboard.services.instances import local_node

LIST = reverse("admin:dashboard_node_changelist")
JOIN = reverse("admin:dashboard_node_join")
ASKED = {"name": "cellar", "uses": "1", "hours": "24", "approves": "on"}

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_the_list_and_a_node_are_for_who_may_see_nodes(as_vera: Client, as_sam: Client) -> None:
    node = local_node()
    page = reverse("admin:dashboard_node_change", args=[node.pk])
    for address in (LIST, page):
        assert as_sam.get(address).status_code == 403
        assert 'id="live-data"' in shown(as_vera, address)
    assert "Join a host" not in shown(as_vera, LIST)


def test_an_address_of_no_node_is_not_found(as_ada: Client) -> None:
    assert as_ada.get(reverse("admin:dashboard_node_change", args=["x"])).status_code == 404
    assert as_ada.get(f"{JOIN}?node=0").status_code == 404


def test_a_command_is_shown_once_to_who_lets_hosts_in(as_ada: Client, as_olaf: Client) -> None:
    assert as_olaf.get(JOIN).status_code == 403
    answer = as_ada.post(JOIN, ASKED)
    assert "no-store" in answer.headers["Cache-Control"]
    command = r"echo (xrevjoin_[\w-]+) \| python -m proxycore agent --panel (\S+) --token-file -"
    found = re.search(command, answer.content.decode())
    assert found is not None
    assert found[2] == "http://testserver"
    token = JoinToken.objects.get()
    assert (token.name, token.max_uses, token.approves, token.node) == ("cellar", 1, True, None)
    assert "xrevjoin_" not in shown(as_ada, JOIN)
    assert found[1] not in "".join(AuditEntry.objects.values_list("note", flat=True))


def test_what_cannot_be_is_said_at_its_field(as_ada: Client) -> None:
    node = Node.objects.create(name="cellar")
    answer = as_ada.post(JOIN, {**ASKED, "node": node.pk, "uses": "5"})
    assert answer.status_code == 400
    assert "can be used once" in answer.content.decode()
    assert as_ada.post(JOIN, {"name": "x", "uses": "no", "hours": "1e99"}).status_code == 400
    assert not JoinToken.objects.exists()


def test_a_command_that_was_made_is_revoked(as_ada: Client) -> None:
    as_ada.post(JOIN, ASKED)
    token = JoinToken.objects.get()
    as_ada.post(JOIN, {"revoke": token.pk})
    token.refresh_from_db()
    assert token.standing == "revoked"
    assert as_ada.post(JOIN, {"revoke": "x"}).status_code == 404


def test_a_node_that_is_revoked_while_it_is_renamed_stays_revoked(as_ada: Client, ada: User) -> None:
    node = Node.objects.create(name="cellar", state=Standing.APPROVED)
    api = APIClient()
    api.force_authenticate(ada)

    def revoke(**_: object) -> None:
        Node.objects.update(state=Standing.REVOKED)

    for name in ("attic", "roof"):
        Node.objects.update(state=Standing.APPROVED)
        pre_save.connect(revoke, sender=Node)
        try:
            if name == "attic":
                as_ada.post(reverse("admin:dashboard_node_change", args=[node.pk]), {"name": name, "address": "", "note": ""})
            else:
                api.patch(f"/api/v1/nodes/{node.pk}/", {"name": name}, format="json")
        finally:
            pre_save.disconnect(revoke, sender=Node)
        node.refresh_from_db()
        assert (node.name, node.state) == (name, Standing.REVOKED)


def test_a_node_can_still_be_renamed(as_ada: Client) -> None:
    node = local_node()
    page = reverse("admin:dashboard_node_change", args=[node.pk])
    as_ada.post(page, {"name": "edge", "address": "", "note": ""})
    node.refresh_from_db()
    assert node.name == "edge"
    assert as_ada.post(page, {"name": "", "address": ""}).status_code == 200


@pytest.mark.parametrize("state", [Standing.WAITING, Standing.APPROVED, Standing.PAUSED])
def test_a_node_that_may_come_is_revoked_before_it_is_deleted(as_ada: Client, ada: User, state: Standing) -> None:
    """Else its agent would go on with what it has."""
    node = Node.objects.create(name="cellar", state=state)
    page = reverse("admin:dashboard_node_delete", args=[node.pk])
    api = APIClient()
    api.force_authenticate(ada)
    assert as_ada.post(page, {"post": "yes"}).status_code == 403
    refused = api.delete(f"/api/v1/nodes/{node.pk}/")
    assert refused.status_code in (400, 409)
    assert "revoke cellar first" in refused.content.decode()
    Node.objects.update(state=Standing.REVOKED)
    as_ada.post(page, {"post": "yes"})
    assert not Node.objects.filter(pk=node.pk).exists()
