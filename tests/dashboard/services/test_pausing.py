"""Tunnels that take no new clients for now."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from dashboard.models import AuditEntry, Instance, Pause
from dashboard.services.diagnosing import diagnose
from dashboard.services.editing import change_entry
from dashboard.services.errors import ServiceError
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.pausing import pause, pauses_of, resume
from dashboard.services.publishing import publish
from dashboard.services.running import wanted_of
from dashboard.services.topology import topology
from tests.support.processes import ROOT

pytestmark = pytest.mark.django_db

VLESS: dict[str, Any] = {
    "inbounds": [{"tag": "up", "port": 10241, "protocol": "vless", "settings": {"decryption": "none", "clients": [
        {"id": "27848739-7e62-4138-9fd3-098a63964b6b", "reverse": {"tag": "attic"}},
        {"id": "5783a3e7-e373-51cd-8642-c83782b807c5", "reverse": {"tag": "barn"}}]}}],
    "outbounds": [{"tag": "block", "protocol": "blackhole"}],
}


def new(name: str, text: str) -> Instance:
    made = import_new(text, name=name, node=local_node(), by=None)[0]
    publish(made, by=None, accept_warnings=True)
    return made


@pytest.fixture
def edge() -> Instance:
    return new("edge", (ROOT / "examples" / "portal.json").read_text())


def wanted(instance: Instance) -> list[tuple[str, str]]:
    (one,) = [one for one in wanted_of(instance.node_id) if one.instance == instance.pk]
    return [(paused.kind, paused.tunnel) for paused in one.paused]


def test_it_is_wanted_at_once_without_publishing_and_undone(edge: Instance, olaf: User) -> None:
    (before,) = wanted_of(edge.node_id)
    assert pause(edge, "portal", "portal", by=olaf) is True
    assert pause(edge, "portal", "portal", by=olaf) is False
    (after,) = wanted_of(edge.node_id)
    assert wanted(edge) == [("portal", "portal")]
    assert before.sign != after.sign
    assert before.revision == after.revision
    (lane,) = topology().lanes
    assert pauses_of([lane])[lane.key].by_name == "olaf"
    assert resume(edge, "portal", "portal", by=olaf) is True
    assert resume(edge, "portal", "portal", by=olaf) is False
    assert wanted(edge) == []
    told = AuditEntry.objects.filter(verb__in=("paused", "resumed")).order_by("pk")
    assert [(one.verb, one.actor_name, one.object_name, one.instance) for one in told] == [
        ("paused", "olaf", "portal portal", edge), ("resumed", "olaf", "portal portal", edge)]


def test_another_tag_does_not_resume_it(edge: Instance) -> None:
    pause(edge, "portal", "portal", by=None)
    row = edge.portals.get()
    change_entry(row, {**row.entry, "tag": "renamed"}, by=None, on_rename="follow")
    assert wanted(edge) == [("portal", "portal")], "what is not published yet is called as before"
    publish(edge, by=None, accept_warnings=True)
    assert wanted(edge) == [("portal", "renamed")]
    assert resume(edge, "portal", "renamed", by=None) is True


def test_of_two_tunnels_in_one_inbound_only_that_one() -> None:
    barn = new("barn", json.dumps(VLESS))
    pause(barn, "portal", "barn", by=None)
    assert wanted(barn) == [("portal", "barn")]


def test_a_bridge_whose_portal_is_somebody_elses() -> None:
    home = new("home", (ROOT / "examples" / "bridge.json").read_text())
    pause(home, "bridge", "bridge", by=None)
    assert wanted(home) == [("bridge", "bridge")]


@pytest.mark.parametrize(("side", "key"), [("portal", "gone"), ("bridge", "portal"), ("portal", "")])
def test_what_is_no_tunnel_is_refused(edge: Instance, side: Any, key: str) -> None:
    for act in (pause, resume):
        with pytest.raises(ServiceError, match="has no"):
            act(edge, side, key, by=None)
    assert not Pause.objects.exists()


def test_a_diagnosis_says_it(edge: Instance) -> None:
    assert all(line["name"] != "paused" for line in diagnose(edge, "portal", by=None))
    pause(edge, "portal", "portal", by=None)
    (line,) = [line for line in diagnose(edge, "portal", by=None) if line["name"] == "paused"]
    assert (line["outcome"], line["remedy"]) == ("failed", "resume it")


def test_the_command_pauses_lists_and_resumes(edge: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("tunnel", "pause", "edge", "portal")
    call_command("tunnel")
    call_command("tunnel", "resume", "edge", "portal")
    call_command("tunnel", "resume", "edge", "portal")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "portal of edge takes no new clients."
    assert lines[1].startswith("edge portal (portal): paused since 20")
    assert lines[3] == "portal of edge takes new clients, as before."
    for wrong in (("pause", "nowhere", "x"), ("pause", "edge", "x")):
        with pytest.raises(CommandError, match="no "):
            call_command("tunnel", *wrong)
    with pytest.raises(CommandError, match="which tunnel"):
        call_command("tunnel", "pause", "edge")


def test_where_nothing_is_paused_it_costs_one_query(edge: Instance, django_assert_max_num_queries: Any) -> None:
    lanes = topology().lanes
    with django_assert_max_num_queries(1):
        assert pauses_of(lanes) == {}
