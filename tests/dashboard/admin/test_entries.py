from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dashboard.accounts.stepup import _KEY
from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Credential, Inbound, Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db

ALICE = "5783a3e7-e373-51cd-8642-c83782b807c5"
SECRET = "27848739-7e62-4138-9fd3-098a63964b6b"
DOCUMENT: dict[str, Any] = {
    "inbounds": [
        {"tag": "web", "port": 443, "protocol": "vless", "x-mine": {"b": 1, "a": 2},
         "settings": {"clients": [{"id": ALICE, "email": "alice"}], "decryption": "none"}},
        {"tag": "odd", "port": 444, "protocol": "later", "settings": {"clients": 5}},
    ],
    "outbounds": [
        {"tag": "direct", "protocol": "freedom"},
        {"tag": "far", "protocol": "vless", "settings": {"vnext": [
            {"address": "far.example", "port": 443, "users": [{"id": SECRET, "encryption": "none"}]}]}},
    ],
    "reverse": {"portals": [{"tag": "home", "domain": "home.example"}], "bridges": [{"tag": "b", "domain": "b.example"}]},
    "routing": {"balancers": [{"tag": "any", "selector": ["far"]}], "rules": [
        {"type": "field", "inboundTag": "web", "outboundTag": "home"}, {"port": "53", "outboundTag": "direct"}]},
}  # fmt: skip
MODELS = ("inbound", "outbound", "portal", "bridge", "routingrule", "balancer")


@pytest.fixture
def edge() -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


def as_person(client: Client, person: User) -> Client:
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_olaf(client: Client, olaf: User) -> Client:
    return as_person(client, olaf)


def rows(edge: Instance) -> list[tuple[str, Any]]:
    return [(name, row) for name in MODELS for row in getattr(edge, f"{name}s").all()]


