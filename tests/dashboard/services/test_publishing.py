from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.choices import Verb
from dashboard.models import AuditEntry, Credential, Inbound, Instance, Outbound, Revision
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.exporting import export_document, export_text
from dashboard.services.importing import import_document, import_new
from dashboard.services.instances import change_instance, local_node
from dashboard.services.locking import writing
from dashboard.services.publishing import (
    NothingToPublish,
    PublishConflict,
    PublishRefused,
    WarningsNotAccepted,
    discard,
    is_published,
    preview_going_back,
    publish,
    review,
    revision_diff,
    roll_back,
    unpublished_changes,
)

pytestmark = pytest.mark.django_db

ALICE, BOB, CAROL = (f"{digit * 8}-e373-51cd-8642-c83782b807c5" for digit in "123")

EDGE = json.dumps({
    "inbounds": [
        {"tag": "web", "listen": "127.0.0.1", "port": 8443, "protocol": "vmess", "settings": {"clients": [
            {"id": ALICE, "email": "alice"}, {"id": BOB, "email": "bob"}]}},
        {"tag": "entry", "listen": "127.0.0.1", "port": 8080, "protocol": "dokodemo-door",
         "settings": {"address": "127.0.0.1", "port": 80}},
    ],
    "outbounds": [{"tag": "out", "protocol": "freedom"}],
})  # fmt: skip


@pytest.fixture
def edge() -> Instance:
    return import_new(EDGE, name="edge", node=local_node(), by=None)[0]


@pytest.fixture
def published(edge: Instance) -> Instance:
    publish(edge, by=None)
    return Instance.objects.get()


def edit(instance: Instance, change: Callable[[Any], None]) -> None:
    document = export_document(instance, masked=False)
    document = json.loads(json.dumps(document))
    change(document)
    import_document(instance, json.dumps(document), by=None, keep_inactive=True)


def set_port(port: int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["inbounds"][0]["port"] = port

    return change


def write(instance: Instance, **columns: Any) -> None:
    """Set columns of the client bob."""
    with writing(instance.pk):
        Credential.objects.filter(email="bob").update(**columns)


def texts(changes: list[Any]) -> list[str]:
    return [change.text for change in changes]


def test_a_revision_is_the_document_with_its_author_comment_and_summary(edge: Instance, olaf: User) -> None:
    first = publish(edge, by=olaf, comment=" the start ", expected_number=0, expected_version=edge.version)
    assert (first.number, first.author_name, first.comment) == (1, "olaf", "the start")
    assert json.loads(first.document) == json.loads(EDGE)
    assert first.summary == [
        "inbound web is new (vmess, port 8443) in place 1",
        "inbound entry is new (dokodemo-door, port 8080)",
        "outbound out is new (freedom)",
    ]
    entry = AuditEntry.objects.filter(verb=Verb.PUBLISHED).get()
    assert (entry.actor_name, entry.object_name, entry.note) == ("olaf", "edge", "revision 1: the start")
    assert ALICE not in str(entry.changes)
    assert entry.changes


def test_publishing_leaves_the_version_so_that_open_forms_can_still_be_saved(edge: Instance) -> None:
    before = edge.version
    publish(edge, by=None)
    edge.refresh_from_db()
    assert edge.version == before


def test_what_was_published_is_published_until_something_is_written(published: Instance) -> None:
    assert is_published(published)
    assert not published.may_be_unpublished
    edit(published, set_port(9443))
    published.refresh_from_db()
    assert published.may_be_unpublished
    assert not is_published(published)
    assert texts(unpublished_changes(published)) == ["port of inbound web 8443 -> 9443"]
    assert texts(review(published).changes) == ["port of inbound web 8443 -> 9443"]


def test_an_edit_that_was_taken_back_by_hand_is_no_change(published: Instance) -> None:
    edit(published, set_port(9443))
    edit(published, set_port(8443))
    published.refresh_from_db()
    assert published.may_be_unpublished
    assert is_published(published)
    published.refresh_from_db()
    assert not published.may_be_unpublished


def test_a_note_is_not_part_of_the_document(published: Instance) -> None:
    change_instance(published, by=None, note="in the cellar", name="edge-2")
    assert not published.may_be_unpublished


def test_an_instance_that_was_never_published_is_not_published(edge: Instance) -> None:
    assert not is_published(edge)
    assert review(edge).number == 0


def test_publishing_twice_makes_one_revision(published: Instance) -> None:
    with pytest.raises(NothingToPublish, match="nothing to publish: revision 1 is what is here"):
        publish(published, by=None)
    assert Revision.objects.count() == 1


def test_numbers_have_no_gaps(published: Instance) -> None:
    for port in (1001, 1002, 1003):
        edit(published, set_port(port))
        publish(published, by=None)
    assert list(Revision.objects.values_list("number", flat=True)) == [4, 3, 2, 1]


def test_a_revision_cannot_be_changed(published: Instance) -> None:
    revision = Revision.objects.get()
    revision.comment = "another"
    with pytest.raises(TypeError, match="never changes"):
        revision.save()


def test_publishing_over_somebody_elses_revision_shows_what_they_did_and_what_is_left(published: Instance, ada: User) -> None:
    edit(published, set_port(9443))
    seen = review(published)
    publish(published, by=ada, expected_number=1)
    edit(published, lambda document: document["outbounds"].append({"tag": "second", "protocol": "blackhole"}))
    with pytest.raises(PublishConflict, match="revision 2 is the newest, not 1") as caught:
        publish(published, by=None, expected_number=seen.number, expected_version=seen.version)
    assert texts(caught.value.theirs) == ["port of inbound web 8443 -> 9443"]
    assert texts(caught.value.yours) == ["outbound second is new (blackhole)"]
    assert publish(published, by=None, expected_number=2).number == 3


def test_an_edit_after_the_review_is_not_published_unseen(published: Instance) -> None:
    edit(published, set_port(9443))
    seen = review(published)
    edit(published, set_port(9444))
    with pytest.raises(VersionConflict):
        publish(published, by=None, expected_version=seen.version)


def test_errors_stop_it_and_say_which_entry_has_them(published: Instance) -> None:
    edit(published, set_port(99999))
    found = review(published)
    assert found.has_errors
    with pytest.raises(PublishRefused, match=r"it has errors: inbounds\[0\].port: ") as caught:
        publish(published, by=None, accept_warnings=True)
    web = Inbound.objects.get(tag="web")
    places = [(one.kind, one.pk, one.path) for one in (*caught.value.problems, *caught.value.findings)]
    assert places == [("inbound", web.pk, "port")]
    assert Revision.objects.count() == 1


def test_a_port_that_another_instance_of_the_node_has_stops_it(published: Instance) -> None:
    other, _ = import_new(EDGE.replace("8080", "8081"), name="other", node=published.node, by=None)
    with pytest.raises(PublishRefused, match=r"inbounds\[0\].port: inbound web: port 8443/tcp is taken by inbound web of edge"):
        publish(other, by=None)


def test_warnings_ask(published: Instance) -> None:
    edit(published, lambda document: document.update(unknownSection={}))
    with pytest.raises(WarningsNotAccepted, match="it has 1 warning; read and accept it first") as caught:
        publish(published, by=None)
    assert len(caught.value.findings) + len(caught.value.problems) == 1
    assert publish(published, by=None, accept_warnings=True).number == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"enabled": False},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"data_limit_bytes": 100, "used_bytes": 100},
    ],
    ids=["switched off", "expired", "used up"],
)
def test_a_client_that_may_not_be_used_is_left_out(published: Instance, columns: dict[str, Any]) -> None:
    write(published, **columns)
    revision = publish(published, by=None)
    assert BOB not in revision.document
    assert ALICE in revision.document
    assert revision.summary == ["client bob of inbound web is removed"]


