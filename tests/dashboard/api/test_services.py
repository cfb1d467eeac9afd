"""Exposing a service by REST."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Instance, Node, Revision, Service
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db


@pytest.fixture
def wish() -> dict[str, Any]:
    return {"name": "nas", "target_host": "192.168.1.10", "target_port": 80, "node": local_node().pk,
            "portal_host": "edge.example.net", "core": "v2ray-4"}


def test_a_service_is_planned_exposed_read_and_taken_down(
    api: APIClient, ada: User, with_token: Callable[..., APIClient], wish: dict[str, Any]
) -> None:
    planned = api.post("/api/v1/services/plan/", wish, format="json").json()
    assert (planned["near"]["instance"], planned["near"]["is_new"], planned["version"]) == ("nas-portal", True, None)
    assert MASK in json.dumps(planned["far"]["document"], ensure_ascii=False)
    assert not Service.objects.exists()
    made = api.post("/api/v1/services/", wish, format="json")
    assert made.status_code == 201, made.content
    assert "no-store" in made["Cache-Control"]
    service, row = made.json(), Service.objects.get()
    assert (service["public_port"], service["carrier_port"]) == (planned["public_port"], planned["carrier_port"])
    assert service["file"] == json.loads(row.far_document)
    assert Revision.objects.get().instance_id == service["instance"]
    address = f"/api/v1/services/{row.pk}/"
    assert "file" not in api.get(address).json()
    assert MASK in api.get(f"{address}file/").content.decode()
    assert api.get(f"{address}file/?secrets=1").status_code == 403
    assert with_token(ada, may_read_secrets=True).get(f"{address}file/?secrets=1").json() == service["file"]
    assert AuditEntry.objects.filter(verb="exported", object_type="service").count() == 2
    assert api.delete(address).status_code == 204
    assert not Instance.objects.exists()


def test_it_is_added_to_an_instance_of_which_the_plan_was_seen(api: APIClient, edge: Instance, wish: dict[str, Any]) -> None:
    home = Node.objects.create(name="home")
    wish |= {"node": None, "instance": edge.pk, "core": "xrev", "far_node": home.pk, "publish": False}
    version = api.post("/api/v1/services/plan/", wish, format="json").json()["version"]
    late = api.post(f"/api/v1/services/?version={version + 1}", wish, format="json")
    assert (late.status_code, late.json()["code"]) == (412, "version_conflict")
    made = api.post(f"/api/v1/services/?version={version}", wish, format="json").json()
    assert (made["instance"], Instance.objects.get(pk=made["far_instance"]).node) == (edge.pk, home)
    assert not Revision.objects.exists()


@pytest.mark.parametrize(("wrong", "path"), [
    ({"node": None}, "node"), ({"name": "No Name"}, "name"), ({"target_host": "a b"}, "target_host"), ({"core": "x"}, "core"),
    ({"carrier": "vmess", "core": "xray"}, "carrier"), ({"public_port": 70000}, "public_port"),
    ({"public_port": 9000, "carrier_port": 9000}, "carrier_port"), ({"networks": "icmp"}, "networks"), ({"node": 999}, "node"),
])
def test_what_does_not_fit_is_said_at_its_field(api: APIClient, wish: dict[str, Any], wrong: dict[str, Any], path: str) -> None:
    for address in ("/api/v1/services/plan/", "/api/v1/services/"):
        answer = api.post(address, {**wish, **wrong}, format="json")
        assert answer.status_code == 400, answer.content
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert not Service.objects.exists()


def test_a_token_for_some_instances_exposes_nothing(
    ada: User, with_token: Callable[..., APIClient], edge: Instance, wish: dict[str, Any]
) -> None:
    limited = with_token(ada, instances=[edge])
    assert limited.post("/api/v1/services/", {**wish, "node": None, "instance": edge.pk}, format="json").status_code == 403
    assert limited.post(f"/api/v1/instances/{edge.pk}/clone/", {"name": "copy"}, format="json").status_code == 403
    assert Instance.objects.count() == 1
