"""xray_import, xray_export, xray_lint, publish and rollback as one types them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dashboard.choices import Verb
from dashboard.models import AuditEntry, Inbound, Instance, Revision

pytestmark = pytest.mark.django_db

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
EDGE = f"""{{
  "inbounds": [
    // for everybody
    {{ "tag": "web", "listen": "127.0.0.1", "port": 8443, "protocol": "vmess", "settings": {{ "clients": [
      {{ "id": "{UUID}", "email": "alice" }} ] }} }}
  ],
  "outbounds": [ {{ "tag": "out", "protocol": "freedom" }} ]
}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.json"
    path.write_text(EDGE)
    return path


@pytest.fixture
def edge(file: Path) -> Instance:
    run("xray_import", str(file))
    return Instance.objects.get()


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: Any) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value), caught.value.returncode


def test_an_import_is_named_after_its_file_and_says_what_it_made(file: Path) -> None:
    said = run("xray_import", str(file))
    assert said.startswith("edge was made:\n")
    assert "  inbound web is new (vmess, port 8443)\n" in said
    assert said.endswith("Nothing runs it yet: `manage.py publish edge` publishes it.\n")
    assert AuditEntry.objects.filter(verb=Verb.IMPORTED).get().actor_name == ""


def test_a_second_import_changes_what_is_there(edge: Instance, file: Path) -> None:
    file.write_text(EDGE.replace("8443", "9443"))
    assert run("xray_import", str(file), "--dry-run").startswith("edge would change:\n  port of inbound web 8443 -> 9443\n")
    assert Inbound.objects.get().port == "8443"
    assert run("xray_import", str(file)).startswith("edge changed:\n")
    assert Inbound.objects.get().port == "9443"
    assert run("xray_import", str(file)).startswith("edge is as it was:\n  nothing changes\n")


def test_a_dry_run_makes_nothing_and_can_be_read_by_programs(file: Path) -> None:
    said = json.loads(run("xray_import", str(file), "--name", "other", "--dry-run", "--format", "json"))
    assert (said["instance"], said["is_new"], said["is_dry_run"]) == ("other", True, True)
    assert "inbound web is new (vmess, port 8443)" in [change["text"] for change in said["changes"]]
    assert not Instance.objects.exists()


def test_an_import_says_what_cannot_be_run(file: Path) -> None:
    file.write_text('{"outbounds": [{"protocol": "wireguard"}], "metrics": {"tag": "m"}}')
    said = run("xray_import", str(file))
    assert 'the outbound protocol "wireguard" is known to Xray, not run by this version' in said
    assert said.endswith("It can be kept and edited, but not run as it is: the errors above stand against that.\n")
    told = json.loads(run("xray_import", str(file), "--dry-run", "--format", "json"))["problems"]
    assert [(one["severity"], one["path"]) for one in told] == [("error", "outbounds[0].protocol"), ("warning", "metrics")]


def test_standard_input_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--name" in refused("xray_import", "-")[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(EDGE.encode())))
    assert run("xray_import", "-", "--name", "piped").startswith("piped was made:")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n  "inbounds": [,]\n}', ":2:16: error: "),
        (b'{"log": {},\n "log": {}}', ":2:2: error: "),
        (b"[]", ":1:1: error: an object is expected"),
        (b'{"outbounds": [{"tag": "a"},\n {"tag": "a"}]}', ':2:10: error: outbounds[1].tag: the tag "a" is here twice'),
        (b'{"a": "\xff"}', ":1: is not UTF-8"),
    ],
    ids=["syntax", "a key twice", "no object", "a tag twice", "no text"],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    said, status = refused("xray_import", str(path))
    assert message in said
    assert said.startswith(str(path))
    assert status == 23
    assert not Instance.objects.exists()


def test_a_file_that_is_not_there_and_a_node_that_is_not_there(file: Path) -> None:
    assert refused("xray_import", "nowhere.json") == ("nowhere.json: cannot be read: No such file or directory", 23)
    assert refused("xray_import", str(file), "--node", "moon")[0].startswith("there is no node moon; there are: ")


