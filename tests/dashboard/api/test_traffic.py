from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.models import Instance
from dashboard.services.instances import create_instance, local_node
from dashboard.services.traffic import fold, keep
from proxycore.messages.link import Moved, Traffic


@pytest.fixture
def moved(edge: Instance) -> Instance:
    report = [Moved(instance=edge.pk, kind="tunnel", name="home", up=3, down=5, opened=1)]
    keep(edge.node_id, Traffic(boot="b", seq=1, at=int(time.time()) - 60, moved=report))
    fold()
    return edge


def asked(edge: Instance, **changed: object) -> dict[str, object]:
    return {"instance": edge.pk, "kind": "tunnel", "name": "home", "range": "1h", **changed}


def test_the_last_hour(api: APIClient, moved: Instance) -> None:
    answer = api.get("/api/v1/traffic/history/", asked(moved)).json()
    assert answer["step"] == 10
    assert len(answer["points"]) == 360
    assert [point[1:] for point in answer["points"] if point[1]] == [[3, 5, 1]]


def test_totals(api: APIClient, moved: Instance) -> None:
    [row] = api.get("/api/v1/traffic/", {"instance": moved.pk, "kind": "tunnel"}).json()["results"]
    assert (row["name"], row["up"], row["down"], row["opened"]) == ("home", 3, 5, 1)


@pytest.mark.parametrize("wrong", [
    {"kind": "spoon"}, {"range": "7y"}, {"instance": "x"}, {"instance": 2**70}, {"name": ""}, {"name": "a\0"}])
def test_a_wrong_question_names_its_field(api: APIClient, moved: Instance, wrong: dict[str, object]) -> None:
    answer = api.get("/api/v1/traffic/history/", asked(moved, **wrong))
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.content.decode()


def test_a_token_for_other_instances_sees_nothing(
    moved: Instance, ada: User, with_token: Callable[..., APIClient]
) -> None:
    other = create_instance(name="other", node=local_node(), by=None)
    api = with_token(ada, instances=[other])
    assert api.get("/api/v1/traffic/history/", asked(moved)).status_code == 404
    assert api.get("/api/v1/traffic/").json()["results"] == []
