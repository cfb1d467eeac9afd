from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from dashboard.choices import ConditionKind
from dashboard.models import Condition, Instance, Receiver
from dashboard.services.instances import create_instance, local_node

HOOK = {"name": "chat", "kind": "webhook", "address": "https://hooks.example.net/T0P/s3cret"}


def test_what_is_wrong_can_be_asked(api: APIClient, edge: Instance) -> None:
    now = timezone.now()
    for key, cleared in (("a", None), ("b", now)):
        Condition.objects.create(
            key=key, kind=ConditionKind.TUNNEL_DOWN, text=f"{key} is down", instance=edge, since=now, cleared_at=cleared)
    rows = api.get("/api/v1/conditions/", {"cleared_at__isnull": "true", "instance": edge.pk}).json()["results"]
    assert [row["text"] for row in rows] == ["a is down"]
    assert len(api.get("/api/v1/conditions/").json()["results"]) == 2


def test_a_token_for_other_instances_sees_none_of_it(edge: Instance, ada: User, with_token: Callable[..., APIClient]) -> None:
    Condition.objects.create(key="a", kind=ConditionKind.TUNNEL_DOWN, text="a", instance=edge, since=timezone.now())
    other = create_instance(name="other", node=local_node(), by=None)
    assert with_token(ada, instances=[other]).get("/api/v1/conditions/").json()["results"] == []


def test_a_receiver_never_says_where_it_is(api: APIClient, db: None) -> None:
    made = api.post("/api/v1/receivers/", HOOK, format="json")
    assert made.status_code == 201
    pk = made.json()["id"]
    assert api.patch(f"/api/v1/receivers/{pk}/", {"kinds": ["node_down"], "hold_s": 5}, format="json").status_code == 200
    answers = [made, api.get("/api/v1/receivers/"), api.get(f"/api/v1/receivers/{pk}/")]
    row = Receiver.objects.get()
    assert (row.address, row.kinds, row.hold_s) == (HOOK["address"], ["node_down"], 5)
    for answer in answers:
        assert "s3cret" not in answer.content.decode()
        assert row.secret not in answer.content.decode()
    assert api.delete(f"/api/v1/receivers/{pk}/").status_code == 204


@pytest.mark.parametrize(("wrong", "field"), [
    ({"address": "nowhere"}, "address"), ({"kinds": ["spoon"]}, "kinds"), ({"hold_s": -1}, "hold_s"),
    ({"kind": "pigeon"}, "kind"), ({"name": ""}, "name"),
])
def test_a_wrong_value_names_its_field(api: APIClient, db: None, wrong: dict[str, object], field: str) -> None:
    answer = api.post("/api/v1/receivers/", {**HOOK, **wrong}, format="json")
    assert answer.status_code == 400
    assert field in answer.content.decode()
    assert not Receiver.objects.exists()


def test_a_test_that_does_not_arrive_says_so(api: APIClient, db: None) -> None:
    pk = api.post("/api/v1/receivers/", {**HOOK, "address": "http://127.0.0.1:9/s3cret"}, format="json").json()["id"]
    answer = api.post(f"/api/v1/receivers/{pk}/test/")
    assert answer.status_code == 424
    assert "did not arrive" in answer.content.decode()
    assert "s3cret" not in answer.content.decode()
