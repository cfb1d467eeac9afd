from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from dashboard.choices import Role, Verb
from dashboard.engine.parse import UnreadableDocument
from dashboard.models import AuditEntry, Credential, Inbound, Instance, Outbound, RoutingRule
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.exporting import export_text
from dashboard.services.importing import import_document, import_new, preview
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
OTHER_UUID = "27848739-7e62-4138-9fd3-098a63964b6b"

EDGE = """// head
{
  "log": { "loglevel": "warning" },
  "inbounds": [
    // the public one
    { "tag": "web", "port": 443, "protocol": "vless", "settings": { "clients": [
      { "id": "UUID", "email": "alice" }, { "id": "OTHER", "email": "bob", "level": 1 }
    ], "decryption": "none" } },
    { "tag": "ssh", "port": "2222", "protocol": "dokodemo-door", "unknown": 1.50 }
  ],
  "outbounds": [ { "tag": "a", "protocol": "freedom" }, { "protocol": "blackhole" } ],
  "routing": { "rules": [ { "outboundTag": "a", "port": 1 }, { "outboundTag": "a", "port": 2 } ] },
  "reverse": { "portals": [ { "tag": "p", "domain": "d" } ] }
}
""".replace("UUID", UUID).replace("OTHER", OTHER_UUID)


@pytest.fixture
def edge() -> Instance:
    return import_new(EDGE, name="edge", node=local_node(), by=None)[0]


def document(instance: Instance) -> Any:
    return json.loads(export_text(instance, by=None, masked=False))


def changed(instance: Instance, *replacements: tuple[str, str]) -> str:
    text = export_text(instance, by=None, masked=False, comments=True)
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    return text


def sentences(instance: Instance, text: str) -> list[str]:
    return [change.text for change in preview(text, instance).changes]


def test_rows_are_an_index_of_the_document(edge: Instance) -> None:
    web, ssh = edge.inbounds.all()
    assert (web.tag, web.protocol, web.port, ssh.port) == ("web", "vless", "443", "2222")
    assert web.entry["settings"] == {"clients": [], "decryption": "none"}
    assert [(one.email, one.level, one.entry["id"]) for one in web.credentials.all()] == [
        ("alice", None, UUID),
        ("bob", 1, OTHER_UUID),
    ]
    assert [(one.tag, one.protocol) for one in edge.outbounds.all()] == [("a", "freedom"), ("", "blackhole")]
    assert [one.outbound_tag for one in edge.routingrules.all()] == ["a", "a"]
    assert edge.role == Role.PORTAL
    assert Instance.objects.with_role().get().role == Role.PORTAL


def test_the_comments_come_back(edge: Instance) -> None:
    text = export_text(edge, by=None, masked=False, comments=True)
    assert text.startswith("// head\n{\n")
    assert '    // the public one\n    {\n      "tag": "web",\n' in text


def test_importing_what_is_there_changes_no_row(edge: Instance) -> None:
    stamps = [list(model.objects.values_list("pk", "updated_at")) for model in (Inbound, Credential, Outbound, RoutingRule)]
    assert preview(EDGE, edge).changes == []
    import_document(edge, EDGE, by=None)
    assert [
        list(model.objects.values_list("pk", "updated_at")) for model in (Inbound, Credential, Outbound, RoutingRule)
    ] == stamps
    assert edge.version == 3


def test_a_change_is_told_in_words_and_keeps_ids_and_counters(edge: Instance) -> None:
    Credential.objects.filter(email="bob").update(used_bytes=77, note="pays")
    ids = list(Credential.objects.values_list("pk", flat=True)), list(Inbound.objects.values_list("pk", flat=True))
    text = changed(edge, ("443", "8443"), ('"bob"', '"robert"'), ('"warning"', '"info"'), ('"port": 2\n', '"port": 3\n'))
    assert sentences(edge, text) == [
        'log.loglevel "warning" -> "info"',
        "port of inbound web 443 -> 8443",
        'email of client bob of inbound web "bob" -> "robert"',
        "port of rule number 2 2 -> 3",
    ]
    import_document(edge, text, by=None)
    assert (list(Credential.objects.values_list("pk", flat=True)), list(Inbound.objects.values_list("pk", flat=True))) == ids
    robert = Credential.objects.get(email="robert")
    assert (robert.used_bytes, robert.note, robert.level) == (77, "pays", 1)
    assert document(edge)["inbounds"][0]["port"] == 8443


def test_a_new_id_for_the_same_person_keeps_what_he_used_and_is_not_shown(edge: Instance) -> None:
    Credential.objects.filter(email="bob").update(used_bytes=77)
    text = changed(edge, (OTHER_UUID, "11111111-2222-4333-8444-555555555555"))
    assert sentences(edge, text) == ["id of client bob of inbound web changes"]
    import_document(edge, text, by=None)
    assert Credential.objects.get(email="bob").used_bytes == 77
    assert "1111" not in json.dumps(list(AuditEntry.objects.values("changes", "note")))


