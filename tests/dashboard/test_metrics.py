from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from dashboard.models import Instance
from dashboard.services.instances import create_instance, local_node
from dashboard.services.tokens import create_token
from dashboard.services.traffic import fold, keep
from proxycore.messages.link import Moved, Traffic

REMOTE = {"REMOTE_ADDR": "192.0.2.9"}


@pytest.fixture
def edge(db: None) -> Instance:
    edge = create_instance(name='e"d\\ge', node=local_node(), by=None)
    moved = [Moved(instance=edge.pk, kind="tunnel", name="home\n", up=3, down=5, opened=2)]
    keep(edge.node_id, Traffic(boot="b", seq=1, at=1_790_000_000, moved=moved))
    fold()
    return edge


def figures(text: str) -> dict[tuple[str, str], float]:
    """Values by name and instance."""
    return {
        (sample.name, "".join(sample.labels.get(label, "") for label in ("instance", "direction"))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_a_program_on_this_host_reads_them(client: Client, edge: Instance) -> None:
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    found = figures(answer.content.decode())
    assert found["xrev_traffic_bytes_total", f"{edge.name}up"] == 3
    assert found["xrev_traffic_bytes_total", f"{edge.name}down"] == 5
    assert found["xrev_opened_total", edge.name] == 2
    assert found["xrev_instance_enabled", edge.name] == 1


@pytest.mark.parametrize("headers", [
    REMOTE, {"HTTP_X_FORWARDED_FOR": "192.0.2.9"}, {"HTTP_FORWARDED": "for=x"}, {"REMOTE_ADDR": ""},
    {"HTTP_AUTHORIZATION": "Bearer xrev_x_y", **REMOTE},
])
def test_nobody_else_does_without_a_token(client: Client, edge: Instance, headers: dict[str, str]) -> None:
    assert client.get("/metrics", **headers).status_code == 401


def test_behind_a_proxy_of_ours_everybody_looks_local(client: Client, edge: Instance, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    assert client.get("/metrics").status_code == 401


def test_a_token_reads_what_its_owner_may(client: Client, edge: Instance, ada: User, sam: User) -> None:
    def ask(user: User, **options: object) -> tuple[int, str]:
        _, text = create_token(user, by=ada, name="t", **options)   # type: ignore[arg-type]
        answer = client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {text}", **REMOTE)
        return answer.status_code, answer.content.decode()

    other = create_instance(name="other", node=local_node(), by=None)
    assert ask(sam)[0] == 403
    status, text = ask(ada, scope="read")
    assert status == 200
    assert ("xrev_instance_enabled", edge.name) in figures(text)
    status, text = ask(ada, scope="read", instances=[other])
    assert status == 200
    assert {name for (_, name) in figures(text) if name} == {"other"}


def test_they_cost_a_fixed_number_of_queries(client: Client, edge: Instance, django_assert_max_num_queries: Callable) -> None:
    for number in range(20):
        create_instance(name=f"i{number}", node=local_node(), by=None)
    with django_assert_max_num_queries(6):
        client.get("/metrics")
