"""What happened on nodes, kept for people: written as it comes, bounded per node and by age."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from dashboard.live.telling import HUBS, tell
from dashboard.models import Instance, Node, NodeEvent
from dashboard.services.said import kept_text
from proxycore.messages.events import Event, Kind

KEPT_DAYS: Final = 30
MAX_PER_NODE: Final = 10_000
_SLACK: Final = 1000
"""Rows above MAX_PER_NODE that one node may have until it is pruned, so that not each event looks."""

MAX_FUTURE_S: Final = 300.0         # a node's clock that is off by more is not believed
MAX_COUNT: Final = 2**53


def note(node: Node, events: Sequence[Event], *, boot: str = "", seq: int = 0) -> list[NodeEvent]:
    """Keep them; of an instance that is not the node's own, they are the node's. Who calls tells the hubs of what is returned.

    `boot`, `seq`: of the agent process that says them, see link.Happened; what it has said before is not kept twice.
    """
    instances = {event.instance for event in events if event.instance}
    own = set(Instance.objects.filter(node=node, pk__in=instances).values_list("pk", flat=True)) if instances else set()
    rows = [
        NodeEvent(
            node=node, instance_id=event.instance if event.instance in own else None, kind=event.kind.value, at=_moment(event.at),
            tag=kept_text(event.tag), text=kept_text(event.text), reason=kept_text(event.reason), source=kept_text(event.source),
            count=min(event.count, MAX_COUNT), seconds=event.seconds)
        for event in events
    ]
    with transaction.atomic():
        if seq and not _is_new(node, kept_text(boot), seq):
            return []
        for row in rows:            # one by one: not every database tells the keys of many
            row.save(force_insert=True)
        if rows and rows[-1].pk % _SLACK < len(rows):
            _prune(NodeEvent.objects.filter(node=node), MAX_PER_NODE)
    return rows


def _is_new(node: Node, boot: str, seq: int) -> bool:
    """Whether these were not kept yet; from now on they were. The connection before may still be writing: one row decides."""
    mine = Node.objects.filter(pk=node.pk)
    kept = mine.select_for_update().values_list("events_boot", "events_seq").first()
    if kept is None or (kept[0] == boot and kept[1] >= seq):
        return False
    mine.update(events_boot=boot, events_seq=seq)
    return True


def note_and_tell(node: Node, kind: Kind, text: str, **more: Any) -> NodeEvent:
    """One event of the panel's own, now."""
    event = Event(kind=kind, at=timezone.now().timestamp(), text=text[:500], **more)
    rows = note(node, [event])
    transaction.on_commit(partial(tell, HUBS, as_message(rows)))
    return rows[0]


def as_message(rows: Iterable[NodeEvent]) -> dict[str, Any]:
    """For the group of the hubs."""
    return {"type": "hub.events", "events": [as_json(row) for row in rows]}


def as_json(row: NodeEvent) -> dict[str, Any]:
    """As browsers get it: an Event with its id and node."""
    return {
        "id": row.pk, "node": row.node_id, "instance": row.instance_id or 0, "kind": row.kind, "at": row.at.timestamp(),
        "tag": row.tag, "text": row.text, "reason": row.reason, "source": row.source, "count": row.count, "seconds": row.seconds,
    }


def prune() -> int:
    """Take away what is too old, and of each node what is too much; how many."""
    old = NodeEvent.objects.filter(at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    gone = old.delete()[0]
    for node in Node.objects.values_list("pk", flat=True):
        gone += _prune(NodeEvent.objects.filter(node=node), MAX_PER_NODE)
    return gone


def _prune(rows: QuerySet[NodeEvent], limit: int) -> int:
    last = rows.order_by("-pk").values_list("pk", flat=True)[limit - 1 : limit].first()
    return rows.filter(pk__lt=last).delete()[0] if last is not None else 0


def _moment(at: float) -> datetime:
    now = timezone.now()
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    far = timedelta(days=KEPT_DAYS)
    return moment if now - far < moment < now + timedelta(seconds=MAX_FUTURE_S) else now
