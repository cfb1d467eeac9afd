from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Credential, Inbound, Instance
from dashboard.services.exporting import export_document
from dashboard.services.publishing import publish
from tests.dashboard.admin.conftest import ID, PORTAL, gave_password

TABS = ("overview", "inbounds", "outbounds", "portals", "bridges", "rules", "balancers")
OWN_PAGES = ("document", "rest")


def page(instance: Instance, tab: str = "") -> str:
    return reverse("admin:dashboard_instance_change", args=[instance.pk]) + (f"?tab={tab}" if tab else "")


def own(instance: Instance, name: str) -> str:
    return reverse(f"admin:dashboard_instance_{name}", args=[instance.pk])


def text(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_list_shows_role_node_and_what_is_not_published(as_vera: Client, portal: Instance) -> None:
    shown = text(as_vera, reverse("admin:dashboard_instance_changelist"))
    for words in ("edge", "local", "portal", "2 in, 1 out, 1 rules", "never published"):
        assert words in shown
    publish(portal, by=None, accept_warnings=True)
    assert "published as #1" in text(as_vera, reverse("admin:dashboard_instance_changelist"))


@pytest.mark.parametrize("query", ["q=edge", "role=portal", "published=no", "enabled__exact=1"])
def test_the_list_is_searched_and_filtered(as_vera: Client, portal: Instance, query: str) -> None:
    assert "edge" in text(as_vera, reverse("admin:dashboard_instance_changelist") + f"?{query}")


@pytest.mark.parametrize("query", ["q=nothing", "role=bridge", "published=yes", "enabled__exact=0"])
def test_what_does_not_fit_is_not_in_the_list(as_vera: Client, portal: Instance, query: str) -> None:
    shown = text(as_vera, reverse("admin:dashboard_instance_changelist") + f"?{query}")
    assert page(portal) not in shown


def test_the_list_costs_the_same_for_many(as_vera: Client, portal: Instance, django_assert_max_num_queries: object) -> None:
    for number in range(20):
        Instance.objects.create(name=f"i{number}", node=portal.node)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        as_vera.get(reverse("admin:dashboard_instance_changelist"))


def test_a_new_instance_is_empty_and_says_what_to_do_next(as_olaf: Client, portal: Instance) -> None:
    answer = as_olaf.post(
        reverse("admin:dashboard_instance_add"), {"name": "fresh", "node": portal.node.pk, "note": ""}, follow=True)
    assert "This instance is empty" in answer.content.decode()
    assert AuditEntry.objects.filter(verb="created", object_name="fresh").exists()


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_of_an_instance(as_vera: Client, portal: Instance, tab: str) -> None:
    shown = text(as_vera, page(portal, tab))
    assert 'aria-current="page"' in shown
    assert ID not in shown


def test_tabs_list_the_entries_with_what_tells_them_apart(as_vera: Client, portal: Instance) -> None:
    inbounds = text(as_vera, page(portal, "inbounds"))
    assert "every address, port 10240" in inbounds
    rules = text(as_vera, page(portal, "rules"))
    assert "from web, interconn" in rules
    assert "No bridges yet" in text(as_vera, page(portal, "bridges"))
    assert "No inbound has" in text(as_vera, page(portal, "inbounds") + "&q=nothing")


def test_the_overview_draws_the_ways_of_connections(as_vera: Client, portal: Instance) -> None:
    shown = text(as_vera, page(portal))
    for words in ("How connections go", "web", "portal, home.example.internal", "what no rule takes", "blackhole"):
        assert words in shown


@pytest.mark.parametrize("address", ["/admin/dashboard/instance/999/change/", "/admin/dashboard/instance/x/change/"])
def test_an_instance_that_is_not_there(as_vera: Client, address: str) -> None:
    assert as_vera.get(address).status_code == 404


def test_settings_are_saved_by_an_operator_and_not_by_a_viewer(as_olaf: Client, as_vera: Client, portal: Instance) -> None:
    wanted = {"name": "edge-2", "note": "in Vienna", "enabled": "on", "node": portal.node.pk, "version": portal.version}
    assert as_vera.post(page(portal), wanted).status_code == 403
    assert as_olaf.post(page(portal), wanted).status_code == 302
    portal.refresh_from_db()
    assert (portal.name, portal.note) == ("edge-2", "in Vienna")
    conflict = as_olaf.post(page(portal), wanted)
    assert conflict.status_code == 400
    assert "somebody else changed this instance" in conflict.content.decode()
    assert (portal.memory_limit_mib, portal.descriptor_limit) == (0, 0)


def test_limits_of_the_process_are_settings(as_olaf: Client, portal: Instance) -> None:
    settings = {"name": "edge", "note": "", "enabled": "on", "node": portal.node.pk, "version": portal.version}
    refused = as_olaf.post(page(portal), {**settings, "memory_limit_mib": "64"})
    assert refused.status_code == 400
    assert "0 for no limit, or 128 to 1,048,576 MiB" in refused.content.decode()
    assert as_olaf.post(page(portal), {**settings, "memory_limit_mib": "512", "descriptor_limit": ""}).status_code == 302
    portal.refresh_from_db()
    assert (portal.memory_limit_mib, portal.descriptor_limit) == (512, 0)
    assert 'value="512"' in text(as_olaf, page(portal))


def test_the_document_is_masked_for_everybody_at_first(as_ada: Client, as_vera: Client, portal: Instance) -> None:
    for client in (as_ada, as_vera):
        shown = text(client, own(portal, "document"))
        assert MASK in shown
        assert ID not in shown
        file = client.get(own(portal, "document") + "?download=1")
        assert json.loads(file.content)["inbounds"][1]["settings"]["clients"][0]["id"] == MASK


def test_secrets_ask_for_the_right_and_the_password(as_ada: Client, as_olaf: Client, portal: Instance) -> None:
    wanted = own(portal, "document") + "?download=1&secrets=1"
    assert as_olaf.get(wanted).status_code == 403
    asked = as_ada.get(wanted)
    assert asked.status_code == 302
    assert asked.headers["Location"].startswith("/admin/account/confirm/?next=")
    gave_password(as_ada)
    file = as_ada.get(wanted)
    assert json.loads(file.content) == PORTAL
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''edge.json"
    assert AuditEntry.objects.filter(verb="exported", object_name="edge").count() == 1


def test_the_rest_is_edited_as_json(as_olaf: Client, as_vera: Client, portal: Instance) -> None:
    empty = {"inbounds": [], "outbounds": [], "reverse": {"portals": []}, "routing": {"rules": []}}
    rest = {**PORTAL, "log": {"loglevel": "debug"}, **empty}
    wanted = {"text": json.dumps(rest), "version": portal.version}
    assert as_vera.post(own(portal, "rest"), wanted).status_code == 403
    assert as_olaf.post(own(portal, "rest"), wanted).status_code == 302
    portal.refresh_from_db()
    assert export_document(portal, masked=False)["log"] == {"loglevel": "debug"}


def test_a_mistake_in_the_rest_is_shown_where_it_is(as_olaf: Client, portal: Instance) -> None:
    answer = as_olaf.post(own(portal, "rest"), {"text": '{\n  "log": {]\n}', "version": portal.version})
    assert answer.status_code == 400
    assert "line 2, column 11" in answer.content.decode()


def test_entries_do_not_belong_into_the_rest(as_olaf: Client, portal: Instance) -> None:
    answer = as_olaf.post(own(portal, "rest"), {"text": '{"outbounds": [{"protocol": "freedom"}]}', "version": portal.version})
    assert "on its own tab" in answer.content.decode()


def test_deleting_says_what_goes_and_needs_the_right(as_olaf: Client, as_vera: Client, portal: Instance) -> None:
    address = reverse("admin:dashboard_instance_delete", args=[portal.pk])
    assert as_vera.get(address).status_code == 403
    shown = text(as_olaf, address)
    for words in ("2 inbounds", "1 portal", "1 client "):
        assert words in shown
    assert as_olaf.post(address).status_code == 302
    assert not Instance.objects.exists()


def test_a_clone_has_everything_and_is_off(as_olaf: Client, as_vera: Client, portal: Instance) -> None:
    Inbound.objects.filter(tag="web").update(enabled=False)
    Credential.objects.update(data_limit_bytes=1000)
    address = own(portal, "clone")
    assert as_vera.post(address, {"name": "copy"}).status_code == 403
    assert "name" in as_olaf.post(address, {"name": "edge"}).content.decode()
    assert as_olaf.post(address, {"name": "copy"}).status_code == 302
    copy = Instance.objects.get(name="copy")
    assert not copy.enabled
    assert export_document(copy, masked=False) == export_document(portal, masked=False)
    assert not Inbound.objects.get(instance=copy, tag="web").enabled
    assert Credential.objects.get(inbound__instance=copy).data_limit_bytes == 1000


@pytest.mark.parametrize("name", OWN_PAGES)
def test_a_person_without_a_role_sees_nothing(as_sam: Client, portal: Instance, name: str) -> None:
    assert as_sam.get(own(portal, name)).status_code == 403
    assert as_sam.get(page(portal)).status_code == 403
