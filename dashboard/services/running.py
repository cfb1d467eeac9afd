"""What should run where, and what its node says became of it.

Desired is the newest revision of each enabled instance of an approved node. Agents say what they applied, refused and took
back; that is kept in `InstanceRun`. Whether something runs at this moment is live state (dashboard/live), and not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from dashboard.choices import Verb
from dashboard.live.telling import group_of, tell
from dashboard.models import Instance, InstanceRun, Node, Revision
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from dashboard.services.limits import Planned, limits_of
from dashboard.services.pausing import paused_tunnels
from dashboard.services.publishing import bring_back
from dashboard.services.said import kept_text
from proxycore.messages.link import Applied, Reverted
from proxycore.messages.worker import PausedTunnel

MAX_KEPT_PROBLEMS: Final = 50
MAX_KEPT_CHANGES: Final = 200
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class WantedRevision:
    """One instance as it should run; its document is read when it has to be sent."""

    instance: int
    name: str
    revision: int
    revision_pk: int
    document_sha256: str
    limits: tuple[Planned, ...]
    paused: tuple[PausedTunnel, ...]
    confirm_s: float
    needs_confirm: bool
    memory_bytes: int
    descriptors: int

    @property
    def sign(self) -> tuple[Any, ...]:
        """Two of the same sign need not be sent twice."""
        return (self.instance, self.name, self.revision, self.document_sha256, self.confirm_s, self.needs_confirm,
                self.memory_bytes, self.descriptors, tuple((one.kind, one.tunnel) for one in self.paused),
                *(planned.sign for planned in self.limits))

    def document(self) -> str:
        return Revision.objects.only("document").get(pk=self.revision_pk).document


def wanted_of(node_pk: int) -> list[WantedRevision]:
    """All that this node should run: 2 queries, and 2 per instance."""
    newest = Revision.objects.filter(instance=OuterRef("pk")).order_by("-number")
    found = Instance.objects.filter(node_id=node_pk, enabled=True).annotate(newest=Subquery(newest.values("pk")[:1]))
    instances = {one.newest: one for one in found.defer("rest", "comments").select_related("run")}
    paused = paused_tunnels([one.pk for one in instances.values()])
    wanted = []
    for revision in Revision.objects.filter(pk__in=[pk for pk in instances if pk]).defer("document").order_by("instance_id"):
        instance = instances[revision.pk]
        run = run_of(instance)
        if run.reverted == revision.number and not run.reverted_to:
            continue                # nothing ran before it: it is not tried again until something else is published
        stands = run.settled >= revision.number
        limits = tuple(limits_of(revision))
        wanted.append(WantedRevision(
            instance.pk, instance.name, revision.number, revision.pk, revision.document_sha256, limits,
            paused.get(instance.pk, ()), 0.0 if stands else float(revision.confirm_s),
            revision.needs_confirm and not stands and run.confirmed < revision.number,
            instance.memory_limit_mib * MIB, instance.descriptor_limit))
    return wanted


def run_of(instance: Instance) -> InstanceRun:
    """What is known; an unsaved row with nothing in it where that is nothing."""
    try:
        return instance.run
    except InstanceRun.DoesNotExist:
        return InstanceRun(instance=instance)


def confirm(instance: Instance, *, by: Actor, number: int | None = None) -> int:
    """Say of the revision that waits for it that it may stay; its number. Raises ServiceError: none waits, or not this one."""
    with transaction.atomic():
        run = InstanceRun.objects.select_for_update().select_related("instance").filter(instance=instance).first()
        if run is None or not run.is_pending:
            raise ServiceError("no revision waits for being confirmed")
        if number is not None and number != run.applied:
            raise ServiceError(f"revision {run.applied} waits for being confirmed, not {number}")
        if run.confirmed < run.applied:
            InstanceRun.objects.filter(pk=run.pk).update(confirmed=run.applied)
            record(by, Verb.CONFIRMED, instance, instance=instance, note=f"revision {run.applied}")
        message = {"type": "node.confirm", "instance": instance.pk, "revision": run.applied}
        transaction.on_commit(partial(tell, group_of(run.instance.node_id), message))
        return run.applied


def note_applied(node: Node, said: Applied) -> None:
    """What the agent says of a revision that it was sent."""

    def write(run: InstanceRun, revision: Revision) -> None:
        if said.problems:
            run.refused = revision.number
            run.problems = [
                {**one.model_dump(), "text": kept_text(one.text), "path": kept_text(one.path)}
                for one in said.problems[:MAX_KEPT_PROBLEMS]]
            return
        run.applied, run.applied_at = revision.number, timezone.now()
        run.refused, run.problems, run.changes = 0, [], [kept_text(one) for one in said.changes[:MAX_KEPT_CHANGES]]
        if revision.confirm_s and run.settled < revision.number:
            run.confirm_until = run.applied_at + timedelta(seconds=revision.confirm_s)
        else:
            run.confirm_until, run.settled = None, max(run.settled, revision.number)

    _write(node, said.instance, said.revision, write)


def note_settled(node: Node, instance_pk: int, number: int) -> None:
    """This revision runs there and is not on probation (any more)."""

    def write(run: InstanceRun, revision: Revision) -> None:
        if run.settled < number or run.applied != number:
            run.settled, run.applied = max(run.settled, number), number
            run.applied_at = run.applied_at or timezone.now()
        run.confirm_until = None

    _write(node, instance_pk, number, write)


def note_reverted(node: Node, said: Reverted) -> Revision | None:
    """The node took `said.revision` back by itself. Where that is the newest one, the one that runs again becomes the newest."""
    made: list[Revision | None] = []
    reason = kept_text(said.reason)

    def write(run: InstanceRun, revision: Revision) -> None:
        if run.reverted == revision.number:
            return                      # said again after a connection was lost
        run.reverted, run.reverted_to = revision.number, said.back_to
        run.reverted_reason, run.reverted_at = reason, timezone.now()
        run.confirm_until = None
        back = Revision.objects.filter(instance=run.instance, number=said.back_to).first()
        if back is None:
            record(None, Verb.REVERTED, run.instance, instance=run.instance, note=f"revision {revision.number}: {reason}")
            return
        run.applied = back.number
        made.append(bring_back(run.instance, revision, back, reason=reason))

    _write(node, said.instance, said.revision, write)
    return made[0] if made else None


@transaction.atomic
def _write(node: Node, instance_pk: int, number: int, write: Callable[[InstanceRun, Revision], None]) -> None:
    """Change the run of an instance of this node; what is said of others, or of revisions that are not there, is not heard."""
    instance = Instance.objects.select_for_update().filter(pk=instance_pk, node=node).defer("rest", "comments").first()
    if instance is None:
        return
    revision = Revision.objects.filter(instance=instance, number=number).defer("document").first()
    if revision is None:
        return
    run = InstanceRun.objects.select_for_update().filter(instance=instance).first() or InstanceRun(instance=instance)
    run.instance = instance
    write(run, revision)
    run.save()
