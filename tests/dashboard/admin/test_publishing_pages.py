from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dashboard.models import Credential, Inbound, Instance, Revision
from dashboard.services.exporting import export_document
from dashboard.services.importing import import_document
from dashboard.services.publishing import publish, review
from tests.dashboard.admin.conftest import ID, gave_password


@pytest.fixture
def published(portal: Instance) -> Instance:
    publish(portal, by=None, accept_warnings=True)
    portal.refresh_from_db()
    return portal


def set_port(instance: Instance, port: int) -> None:
    document = json.loads(json.dumps(export_document(instance, masked=False)))
    document["inbounds"][0]["port"] = port
    import_document(instance, json.dumps(document), by=None)


def page(instance: Instance, name: str) -> str:
    return reverse(f"admin:dashboard_instance_{name}", args=[instance.pk])


def of_revision(number: int, name: str) -> str:
    return reverse(f"admin:dashboard_revision_{name}", args=[Revision.objects.get(number=number).pk])


def text(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def seen(instance: Instance, **more: str) -> dict[str, Any]:
    """What the form of the publish page sends back."""
    found = review(instance)
    return {"number": found.number, "version": found.version, **more}


def test_the_publish_page_says_what_changes_and_publishes_it(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    shown = text(as_olaf, page(published, "publish"))
    assert "1 change since revision 1" in shown
    assert "port of inbound web 8080 -&gt; 8081" in shown
    assert "Publish as revision 2" in shown
    assert ID not in shown
    answer = as_olaf.post(page(published, "publish"), seen(published, comment="why not", accept="1"), follow=True)
    assert "edge is published as revision 2" in answer.content.decode()
    revision = Revision.objects.get(number=2)
    assert (revision.author_name, revision.comment) == ("olaf", "why not")


def test_when_all_is_published_the_page_says_so(as_olaf: Client, published: Instance) -> None:
    assert "All is published: revision 1 says what is here" in text(as_olaf, page(published, "publish"))
    answer = as_olaf.post(page(published, "publish"), seen(published), follow=True)
    assert "There is nothing to publish" in answer.content.decode()


def test_an_error_stops_it_and_leads_to_its_field(as_olaf: Client, published: Instance) -> None:
    set_port(published, 99999)
    shown = text(as_olaf, page(published, "publish"))
    assert "What stops it" in shown
    assert "inbounds[0].port" in shown
    assert "publish-form" not in shown
    answer = as_olaf.post(page(published, "publish"), seen(published, accept="1"))
    assert answer.status_code == 400
    assert "It has errors, so it was not published." in answer.content.decode()


def test_warnings_have_a_box_to_tick(as_olaf: Client, portal: Instance) -> None:
    import_document(portal, '{"outbounds": [{"tag": "a", "protocol": "freedom"}], "strange": 1}', by=None)
    assert 'name="accept"' in text(as_olaf, page(portal, "publish"))
    answer = as_olaf.post(page(portal, "publish"), seen(portal, comment="kept"))
    assert answer.status_code == 400
    assert "There are warnings" in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()
    as_olaf.post(page(portal, "publish"), seen(portal, accept="1"))
    assert Revision.objects.count() == 1


def test_a_conflict_shows_both_differences_and_publishes_nothing(as_olaf: Client, published: Instance, ada: User) -> None:
    set_port(published, 8081)
    old = seen(published)
    publish(published, by=ada, comment="mine", accept_warnings=True)
    set_port(published, 8082)
    answer = as_olaf.post(page(published, "publish"), {**old, "accept": "1"})
    shown = answer.content.decode()
    assert answer.status_code == 409
    assert "ada made revision 2" in shown
    assert "“mine”" in shown
    theirs, yours = shown.index("port of inbound web 8080 -&gt; 8081"), shown.index("port of inbound web 8081 -&gt; 8082")
    assert theirs < yours
    assert Revision.objects.count() == 2


def test_a_change_after_the_review_is_shown_first(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    old = seen(published)
    set_port(published, 8082)
    answer = as_olaf.post(page(published, "publish"), {**old, "accept": "1"})
    assert answer.status_code == 409
    assert "8080 -&gt; 8082" in answer.content.decode()
    assert "Somebody changed this instance while you looked at it" in answer.content.decode()
    assert Revision.objects.count() == 1


def test_a_broken_form_publishes_nothing(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    assert as_olaf.post(page(published, "publish"), {"number": "x"}).status_code == 400
    assert as_olaf.post(page(published, "publish"), {"number": "9" * 40, "version": "1"}).status_code in (400, 409)
    assert Revision.objects.count() == 1


def test_rows_that_make_no_document_are_told(as_olaf: Client, published: Instance) -> None:
    published.rest = '{"inbounds": 7}'
    published.version += 1
    published.save()
    assert "The document cannot be put together: inbounds is not a list" in text(as_olaf, page(published, "publish"), 409)
    assert as_olaf.get(page(published, "unpublished")).json() == {"count": None}


def test_discard_asks_and_goes_back(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    published.refresh_from_db()
    shown = text(as_olaf, page(published, "discard"))
    assert "port of inbound web 8081 -&gt; 8080" in shown
    assert Inbound.objects.get(tag="web").port == "8081"
    answer = as_olaf.post(page(published, "discard"), {"version": published.version}, follow=True)
    assert "edge is what revision 1 says again" in answer.content.decode()
    assert Inbound.objects.get(tag="web").port == "8080"
    assert "There is nothing to discard" in text(as_olaf, page(published, "discard"))


def test_discard_says_which_clients_go_and_refuses_what_was_not_shown(as_olaf: Client, published: Instance) -> None:
    interconn = Inbound.objects.get(tag="interconn")
    set_port(published, 8081)
    Credential.objects.create(inbound=interconn, position=5, email="new", body='{"id":"x"}')
    assert "1 client will be gone" in text(as_olaf, page(published, "discard"))
    assert as_olaf.post(page(published, "discard"), {"version": "1"}).status_code == 409
    assert Credential.objects.filter(email="new").exists()


def test_discard_needs_a_revision(as_olaf: Client, portal: Instance) -> None:
    assert "Nothing was published yet" in as_olaf.get(page(portal, "discard"), follow=True).content.decode()


def test_the_list_of_revisions_tells_what_each_one_changed(as_vera: Client, published: Instance) -> None:
    set_port(published, 8081)
    publish(published, by=None, comment="moved", accept_warnings=True)
    for address in (page(published, "revisions"), reverse("admin:dashboard_revision_changelist")):
        shown = text(as_vera, address)
        for words in ("#1", "#2", "moved", "port of inbound web 8080 -&gt; 8081"):
            assert words in shown
    assert "Roll back" not in text(as_vera, page(published, "revisions"))


def test_a_revision_is_compared_with_any_other_and_masked(as_vera: Client, published: Instance) -> None:
    for port in (8081, 8082):
        set_port(published, port)
        publish(published, by=None, accept_warnings=True)
    shown = text(as_vera, of_revision(3, "change"))
    assert "1 change since revision 2" in shown
    assert "8081 -&gt; 8082" in shown
    assert ID not in shown
    assert "8080 -&gt; 8082" in text(as_vera, of_revision(3, "change") + "?to=1")
    assert as_vera.get(of_revision(3, "change") + "?to=77").status_code == 404
    assert as_vera.get(of_revision(3, "change") + "?to=x").status_code == 404
    download = as_vera.get(of_revision(1, "change") + "?download=1")
    assert json.loads(download.content)["inbounds"][0]["port"] == 8080
    assert ID not in download.content.decode()
    assert "edge-1-masked.json" in download.headers["Content-Disposition"]


def test_secrets_of_a_revision_need_the_right_and_the_password(as_ada: Client, published: Instance) -> None:
    address = of_revision(1, "change") + "?secrets=1"
    assert "/account/confirm/" in as_ada.get(address).headers["Location"]
    gave_password(as_ada)
    assert ID in text(as_ada, address)


def test_an_operator_sees_no_secret_of_a_revision(as_olaf: Client, published: Instance) -> None:
    gave_password(as_olaf)
    assert as_olaf.get(of_revision(1, "change") + "?secrets=1").status_code == 403


def test_a_rollback_shows_what_it_changes_and_publishes(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    publish(published, by=None, accept_warnings=True)
    published.refresh_from_db()
    shown = text(as_olaf, of_revision(1, "rollback"))
    assert "port of inbound web 8081 -&gt; 8080" in shown
    assert "published at once as revision 3" in shown
    assert as_olaf.post(of_revision(1, "rollback"), {"number": "1", "version": published.version}).status_code == 409
    assert as_olaf.post(of_revision(1, "rollback"), {"number": "2", "version": "1"}).status_code == 409
    answer = as_olaf.post(of_revision(1, "rollback"), {"number": "2", "version": published.version}, follow=True)
    assert "edge is back at revision 1, published as revision 3" in answer.content.decode()
    assert Inbound.objects.get(tag="web").port == "8080"


def test_the_newest_revision_is_left_by_discarding(as_olaf: Client, published: Instance) -> None:
    set_port(published, 8081)
    assert "discard what was changed since" in text(as_olaf, of_revision(1, "rollback"))


def test_the_bar_is_on_every_page_of_an_instance_until_it_is_published(as_olaf: Client, portal: Instance) -> None:
    overview = page(portal, "change")
    assert "was never published" in text(as_olaf, overview)
    publish(portal, by=None, accept_warnings=True)
    assert "data-publish-bar" not in text(as_olaf, overview)
    set_port(portal, 8081)
    assert "<strong data-count>Changes</strong> of edge not published" in text(as_olaf, overview)
    assert as_olaf.get(page(portal, "unpublished")).json() == {"count": 1}
    web = Inbound.objects.get(tag="web")
    inbound = reverse("admin:dashboard_inbound_change", args=[web.pk])
    inbounds = reverse("admin:dashboard_inbound_changelist") + f"?instance__id__exact={portal.pk}"
    clients = reverse("admin:dashboard_credential_changelist") + f"?inbound__id__exact={web.pk}"
    rules, document = f"{overview}?tab=rules", page(portal, "document")
    for address in (overview, rules, document, inbound, inbounds, clients):
        assert "<strong>1 change</strong> of edge not published" in text(as_olaf, address)
    set_port(portal, 8080)
    assert as_olaf.get(page(portal, "unpublished")).json() == {"count": 0}
    assert "data-publish-bar" not in text(as_olaf, overview)


def test_a_viewer_may_look_and_not_publish(as_vera: Client, published: Instance) -> None:
    set_port(published, 8081)
    assert "port of inbound web 8080 -&gt; 8081" in text(as_vera, page(published, "publish"))
    assert "publish-form" not in text(as_vera, page(published, "publish"))
    assert as_vera.post(page(published, "publish"), seen(published)).status_code == 403
    assert as_vera.get(page(published, "discard")).status_code == 403
    assert as_vera.get(of_revision(1, "rollback")).status_code == 403
    bar = text(as_vera, page(published, "change"))
    assert "Discard" not in bar
    assert "Review</a>" in bar


def test_a_revision_cannot_be_added_changed_or_deleted_by_the_admin(as_ada: Client, published: Instance) -> None:
    assert as_ada.get(reverse("admin:dashboard_revision_add")).status_code == 403
    assert as_ada.post(of_revision(1, "delete"), {"post": "yes"}).status_code == 403
    assert Revision.objects.count() == 1


def test_the_list_costs_the_same_for_many(
    as_vera: Client, published: Instance, django_assert_max_num_queries: Any
) -> None:
    for port in range(9000, 9005):
        set_port(published, port)
        publish(published, by=None, accept_warnings=True)
    with django_assert_max_num_queries(12):
        as_vera.get(reverse("admin:dashboard_revision_changelist"))
    with django_assert_max_num_queries(18):
        as_vera.get(page(published, "revisions"))