def test_going_back_publishes_the_old_document_as_a_new_revision(published: Instance, olaf: User) -> None:
    edit(published, lambda document: document["inbounds"].pop())
    publish(published, by=None)
    edit(published, set_port(9443))
    first = Revision.objects.get(number=1)
    assert texts(preview_going_back(published, first)) == [
        "port of inbound web 9443 -> 8443", "inbound entry is new (dokodemo-door, port 8080)"]  # fmt: skip
    third = roll_back(published, first, by=olaf, expected_number=2, expected_version=published.version)
    assert (third.number, third.document, third.rolled_back_to, third.comment) == (3, first.document, first, "back to revision 1")
    assert json.loads(export_text(published, by=None, masked=False)) == json.loads(EDGE)
    assert is_published(published)
    verbs = list(AuditEntry.objects.filter(actor=olaf).values_list("verb", flat=True))
    assert verbs == [Verb.PUBLISHED, Verb.ROLLED_BACK]


def test_going_back_is_refused_when_somebody_published_meanwhile(published: Instance) -> None:
    edit(published, set_port(9443))
    publish(published, by=None)
    with pytest.raises(PublishConflict):
        roll_back(published, Revision.objects.get(number=1), by=None, expected_number=1)
    assert Inbound.objects.get(tag="web").port == "9443"


def test_going_back_to_what_cannot_run_any_more_changes_nothing(published: Instance) -> None:
    edit(published, set_port(9443))
    publish(published, by=None)
    import_new(EDGE.replace("8080", "8081"), name="other", node=published.node, by=None)
    with pytest.raises(PublishRefused):
        roll_back(published, Revision.objects.get(number=1), by=None)
    assert Inbound.objects.get(tag="web", instance=published).port == "9443"
    assert Revision.objects.count() == 2


def test_going_back_to_what_is_published_is_a_discard(published: Instance) -> None:
    edit(published, set_port(9443))
    with pytest.raises(NothingToPublish, match="discard"):
        roll_back(published, Revision.objects.get(), by=None)
    assert Inbound.objects.get(tag="web").port == "9443"


