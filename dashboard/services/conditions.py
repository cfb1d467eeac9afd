"""What is wrong now, as far as it is worth telling somebody who does not look: tunnels, nodes, crash loops, what expires.

It is found from what is there, again and again, so that nothing is lost while nobody looked: what is found and was not known
is opened, what is no longer found is over. A tunnel counts once, also where both its ends are ours, and what cannot be known
(tunnels of a node that is gone) stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from dashboard.choices import ConditionKind, Standing
from dashboard.models import Certificate, Condition, Credential, Instance, Node, NodeEvent
from dashboard.services.topology import Lane, topology
from proxycore.messages.events import Kind

CERTIFICATE_DAYS: Final = 14
CREDENTIAL_DAYS: Final = 3
MAX_CREDENTIALS: Final = 200        # told of one by one
MAX_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is wrong. `since`: since when, as far as that is known. `is_known` False: nobody can tell now."""

    key: str
    kind: ConditionKind
    text: str = ""
    since: datetime | None = None
    instance: int | None = None
    node: int | None = None
    tag: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Changed:
    opened: list[Condition]
    over: list[Condition]


def look(now: datetime | None = None) -> Changed:
    """Bring the conditions up to what is there. May be called by several at once."""
    now = timezone.now() if now is None else now
    found = {one.key: one for one in _find(now)}
    open_rows = {row.key: row for row in Condition.objects.filter(cleared_at=None)}
    opened = [row for key, one in found.items() if one.is_known and key not in open_rows and (row := _open(one, now)) is not None]
    over = []
    for key, row in open_rows.items():
        if key not in found and Condition.objects.filter(pk=row.pk, cleared_at=None).update(cleared_at=now):
            row.cleared_at = now
            over.append(row)
    return Changed(opened, over)


def _open(found: Found, now: datetime) -> Condition | None:
    since = min(found.since, now) if found.since is not None else now
    try:
        with transaction.atomic():
            return Condition.objects.create(
                key=found.key, kind=found.kind, text=found.text[:MAX_CHARS], since=since, instance_id=found.instance,
                node_id=found.node, tag=found.tag)
    except IntegrityError:      # somebody else was quicker
        return None


def _find(now: datetime) -> Iterator[Found]:
    nodes = {node.pk: node for node in Node.objects.all()}
    yield from _nodes(nodes.values())
    yield from _crash_loops()
    yield from _tunnels(nodes)
    yield from _certificates(now)
    yield from _credentials(now)


def _nodes(nodes: Iterable[Node]) -> Iterator[Found]:
    for node in nodes:
        if node.state == Standing.APPROVED and not node.is_up and node.last_seen_at is not None:
            last = node.last_seen_at
            yield Found(f"node:{node.pk}", ConditionKind.NODE_DOWN, f"node {node} is gone", last, node=node.pk)


def _crash_loops() -> Iterator[Found]:
    told = _newest(Kind.CRASH_LOOP, Kind.WORKER_STARTED, Kind.APPLIED)
    # Events are kept for some weeks, and fewer of a node that has many: that one went does not mean that its loop is over.
    silent = Instance.objects.filter(enabled=True).exclude(pk__in=[row.instance_id for row in told])
    for pk in silent.values_list("pk", flat=True):
        yield Found(f"loop:{pk}", ConditionKind.CRASH_LOOP, is_known=False)
    for row in told:
        instance = row.instance
        if row.kind == Kind.CRASH_LOOP and instance is not None and instance.enabled:
            text = f"instance {instance} ends again and again, and is not started any more: {row.text}"
            yield Found(f"loop:{instance.pk}", ConditionKind.CRASH_LOOP, text, row.at, instance.pk, row.node_id)


def _tunnels(nodes: Mapping[int, Node]) -> Iterator[Found]:
    told = {(row.instance_id, row.tag): row for row in _newest(Kind.TUNNEL_UP, Kind.TUNNEL_DOWN)}
    for lane in topology().lanes:
        place = lane.place
        row = told.get((place.pk, _tag(lane)))
        if not place.enabled or not place.number:
            continue
        key = f"tunnel:{place.pk}:{_tag(lane)}"
        if row is None or not nodes[place.node].is_up:
            yield Found(key, ConditionKind.TUNNEL_DOWN, is_known=False)
        elif row.kind == Kind.TUNNEL_DOWN:
            why = f": {row.text}" if row.text else ""
            text = f"tunnel {lane.service_name or lane.name} of {place.name} is down{why}"
            yield Found(key, ConditionKind.TUNNEL_DOWN, text, row.at, place.pk, place.node, row.tag)


def _tag(lane: Lane) -> str:
    """As events name it: at the portal, where that is ours."""
    end = lane.portal or lane.bridges[0].end
    return end.tag or end.key


def _newest(*kinds: Kind) -> list[NodeEvent]:
    """The last event of these kinds, per instance and tag (but for what is of a whole instance)."""
    of_tag = Kind.TUNNEL_UP in kinds
    rows = NodeEvent.objects.filter(kind__in=[kind.value for kind in kinds]).exclude(instance=None).order_by()
    groups = rows.values(*(("instance", "tag") if of_tag else ("instance",))).annotate(newest=Max("pk")).values("newest")
    return list(NodeEvent.objects.filter(pk__in=groups).select_related("instance").defer("instance__rest", "instance__comments"))


def _certificates(now: datetime) -> Iterator[Found]:
    soon = now + timedelta(days=CERTIFICATE_DAYS)
    for row in Certificate.objects.filter(not_after__lte=soon).only("pk", "name", "not_after"):
        assert row.not_after is not None
        verb = "has expired" if row.not_after <= now else "expires"
        text = f"certificate {row} {verb} on {row.not_after:%Y-%m-%d}"
        yield Found(f"certificate:{row.pk}:{row.not_after:%Y-%m-%d}", ConditionKind.CERTIFICATE_EXPIRING, text)


def _credentials(now: datetime) -> Iterator[Found]:
    """Those that end soon. What has ended is no news: it was told before."""
    soon = now + timedelta(days=CREDENTIAL_DAYS)
    rows = Credential.objects.filter(enabled=True, expires_at__gt=now, expires_at__lte=soon, inbound__instance__enabled=True)
    for row in rows.select_related("inbound__instance").order_by("expires_at")[:MAX_CREDENTIALS]:
        assert row.expires_at is not None
        instance: Instance = row.inbound.instance
        text = f"client {row} of {instance} expires on {row.expires_at:%Y-%m-%d at %H:%M} UTC"
        key = f"credential:{row.pk}:{row.expires_at:%Y-%m-%dT%H:%M}"
        yield Found(key, ConditionKind.CREDENTIAL_EXPIRING, text, instance=instance.pk)
