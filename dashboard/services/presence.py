"""Whether nodes are there: written by the consumers that their agents are connected to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dashboard.choices import Standing
from dashboard.models import Instance, Node
from dashboard.services.events import note_and_tell
from dashboard.services.said import kept_text
from proxycore.messages.events import Kind
from proxycore.messages.link import SILENCE_S, Hello

KEPT_BOOTS: Final = 8
SEEN_EVERY_S: Final = 30.0
LOST_AFTER_S: Final = 90.0
"""A node that was up, and of which no consumer has written for so long, went with the process that it was connected to."""

TWICE_AGAIN: Final = timedelta(minutes=10)


class Arrival(NamedTuple):
    """`is_refused`: the node may not be connected (any more). `notes` are for the agent."""

    node: Node
    is_refused: bool
    notes: list[str]


def identity_of(node_pk: int) -> tuple[str, str]:
    """(state, prefix of the identity) as they are now; of a node that is gone, as of a revoked one."""
    found = Node.objects.filter(pk=node_pk).values_list("state", "identity_prefix").first()
    return (found[0], found[1] or "") if found is not None else (Standing.REVOKED, "")


def own_instances(node_pk: int) -> list[int]:
    return list(Instance.objects.filter(node_id=node_pk).values_list("pk", flat=True))


def note_refused(node_pk: int, address: str) -> None:
    """It was there, and was told that it has to wait, or is paused."""
    Node.objects.filter(pk=node_pk).update(last_seen_at=timezone.now(), last_seen_from=address)


@transaction.atomic
def arrived(node_pk: int, prefix: str, hello: Hello, address: str, at: datetime) -> Arrival | None:
    """The agent has said Hello. None: the node is gone, or has another identity by now."""
    node = Node.objects.select_for_update().filter(pk=node_pk, identity_prefix=prefix).first()
    if node is None:
        return None
    if node.state != Standing.APPROVED:
        return Arrival(node, True, [])
    was_up = node.is_up
    boot = kept_text(hello.boot)
    # A process that comes back after another one has been here runs beside it.
    came_back = boot in node.boots[:-1]
    node.boots = [*(one for one in node.boots if one != boot), boot][-KEPT_BOOTS:]
    node.is_up, node.connected_at = True, at
    node.last_seen_at, node.last_seen_from = at, address
    node.version, node.host, node.system = kept_text(hello.version), kept_text(hello.host), kept_text(hello.system)
    node.clock_skew_s = round(hello.at - at.timestamp(), 1)
    node.save()
    notes: list[str] = []
    if came_back:
        notes.append("the identity of this node is used by two agents: join one of the hosts anew, with a token of its own")
        note_twice(node, address)
    if not was_up:
        note_and_tell(node, Kind.NODE_UP, f"{node.name} is connected from {address}", source=address)
    return Arrival(node, False, notes)


def note_twice(node: Node, address: str) -> None:
    """One identity is used by two agents at once; said once in ten minutes."""
    now = timezone.now()
    text = f"two agents use the identity of {node.name}; one of them is at {address}"
    lately = Q(twice_at__gt=now - TWICE_AGAIN)
    if Node.objects.filter(pk=node.pk).exclude(lately).update(twice_at=now, twice_note=text[:255]):
        note_and_tell(node, Kind.NODE_TWICE, text, source=address)


def note_seen(node_pk: int, connected_at: datetime, clock_skew_s: float | None = None) -> None:
    values: dict[str, object] = {"last_seen_at": timezone.now(), "is_up": True}
    if clock_skew_s is not None:
        values["clock_skew_s"] = clock_skew_s
    Node.objects.filter(pk=node_pk, connected_at=connected_at).update(**values)


@transaction.atomic
def departed(node_pk: int, connected_at: datetime, *, is_expected: bool) -> bool:
    """This connection is gone, and no newer one came. `is_expected`: by our own word, which is no event. False: one came."""
    node = Node.objects.select_for_update().filter(pk=node_pk, connected_at=connected_at, is_up=True).first()
    if node is None:
        return False
    _lost(node, is_expected=is_expected)
    return True


def note_lost() -> int:
    """Nodes whose consumer went without a word (its process was killed) and that did not come back; how many."""
    gone = Node.objects.filter(is_up=True, last_seen_at__lt=timezone.now() - timedelta(seconds=LOST_AFTER_S))
    count = 0
    for pk in gone.values_list("pk", flat=True):
        with transaction.atomic():
            node = gone.select_for_update().filter(pk=pk).first()
            if node is not None:
                _lost(node, is_expected=False)
                count += 1
    return count


def _lost(node: Node, *, is_expected: bool) -> None:
    Node.objects.filter(pk=node.pk).update(is_up=False)
    if not is_expected:
        where = f", last seen from {node.last_seen_from}" if node.last_seen_from else ""
        text = f"{node.name} has not been heard for {SILENCE_S:.0f} s{where}; what it runs goes on without the panel, if it can"
        note_and_tell(node, Kind.NODE_DOWN, text, source=node.last_seen_from or "")
