"""What people do with nodes: approve, pause, resume, revoke. Who is connected hears of it at once."""

from __future__ import annotations

from django.db import transaction

from dashboard.choices import Standing, Verb
from dashboard.live.telling import tell_standing, tell_wanted
from dashboard.models import Node
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError


def approve(node: Node, *, by: Actor) -> bool:
    """It may connect and is sent its documents. False: it did not wait for that."""
    return _move(node, (Standing.WAITING,), Standing.APPROVED, Verb.APPROVED, by)


def pause(node: Node, *, by: Actor) -> bool:
    """Its workers are stopped until it is resumed. False: it was not approved."""
    return _move(node, (Standing.APPROVED,), Standing.PAUSED, Verb.PAUSED, by)


def resume(node: Node, *, by: Actor) -> bool:
    """It runs what it should again. False: it was not paused."""
    return _move(node, (Standing.PAUSED,), Standing.APPROVED, Verb.RESUMED, by)


def revoke(node: Node, *, by: Actor) -> bool:
    """Its identity is good for nothing any more, and its workers are stopped; it comes back by joining. False: it has none."""
    return _move(node, (Standing.WAITING, Standing.APPROVED, Standing.PAUSED), Standing.REVOKED, Verb.REVOKED, by)


@transaction.atomic
def delete(node: Node, *, by: Actor) -> None:
    """With its events and figures. Raises ProtectedError: instances run on it; ServiceError: its agent has to be told first.

    Of a node that is gone the panel knows nothing: its agent would be refused, and go on with the documents that it has.
    """
    if node.is_let_in:
        raise ServiceError(f"revoke {node} first: else its agent goes on with the documents that it has")
    record(by, Verb.DELETED, node)
    tell_standing(node.pk)
    node.delete()


@transaction.atomic
def _move(node: Node, before: tuple[Standing, ...], after: Standing, verb: Verb, by: Actor) -> bool:
    if not Node.objects.filter(pk=node.pk, state__in=before).update(state=after):
        return False
    node.refresh_from_db()
    record(by, verb, node)
    tell_standing(node.pk)
    tell_wanted(node.pk)
    return True
