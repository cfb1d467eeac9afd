"""What happened on nodes, as a list that is only read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.models import NodeEvent
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db
EVENTS = "/admin/dashboard/nodeevent/"


def test_events_are_listed_and_nothing_of_them_can_be_changed(as_ada: Client, as_vera: Client, as_sam: Client) -> None:
    event = NodeEvent.objects.create(
        node=local_node(), kind="tunnel_down", at=timezone.now(), text="home is gone <b>", source="192.0.2.1", count=3)
    for address in (EVENTS, f"{EVENTS}{event.pk}/change/"):
        page = as_vera.get(address).content.decode()
        assert "home is gone &lt;b&gt;" in page
        assert "192.0.2.1" in page
        assert as_sam.get(address).status_code == 403
    assert as_ada.get(f"{EVENTS}add/").status_code == 403
    assert as_ada.post(f"{EVENTS}{event.pk}/delete/").status_code == 403
    assert as_vera.get(f"{EVENTS}x/change/").status_code == 404
