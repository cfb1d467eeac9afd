from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from tests.dashboard.api.conftest import ALICE, SECRET

pytestmark = pytest.mark.django_db
NAMES = ("inbounds", "outbounds", "portals", "bridges", "rules", "balancers", "credentials")


def first(api: APIClient, name: str) -> dict[str, Any]:
    row: dict[str, Any] = api.get(f"/api/v1/{name}/?page_size=1").json()["results"][0]
    return row


def test_an_entry_is_read_changed_and_deleted(api: APIClient, edge: Instance) -> None:
    web = first(api, "inbounds")
    assert (web["tag"], web["port"], web["body"]["settings"]["clients"]) == ("web", "443", [])
    address = f"/api/v1/inbounds/{web['id']}/"
    tag = api.get(address)["ETag"]
    changed = api.patch(address, {"body": {**web["body"], "port": 8443}}, format="json", HTTP_IF_MATCH=tag)
    assert (changed.status_code, changed.json()["port"]) == (200, "8443")
    assert int(changed["ETag"].strip('"')) == int(tag.strip('"')) + 1
    late = api.patch(address, {"enabled": False}, format="json", HTTP_IF_MATCH=tag)
    assert (late.status_code, late.json()["code"], late["Content-Type"]) == (412, "version_conflict", "application/problem+json")
    assert api.delete(f"{address}?anyway=1").status_code == 204
    assert api.get(address).status_code == 404


def test_secrets_are_masked_and_come_back_as_they_were(api: APIClient, edge: Instance) -> None:
    for name in NAMES:
        assert SECRET not in (text := json.dumps(api.get(f"/api/v1/{name}/").json()))
        assert ALICE not in text
    far = next(row for row in api.get("/api/v1/outbounds/").json()["results"] if row["tag"] == "far")
    assert far["body"]["settings"]["vnext"][0]["users"] == [{"id": MASK}]
    body = {**far["body"], "sendThrough": "127.0.0.1"}
    assert api.patch(f"/api/v1/outbounds/{far['id']}/", {"body": body}, format="json").status_code == 200
    assert edge.outbounds.get(tag="far").entry["settings"]["vnext"][0]["users"] == [{"id": SECRET}]


def test_secrets_are_for_tokens_that_may_read_them_and_ask(
    ada: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    without, allowed = with_token(ada), with_token(ada, may_read_secrets=True)
    assert without.get("/api/v1/credentials/?secrets=1").status_code == 403
    assert ALICE not in json.dumps(allowed.get("/api/v1/credentials/").json())
    assert allowed.get("/api/v1/credentials/?secrets=1").json()["results"][0]["body"]["id"] == ALICE
    line = AuditEntry.objects.order_by("-id")[0]
    assert (line.verb, line.token and line.token.may_read_secrets, line.address) == ("revealed", True, "127.0.0.1")
    assert ALICE in allowed.get(f"/api/v1/instances/{edge.pk}/document/?secrets=1").content.decode()


def test_errors_name_the_place(api: APIClient, edge: Instance) -> None:
    wrong = api.post("/api/v1/inbounds/", {"instance": edge.pk, "body": {"port": 99999, "protocol": "vmess"}}, format="json")
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "body.port")
    given = {"instance": edge.pk, "body": {"tag": "home", "protocol": "freedom"}}
    taken = api.post("/api/v1/outbounds/", given, format="json")
    assert (taken.status_code, taken.json()["code"], taken.json()["errors"][0]["path"]) == (409, "tag_taken", "tag")
    portal = first(api, "portals")
    broken = api.delete(f"/api/v1/portals/{portal['id']}/")
    assert (broken.status_code, broken.json()["errors"][0]["message"]) == (409, "rule number 3 goes to home")
    assert api.post("/api/v1/inbounds/", {"instance": edge.pk, "body": 5}, format="json").json()["errors"][0]["path"] == "body"
    assert api.post("/api/v1/inbounds/", '{"a": "\\ud800"}', content_type="application/json").status_code == 400
    assert api.post("/api/v1/inbounds/", "[" * 200_000, content_type="application/json").status_code == 400


def test_renaming_is_followed_when_that_is_asked_for(api: APIClient, edge: Instance) -> None:
    direct = edge.outbounds.get(tag="direct")
    address, body = f"/api/v1/outbounds/{direct.pk}/", {"body": {"tag": "out", "protocol": "freedom"}}
    assert api.patch(address, body, format="json").json()["code"] == "would_break"
    assert api.patch(f"{address}?on_rename=follow", body, format="json").status_code == 200
    assert edge.routingrules.filter(outbound_tag="out").count() == 1


def test_entries_are_switched_moved_and_cloned(api: APIClient, edge: Instance) -> None:
    last = edge.routingrules.get(position=2)
    moved = api.post(f"/api/v1/rules/{last.pk}/move/", {"to": 0}, format="json")
    assert (moved.status_code, moved.json()["position"]) == (200, 0)
    assert api.post(f"/api/v1/rules/{last.pk}/disable/").json()["enabled"] is False
    assert api.post(f"/api/v1/rules/{last.pk}/enable/").json()["enabled"] is True
    cloned = api.post(f"/api/v1/outbounds/{edge.outbounds.get(tag='far').pk}/clone/")
    assert (cloned.status_code, cloned.json()["tag"]) == (201, "far-copy")


