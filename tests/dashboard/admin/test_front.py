from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.models import Instance, NodeEvent
from dashboard.services.importing import import_new
from dashboard.services.publishing import publish
from tests.dashboard.admin.test_tunnel_pages import given

FRONT = reverse("admin:index")


def front(client: Client) -> str:
    return client.get(FRONT).content.decode()


def test_an_empty_panel_says_what_to_do_first(as_olaf: Client, as_vera: Client) -> None:
    shown = front(as_olaf)
    assert reverse("admin:dashboard_expose") in shown
    assert reverse("admin:dashboard_import") in shown
    assert "An operator has to make the first instance" in front(as_vera)


def test_a_person_without_a_role_is_told_so(as_sam: Client, portal: Instance) -> None:
    shown = front(as_sam)
    assert "This account has no role" in shown
    assert "edge" not in shown


def test_what_is_not_published_comes_first(as_vera: Client, portal: Instance) -> None:
    assert "Not published as it is here" in front(as_vera)
    publish(portal, by=None, accept_warnings=True)
    shown = front(as_vera)
    assert "Not published as it is here" not in shown
    assert "published as #1" in shown


def test_errors_are_the_first_thing_on_the_page(as_vera: Client, portal: Instance) -> None:
    document: dict[str, Any] = {"outbounds": [{"tag": "a", "protocol": "freedom"}], "routing": {"rules": [{"outboundTag": "b"}]}}
    broken = import_new(json.dumps(document), name="broken", node=portal.node, by=None)[0]
    shown = front(as_vera)
    assert "and cannot be published" in shown
    assert reverse("admin:dashboard_instance_problems", args=[broken.pk]) in shown


def test_a_second_look_checks_nothing_again(
    as_vera: Client, portal: Instance, django_assert_max_num_queries: Any
) -> None:
    front(as_vera)
    with django_assert_max_num_queries(13):
        front(as_vera)


def test_errors_of_the_last_hour_are_given_by_the_minute(as_vera: Client, portal: Instance) -> None:
    now = timezone.now()
    for kind, minutes in (("refused", 0), ("worker_died", 59), ("tunnel_down", 59), ("tunnel_up", 1), ("refused", 61)):
        NodeEvent.objects.create(node=portal.node, kind=kind, at=now - timedelta(minutes=minutes))
    shown = front(as_vera)
    assert '<strong data-total="errors">3</strong>' in shown
    counted = dict(given(shown)["errors"])
    minute = int(now.timestamp()) // 60
    assert counted == {minute: 1, minute - 59: 2}
