from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.models import Instance, Pause
from dashboard.services.instances import create_instance, local_node


def asked(instance: Instance) -> dict[str, Any]:
    (portal,) = instance.portals.all()
    return {"instance": instance.pk, "tunnel": portal.tag}


def test_a_tunnel_is_paused_and_resumed(api: APIClient, edge: Instance) -> None:
    for act, changed in (("pause", True), ("pause", False), ("resume", True), ("resume", False)):
        answer = api.post(f"/api/v1/tunnels/{act}/", asked(edge), format="json")
        assert (answer.status_code, answer.json()) == (200, {"changed": changed})


@pytest.mark.parametrize(("wrong", "status"), [({"tunnel": "gone"}, 400), ({"kind": "spoon"}, 400), ({"instance": 0}, 404)])
def test_what_is_no_tunnel_is_said(api: APIClient, edge: Instance, wrong: dict[str, Any], status: int) -> None:
    assert api.post("/api/v1/tunnels/pause/", asked(edge) | wrong, format="json").status_code == status
    assert not Pause.objects.exists()


def test_who_may_not_publish_may_not_pause(
    edge: Instance, ada: User, vera: User, with_token: Callable[..., APIClient]
) -> None:
    other = create_instance(name="other", node=local_node(), by=None)
    may_not = {with_token(vera, scope="admin"): 403, with_token(ada, scope="read"): 403, with_token(ada, instances=[other]): 404}
    for client, status in may_not.items():
        assert client.post("/api/v1/tunnels/pause/", asked(edge), format="json").status_code == status
    assert not Pause.objects.exists()
