"""What the panel says of a tunnel before it asks anybody; what the ends say is tested beside them and in tests/e2e."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from dashboard.choices import Standing
from dashboard.models import Instance, InstanceRun, Node, Service
from dashboard.services.diagnosing import diagnose
from dashboard.services.errors import ServiceError
from dashboard.services.importing import import_new
from dashboard.services.instances import change_instance, create_instance
from dashboard.services.publishing import publish
from dashboard.services.tokens import create_token
from tests.dashboard.services.test_conditions import BRIDGE, ID, PORTAL

OTHER_ID = "27848739-7e62-4138-9fd3-098a63964b6b"


@pytest.fixture
def node(db: None) -> Node:
    return Node.objects.create(name="edge", state=Standing.APPROVED)


def published(node: Node, document: Any, name: str) -> Instance:
    instance, _ = import_new(json.dumps(document), name=name, node=node, by=None)
    publish(instance, by=None, accept_warnings=True)
    return instance


@pytest.fixture
def portal(node: Node) -> Instance:
    return published(node, PORTAL, "portal")


def first_failed(instance: Instance, tag: str) -> tuple[str, str]:
    line = next(line for line in diagnose(instance, tag, by=None) if line["outcome"] == "failed")
    assert line["cause"]
    assert line["remedy"]
    return line["name"], f"{line['title']}: {line['seen']}"


def test_a_node_that_is_gone(portal: Instance, node: Node) -> None:
    assert first_failed(portal, "home") == ("node", "The node edge is connected: never heard of")
    Node.objects.update(last_seen_at=timezone.now())
    assert "last heard of on" in first_failed(portal, "home")[1]


@pytest.mark.parametrize("state", [Standing.WAITING, Standing.PAUSED, Standing.REVOKED, Standing.NEW])
def test_a_node_that_may_run_nothing(portal: Instance, state: Standing) -> None:
    Node.objects.update(state=state, is_up=True)
    assert first_failed(portal, "home") == ("node", f"The node edge may run it: it is {state.label}")


def test_an_instance_that_is_off(portal: Instance) -> None:
    change_instance(portal, by=None, enabled=False)
    assert first_failed(portal, "home") == ("enabled", "portal is switched on: it is off")


def test_an_instance_that_was_never_published(node: Node) -> None:
    instance, _ = import_new(json.dumps(PORTAL), name="portal", node=node, by=None)
    assert first_failed(instance, "home") == ("published", "portal is published: nothing of it was published yet")


def test_a_document_that_the_node_cannot_run(portal: Instance, node: Node) -> None:
    Node.objects.update(is_up=True)
    problem = {"path": "inbounds[0].port", "text": "port 8080 is taken", "line": 3, "column": 9}
    InstanceRun.objects.create(instance=portal, refused=1, problems=[problem])
    assert first_failed(portal, "home") == ("applied", "Revision 1 of portal runs: inbounds[0].port: port 8080 is taken")


@pytest.mark.parametrize(("known", "outcome"), [(True, "ok"), (False, "failed")])
def test_whether_the_portal_knows_the_bridges_id(portal: Instance, node: Node, known: bool, outcome: str) -> None:
    published(node, BRIDGE if known else json.loads(json.dumps(BRIDGE).replace(ID, OTHER_ID)), "far")
    [line] = [line for line in diagnose(portal, "home", by=None) if line["name"] == "credential"]
    assert line["outcome"] == outcome
    assert ID not in str(line)


def test_the_domain_of_a_service_was_changed_at_one_end(portal: Instance, node: Node) -> None:
    far = published(node, json.loads(json.dumps(BRIDGE).replace("home.example", "other.example").replace(ID, OTHER_ID)), "far")
    Service.objects.create(
        name="home", instance=portal, far_instance=far, core="xrev", target_host="127.0.0.1", target_port=80, public_port=8080,
        portal_host="127.0.0.1", carrier="vless", carrier_port=8081)
    [line] = [line for line in diagnose(portal, "home", by=None) if line["name"] in ("pair", "domain", "credential")]
    assert (line["outcome"], line["seen"]) == ("failed", "far has no bridge with the domain home.example")


def test_a_far_side_of_somebody_else_is_not_tried(portal: Instance) -> None:
    pair = next(line for line in diagnose(portal, "home", by=None) if line["name"] == "pair")
    assert pair["outcome"] == "skipped"


def test_a_bridge_alone_is_found_by_its_tag(node: Node) -> None:
    far = published(node, BRIDGE, "far")
    assert first_failed(far, "b")[0] == "node"


def test_there_has_to_be_such_a_tunnel(portal: Instance, node: Node) -> None:
    other = create_instance(name="other", node=node, by=None)
    for instance, tag in ((portal, "nobody"), (portal, ""), (other, "home")):
        with pytest.raises(ServiceError, match="has no tunnel"):
            diagnose(instance, tag, by=None)


def test_the_command_says_it_in_lines_and_by_its_exit_code(portal: Instance) -> None:
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("diagnose", "portal", "home", stdout=out)
    assert ended.value.returncode == 1
    assert "FAILED     panel   The node edge is connected: never heard of" in out.getvalue()
    assert "what to do: look at the agent on edge" in out.getvalue()
    for wrong in (("nobody", "home"), ("portal", "nobody")):
        with pytest.raises(CommandError, match=r"there is no|has no"):
            call_command("diagnose", *wrong, stdout=StringIO())


def test_the_api_says_the_same(portal: Instance, ada: Any) -> None:
    api = APIClient()
    api.force_authenticate(ada)
    answer = api.post("/api/v1/tunnels/diagnose/", {"instance": portal.pk, "tunnel": "home"}, format="json")
    assert answer.status_code == 200
    assert [step["name"] for step in answer.json()["steps"] if step["outcome"] == "failed"] == ["node"]
    for wrong in ({"tunnel": "nobody"}, {"tunnel": ""}, {"instance": "x"}, {"target": "x"}, {"target": "a b:1"}):
        refused = api.post("/api/v1/tunnels/diagnose/", {"instance": portal.pk, "tunnel": "home", **wrong}, format="json")
        assert refused.status_code in (400, 409, 422), refused.content
        assert next(iter(wrong)) in refused.content.decode()


def test_a_token_for_some_instances_hears_of_their_ends_only(portal: Instance, node: Node, ada: Any) -> None:
    far = published(node, json.loads(json.dumps(BRIDGE).replace(ID, OTHER_ID)), "far")
    Service.objects.create(
        name="home", instance=portal, far_instance=far, core="xrev", target_host="127.0.0.1", target_port=80, public_port=8080,
        portal_host="127.0.0.1", carrier="vless", carrier_port=8081)
    assert {line["name"] for line in diagnose(far, "b", by=None)} == {"node", "credential"}
    for mine, tunnel in ((portal, "home"), (far, "b")):
        _, text = create_token(ada, by=ada, name="t", instances=[mine])
        api = APIClient()
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        body = {"instance": mine.pk, "tunnel": tunnel}
        answer = api.post("/api/v1/tunnels/diagnose/", body, format="json")
        assert {step["name"] for step in answer.json()["steps"]} <= {"node", "pair"}
        refused = api.post("/api/v1/tunnels/diagnose/", {**body, "target": "10.0.0.1:22"}, format="json")
        assert refused.status_code == 403
