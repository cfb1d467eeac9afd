"""Pages of tunnels as they leave the panel; what their scripts make of them is in tests/browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dashboard.models import Instance, Node, Service
from dashboard.services.editing import change_entry
from dashboard.services.exposing import Wish, carry_out
from dashboard.services.instances import local_node
from dashboard.services.pausing import pause
from tests.dashboard.admin.conftest import ID

TABS = ("now", "history", "events", "documents", "settings")


def address(instance: Instance, tag: str = "home", kind: str = "portal", **more: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"kind": kind, "tag": tag, **more}.items())
    return f"{reverse('admin:dashboard_instance_tunnel', args=[instance.pk])}?{query}"


def given(page: str) -> Any:
    """What the page's script is given."""
    found = re.search(r'<script id="live-data" type="application/json">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_is_an_address_without_secrets(as_vera: Client, portal: Instance, tab: str) -> None:
    answer = as_vera.get(address(portal, tab=tab))
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert ID not in shown
    assert given(shown)["tunnel"] == {"instance": portal.pk, "tag": "home", "kind": "portal"}


def test_what_is_not_there_is_not_found(as_vera: Client, portal: Instance) -> None:
    for wrong in ("gone", "home&tab=no"):
        assert as_vera.get(address(portal, wrong)).status_code == 404
    assert as_vera.get(address(portal, kind="bridge")).status_code == 404
    assert as_vera.get(address(portal).partition("?")[0]).status_code == 302


def test_only_who_publishes_may_close_what_runs(as_vera: Client, as_olaf: Client, portal: Instance) -> None:
    assert given(as_vera.get(address(portal)).content.decode())["may_act"] is False
    assert given(as_olaf.get(address(portal)).content.decode())["may_act"] is True


def test_only_who_publishes_may_pause_it(as_vera: Client, as_olaf: Client, portal: Instance, olaf: User) -> None:
    assert 'id="pause"' not in as_vera.get(address(portal)).content.decode()
    assert 'id="pause"' in as_olaf.get(address(portal)).content.decode()
    pause(portal, "portal", "home", by=olaf)
    (lane,) = given(as_vera.get(address(portal)).content.decode())["map"]["lanes"]
    assert lane["paused"]["by"] == "olaf"


def test_both_sides_documents_are_there(as_olaf: Client, ada: User) -> None:
    cellar = Node.objects.create(name="cellar")
    wish = Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vless", carrier_port=10240, core="xrev", far_node=cellar)
    service = carry_out(wish, by=ada)
    shown = as_olaf.get(address(service.instance, "nas", tab="documents")).content.decode()
    assert "Public side: nas-portal" in shown
    assert "Far side: nas-bridge" in shown
    assert "PRIVATE KEY" not in shown
    assert service.far_instance is not None
    assert shown.count("Nothing was found in it.") == 2
    of_bridge = as_olaf.get(address(service.far_instance, "nas", "bridge")).content.decode()
    assert "Portal nas on" in of_bridge


def test_the_other_cores_file_is_shown_masked(as_olaf: Client, ada: User) -> None:
    wish = Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vmess", carrier_port=10240, core="v2ray-4")
    service = carry_out(wish, by=ada)
    shown = as_olaf.get(address(service.instance, "nas", tab="documents")).content.decode()
    assert "the file for V2Ray 4" in shown
    assert json.loads(service.far_document)["outbounds"][1]["settings"]["vnext"][0]["users"][0]["id"] not in shown


def test_what_does_not_fit_the_other_side_leads_to_its_field(as_olaf: Client, ada: User) -> None:
    cellar = Node.objects.create(name="cellar")
    wish = Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vmess", carrier_port=10240, core="xrev", far_node=cellar)
    far = carry_out(wish, by=ada).far_instance
    assert far is not None
    outbound = far.outbounds.get(protocol="vmess")
    body = json.loads(json.dumps(outbound.entry).replace(outbound.entry["settings"]["vnext"][0]["users"][0]["id"], ID))
    change_entry(outbound, body, by=ada)
    shown = as_olaf.get(address(far, "nas", "bridge", tab="documents")).content.decode()
    assert "has the id of" in shown
    assert re.search(rf'href="{reverse("admin:dashboard_outbound_change", args=[outbound.pk])}\?field=[^"]*users', shown)
    assert ID not in shown


def test_findings_of_a_file_lead_to_its_lines(as_olaf: Client, ada: User) -> None:
    wish = Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vmess", carrier_port=10240, core="v2ray-4")
    service = carry_out(wish, by=ada)
    service.far_document = service.far_document.replace("nas.", "other.")
    service.save()
    shown = as_olaf.get(address(service.instance, "nas", tab="documents")).content.decode()
    line = re.search(r'href="#(2line-\d+)">reverse\.bridges\[0\]\.domain', shown)
    assert line is not None
    assert f'id="{line[1]}"' in shown


def exposed(ada: User) -> Service:
    return carry_out(Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vless", carrier_port=10250, core="xrev",
        far_node=Node.objects.create(name="cellar")), by=ada)


