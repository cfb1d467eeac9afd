from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models.signals import pre_save

from dashboard.choices import ResetPeriod, Verb
from dashboard.engine.content import Kind
from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Credential, Inbound
from dashboard.services.clients import (
    change_client,
    create_client,
    delete_clients,
    new_client_body,
    reset_usage,
    reveal,
)
from dashboard.services.editing import create_entry
from dashboard.services.errors import PortTaken, ServiceError
from dashboard.services.exporting import export_document
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.linting import lint_instance
from dashboard.services.ordering import move_entry, reorder
from dashboard.services.switching import set_enabled

pytestmark = pytest.mark.django_db

ALICE = "5783a3e7-e373-51cd-8642-c83782b807c5"


@pytest.fixture
def web() -> Inbound:
    document = {
        "inbounds": [
            {"tag": "web", "port": 443, "protocol": "vmess", "settings": {"clients": [{"id": ALICE, "email": "alice"}]}},
        ],
        "outbounds": [{"tag": tag, "protocol": "freedom"} for tag in ("a", "b", "c")],
    }
    return import_new(json.dumps(document), name="edge", node=local_node(), by=None)[0].inbounds.get()


def sentences() -> list[str]:
    return [change["text"] for change in AuditEntry.objects.order_by("-id")[0].changes]


def clients(web: Inbound) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = export_document(web.instance, masked=False)["inbounds"][0]["settings"]["clients"]
    return listed


def test_a_new_client_has_what_its_protocol_asks_for(web: Inbound) -> None:
    assert uuid.UUID(new_client_body(web)["id"]).version == 4
    assert set(new_client_body(Inbound(protocol="socks"), "bob")) == {"user", "pass"}
    assert set(new_client_body(Inbound(protocol="trojan"), "bob")) == {"password", "email"}


def test_a_client_is_added_changed_and_taken_away(web: Inbound) -> None:
    bob = create_client(web, {"id": "bob-s-id", "email": "bob"}, by=None, note="on holiday")
    assert clients(web)[1] == {"id": "bob-s-id", "email": "bob"}
    assert sentences() == ["client bob of inbound web is new"]
    until = datetime(2027, 1, 1, tzinfo=UTC)
    changed = change_client(
        bob, by=None, body={"id": MASK, "email": "bob", "level": 2}, expires_at=until, data_limit_bytes=5,
        reset_period=ResetPeriod.MONTHLY)
    assert changed.entry == {"id": "bob-s-id", "email": "bob", "level": 2}
    assert (changed.expires_at, changed.data_limit_bytes, changed.period_began_at is not None) == (until, 5, True)
    assert sentences() == [
        "level of client bob of inbound web is set to 2",
        "expires at of client bob of inbound web none -> 2027-01-01T00:00+00:00",
        "data limit bytes of client bob of inbound web none -> 5",
        "reset period of client bob of inbound web never -> monthly",
    ]
    Credential.objects.filter(pk=bob.pk).update(used_bytes=5)
    assert reset_usage([changed], by=None) == 1
    assert Credential.objects.get(pk=bob.pk).used_bytes == 0
    assert delete_clients([changed], by=None) == 1
    assert clients(web) == [{"id": ALICE, "email": "alice"}]


def test_what_a_client_uses_while_it_is_changed_counts(web: Inbound) -> None:
    bob = create_client(web, {"id": "bob-s-id", "email": "bob"}, by=None, reset_period=ResetPeriod.MONTHLY)
    later = datetime(2031, 1, 1, tzinfo=UTC)

    def report(**_: Any) -> None:
        Credential.objects.filter(pk=bob.pk).update(used_bytes=7, period_began_at=later)

    pre_save.connect(report, sender=Credential)
    try:
        change_client(bob, by=None, body={"id": "bob-s-id", "email": "bob", "level": 2}, note="x")
    finally:
        pre_save.disconnect(report, sender=Credential)
    bob.refresh_from_db()
    assert (bob.used_bytes, bob.period_began_at, bob.level, bob.note) == (7, later, 2, "x")


def test_two_clients_of_an_inbound_do_not_share_an_id(web: Inbound) -> None:
    with pytest.raises(ServiceError, match="alice of this inbound has this id"):
        create_client(web, {"id": ALICE.upper(), "email": "mallory"}, by=None)
    with pytest.raises(ServiceError, match="masked"):
        create_client(web, {"id": MASK}, by=None)


def test_what_was_revealed_is_in_the_log_and_the_secret_is_not(web: Inbound) -> None:
    assert reveal(web.credentials.get(), by=None)["id"] == ALICE
    line = AuditEntry.objects.order_by("-id")[0]
    assert (line.verb, line.object_name, ALICE in str(line.changes)) == (Verb.REVEALED, "alice", False)


def test_what_is_disabled_is_kept_and_in_no_document(web: Inbound) -> None:
    version = web.instance.version
    assert set_enabled([web.credentials.get(), web.instance.outbounds.get(tag="b")], False, by=None) == 2
    assert clients(web) == []
    assert [one["tag"] for one in export_document(web.instance)["outbounds"]] == ["a", "c"]
    assert sentences() == ["client alice of inbound web is disabled", "outbound b is disabled"]
    assert set_enabled([web.credentials.get()], False, by=None) == 0
    web.instance.refresh_from_db()
    assert web.instance.version == version + 1


def test_what_is_enabled_must_get_its_port(web: Inbound) -> None:
    other = create_entry(web.instance, Kind.INBOUND, {"tag": "twin", "port": 443, "protocol": "http"}, by=None, enabled=False)
    with pytest.raises(PortTaken):
        set_enabled([other], True, by=None)
    assert Inbound.objects.get(pk=other.pk).enabled is False


def test_the_order_of_outbounds(web: Inbound) -> None:
    a, b, c = web.instance.outbounds.all()
    move_entry(c, 0, by=None)
    assert sentences() == ["outbound c moves from place 3 to 1"]
    assert [one["tag"] for one in export_document(web.instance)["outbounds"]] == ["c", "a", "b"]
    reorder(web.instance, Kind.OUTBOUND, [b.pk, c.pk, a.pk], by=None)
    assert [one.tag for one in web.instance.outbounds.all()] == ["b", "c", "a"]
    with pytest.raises(ServiceError, match="the list has changed meanwhile"):
        reorder(web.instance, Kind.OUTBOUND, [b.pk, c.pk], by=None)


def test_findings_are_about_rows(web: Inbound) -> None:
    create_entry(web.instance, Kind.RULE, {"port": 1, "outboundTag": "gone"}, by=None)
    dangling = [one for one in lint_instance(web.instance) if one.kind is Kind.RULE]
    assert [(one.pk, one.path) for one in dangling] == [(web.instance.routingrules.get().pk, "outboundTag")]
