"""Nodes that went together with the process that they were connected to: nobody else would write that they are gone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from dashboard.models import Node, NodeEvent
from dashboard.services.presence import LOST_AFTER_S, SEEN_EVERY_S, arrived, note_seen
from dashboard.tasks import look_for_lost_nodes
from proxycore.messages.link import Hello

pytestmark = pytest.mark.django_db


def connected(name: str, ago_s: float) -> tuple[Node, datetime]:
    """A node whose consumer wrote last so many seconds ago."""
    node = Node.objects.create(name=name, state="approved", identity_prefix=name)
    at = timezone.now() - timedelta(seconds=ago_s)
    assert arrived(node.pk, name, Hello(version="1", boot="b", at=at.timestamp()), "192.0.2.7", at) is not None
    return node, at


def downs() -> list[tuple[str, str]]:
    rows = NodeEvent.objects.filter(kind="node_down").order_by("pk")
    return [(row.node.name, row.source) for row in rows.select_related("node")]


def test_a_node_that_nobody_has_written_of_is_down_and_that_is_told_once() -> None:
    lost, _ = connected("lost", LOST_AFTER_S + 1)
    there, at = connected("there", LOST_AFTER_S - SEEN_EVERY_S)
    paused, _ = connected("paused", LOST_AFTER_S * 10)
    Node.objects.filter(pk=paused.pk).update(is_up=False, state="paused")
    look_for_lost_nodes()
    assert dict(Node.objects.values_list("name", "is_up")) == {"lost": False, "there": True, "paused": False}
    assert downs() == [("lost", "192.0.2.7")]
    look_for_lost_nodes()
    assert len(downs()) == 1
    note_seen(there.pk, at)
    look_for_lost_nodes()
    assert Node.objects.get(name="there").is_up

    again = timezone.now()
    arrived(lost.pk, "lost", Hello(version="1", boot="b", at=again.timestamp()), "192.0.2.8", again)
    look_for_lost_nodes()
    assert Node.objects.get(name="lost").is_up, "it has come back, to another process"
    assert NodeEvent.objects.filter(node=lost, kind="node_up").count() == 2


def test_the_word_of_an_old_connection_does_not_keep_a_lost_node_up() -> None:
    node, at = connected("lost", LOST_AFTER_S + 1)
    note_seen(node.pk, at - timedelta(minutes=1))
    look_for_lost_nodes()
    assert not Node.objects.get().is_up


def test_it_is_looked_for_by_the_clock() -> None:
    from dashboard.schedule import BEAT_SCHEDULE

    (entry,) = [one for one in BEAT_SCHEDULE.values() if one["task"] == look_for_lost_nodes.name]
    assert entry["schedule"] <= LOST_AFTER_S
