"""What should run where, what ends at once without being published, and what nodes say became of revisions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import AuditEntry, Credential, Instance, InstanceRun, Node, Revision
from dashboard.services.clients import delete_clients
from dashboard.services.cloning import clone_instance
from dashboard.services.editing import create_entry
from dashboard.services.errors import ServiceError
from dashboard.services.importing import import_document, import_new
from dashboard.services.instances import change_instance, local_node
from dashboard.services.publishing import NothingToPublish, newest_revision, publish
from dashboard.services.running import confirm, note_applied, note_reverted, note_settled, wanted_of
from dashboard.services.switching import set_enabled
from proxycore.messages.link import Applied, Reverted
from proxycore.messages.worker import Complaint
from tests.dashboard.api.conftest import ALICE, BRIDGE, DOCUMENT

pytestmark = pytest.mark.django_db


@pytest.fixture
def node() -> Node:
    return local_node()


@pytest.fixture
def edge(node: Node) -> Instance:
    import json

    instance, _ = import_new(json.dumps(DOCUMENT), name="edge", node=node, by=None)
    publish(instance, by=None, accept_warnings=True)
    return instance


def _limits(node: Node) -> list[dict[str, Any]]:
    (wanted,) = wanted_of(node.pk)
    return [planned.limit.model_dump(exclude_none=True) for planned in wanted.limits]


def _publish_again(instance: Instance, tag: str = "more", **options: Any) -> Revision:
    from dashboard.engine.content import Kind

    create_entry(instance, Kind.OUTBOUND, {"tag": tag, "protocol": "freedom"}, by=None)
    return publish(instance, by=None, accept_warnings=True, **options)


def test_the_newest_revision_of_what_is_on(node: Node, edge: Instance) -> None:
    (wanted,) = wanted_of(node.pk)
    newest = newest_revision(edge)
    assert newest is not None
    assert (wanted.instance, wanted.name, wanted.revision, wanted.limits) == (edge.pk, "edge", 1, ())
    assert wanted.document() == newest.document
    assert ALICE in wanted.document()
    import_new("{}", name="never published", node=node, by=None)
    assert len(wanted_of(node.pk)) == 1
    other = Node.objects.create(name="elsewhere")
    change_instance(edge, by=None, node=other)
    assert wanted_of(node.pk) == []
    assert len(wanted_of(other.pk)) == 1
    change_instance(edge, by=None, enabled=False)
    assert wanted_of(other.pk) == []


def test_limits_of_the_process_need_no_publishing(node: Node, edge: Instance) -> None:
    before = wanted_of(node.pk)[0].sign
    change_instance(edge, by=None, memory_limit_mib=256, descriptor_limit=1000)
    (wanted,) = wanted_of(node.pk)
    assert (wanted.memory_bytes, wanted.descriptors) == (256 * 2**20, 1000)
    assert wanted.sign != before
    copy = clone_instance(edge, name="copy", by=None)
    assert (copy.memory_limit_mib, copy.descriptor_limit) == (256, 1000)
    change_instance(edge, by=None, memory_limit_mib=0, descriptor_limit=0)
    assert wanted_of(node.pk)[0].sign == before
    with pytest.raises(ServiceError, match="0 for no limit, or 64 to 1,048,576 descriptors") as refused:
        change_instance(edge, by=None, descriptor_limit=63)
    assert refused.value.path == "descriptor_limit"


def test_a_credential_ends_without_being_published(node: Node, edge: Instance) -> None:
    alice, bridge = Credential.objects.order_by("position")
    before = wanted_of(node.pk)[0].sign
    set_enabled([alice], False, by=None)
    assert _limits(node) == [{"path": "inbounds[0].settings.clients[0]", "email": "alice", "bytes_left": 0}]
    assert wanted_of(node.pk)[0].sign != before
    set_enabled([alice], True, by=None)
    assert wanted_of(node.pk)[0].sign == before
    delete_clients([alice], by=None)
    assert _limits(node) == [{"path": "inbounds[0].settings.clients[0]", "email": "", "bytes_left": 0}]
    set_enabled([bridge], False, by=None)
    assert [one["path"] for one in _limits(node)] == [f"inbounds[0].settings.clients[{number}]" for number in (0, 1)]


def test_expiry_and_data(node: Node, edge: Instance) -> None:
    later = timezone.now() + timedelta(hours=1)
    Credential.objects.filter(email="bridge").update(expires_at=later, data_limit_bytes=1000, used_bytes=400)
    assert _limits(node) == [
        {"path": "inbounds[0].settings.clients[1]", "email": "bridge", "expires_at": later.timestamp(), "bytes_left": 600}]
    sign = wanted_of(node.pk)[0].sign
    Credential.objects.filter(email="bridge").update(used_bytes=500)
    assert wanted_of(node.pk)[0].sign == sign, "the worker counts by itself: it need not be told"
    Credential.objects.filter(email="bridge").update(used_bytes=1000)
    assert _limits(node) == [{"path": "inbounds[0].settings.clients[1]", "email": "bridge", "bytes_left": 0}]
    assert wanted_of(node.pk)[0].sign != sign


def test_keys_in_other_letters_and_what_is_no_client(node: Node) -> None:
    document = ('{"Inbounds": [{"protocol": "socks", "port": 1080, "tag": "s", "Settings": {'
                '"auth": "password", "Accounts": [{"user": "a", "pass": "b"}, {"user": "c", "pass": "d"}]}}]}')
    instance, _ = import_new(document, name="odd", node=node, by=None)
    publish(instance, by=None, accept_warnings=True)
    set_enabled([Credential.objects.get(email="c")], False, by=None)
    assert _limits(node) == [{"path": "Inbounds[0].Settings.Accounts[1]", "email": "c", "bytes_left": 0}]


def test_what_was_applied_and_what_was_refused(node: Node, edge: Instance) -> None:
    note_applied(node, Applied(instance=edge.pk, revision=1, changes=["all of it"]))
    run = InstanceRun.objects.get()
    assert (run.applied, run.settled, run.changes, run.is_pending) == (1, 1, ["all of it"], False)
    _publish_again(edge)
    note_applied(node, Applied(instance=edge.pk, revision=2, problems=[Complaint(text="taken", path="inbounds[0].port", line=3)]))
    run.refresh_from_db()
    assert (run.applied, run.refused) == (1, 2)
    assert run.problems == [{"text": "taken", "path": "inbounds[0].port", "line": 3, "column": 0}]
    assert wanted_of(node.pk)[0].revision == 2, "it is still what should run"


def test_only_of_its_own_instances_is_heard(node: Node, edge: Instance) -> None:
    stranger = Node.objects.create(name="stranger")
    note_applied(stranger, Applied(instance=edge.pk, revision=1))
    note_applied(node, Applied(instance=edge.pk, revision=7))
    note_reverted(stranger, Reverted(instance=edge.pk, revision=1, back_to=0, reason="mine now"))
    assert not InstanceRun.objects.exists()


def test_a_revision_on_probation_is_confirmed(node: Node, edge: Instance, ada: User) -> None:
    note_applied(node, Applied(instance=edge.pk, revision=1))
    with pytest.raises(ServiceError):
        confirm(edge, by=ada)
    _publish_again(edge, confirm_s=30, needs_confirm=True)
    assert (wanted_of(node.pk)[0].confirm_s, wanted_of(node.pk)[0].needs_confirm) == (30.0, True)
    note_applied(node, Applied(instance=edge.pk, revision=2))
    run = InstanceRun.objects.get()
    assert run.is_pending
    with pytest.raises(ServiceError, match="revision 2 waits"):
        confirm(edge, by=ada, number=1)
    assert confirm(edge, by=ada) == 2
    assert confirm(edge, by=ada) == 2
    assert AuditEntry.objects.filter(verb="confirmed").count() == 1
    assert (wanted_of(node.pk)[0].confirm_s, wanted_of(node.pk)[0].needs_confirm) == (30.0, False)
    note_settled(node, edge.pk, 2)
    run.refresh_from_db()
    assert (run.settled, run.is_pending) == (2, False)
    assert wanted_of(node.pk)[0].confirm_s == 0


@pytest.mark.parametrize("wrong", [{"confirm_s": 1}, {"confirm_s": 100_000}, {"needs_confirm": True}])
def test_bounds_of_a_probation(edge: Instance, wrong: dict[str, Any]) -> None:
    with pytest.raises(ServiceError):
        publish(edge, by=None, **wrong)


def test_what_did_not_stand_is_taken_back_and_unpublished_again(node: Node, edge: Instance) -> None:
    note_applied(node, Applied(instance=edge.pk, revision=1))
    failed = _publish_again(edge, confirm_s=30)
    note_applied(node, Applied(instance=edge.pk, revision=2))
    said = Reverted(instance=edge.pk, revision=2, back_to=1, reason="portal t has no bridge any more")
    made = note_reverted(node, said)
    assert made is not None
    assert (made.number, made.rolled_back_to and made.rolled_back_to.number) == (3, 1)
    assert "portal t has no bridge any more" in made.comment
    assert made.document == Revision.objects.get(number=1).document
    assert note_reverted(node, said) is None, "said again"
    assert Revision.objects.count() == 3
    run = InstanceRun.objects.get()
    assert (run.reverted, run.reverted_to, run.applied) == (2, 1, 1)
    wanted = wanted_of(node.pk)[0]
    assert (wanted.revision, wanted.confirm_s) == (3, 0)
    edge.refresh_from_db()
    assert edge.may_be_unpublished
    again = publish(edge, by=None, accept_warnings=True)
    assert (again.number, again.document_sha256) == (4, failed.document_sha256)


def test_a_first_revision_that_did_not_stand_is_not_tried_again(node: Node, edge: Instance) -> None:
    assert note_reverted(node, Reverted(instance=edge.pk, revision=1, back_to=0, reason="it died")) is None
    assert wanted_of(node.pk) == []
    with pytest.raises(NothingToPublish):
        publish(edge, by=None)
    _publish_again(edge)
    assert wanted_of(node.pk)[0].revision == 2


def test_what_was_published_meanwhile_stays(node: Node, edge: Instance) -> None:
    note_applied(node, Applied(instance=edge.pk, revision=1))
    _publish_again(edge, confirm_s=30)
    _publish_again(edge, "even more")
    assert note_reverted(node, Reverted(instance=edge.pk, revision=2, back_to=1, reason="too late")) is None
    assert wanted_of(node.pk)[0].revision == 3


def test_places_follow_the_document_not_the_rows(node: Node, edge: Instance) -> None:
    """A client that was put in front after publishing moves no other."""
    import json

    changed = json.loads(json.dumps(DOCUMENT))
    changed["inbounds"][0]["settings"]["clients"].insert(0, {"id": "1b1f4c02-6d55-4a0a-8f0e-3c3f7c1c2b11", "email": "new"})
    import_document(edge, json.dumps(changed), by=None)
    set_enabled([Credential.objects.get(email="bridge")], False, by=None)
    assert [one["path"] for one in _limits(node)] == ["inbounds[0].settings.clients[1]"]
    assert BRIDGE in wanted_of(node.pk)[0].document()


def test_what_a_node_says_is_kept_as_every_database_takes_it(node: Node, edge: Instance) -> None:
    problem = Complaint(text="tag \0 is none", path="inbounds[0].tag\0")
    note_applied(node, Applied(instance=edge.pk, revision=1, problems=[problem]))
    assert InstanceRun.objects.get().problems[0]["text"] == "tag  is none"
    note_applied(node, Applied(instance=edge.pk, revision=1, changes=["x\0" * 5000]))
    assert InstanceRun.objects.get().changes == ["x" * 2000]
    note_reverted(node, Reverted(instance=edge.pk, revision=1, back_to=0, reason="it\0died"))
    assert InstanceRun.objects.get().reverted_reason == "itdied"