def sent_back(page: str) -> dict[str, str]:
    """What a browser sends for the form on a page, nothing touched."""
    from html import unescape

    form = page[page.index('<form method="post" class="x-form x-entry"') :]
    values: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        kind = re.search(r'type="([^"]+)"', tag)
        if name and (kind is None or kind[1] not in ("checkbox", "submit")):
            values[name[1]] = unescape(value[1]) if value else ""
        elif name and re.search(r" checked(?=[ />])", tag) and kind and kind[1] == "checkbox":
            values[name[1]] = unescape(value[1]) if value else "on"
    for name, inner in re.findall(r'<textarea [^>]*?name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        values[name] = unescape(inner).removeprefix("\n")
    for name, inner in re.findall(r'<select [^>]*?name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)" selected', inner) or re.findall(r'<option value="([^"]*)"', inner)
        values[name] = unescape(chosen[0])
    return values


def page_of(client: Client, row: Any, query: str = "") -> str:
    name = row._meta.model_name
    response = client.get(reverse(f"admin:dashboard_{name}_change", args=[row.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def send(client: Client, row: Any, **changes: str) -> Any:
    address = reverse(f"admin:dashboard_{row._meta.model_name}_change", args=[row.pk])
    values = {**sent_back(page_of(client, row)), "do": "save", **changes}
    return client.post(address, values)


def test_sending_any_page_back_as_it_is_changes_nothing(as_olaf: Client, edge: Instance) -> None:
    for name, row in rows(edge):
        before = row.body
        response = send(as_olaf, row, anyway="1")
        assert response.status_code == 302, (name, str(row))
        row.refresh_from_db()
        assert row.body == before, (name, str(row))
    assert Instance.objects.get(pk=edge.pk).version == edge.version
    assert not AuditEntry.objects.filter(verb="changed").exists()


def test_a_field_changes_its_key_and_nothing_else(as_olaf: Client, edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    assert send(as_olaf, web, port="8443").status_code == 302
    web.refresh_from_db()
    assert list(web.entry) == ["tag", "port", "protocol", "x-mine", "settings"]
    assert (web.entry["port"], web.port) == (8443, "8443")
    far = edge.outbounds.get(tag="far")
    assert send(as_olaf, far, settings__vnext__0__port="8444").status_code == 302
    far.refresh_from_db()
    assert far.entry["settings"]["vnext"][0] == {
        "address": "far.example", "port": 8444, "users": [{"id": SECRET, "encryption": "none"}]}  # fmt: skip


def test_secrets_are_masked_until_somebody_who_may_asks_for_them(client: Client, ada: User, vera: User, edge: Instance) -> None:
    far, alice = edge.outbounds.get(tag="far"), Credential.objects.get()
    as_person(client, vera)
    for query in ("", "?as=json", "?reveal=1"):
        for row in (far, alice):
            page = page_of(client, row, query)
            assert SECRET not in page
            assert ALICE not in page
            assert MASK in page
    as_person(client, ada)
    address = reverse("admin:dashboard_outbound_change", args=[far.pk])
    assert "/account/confirm/" in client.get(f"{address}?reveal=1")["Location"]
    import time

    session = client.session
    session[_KEY] = int(time.time())
    session.save()
    assert SECRET in page_of(client, far, "?reveal=1")
    assert AuditEntry.objects.filter(verb="revealed", object_name="far").count() == 1


def test_a_viewer_changes_nothing(client: Client, vera: User, edge: Instance) -> None:
    as_person(client, vera)
    for name, row in rows(edge):
        page = page_of(client, row)
        assert 'value="save"' not in page
        assert client.post(reverse(f"admin:dashboard_{name}_change", args=[row.pk]), {"do": "save"}).status_code == 403
        assert client.post(reverse(f"admin:dashboard_{name}_delete", args=[row.pk]), {"confirmed": "1"}).status_code == 403
        assert client.get(reverse(f"admin:dashboard_{name}_add")).status_code == 403
    order = reverse("admin:dashboard_routingrule_order", args=[edge.pk])
    assert client.get(order).status_code == 200
    assert client.post(order, {"order": ""}).status_code == 403


def test_form_and_json_are_two_views_of_what_is_not_saved_yet(as_olaf: Client, edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    address = reverse("admin:dashboard_inbound_change", args=[web.pk])
    typed = {**sent_back(page_of(as_olaf, web)), "port": "9000", "do": "json"}
    as_json = sent_back(as_olaf.post(address, typed).content.decode())
    assert json.loads(as_json["text"])["port"] == 9000
    assert json.loads(as_json["text"])["x-mine"] == {"b": 1, "a": 2}
    edited = as_json["text"].replace("9000", "9001").replace('"x-mine"', '"x-yours"')
    as_form = sent_back(as_olaf.post(address, {**as_json, "text": edited, "do": "form"}).content.decode())
    assert as_form["port"] == "9001"
    web.refresh_from_db()
    assert web.port == "443"
    assert as_olaf.post(address, {**as_form, "do": "save"}).status_code == 302
    web.refresh_from_db()
    assert (web.entry["port"], "x-yours" in web.entry) == (9001, True)


def test_json_that_cannot_be_read_says_where(as_olaf: Client, edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    address = reverse("admin:dashboard_inbound_change", args=[web.pk])
    answer = as_olaf.post(address, {"mode": "json", "text": '{\n  "port": ,\n}', "do": "save"})
    assert answer.status_code == 400
    assert "Line 2, column 11" in answer.content.decode()
    assert "&quot;port&quot;: ," in answer.content.decode(), "what was typed is still there"


def test_an_error_is_at_its_field_and_can_be_saved_on_purpose(as_olaf: Client, edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    answer = send(as_olaf, web, port="99999")
    assert answer.status_code == 400
    assert answer.context["form"].errors["port"]
    assert "Save although it has errors" in answer.content.decode()
    assert send(as_olaf, web, port="99999", anyway="1").status_code == 302
    web.refresh_from_db()
    assert web.entry["port"] == 99999


def test_another_protocol_has_other_fields(as_olaf: Client, edge: Instance) -> None:
    direct = edge.outbounds.get(tag="direct")
    address = reverse("admin:dashboard_outbound_change", args=[direct.pk])
    page = as_olaf.post(address, {**sent_back(page_of(as_olaf, direct)), "protocol": "vmess", "do": "protocol"}).content.decode()
    values = sent_back(page)
    assert "settings__vnext__0__address" in values
    assert json.loads(values["base"]) == {"tag": "direct", "protocol": "vmess"}


def test_a_change_that_crosses_another_one_is_shown_before_it_is_overwritten(as_olaf: Client, edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    address = reverse("admin:dashboard_inbound_change", args=[web.pk])
    mine = {**sent_back(page_of(as_olaf, web)), "port": "1111", "do": "save"}
    assert send(as_olaf, web, port="2222").status_code == 302
    answer = as_olaf.post(address, mine)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Somebody else changed this inbound" in page
    assert "&quot;port&quot;: 2222" in page
    assert as_olaf.post(address, {**sent_back(page), "do": "save"}).status_code == 302
    web.refresh_from_db()
    assert web.port == "1111"


def test_a_new_entry_is_made_where_it_belongs(as_olaf: Client, edge: Instance) -> None:
    add = reverse("admin:dashboard_routingrule_add")
    assert "Of which instance?" in as_olaf.get(add).content.decode()
    address = f"{add}?instance={edge.pk}"
    values = {**sent_back(as_olaf.get(address).content.decode()), "outboundTag": "home", "domain": "full:a.example", "do": "save"}
    assert as_olaf.post(address, values).status_code == 302
    rule = edge.routingrules.get(position=2)
    assert rule.entry == {"type": "field", "outboundTag": "home", "domain": ["full:a.example"]}


def test_deleting_says_what_would_break(as_olaf: Client, edge: Instance) -> None:
    home = edge.portals.get()
    address = reverse("admin:dashboard_portal_delete", args=[home.pk])
    assert "rule number 1 goes to home" in as_olaf.get(address).content.decode()
    assert as_olaf.post(address, {"confirmed": "1"}).status_code == 200
    assert edge.portals.count() == 1
    assert as_olaf.post(address, {"confirmed": "1", "anyway": "1"}).status_code == 302
    assert edge.portals.count() == 0


def test_many_are_switched_cloned_and_deleted_from_the_list(as_olaf: Client, edge: Instance) -> None:
    address = reverse("admin:dashboard_outbound_changelist")
    pks = [row.pk for row in edge.outbounds.all()]
    as_olaf.post(address, {"action": "switch_off", "_selected_action": pks})
    assert edge.outbounds.filter(enabled=False).count() == 2
    as_olaf.post(address, {"action": "clone", "_selected_action": pks[:1]})
    assert [row.tag for row in edge.outbounds.all()] == ["direct", "direct-copy", "far"]
    asked = as_olaf.post(address, {"action": "delete_checked", "_selected_action": pks})
    assert "This would break" in asked.content.decode()
    as_olaf.post(address, {"action": "delete_checked", "_selected_action": pks, "confirmed": "1", "anyway": "1"})
    assert [row.tag for row in edge.outbounds.all()] == ["direct-copy"]


def test_the_order_is_saved_as_a_whole(as_olaf: Client, edge: Instance) -> None:
    first, second = edge.routingrules.all()
    address = reverse("admin:dashboard_routingrule_order", args=[edge.pk])
    as_olaf.post(address, {"order": f"{second.pk},{first.pk}"})
    assert list(edge.routingrules.all()) == [second, first]
    answer = as_olaf.post(address, {"order": f"{second.pk}"}, follow=True)
    assert "The order is as it was" in answer.content.decode()


def test_a_client_has_limits_in_units_of_people(as_olaf: Client, edge: Instance) -> None:
    alice = Credential.objects.get()
    assert send(as_olaf, alice, data_limit="1.5", expires_at="2027-01-01T12:00", email="alicia").status_code == 302
    alice.refresh_from_db()
    assert (alice.data_limit_bytes, alice.email, alice.entry) == (1610612736, "alicia", {"id": ALICE, "email": "alicia"})
    assert alice.expires_at is not None
    assert alice.expires_at.isoformat() == "2027-01-01T12:00:00+00:00"
    address = f"{reverse('admin:dashboard_credential_add')}?inbound={alice.inbound_id}"
    values = {**sent_back(as_olaf.get(address).content.decode()), "email": "bob", "do": "save"}
    assert as_olaf.post(address, values).status_code == 302
    assert len(Credential.objects.get(email="bob").entry["id"]) == 36


def test_lists_take_a_fixed_number_of_queries(as_olaf: Client, edge: Instance, django_assert_max_num_queries: Any) -> None:
    web = edge.inbounds.get(tag="web")
    Credential.objects.bulk_create(Credential(inbound=web, position=number, email=f"c{number}") for number in range(1, 150))
    Inbound.objects.bulk_create(Inbound(instance=edge, position=number, tag=f"i{number}") for number in range(2, 150))
    for name in (*MODELS, "credential", "auditentry"):
        with django_assert_max_num_queries(25):
            assert as_olaf.get(reverse(f"admin:dashboard_{name}_changelist")).status_code == 200
