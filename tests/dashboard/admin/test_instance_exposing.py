from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.stepup import confirm_url
from dashboard.admin.service import _FRESH
from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Instance, Node, Service
from dashboard.services.instances import local_node
from tests.dashboard.admin.conftest import gave_password

WIZARD = reverse("admin:dashboard_expose")


@pytest.fixture
def given(db: None) -> dict[str, Any]:
    return {
        "name": "nas", "target_host": "192.168.1.10", "target_port": "80", "networks": "tcp", "where": f"node:{local_node().pk}",
        "public_port": "8443", "portal_host": "edge.example.net", "far": "core:v2ray-4", "carrier": "vless",
        "carrier_port": "10240", "public_listen": "",
    }


def made(client: Client, given: dict[str, Any]) -> Service:
    assert client.post(WIZARD, {**given, "confirm": "1"}).status_code == 302
    return Service.objects.get(name=given["name"])


def page(service: Service) -> str:
    return reverse("admin:dashboard_service_change", args=[service.pk])


def user_id(service: Service) -> str:
    return str(json.loads(service.far_document)["outbounds"][1]["settings"]["vnext"][0]["users"][0]["id"])


def test_the_first_page_suggests_free_ports(as_olaf: Client, portal: Instance) -> None:
    shown = as_olaf.get(WIZARD).content.decode()
    assert 'name="public_port" value="8081"' in shown
    assert 'name="carrier_port" value="10241"' in shown


def test_the_review_makes_nothing(as_olaf: Client, given: dict[str, Any]) -> None:
    shown = as_olaf.post(WIZARD, {**given, "review": "1"}).content.decode()
    assert "new instance nas-portal" in shown
    assert "a file for V2Ray 4" in shown
    assert "inbound nas-entry is new" in shown
    assert "PRIVATE KEY" not in shown
    assert not Instance.objects.exists()


def test_mistakes_are_at_their_fields(as_olaf: Client, portal: Instance, given: dict[str, Any]) -> None:
    answer = as_olaf.post(WIZARD, {**given, "name": "Nas!", "public_port": "8080", "public_listen": "here", "review": "1"})
    assert answer.status_code == 400
    assert "An IP address is expected" in answer.content.decode()
    answer = as_olaf.post(WIZARD, {**given, "public_port": "8080", "review": "1"})
    assert "Inbound web of edge listens there. 8443 is free" not in answer.content.decode()
    assert "Inbound web of edge listens there. 8081 is free" in answer.content.decode()


def test_who_made_it_gets_the_file_and_others_do_not(as_olaf: Client, as_vera: Client, given: dict[str, Any]) -> None:
    service = made(as_olaf, given)
    secret = user_id(service)
    assert secret in as_olaf.get(page(service)).content.decode()
    file = as_olaf.get(reverse("admin:dashboard_service_file", args=[service.pk]))
    assert file.content.decode() == service.far_document
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''nas.json"
    seen = as_vera.get(page(service)).content.decode()
    assert MASK in seen
    assert secret not in seen
    assert as_vera.get(reverse("admin:dashboard_service_file", args=[service.pk])).status_code == 403
    assert as_vera.get(page(service) + "?secrets=1").status_code == 403


def test_later_the_file_asks_for_the_right_and_the_password(as_olaf: Client, as_ada: Client, given: dict[str, Any]) -> None:
    service = made(as_olaf, given)
    session = as_olaf.session
    session[_FRESH] = {str(service.pk): session[_FRESH][str(service.pk)] - 601}
    session.save()
    assert user_id(service) not in as_olaf.get(page(service)).content.decode()
    assert as_olaf.get(page(service) + "?secrets=1").status_code == 403
    assert as_ada.get(page(service) + "?secrets=1").headers["Location"].startswith("/admin/account/confirm/")
    gave_password(as_ada)
    assert user_id(service) in as_ada.get(page(service) + "?secrets=1").content.decode()
    assert AuditEntry.objects.filter(verb="revealed", object_name="nas").exists()


def test_the_page_says_what_to_type_and_how_to_see_that_it_works(as_olaf: Client, given: dict[str, Any]) -> None:
    shown = as_olaf.get(page(made(as_olaf, given))).content.decode()
    assert "v2ray -config nas.json" in shown
    assert "manage.py xray_export nas-portal --secrets" in shown
    assert "curl -v http://edge.example.net:8443/" in shown


def test_a_node_of_ours_gets_an_instance(as_olaf: Client, given: dict[str, Any]) -> None:
    cellar = Node.objects.create(name="cellar")
    service = made(as_olaf, {**given, "far": f"node:{cellar.pk}"})
    assert service.far_instance is not None
    assert service.far_instance.node == cellar
    assert "nas-bridge" in as_olaf.get(page(service)).content.decode()


def test_a_viewer_exposes_nothing(as_vera: Client, given: dict[str, Any]) -> None:
    assert as_vera.get(WIZARD).status_code == 403
    assert as_vera.post(WIZARD, {**given, "confirm": "1"}).status_code == 403


def test_services_are_listed_and_taken_down(as_olaf: Client, as_vera: Client, given: dict[str, Any]) -> None:
    service = made(as_olaf, given)
    shown = as_vera.get(reverse("admin:dashboard_service_changelist")).content.decode()
    for words in ("nas-portal, port 8443", "192.168.1.10:80 (tcp)", "V2Ray 4"):
        assert words in shown
    address = reverse("admin:dashboard_service_delete", args=[service.pk])
    assert as_vera.post(address).status_code == 403
    assert "stops working" in as_olaf.get(address).content.decode()
    assert as_olaf.post(address).status_code == 302
    assert not Service.objects.exists()


def test_the_instance_names_its_services(as_olaf: Client, given: dict[str, Any]) -> None:
    service = made(as_olaf, given)
    overview = as_olaf.get(reverse("admin:dashboard_instance_change", args=[service.instance_id])).content.decode()
    assert f'href="{page(service)}"' in overview
    shown = as_olaf.get(reverse("admin:dashboard_instance_delete", args=[service.instance_id])).content.decode()
    assert "1 service, with the file of the far side" in shown


def test_after_the_password_comes_the_page_and_not_a_download(as_ada: Client, given: dict[str, Any]) -> None:
    service = made(as_ada, given)
    session = as_ada.session
    session[_FRESH] = {}
    session.save()
    asked = as_ada.get(reverse("admin:dashboard_service_file", args=[service.pk]))
    assert asked.headers["Location"] == confirm_url(f"{page(service)}?secrets=1")
