"""Tokens and people that try for more than they were given."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from dashboard.engine.secrets import MASK
from dashboard.live.rights import of_token
from dashboard.models import ApiToken, AuditEntry, Instance, Node
from dashboard.services.importing import import_new
from dashboard.services.instances import delete_instance, local_node
from dashboard.services.publishing import publish
from tests.dashboard.api.conftest import ALICE
from tests.dashboard.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_a_token_for_an_instance_that_is_deleted_is_not_one_for_all(
    ada: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    other, _ = import_new("{}", name="other", node=local_node(), by=None)
    for_one, for_both = with_token(ada, instances=[other]), with_token(ada, instances=[other, edge])
    delete_instance(other, by=ada)
    assert for_one.get("/api/v1/instances/").status_code == 401
    assert [row["name"] for row in for_both.get("/api/v1/instances/").json()["results"]] == ["edge"]
    assert AuditEntry.objects.filter(object_type="apitoken", verb="deleted").count() == 1
    left = ApiToken.objects.get(revoked_at=None)
    Instance.objects.all().delete()
    looker = of_token(ApiToken.objects.get(pk=left.pk))
    assert looker is not None
    assert (looker.view.instances, looker.view.has_nodes) == (frozenset(), False)
    assert for_both.get("/api/v1/nodes/").status_code in (401, 403), "whichever way its instances went"
    assert ApiToken.objects.count() == 2


def test_what_is_published_is_so_after_a_change_of_nothing_in_the_document(api: APIClient, edge: Instance, ada: User) -> None:
    publish(edge, by=ada, accept_warnings=True)
    assert api.get(f"/api/v1/instances/{edge.pk}/").json()["has_unpublished_changes"] is False
    renamed = api.patch(f"/api/v1/instances/{edge.pk}/", {"name": "front", "note": "renamed"}, format="json").json()
    assert (renamed["name"], renamed["has_unpublished_changes"]) == ("front", False)
    web = edge.inbounds.get()
    api.patch(f"/api/v1/inbounds/{web.pk}/", {"body": {**web.entry, "port": 8443}}, format="json")
    api.patch(f"/api/v1/inbounds/{web.pk}/", {"body": {**web.entry, "port": 443}}, format="json")
    api.get(f"/api/v1/instances/{edge.pk}/document/")
    assert api.get(f"/api/v1/instances/{edge.pk}/").json()["has_unpublished_changes"] is False, "it was taken back"


SECRET_ID = "hunter2-and-more-than-thirty-characters-of-it"
BROKEN = {
    "inbounds": [{"tag": "in", "port": 1, "protocol": "vmess", "settings": {"clients": [{"id": SECRET_ID}]}}],
    "outbounds": [{"protocol": "vmess", "settings": {"vnext": [
        {"address": "a", "port": 1, "users": [{"id": "s3cr3t-s3cr3t-s3cr3t", "security": "x"}]}]}}],
}  # fmt: skip


def test_no_complaint_repeats_a_secret(ada: User, vera: User, with_token: Callable[..., APIClient]) -> None:
    broken, _ = import_new(json.dumps(BROKEN), name="broken", node=local_node(), by=None)
    reader = with_token(vera, scope="read")
    base = f"/api/v1/instances/{broken.pk}"
    question = {"host": "a.example", "port": 1}
    for answer in (
        reader.post(f"{base}/explain/", question, format="json"),
        reader.post(f"{base}/lint/", {}, format="json"),
        reader.get(f"{base}/document/"),
        with_token(ada).post(f"{base}/publish/", {}, format="json"),
    ):
        assert answer.content
        assert SECRET_ID[:12] not in answer.content.decode(), answer.request["PATH_INFO"]
        assert "s3cr3t" not in answer.content.decode(), answer.request["PATH_INFO"]


def test_a_limited_token_does_not_learn_which_numbers_there_are(
    ada: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    other, _ = import_new('{"inbounds": [{"tag": "x", "port": 1}]}', name="other", node=local_node(), by=None)
    api = with_token(ada, instances=[other])
    theirs, nobodys = edge.inbounds.get().pk, 10**6
    for address, body in (
        ("inbounds/{pk}/", None), ("inbounds/?instance={instance}", None), ("credentials/?inbound={pk}", None),
        ("instances/{instance}/document/", None), ("audit/?instance={instance}", None),
        ("revisions/?instance={instance}", None),
        ("outbounds/", {"instance": "{instance}", "body": {"protocol": "freedom"}}), ("credentials/", {"inbound": "{pk}"}),
    ):  # fmt: skip
        answers = []
        for instance, pk in ((edge.pk, theirs), (nobodys, nobodys)):
            at = f"/api/v1/{address.format(instance=instance, pk=pk)}"
            if body is None:
                answer = api.get(at)
            else:
                sent = {key: value.format(instance=instance, pk=pk) if isinstance(value, str) else value
                        for key, value in body.items()}
                answer = api.post(at, sent, format="json")
            answers.append((answer.status_code, answer.content.decode().replace(str(pk), "N").replace(str(instance), "N")))
        assert answers[0] == answers[1], address


def test_a_session_needs_the_csrf_token_for_every_change(ada: User, edge: Instance) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/api/v1/instances/").status_code == 200
    for method, address in (
        ("post", "instances/"), ("patch", f"instances/{edge.pk}/"), ("delete", f"instances/{edge.pk}/"),
        ("put", f"instances/{edge.pk}/document/"), ("post", f"instances/{edge.pk}/publish/"),
        ("post", f"instances/{edge.pk}/discard/"), ("post", "tokens/"), ("post", "lint/"),
    ):  # fmt: skip
        answer = getattr(client, method)(f"/api/v1/{address}", "{}", content_type="application/json")
        assert answer.status_code == 403, address
        assert "CSRF" in answer.json()["detail"]
    assert Instance.objects.filter(pk=edge.pk, version=edge.version).exists()


def test_a_token_in_the_address_or_in_a_form_counts_for_nothing(ada: User, edge: Instance) -> None:
    from dashboard.services.tokens import create_token

    _, text = create_token(ada, by=ada, name="x", scope="admin")
    client = APIClient()
    assert client.get(f"/api/v1/instances/?token={text}&access_token={text}").status_code == 401
    assert client.get("/api/v1/instances/", HTTP_AUTHORIZATION=f"Basic {text}").status_code == 401


def test_masks_cannot_be_used_to_move_a_secret_to_where_it_is_shown(
    olaf: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    """An operator sees no secrets: nor by having one restored behind a key that is none."""
    api = with_token(olaf, scope="operate")
    web, client = edge.inbounds.get(), edge.inbounds.get().credentials.get(email="alice")
    tries = (
        {"email": MASK, "id": MASK}, {"id": MASK, "email": "alice", "note": MASK}, {"ID": MASK, "email": "alice"},
        {"id": [MASK], "email": "alice"}, {"id": {"id": MASK}, "email": "alice"}, {"Email": {"id": MASK}, "email": "alice"},
    )  # fmt: skip
    for body in tries:
        answer = api.patch(f"/api/v1/credentials/{client.pk}/", {"body": body}, format="json")
        shown = answer.content.decode() + api.get(f"/api/v1/credentials/{client.pk}/").content.decode()
        shown += api.get(f"/api/v1/instances/{edge.pk}/document/").content.decode()
        shown += api.get(f"/api/v1/audit/?object_type=credential&object_id={client.pk}").content.decode()
        assert ALICE not in shown, body
    far = edge.outbounds.get(tag="far")
    users = [{"id": MASK}]
    for body in (
        {"tag": "far", "protocol": "vmess", "settings": {"vnext": [{"address": MASK, "port": 443, "users": users}]}},
        {"tag": "far", "protocol": "freedom", "settings": {"redirect": MASK, "vnext": [{"users": users}]}},
        {"tag": "far", "protocol": "vmess", "settings": {"servers": [{"address": users}]}},
    ):
        answer = api.patch(f"/api/v1/outbounds/{far.pk}/?anyway=1", {"body": body}, format="json")
        shown = answer.content.decode() + api.get(f"/api/v1/outbounds/{far.pk}/").content.decode()
        assert "27848739-7e62" not in shown, body
    assert web.pk


def test_every_way_that_a_secret_goes_out_is_in_the_audit_log(
    ada: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    api = with_token(ada, may_read_secrets=True)
    far, alice = edge.outbounds.get(tag="far"), edge.inbounds.get().credentials.get(email="alice")
    for method, address, body in (
        ("get", f"outbounds/{far.pk}/", None), ("patch", f"outbounds/{far.pk}/", {}),
        ("post", f"outbounds/{far.pk}/move/", {"to": 0}),
        ("post", f"outbounds/{far.pk}/clone/", None), ("post", f"outbounds/{far.pk}/disable/", None),
        ("patch", f"credentials/{alice.pk}/", {"note": "x"}), ("post", f"credentials/{alice.pk}/reset_usage/", None),
        ("get", "credentials/", None), ("post", "credentials/", {"inbound": edge.inbounds.get().pk}),
        ("get", f"instances/{edge.pk}/document/", None),
    ):  # fmt: skip
        before = AuditEntry.objects.filter(verb__in=("revealed", "exported")).count()
        answer = getattr(api, method)(f"/api/v1/{address}?secrets=1", body, format="json") if method != "get" else api.get(
            f"/api/v1/{address}?secrets=1")
        assert answer.status_code < 300, (address, answer.content)
        assert MASK not in answer.content.decode(), address
        assert AuditEntry.objects.filter(verb__in=("revealed", "exported")).count() == before + 1, (method, address)


def test_a_limited_token_moves_its_instance_to_no_other_node(
    ada: User, with_token: Callable[..., APIClient], edge: Instance
) -> None:
    other = Node.objects.create(name="other")
    api = with_token(ada, instances=[edge])
    assert api.patch(f"/api/v1/instances/{edge.pk}/", {"node": edge.node_id, "note": "n"}, format="json").status_code == 200
    answers = {pk: api.patch(f"/api/v1/instances/{edge.pk}/", {"node": pk}, format="json") for pk in (other.pk, 10**6)}
    assert len({(one.status_code, one.content.decode().replace(str(pk), "N")) for pk, one in answers.items()}) == 1
    assert Instance.objects.get(pk=edge.pk).node_id == edge.node_id


def test_a_session_that_was_left_open_makes_no_token_that_reads_secrets(as_ada: Client) -> None:
    asked = {"name": "x", "may_read_secrets": True}
    refused = as_ada.post("/api/v1/tokens/", asked, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "secrets_refused")
    assert as_ada.post("/api/v1/tokens/", {"name": "x"}, content_type="application/json").status_code == 201
    as_ada.post("/admin/account/confirm/", {"password": PASSWORD})
    assert as_ada.post("/api/v1/tokens/", asked, content_type="application/json").status_code == 201


def test_a_search_for_thousands_of_words_is_no_fault(api: APIClient) -> None:
    answer = api.get("/api/v1/instances/", {"search": "a " * 3000})
    assert answer.status_code == 400
    assert "more than 50 words" in answer.content.decode()