def test_clients(ada: User, with_token: Callable[..., APIClient], edge: Instance) -> None:
    api = with_token(ada, may_read_secrets=True)
    web = edge.inbounds.get()
    made = api.post("/api/v1/credentials/?secrets=1", {"inbound": web.pk, "note": "new"}, format="json")
    assert (made.status_code, len(made.json()["body"]["id"]), made.json()["instance"]) == (201, 36, edge.pk)
    address = f"/api/v1/credentials/{made.json()['id']}/"
    changed = api.patch(address, {"data_limit_bytes": 5, "reset_period": "daily"}, format="json").json()
    assert (changed["data_limit_bytes"], changed["reset_period"], changed["is_usable"]) == (5, "daily", True)
    assert api.post(f"{address}reset_usage/").json()["used_bytes"] == 0
    twin = api.post("/api/v1/credentials/", {"inbound": web.pk, "body": {"id": ALICE}}, format="json")
    assert (twin.status_code, twin.json()["errors"][0]["path"]) == (400, "id")
    assert api.delete(address).status_code == 204


def test_a_token_for_one_instance_reaches_no_other(ada: User, with_token: Callable[..., APIClient], edge: Instance) -> None:
    theirs = {"tag": "theirs", "port": 1, "protocol": "vmess", "settings": {"clients": [{"id": "x"}]}}
    other, _ = import_new(json.dumps({"inbounds": [theirs]}), name="other", node=local_node(), by=None)
    api = with_token(ada, instances=[other], may_read_secrets=True)
    for name in (*NAMES, "instances", "revisions", "audit"):
        for row in api.get(f"/api/v1/{name}/").json()["results"]:
            assert row["id" if name == "instances" else "instance"] == other.pk
    for address in (
        f"instances/{edge.pk}/",
        f"instances/{edge.pk}/document/",
        f"inbounds/{edge.inbounds.get().pk}/",
        f"inbounds/?instance={edge.pk}",
    ):
        answer = api.get(f"/api/v1/{address}")
        assert answer.status_code in (404, 400) or answer.json()["results"] == []
    body = {"tag": "mine", "protocol": "freedom"}
    assert api.post("/api/v1/outbounds/", {"instance": edge.pk, "body": body}, format="json").status_code == 400
    assert api.post("/api/v1/credentials/", {"inbound": edge.inbounds.get().pk}, format="json").status_code == 400
    moved = api.patch(f"/api/v1/inbounds/{other.inbounds.get().pk}/", {"instance": edge.pk}, format="json")
    assert moved.json()["instance"] == other.pk
    for name in ("nodes", "certificates", "tokens"):
        assert api.get(f"/api/v1/{name}/").status_code == 403
    assert api.post("/api/v1/instances/", {"name": "new", "node": local_node().pk}, format="json").status_code == 403
    assert not edge.outbounds.filter(tag="mine").exists()


def test_a_token_makes_none_that_may_do_more(ada: User, with_token: Callable[..., APIClient]) -> None:
    operate = with_token(ada, scope="operate")
    assert operate.post("/api/v1/tokens/", {"name": "x", "scope": "admin"}, format="json").status_code == 403
    admin = with_token(ada)
    assert admin.post("/api/v1/tokens/", {"name": "x", "may_read_secrets": True}, format="json").status_code == 403
    made = admin.post("/api/v1/tokens/", {"name": "x", "scope": "read"}, format="json")
    assert made.json()["token"].startswith("xrev_")
    assert admin.get(f"/api/v1/tokens/{made.json()['id']}/").json()["token"] is None
    assert admin.delete(f"/api/v1/tokens/{made.json()['id']}/").status_code == 204
    reader = APIClient(HTTP_AUTHORIZATION=f"Bearer {made.json()['token']}")
    assert reader.get("/api/v1/instances/").status_code == 401


def test_lists_take_a_fixed_number_of_queries(api: APIClient, edge: Instance, django_assert_max_num_queries: Any) -> None:
    from dashboard.models import Credential, Inbound

    Credential.objects.bulk_create(Credential(inbound=edge.inbounds.get(), position=n, email=f"c{n}") for n in range(1, 90))
    Inbound.objects.bulk_create(Inbound(instance=edge, position=n, tag=f"i{n}") for n in range(2, 90))
    for name in (*NAMES, "instances", "audit", "nodes", "tokens", "certificates", "revisions"):
        with django_assert_max_num_queries(22):
            assert api.get(f"/api/v1/{name}/").status_code == 200


def test_many_are_switched_at_once_or_none(ada: User, with_token: Callable[..., APIClient], edge: Instance) -> None:
    api = with_token(ada, instances=[edge])
    other, _ = import_new("{}", name="other", node=local_node(), by=None)
    for name, rows in (("outbounds", edge.outbounds.all()), ("instances", Instance.objects.filter(pk=edge.pk))):

        def switch(ids: list[int], enabled: bool, name: str = name) -> Any:
            answer = api.post(f"/api/v1/{name}/switch/", {"ids": ids, "enabled": enabled}, format="json")
            return answer.json()["changed"] if answer.status_code == 200 else answer.status_code

        ids = [row.pk for row in rows]
        assert switch([*ids, other.pk if name == "instances" else 10**6], enabled=False) == 404
        assert not rows.filter(enabled=False).exists()
        assert [switch(ids, enabled=False), switch(ids, enabled=False)] == [len(ids), 0]
        assert rows.filter(enabled=False).count() == len(ids)
        assert [switch(ids, enabled=True), switch([], enabled=True)] == [len(ids), 400]


def test_an_instance_is_copied(api: APIClient, edge: Instance) -> None:
    made = api.post(f"/api/v1/instances/{edge.pk}/clone/", {"name": "copy"}, format="json")
    assert (made.status_code, made.json()["name"], made.json()["enabled"]) == (201, "copy", False)
    assert Instance.objects.get(name="copy").inbounds.count() == 1
    again = api.post(f"/api/v1/instances/{edge.pk}/clone/", {"name": "copy"}, format="json")
    assert (again.status_code, again.json()["errors"][0]["path"]) == (400, "name")
