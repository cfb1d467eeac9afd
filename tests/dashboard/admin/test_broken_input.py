"""Addresses and forms that no page of ours sends: each gets an answer, and none of them is a fault of the panel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.models import Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from tests.dashboard.admin.test_entries import DOCUMENT, page_of, sent_back

pytestmark = pytest.mark.django_db
SUPERSCRIPT_TWO = "²"       # a digit to Unicode, and no number to a database


@pytest.fixture
def edge() -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


def all_pages_work(client: Client, edge: Instance) -> None:
    for name in ("change", "document", "problems", "publish", "rest"):
        assert client.get(reverse(f"admin:dashboard_instance_{name}", args=[edge.pk])).status_code in (200, 409), name
    assert client.get("/admin/").status_code == 200
    for kind in ("inbounds", "outbounds", "rules"):
        assert client.get(reverse("admin:dashboard_instance_change", args=[edge.pk]), {"tab": kind}).status_code == 200


@pytest.mark.parametrize("text", [
    "[" * 60_000, "NaN", "[Infinity]", '{"a": 1, "a": 2}', "1" * 5000, r'"\ud800"', r'{"\udc00": 1}', "1e999",
], ids=["deep", "NaN", "Infinity", "twice", "digits", "half a character", "half a key", "too large"])  # fmt: skip
def test_what_is_no_json_in_a_field_is_refused_there(as_olaf: Client, edge: Instance, text: str) -> None:
    web = edge.inbounds.get(tag="web")
    sent = {**sent_back(page_of(as_olaf, web)), "do": "save", "settings__fallbacks": text, "anyway": "1"}
    answer = as_olaf.post(reverse("admin:dashboard_inbound_change", args=[web.pk]), sent)
    assert answer.status_code == 400
    assert "This is not JSON" in answer.content.decode()
    before = web.body
    web.refresh_from_db()
    assert web.body == before


ODD: dict[str, Any] = {
    "deep": '{"a":' * 60_000,
    "NaN": '{"port": NaN}',
    "half a character": r'{"tag": "\ud800"}',
    "digits": '{"port": ' + "1" * 5000 + "}",
    "zero": '{"tag": "a\\u0000b", "port": 1, "protocol": "socks"}',
    "other types": '{"tag": ["x"], "port": {"a": 1}, "protocol": 5, "settings": [1], "streamSettings": "x", "sniffing": 1}',
    "more types": '{"tag": 5, "port": [], "protocol": null, "settings": {"clients": {"id": [1]}}, "streamSettings": {"a": []}}',
    "wrong settings": '{"tag": "w", "port": 1, "protocol": "vless", "settings": {"clients": [[], 5, null, {"id": {}}]}}',
    "long": '{"tag": "' + "x" * 70_000 + '"}',
    "a list": "[]",
    "nothing": "",
}


SHAPES = ("deep", "half a character", "other types", "more types", "a list")
"""What a form is made of differs from kind to kind; the others are for whoever reads the text, who is the same for all."""


@pytest.mark.parametrize(("kind", "odd"), [
    *(("inbound", odd) for odd in ODD),
    *((kind, odd) for kind in ("outbound", "portal", "bridge", "routingrule", "balancer") for odd in SHAPES)])
def test_odd_json_of_an_entry_gets_an_answer(as_olaf: Client, edge: Instance, kind: str, odd: str) -> None:
    text = ODD[odd]
    row = getattr(edge, f"{kind}s").first()
    address = reverse(f"admin:dashboard_{kind}_change", args=[row.pk])
    page = sent_back(page_of(as_olaf, row))
    for sent in (
        {"do": "form", "mode": "json", "text": text}, {"do": "json", "mode": "form", "base": text},
        {"do": "protocol", "mode": "form", "base": text, "protocol": "socks"},
        {"do": "save", "mode": "form", "base": text}, {"do": "save", "mode": "json", "text": text, "anyway": "1"},
    ):  # fmt: skip
        status = as_olaf.post(address, {**page, **sent}).status_code
        assert status in (200, 302, 400, 409), sent
        if status == 302:           # it was saved: nothing else is there to be shown otherwise
            all_pages_work(as_olaf, edge)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_documents_get_an_answer(as_olaf: Client, edge: Instance, text: str) -> None:
    inside = f'{{"inbounds": [{text or "5"}], "outbounds": {text or "{}"}}}'
    for document in (text, inside):
        for confirm in ({"preview": "1"}, {"confirm": "1"}):
            sent = {"name": "n", "node": local_node().pk, "text": document, **confirm}
            assert as_olaf.post(reverse("admin:dashboard_import"), sent).status_code in (200, 400)
        sent = {"version": edge.version, "text": document}
        status = as_olaf.post(reverse("admin:dashboard_instance_rest", args=[edge.pk]), sent).status_code
        assert status in (302, 400)
        if status == 302:
            all_pages_work(as_olaf, edge)


@pytest.mark.parametrize("word", ["\x00", "x" * 5000, SUPERSCRIPT_TWO, "9" * 40, "-1", "%", "'"])
def test_odd_words_in_addresses_get_an_answer(as_olaf: Client, edge: Instance, word: str) -> None:
    client = as_olaf
    client.raise_request_exception = False
    page = reverse("admin:dashboard_instance_change", args=[edge.pk])
    first = edge.inbounds.first()
    assert first is not None
    asked: list[tuple[str, dict[str, str]]] = [
        (page, {"tab": "rules", "q": word, "p": word}), (page, {"tab": word}),
        (reverse("admin:dashboard_instance_explain", args=[edge.pk]),
         {"host": word, "port": word, "network": word, "user": word, "source": word, "source_port": word}),
        (reverse("admin:dashboard_instance_explain", args=[edge.pk]),
         {"host": word, "port": "1", "network": "tcp", "user": word, "source": word}),
        (reverse("admin:dashboard_instance_revisions", args=[edge.pk]), {"p": word}),
        (reverse("admin:dashboard_expose"), {"instance": word}),
        (reverse("admin:dashboard_inbound_add"), {"instance": word}),
        (reverse("admin:dashboard_credential_add"), {"inbound": word}),
        (reverse("admin:dashboard_inbound_change", args=[first.pk]), {"field": f"{word}[99999999999].a..b[", "as": word}),
        (reverse("admin:dashboard_instance_rest", args=[edge.pk]), {"field": f"{word}[99999999999].a..b["}),
        ("/admin/search/", {"s": word, "extended": "1"}),
        *((reverse(f"admin:dashboard_{name}_changelist"), {"q": word, "o": word, "p": word, "instance__id__exact": word,
                                                         "inbound__id__exact": word, "state": word, "role": word})
          for name in ("inbound", "credential", "instance", "routingrule", "revision", "auditentry", "service")),
    ]  # fmt: skip
    for address, query in asked:
        assert client.get(address, query).status_code in (200, 302, 400, 404), (address, query)
    for name in ("inbound", "credential", "instance", "service", "revision", "certificate", "apitoken", "auditentry", "node"):
        address = f"/admin/dashboard/{name}/{'0' if word == chr(0) else word}/"
        assert client.get(f"{address}change/").status_code in (302, 403, 404), address
        assert client.get(f"{address}delete/").status_code in (302, 403, 404), address
    sent: list[tuple[str, dict[str, str]]] = [
        (reverse("admin:dashboard_instance_clone", args=[edge.pk]), {"name": word}),
        (reverse("admin:dashboard_instance_discard", args=[edge.pk]), {"version": word}),
        (reverse("admin:dashboard_instance_publish", args=[edge.pk]), {"version": word, "number": word, "comment": word}),
        (reverse("admin:dashboard_routingrule_order", args=[edge.pk]), {"order": word}),
        (reverse("admin:dashboard_import"), {"name": word, "node": word, "text": "{}", "version": word, "confirm": "1"}),
        (reverse("admin:dashboard_expose"), {
            "name": "nas", "target_host": "10.0.0.1", "target_port": "80", "networks": "tcp", "where": f"instance:{edge.pk}",
            "public_port": "8443", "portal_host": "x.example", "far": "core:xrev", "carrier": "vmess", "carrier_port": "9000",
            "confirm": "1", "version": word}),
        (page, {"name": word, "node": word, "version": word}),
        *((reverse(f"admin:dashboard_{name}_changelist"), {"action": action, "_selected_action": "999999", "select_across": word})
          for name in ("inbound", "credential") for action in ("delete_checked", "switch_on", word)),
    ]  # fmt: skip
    for address, values in sent:
        assert client.post(address, values).status_code in (200, 302, 400, 403, 404, 409), (address, values)
