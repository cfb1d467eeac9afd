"""POST /agent/v1/join/: one answer for everything that is wrong, and not many of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from dashboard.live.joining import FAILURES
from dashboard.models import JoinToken, Node
from dashboard.services.joining import find_node, make_join_token

pytestmark = pytest.mark.django_db
JOIN = "/agent/v1/join/"


def _post(body: Any, **options: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client(enforce_csrf_checks=True).post(JOIN, text, content_type="application/json", **options)


def test_a_token_becomes_an_identity() -> None:
    text = make_join_token(by=None, name="cellar")[1]
    answer = _post({"token": text, "name": "cellar", "version": "1"}, REMOTE_ADDR="192.0.2.7")
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    said = answer.json()
    node = Node.objects.get()
    assert (said["node"], said["name"]) == (node.pk, "cellar")
    assert find_node(said["identity"]) == node
    assert node.joined_from == "192.0.2.7"
    assert _post({"token": text}).status_code == 403


@pytest.mark.parametrize("body", ["", "x", "[]", "{}", {"token": 7}, {"token": "x" * 300}, b"\xff", "{" * 3000, "x" * 5000])
def test_whatever_is_wrong_the_answer_is_the_same(body: Any) -> None:
    answer = _post(body)
    assert (answer.status_code, answer.content) == (403, _post({"token": "xrevjoin_00000000_x"}).content)
    assert Client().get(JOIN).status_code == 403


def test_who_tries_many_has_to_wait() -> None:
    text = make_join_token(by=None, name="n", uses=2)[1]
    for _ in range(FAILURES):
        assert _post({"token": "x"}).status_code == 403
    answer = _post({"token": text})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert JoinToken.objects.get().used == 0
    assert _post({"token": text}, REMOTE_ADDR="192.0.2.8").status_code == 201, "others need not"