def test_an_export_is_masked_unless_secrets_are_asked_for(edge: Instance) -> None:
    assert UUID not in run("xray_export", "edge")
    assert not AuditEntry.objects.filter(verb=Verb.EXPORTED).exists()
    whole = run("xray_export", "edge", "--secrets")
    assert json.loads(whole)["inbounds"][0]["settings"]["clients"][0]["id"] == UUID
    assert AuditEntry.objects.filter(verb=Verb.EXPORTED).count() == 1
    assert "// for everybody" in run("xray_export", "edge", "--secrets", "--comments")


def test_what_an_export_cannot_give_is_said(edge: Instance) -> None:
    assert "--secrets" in refused("xray_export", "edge", "--comments")[0]
    assert refused("xray_export", "edge", "--revision", "3")[0] == "edge has no revision 3; nothing was published yet"
    assert refused("xray_export", "edgy")[0] == "there is no instance edgy; there are: edge"


def test_publish_import_rollback_and_the_exports_of_revisions(edge: Instance, file: Path) -> None:
    said = run("publish", "edge", "--comment", "first")
    assert said.startswith("Nothing was published before:\n")
    assert said.endswith("edge is published as revision 1.\n")
    assert run("publish", "edge") == "There is nothing to publish: revision 1 of edge is what is here.\n"
    file.write_text(EDGE.replace("8443", "9443"))
    run("xray_import", str(file))
    assert "Since revision 1:\n  port of inbound web 8443 -> 9443\n" in run("publish", "edge", "--dry-run")
    assert Revision.objects.count() == 1
    assert json.loads(run("publish", "edge", "--format", "json"))["published"] == 2
    assert json.loads(run("xray_export", "edge", "--revision", "1"))["inbounds"][0]["port"] == 8443
    assert UUID not in run("xray_export", "edge", "--revision", "1")
    assert UUID in run("xray_export", "edge", "--revision", "1", "--secrets")
    assert run("rollback", "edge", "1", "--dry-run") == "What changes:\n  port of inbound web 9443 -> 8443\n"
    assert run("rollback", "edge", "1").endswith("edge is back at revision 1, published as revision 3.\n")
    assert Inbound.objects.get().port == "8443"
    assert refused("rollback", "edge", "9") == ("edge has no revision 9; they go from 1 to 3", 1)
    assert "stays as it is: revision 3 already says what revision 1 says" in refused("rollback", "edge", "1")[0]


def test_what_stands_against_publishing_has_its_exit_status(edge: Instance, file: Path) -> None:
    file.write_text(EDGE.replace("8443", "99999"))
    run("xray_import", str(file))
    said, status = refused("publish", "edge")
    assert said.startswith("edge was not published: it has errors: inbounds[0].port: ")
    assert status == 23
    assert refused("publish", "edge", "--dry-run")[1] == 23
    file.write_text(EDGE.replace('"outbounds"', '"unknownSection": {}, "outbounds"'))
    run("xray_import", str(file))
    said, status = refused("publish", "edge")
    assert said == "edge was not published: it has 1 warning; read and accept it first (--accept-warnings)"
    assert status == 1
    assert refused("publish", "edge", "--accept-warnings", "--expect", "7")[0].startswith(
        "edge was not published: somebody else published meanwhile")
    assert refused("publish", "edge", "--accept-warnings", "--confirm-within", "1")[0] == (
        "edge was not published: a revision proves itself within 5 to 3600 seconds")
    assert "published as revision 1" in run(
        "publish", "edge", "--accept-warnings", "--expect", "0", "--confirm-within", "30", "--needs-confirm")
    assert list(Revision.objects.values_list("confirm_s", "needs_confirm")) == [(30, True)]


def test_lint_tells_by_its_exit_status(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('{"outbounds": [{"tag": "out", "protocol": "freedom"}],\n "routing": {"rules": [{"outboundTag": "away"}]}}')
    with pytest.raises(SystemExit) as caught:
        run("xray_lint", str(file))
    assert caught.value.code == 23
    assert f"{file}:2:" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("xray_lint", str(file), "--format", "sarif", "--for", "xray-26.4.17")
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"
    with pytest.raises(SystemExit) as caught:
        run("xray_lint", str(file), "--for", "nginx")
    assert caught.value.code == 2
    clean = tmp_path / "clean.json"
    clean.write_text('{"inbounds": [], "outbounds": [{"tag": "out", "protocol": "freedom"}]}')
    run("xray_lint", str(clean), "--format", "json")
    assert json.loads(capsys.readouterr().out) == {"findings": []}
