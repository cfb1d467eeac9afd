from __future__ import annotations

import json
import re

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from dashboard.models import Inbound, Instance
from dashboard.services.exporting import export_document
from tests.dashboard.admin.conftest import PORTAL

NEW = reverse("admin:dashboard_import")


def into(instance: Instance) -> str:
    return reverse("admin:dashboard_instance_import", args=[instance.pk])


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
    value = re.search(r'value="([^"]*)"', found[0]) if found else None
    return value[1] if value else ""


def changed(port: int) -> str:
    document = json.loads(json.dumps(PORTAL))
    document["inbounds"][0]["port"] = port
    return json.dumps(document, indent=2)


def test_a_new_instance_in_two_steps(as_olaf: Client, portal: Instance) -> None:
    portal.delete()
    given = {"name": "edge-2", "node": portal.node.pk, "text": json.dumps(PORTAL)}
    seen = as_olaf.post(NEW, given).content.decode()
    assert "What will change:" in seen
    assert "inbound web is new (dokodemo-door, port 8080)" in seen
    assert not Instance.objects.exists()
    answer = as_olaf.post(NEW, {**given, "confirm": "1", "seen": hidden(seen, "seen")})
    assert answer.status_code == 302
    assert export_document(Instance.objects.get(name="edge-2"), masked=False) == PORTAL


def test_changes_are_said_before_they_are_made(as_olaf: Client, portal: Instance) -> None:
    seen = as_olaf.post(into(portal), {"text": changed(8443)}).content.decode()
    assert "port of inbound web 8080 -&gt; 8443" in seen
    assert Inbound.objects.get(tag="web").port == "8080"
    answer = as_olaf.post(into(portal), {
        "text": changed(8443), "confirm": "1", "seen": hidden(seen, "seen"), "version": hidden(seen, "version")})
    assert answer.status_code == 302
    assert Inbound.objects.get(tag="web").port == "8443"


def test_what_was_not_previewed_is_not_imported(as_olaf: Client, portal: Instance) -> None:
    seen = as_olaf.post(into(portal), {"text": changed(8443)}).content.decode()
    answer = as_olaf.post(into(portal), {"text": changed(9999), "confirm": "1", "seen": hidden(seen, "seen")})
    assert "another one than the preview was made of" in answer.content.decode()
    assert "8080 -&gt; 9999" in answer.content.decode()
    assert Inbound.objects.get(tag="web").port == "8080"


def test_somebody_else_was_faster(as_olaf: Client, portal: Instance) -> None:
    seen = as_olaf.post(into(portal), {"text": changed(8443)}).content.decode()
    Instance.objects.filter(pk=portal.pk).update(version=portal.version + 1)
    answer = as_olaf.post(into(portal), {
        "text": changed(8443), "confirm": "1", "seen": hidden(seen, "seen"), "version": hidden(seen, "version")})
    assert answer.status_code == 400
    assert "somebody else changed this instance" in answer.content.decode()
    assert Inbound.objects.get(tag="web").port == "8080"


def test_a_mistake_is_shown_with_its_line(as_olaf: Client, portal: Instance) -> None:
    answer = as_olaf.post(into(portal), {"text": '{\n  "inbounds": [\n    {"tag": "a"},,\n  ]\n}'})
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert "line 3, column 18" in shown
    assert 'data-line="3"' in shown
    assert "Nothing was changed" in shown


def test_a_file_is_as_good_as_a_text(as_olaf: Client, portal: Instance) -> None:
    file = SimpleUploadedFile("x.json", changed(8443).encode())
    seen = as_olaf.post(into(portal), {"text": "", "file": file}).content.decode()
    assert "port of inbound web 8080 -&gt; 8443" in seen
    broken = as_olaf.post(into(portal), {"text": "", "file": SimpleUploadedFile("x.json", b"\xff\xfe\x00")})
    assert "not text in UTF-8" in broken.content.decode()


def test_port_conflicts_and_findings_are_said(as_olaf: Client, portal: Instance) -> None:
    document = {"inbounds": [{"tag": "mine", "port": 8080, "protocol": "socks"}], "outbounds": [{"protocol": "fredom"}]}
    seen = as_olaf.post(NEW, {"name": "b", "node": portal.node.pk, "text": json.dumps(document)}).content.decode()
    assert "port 8080/tcp is taken by inbound web of edge" in seen
    assert "fredom" in seen


def test_what_cannot_be_run_is_said_before_it_is_imported(as_olaf: Client, portal: Instance) -> None:
    document = {"inbounds": [{"tag": "in", "port": 9, "protocol": "socks", "streamSettings": {"network": "grpc"}}],
                "outbounds": [{"tag": "out", "protocol": "freedom"}], "api": {"tag": "api"}}
    seen = as_olaf.post(NEW, {"name": "b", "node": portal.node.pk, "text": json.dumps(document)}).content.decode()
    assert "not run as it is" in seen
    assert "the network &quot;grpc&quot; is known to Xray, not run by this version" in seen
    assert seen.index("&quot;grpc&quot; is known") < seen.index("the API of the cores is not run")
    assert "Make the instance" in seen
    del document["inbounds"]
    seen = as_olaf.post(NEW, {"name": "b", "node": portal.node.pk, "text": json.dumps(document)}).content.decode()
    assert "the API of the cores is not run" in seen
    assert "not run as it is" not in seen


def test_a_masked_document_is_refused(as_olaf: Client, portal: Instance) -> None:
    masked = json.dumps(export_document(portal), ensure_ascii=False)
    assert "exported without its secrets" in as_olaf.post(into(portal), {"text": masked}).content.decode()


def test_nothing_is_asked_to_be_pasted(as_olaf: Client, portal: Instance) -> None:
    assert "Paste a document" in as_olaf.post(into(portal), {"text": " "}).content.decode()


def test_a_viewer_imports_nothing(as_vera: Client, portal: Instance) -> None:
    for address in (NEW, into(portal)):
        assert as_vera.get(address).status_code == 403
        assert as_vera.post(address, {"text": "{}"}).status_code == 403