def test_order_is_told_where_it_changes(edge: Instance) -> None:
    document_now = document(edge)
    document_now["outbounds"].reverse()
    document_now["inbounds"].insert(0, {"tag": "new", "protocol": "http", "port": 1})
    text = json.dumps(document_now)
    assert sentences(edge, text) == [
        "comments between the entries change",
        "inbound new is new (http, port 1) in place 1",
        "comments of inbound web change",
        "outbound number 1 moves from place 2 to 1",
    ]
    import_document(edge, text, by=None)
    assert json.dumps(document(edge)) == text
    assert [one.protocol for one in edge.outbounds.all()] == ["blackhole", "freedom"]


def test_tags_may_change_places(edge: Instance) -> None:
    text = changed(edge, ('"web"', '"x"'), ('"ssh"', '"web"'), ('"x"', '"ssh"'))
    import_document(edge, text, by=None)
    assert json.dumps(document(edge)) == json.dumps(json.loads(text.replace("// head", "").replace("// the public one", "")))


def test_what_the_document_has_not_is_deleted(edge: Instance) -> None:
    assert sentences(edge, '{"log": {}}') == [
        "inbounds is removed, was []",
        "outbounds is removed, was []",
        "routing is removed, was {\"rules\":[]}",
        "reverse is removed, was {\"portals\":[]}",
        'log.loglevel is removed, was "warning"',
        "comments between the entries change",
        "inbound web is removed (vless, port 443)",
        "inbound ssh is removed (dokodemo-door, port 2222)",
        "outbound a is removed (freedom)",
        "outbound number 2 is removed (blackhole)",
        "portal p is removed (d)",
        "rule number 1 is removed (to a)",
        "rule number 2 is removed (to a)",
    ]  # fmt: skip
    import_document(edge, '{"log": {}}', by=None)
    assert document(edge) == {"log": {}}
    assert not Credential.objects.exists()


def test_a_document_of_what_is_switched_on_leaves_what_is_switched_off(edge: Instance) -> None:
    published = export_text(edge, by=None, masked=False, comments=True)
    Inbound.objects.filter(tag="web").update(enabled=False)
    Credential.objects.filter(email="bob").update(enabled=False)
    RoutingRule.objects.filter(position=0).update(enabled=False)
    off = export_text(edge, by=None, masked=False, comments=True)
    assert [one["tag"] for one in json.loads(off.replace("// head", ""))["inbounds"]] == ["ssh"]
    import_document(edge, off, by=None, keep_inactive=True)
    assert Inbound.objects.filter(enabled=False).get().tag == "web"
    assert Credential.objects.count() == 2
    assert [rule.enabled for rule in edge.routingrules.all()] == [False, True]
    import_document(edge, published, by=None, keep_inactive=True)
    assert export_text(edge, by=None, masked=False, comments=True) == published
    assert not Inbound.objects.filter(enabled=False).exists()


def test_nothing_is_imported_over_somebody_elses_change(edge: Instance) -> None:
    seen = preview('{"log": {}}', edge).version
    import_document(edge, EDGE, by=None)
    with pytest.raises(VersionConflict, match="it is at version 3, not 2"):
        import_document(edge, '{"log": {}}', by=None, expected_version=seen)
    assert edge.inbounds.count() == 2


def test_an_export_without_secrets_is_not_taken_for_a_document(edge: Instance) -> None:
    masked = export_text(edge, by=None)
    assert UUID not in masked
    with pytest.raises(UnreadableDocument, match=r"inbounds\[0\].settings.clients\[0\].id: stands masked here"):
        import_document(edge, masked, by=None)


def test_a_document_that_cannot_be_read_makes_nothing() -> None:
    with pytest.raises(UnreadableDocument):
        import_new('{"a": 1, "a": 1}', name="edge", node=local_node(), by=None)
    assert not Instance.objects.exists()


def test_a_name_is_given_once(edge: Instance) -> None:
    with pytest.raises(ServiceError, match="Instance with this Name already exists"):
        import_new("{}", name="edge", node=local_node(), by=None)


def test_what_is_secret_is_encrypted_in_the_tables(edge: Instance) -> None:
    with connection.cursor() as cursor:
        for table in ("inbound", "outbound", "credential", "instance"):
            cursor.execute(f"SELECT * FROM dashboard_{table}")
            rows = str(cursor.fetchall())
            assert "x1:" in rows
            assert UUID not in rows
            assert "decryption" not in rows


def test_the_audit_log_says_who_imported_what(edge: Instance) -> None:
    ada = User.objects.create_user("ada")
    import_document(edge, changed(edge, ("443", "8443")), by=ada)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.actor_name, entry.verb, entry.object_type, entry.object_name) == ("ada", Verb.IMPORTED, "instance", "edge")
    assert [change["text"] for change in entry.changes] == ["port of inbound web 443 -> 8443"]


def test_a_preview_has_findings_and_ports_that_are_taken(edge: Instance) -> None:
    found = preview('{"inbounds": [{"tag": "other", "port": 443, "protocol": "vless"}]}', node=edge.node)
    assert [one.text for one in found.port_conflicts] == ["inbound other: port 443/tcp is taken by inbound web of edge"]
    assert found.findings
    assert [(one.severity, one.path) for one in found.problems if one.severity == "error"] == [
        ("error", "inbounds[0].settings")]
    assert not found.can_run
    clean = preview(EDGE, edge)
    assert clean.port_conflicts == []
    assert clean.can_run
