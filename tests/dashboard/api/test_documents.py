from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.models import Instance
from tests.dashboard.api.conftest import DOCUMENT

pytestmark = pytest.mark.django_db


@pytest.fixture
def reads_all(ada: User, with_token: Callable[..., APIClient]) -> APIClient:
    return with_token(ada, may_read_secrets=True)


def test_what_is_exported_can_be_imported(reads_all: APIClient, edge: Instance) -> None:
    address = f"/api/v1/instances/{edge.pk}/document/"
    exported = reads_all.get(f"{address}?secrets=1")
    assert json.loads(exported.content) == DOCUMENT
    text = exported.content.decode().replace("443", "8443", 1)
    tried = reads_all.put(f"{address}?dry_run=1", text, content_type="text/plain").json()
    assert [change["text"] for change in tried["changes"]] == ["port of inbound web 443 -> 8443"]
    assert edge.inbounds.get().port == "443"
    done = reads_all.put(address, f"// a comment\n{text}", content_type="text/plain", HTTP_IF_MATCH=exported["ETag"])
    assert done.status_code == 200
    assert edge.inbounds.get().port == "8443"
    assert reads_all.put(address, text, content_type="text/plain", HTTP_IF_MATCH=exported["ETag"]).status_code == 412


def test_a_masked_export_and_a_broken_text_are_refused_with_their_place(api: APIClient, edge: Instance) -> None:
    address = f"/api/v1/instances/{edge.pk}/document/"
    masked = api.get(address).content.decode()
    answer = api.put(address, masked, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_document")
    assert answer.json()["errors"][0]["path"] == "inbounds[0].settings.clients[0].id"
    broken = api.put(address, '{\n "log": }', content_type="application/json").json()
    assert broken["errors"][0]["message"].startswith("line 2, column 9: ")


def test_publish_conflict_rollback_and_discard(api: APIClient, edge: Instance) -> None:
    base = f"/api/v1/instances/{edge.pk}/"
    refused = api.post(f"{base}publish/", {"comment": "first", "expected_number": 0}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "has_warnings")
    first = api.post(f"{base}publish/", {"comment": "first", "expected_number": 0, "accept_warnings": True}, format="json")
    assert (first.status_code, first.json()["number"]) == (201, 1)
    assert api.post(f"{base}publish/", {"accept_warnings": True}, format="json").json()["code"] == "nothing_to_publish"
    web = edge.inbounds.get()
    api.patch(f"/api/v1/inbounds/{web.pk}/", {"body": {**web.entry, "port": 8443}}, format="json")
    assert api.get(base).json()["has_unpublished_changes"] is True
    late = api.post(f"{base}publish/", {"expected_number": 0, "accept_warnings": True}, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "publish_conflict")
    assert {"path": "yours", "message": "port of inbound web 443 -> 8443"} in late.json()["errors"]
    second = api.post(f"{base}publish/", {"expected_number": 1, "accept_warnings": True}, format="json").json()
    back = api.post(f"{base}rollback/", {"number": 1}, format="json").json()
    assert (back["number"], back["rolled_back_to"]) == (3, first.json()["id"])
    assert edge.inbounds.get().port == "443"
    assert api.post(f"{base}rollback/", {"number": 9}, format="json").status_code == 400
    listed = api.get(f"{base}revisions/").json()
    assert [one["number"] for one in listed["results"]] == [3, 2, 1]
    diff = api.get(f"/api/v1/revisions/{second['id']}/diff/").json()
    assert [one["text"] for one in diff] == ["port of inbound web 443 -> 8443"]
    api.patch(f"/api/v1/inbounds/{web.pk}/", {"body": {**web.entry, "port": 1}}, format="json")
    assert api.post(f"{base}discard/").json()["changes"][0]["text"] == "port of inbound web 1 -> 443"


def test_errors_stop_publishing(api: APIClient, edge: Instance) -> None:
    rule = edge.routingrules.get(position=2)
    api.patch(f"/api/v1/rules/{rule.pk}/", {"body": {**rule.entry, "outboundTag": "gone"}}, format="json")
    refused = api.post(f"/api/v1/instances/{edge.pk}/publish/", {"accept_warnings": True}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "has_errors")
    assert "routing.rules[2].outboundTag" in [one["path"] for one in refused.json()["errors"]]


def test_lint_and_explain(ada: User, with_token: Callable[..., APIClient], edge: Instance) -> None:
    reader = with_token(ada, scope="read")
    findings = reader.post(f"/api/v1/instances/{edge.pk}/lint/", {}, format="json").json()
    assert {"code", "severity", "path", "model", "id"} <= set(findings[0])
    question = {"host": "a.example", "port": 80, "inbound_tag": "web"}
    told = reader.post(f"/api/v1/instances/{edge.pk}/explain/", question, format="json")
    assert told.json()["target"] == "home"
    assert [rule["matched"] for rule in told.json()["rules"]] == [False, False, True]
    text = '{"routing": {"rules": [{"outboundTag": "gone", "port": 1}]}}'
    loose = reader.post("/api/v1/lint/", text, content_type="text/plain")
    assert "routing.rules[0].outboundTag" in [one["path"] for one in loose.json()]
    assert reader.post("/api/v1/lint/?core=nonsense", "{}", content_type="text/plain").status_code == 400
    assert reader.post(f"/api/v1/instances/{edge.pk}/publish/", {}, format="json").status_code == 403