def test_the_revision_of_another_instance_is_refused(published: Instance) -> None:
    other, _ = import_new("{}", name="other", node=published.node, by=None)
    with pytest.raises(ServiceError, match="edge #1 is no revision of other"):
        roll_back(other, Revision.objects.get(), by=None)


def test_a_discard_makes_everything_what_was_published(published: Instance) -> None:
    pks = list(Inbound.objects.values_list("pk", flat=True)), list(Credential.objects.values_list("pk", flat=True))
    edit(published, lambda document: (set_port(9443)(document), document["inbounds"][0].update(tag="renamed"),
                                      document["outbounds"].append({"tag": "second", "protocol": "freedom"})))
    done = discard(published, by=None, expected_version=published.version)
    assert texts(done.changes) == [
        'tag of inbound renamed "renamed" -> "web"',
        "port of inbound renamed 9443 -> 8443",
        "outbound second is removed (freedom)",
    ]
    assert json.loads(export_text(published, by=None, masked=False)) == json.loads(EDGE)
    assert (list(Inbound.objects.values_list("pk", flat=True)), list(Credential.objects.values_list("pk", flat=True))) == pks
    assert not published.may_be_unpublished
    assert AuditEntry.objects.filter(verb=Verb.DISCARDED).get().note == "to revision 1"


def test_a_discard_needs_something_to_go_back_to(edge: Instance) -> None:
    with pytest.raises(ServiceError, match="nothing was published yet"):
        discard(edge, by=None)


def test_what_was_switched_on_since_is_switched_off_again_and_not_lost(edge: Instance) -> None:
    write(edge, enabled=False, used_bytes=77)
    with writing(edge.pk):
        Inbound.objects.filter(tag="entry").update(enabled=False)
    publish(edge, by=None)
    write(edge, enabled=True)
    with writing(edge.pk):
        Inbound.objects.filter(tag="entry").update(enabled=True)
    assert sorted(texts(discard(edge, by=None).changes)) == ["client bob of inbound web is disabled", "inbound entry is disabled"]
    bob = Credential.objects.get(email="bob")
    assert (bob.enabled, bob.used_bytes) == (False, 77)
    assert is_published(edge)


def test_what_was_switched_off_since_is_switched_on_again(published: Instance) -> None:
    write(published, enabled=False)
    discard(published, by=None)
    assert Credential.objects.get(email="bob").enabled


def test_what_was_made_since_goes_and_what_is_switched_off_stays(published: Instance) -> None:
    edit(published, lambda document: document["inbounds"][0]["settings"]["clients"].append({"id": CAROL, "email": "carol"}))
    with writing(published.pk):
        Outbound.objects.create(instance=published, position=9, enabled=False, tag="spare", body='{"tag":"spare"}')
    discard(published, by=None)
    assert not Credential.objects.filter(email="carol").exists()
    assert Outbound.objects.filter(tag="spare", enabled=False).exists()


def test_comments_outlive_a_discard(db: None) -> None:
    text = (
        '{\n  // the way out\n  "outbounds": [\n    // first\n'
        '    {\n      "tag": "out",\n      "protocol": "freedom"\n    }\n  ]\n}\n'
    )
    instance, _ = import_new(text, name="edge", node=local_node(), by=None)
    publish(instance, by=None, accept_warnings=True)
    with writing(instance.pk):
        Outbound.objects.update(body='{"tag":"out","protocol":"blackhole"}')
    discard(instance, by=None)
    assert export_text(instance, by=None, masked=False, comments=True) == text


def test_any_two_revisions_can_be_compared(published: Instance) -> None:
    for port in (1001, 1002):
        edit(published, set_port(port))
        publish(published, by=None)
    first, second, third = Revision.objects.order_by("number")
    assert texts(revision_diff(third)) == ["port of inbound web 1001 -> 1002"]
    assert texts(revision_diff(third, first)) == ["port of inbound web 8443 -> 1002"]
    assert texts(revision_diff(first, second)) == ["port of inbound web 1001 -> 8443"]
    assert texts(revision_diff(first)) == first.summary


def test_rows_that_make_no_document_are_told_by_their_place(edge: Instance) -> None:
    with writing(edge.pk):
        Instance.objects.update(rest='{"inbounds": 5}')
    with pytest.raises(ServiceError, match="cannot be put together: inbounds is not a list") as caught:
        publish(edge, by=None)
    assert caught.value.path == "inbounds"
    assert not is_published(edge)


def test_a_document_that_no_node_could_be_sent_is_refused_before() -> None:
    long = {"outbounds": [{"tag": "out", "protocol": "freedom", "comment": "x" * (13 << 20)}]}
    instance, _ = import_new(json.dumps(long), name="long", node=local_node(), by=None)
    with pytest.raises(PublishRefused) as refused:
        publish(instance, by=None, accept_warnings=True)
    (problem,) = [one for one in refused.value.problems if one.severity == "error"]
    assert problem.message.startswith("it takes 13.0 MiB on its way to its node, and 12 MiB are the most")
    assert not Revision.objects.exists()
    (told,) = [one for one in review(instance).problems if one.severity == "error"]
    assert told.message == problem.message