def parts_on(shown: str) -> list[tuple[str, ...]]:
    """What each part is and is called, as the tab lists them."""
    return re.findall(r'<span class="x-part-what">(.*?)</span><strong>(.*?)</strong>', shown)


def test_both_sides_parts_are_listed_with_their_pages(as_vera: Client, ada: User) -> None:
    service = exposed(ada)
    shown = as_vera.get(address(service.instance, "nas", tab="settings")).content.decode()
    listed = parts_on(shown)
    assert [what for what, _ in listed if what != "rule"] == [
        "entry", "portal", "for bridges", "bridge", "way to the portal", "way to the target"]
    assert sum(what == "rule" for what, _ in listed) >= 3
    assert "Save" not in shown
    assert "readonly" in shown
    assert reverse("admin:dashboard_portal_change", args=[service.instance.portals.get().pk]) in shown


def test_a_port_is_changed_in_place(as_olaf: Client, as_vera: Client, ada: User) -> None:
    instance = exposed(ada).instance
    entry, page = instance.inbounds.get(tag="nas-entry"), address(instance, "nas", tab="settings")
    version = Instance.objects.get(pk=instance.pk).version
    sent = {"part": f"inbound-{entry.pk}", "version": version, "port": "8444"}
    assert as_vera.post(page, sent).status_code == 403
    answer = as_olaf.post(page, sent, follow=True)
    assert "is saved. It runs when nas-portal is published." in answer.content.decode()
    assert "nas-portal not published" in answer.content.decode()
    changed = instance.inbounds.get(pk=entry.pk)
    assert changed.entry == {**entry.entry, "port": 8444}
    late = as_olaf.post(page, {**sent, "port": "8445"})
    assert "Somebody changed nas-portal meanwhile" in late.content.decode()


@pytest.mark.parametrize(("value", "words"), [
    ("0", "a port is a number"), ("70000", "a port is a number"), ("", "this is needed"), ("8o", "a port is a number"),
    ("90-80", "port"), ("10250", "10250"),
])
def test_a_value_that_is_none_is_refused_at_its_part(as_olaf: Client, ada: User, value: str, words: str) -> None:
    instance = exposed(ada).instance
    entry = instance.inbounds.get(tag="nas-entry")
    sent = {"part": f"inbound-{entry.pk}", "version": Instance.objects.get(pk=instance.pk).version, "port": value}
    answer = as_olaf.post(address(instance, "nas", tab="settings"), sent)
    assert answer.status_code == 400
    problem = re.search(r'role="alert">(.*?)</p>', answer.content.decode())
    assert problem is not None
    assert words in problem[1]
    assert instance.inbounds.get(pk=entry.pk).entry == entry.entry


def test_a_row_of_another_tunnel_is_not_changed_here(as_olaf: Client, ada: User, portal: Instance) -> None:
    entry = exposed(ada).instance.inbounds.get(tag="nas-entry")
    as_olaf.post(address(portal, tab="settings"), {"part": f"inbound-{entry.pk}", "version": 1, "port": "9000"})
    assert type(entry).objects.get(pk=entry.pk).entry == entry.entry


def test_names_are_text_wherever_they_stand(as_vera: Client, portal: Instance) -> None:
    Instance.objects.filter(pk=portal.pk).update(name="</script><b>x")
    for page in (reverse("admin:index"), address(portal)):
        assert "</script><b>x" not in as_vera.get(page).content.decode()


def test_the_map_is_for_who_may_see_instances(as_vera: Client, as_sam: Client, portal: Instance) -> None:
    link = reverse("admin:dashboard_instance_map")
    assert as_sam.get(link).status_code == 403
    answer = as_vera.get(link)
    assert [lane["name"] for lane in answer.json()["lanes"]] == ["home"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert ID not in answer.content.decode()
