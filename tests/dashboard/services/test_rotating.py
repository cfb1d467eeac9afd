from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from dashboard import keys
from dashboard.engine.content import Kind
from dashboard.models import AuditEntry, Credential, Instance, Revision
from dashboard.services import rotating
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import export_document
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
from dashboard.services.rotating import rotate_file

pytestmark = pytest.mark.django_db

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
DOCUMENT = {
    "inbounds": [{"tag": "web", "port": 8443, "protocol": "vmess", "settings": {"clients": [
        {"id": UUID, "email": f"client-{number}"} if not number else {"id": f"{number:08}-e373-51cd-8642-c83782b807c5"}
        for number in range(7)]}}],
    "outbounds": [{"tag": "out", "protocol": "freedom"}],
}  # fmt: skip
TABLES = ("inbound", "outbound", "credential", "instance", "revision")


class Interrupted(Exception):
    """The program was ended."""


@pytest.fixture
def key_file(tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "encryption.key"
    keys.write_keys(path, [keys.new_key()], replace=False)
    settings.ENCRYPTION_KEYS = []
    settings.ENCRYPTION_KEY_FILE = path
    return path


@pytest.fixture
def edge(key_file: Path) -> Instance:
    instance, _ = import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)
    publish(instance, by=None, accept_warnings=True)
    return instance


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotating, "BATCH_ROWS", 3)


def silent(table: str, done: int, total: int) -> None:
    """No progress is shown."""


def key_ids(path: Path) -> list[str]:
    return [key.id for key in keys.read_keys(path).keys]


def ids_in_tables() -> set[str]:
    found: set[str] = set()
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM dashboard_{table}")
            found |= {str(value).split(":")[1] for row in cursor.fetchall() for value in row if str(value).startswith("x1:")}
    return found


def is_all_there() -> bool:
    return (
        export_document(Instance.objects.get(), masked=False) == DOCUMENT
        and json.loads(Revision.objects.get().document) == DOCUMENT
        and len(Instance.objects.get().inbounds.all()) == 1
    )


def test_everything_is_encrypted_with_a_new_key_and_the_old_one_goes(edge: Instance, key_file: Path) -> None:
    old = key_ids(key_file)
    steps: list[tuple[str, int, int]] = []
    done = rotate_file(key_file, by=None, progress=lambda *step: steps.append(step))
    assert done.retired == old
    assert key_ids(key_file) == [done.key_id]
    assert done.key_id not in old
    assert ids_in_tables() == {done.key_id}
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert is_all_there()
    assert [step for step in steps if step[0] == "dashboard_credential"] == [
        ("dashboard_credential", 3, 7), ("dashboard_credential", 6, 7), ("dashboard_credential", 7, 7)]  # fmt: skip
    assert AuditEntry.objects.first().object_name == "encryption keys"  # type: ignore[union-attr]


def test_clients_are_still_found_by_their_ids(edge: Instance, key_file: Path) -> None:
    rotate_file(key_file, by=None, progress=silent)
    expected = keys.keyring().keyed_hash(UUID.replace("-", ""))
    assert Credential.objects.get(secret_hash=expected).email == "client-0"
    assert export_document(edge, masked=False) == DOCUMENT
    assert Kind.INBOUND == "inbound"


def test_what_runs_goes_on_without_a_restart(edge: Instance, key_file: Path) -> None:
    before = keys.keyring()
    rotate_file(key_file, by=None, progress=silent)
    assert keys.keyring().keys[0].id != before.keys[0].id
    Instance.objects.update(rest='{"log": {}}')
    assert ids_in_tables() == set(key_ids(key_file))


def test_interrupted_at_any_point_nothing_is_lost_and_it_can_be_run_again(edge: Instance, key_file: Path) -> None:
    old = key_ids(key_file)[0]
    for stop_at in range(1, 30):
        steps = 0

        def interrupt(table: str, done: int, total: int, stop_at: int = stop_at) -> None:
            nonlocal steps
            steps += 1
            if steps == stop_at:
                raise Interrupted

        try:
            rotate_file(key_file, by=None, progress=interrupt)
        except Interrupted:
            assert key_ids(key_file)[1:] == [old], "until all is done both keys are there"
            assert is_all_there()
        else:
            break
    assert len(key_ids(key_file)) == 1
    assert ids_in_tables() == set(key_ids(key_file))
    assert is_all_there()


def test_a_rotation_that_was_interrupted_goes_on_with_its_key(edge: Instance, key_file: Path) -> None:
    begun = keys.new_key()
    keys.write_keys(key_file, [begun, keys.read_keys(key_file).keys[0].text], replace=True)
    assert rotate_file(key_file, by=None, progress=silent).key_id == keys.Key(begun).id


def test_a_value_of_a_key_that_is_not_there_stops_it_and_no_key_is_removed(edge: Instance, key_file: Path) -> None:
    lost = keys.Key(keys.new_key())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dashboard_revision SET document = %s", [lost.encrypt("{}", "revision.document")])
    with pytest.raises(ServiceError, match=f"encrypted with the key {lost.id}, which is not in .* nothing is lost"):
        rotate_file(key_file, by=None, progress=silent)
    assert len(key_ids(key_file)) == 2


def test_two_rotations_at_once_are_refused(edge: Instance, key_file: Path) -> None:
    def again(table: str, done: int, total: int) -> None:
        with pytest.raises(ServiceError, match="another rotation"):
            rotate_file(key_file, by=None, progress=silent)

    rotate_file(key_file, by=None, progress=again)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_progress_and_what_to_do(edge: Instance, key_file: Path) -> None:
    said = command("--keep-old")
    assert "  dashboard_credential: 7 of 7\n" in said
    assert "still has the old key" in said
    assert len(key_ids(key_file)) == 2
    said = command()
    assert f"Removed from {key_file}" in said
    assert len(key_ids(key_file)) == 1


def test_keys_of_the_environment_are_changed_by_whoever_set_them(edge: Instance, key_file: Path, settings: Any) -> None:
    first = keys.read_keys(key_file).keys[0].text
    settings.ENCRYPTION_KEYS = [first]
    with pytest.raises(CommandError, match="has one key only"):
        command()
    second = command("--print").strip()
    settings.ENCRYPTION_KEYS = [second, first]
    assert f"Take the others out of XREV_ENCRYPTION_KEYS and restart the panel: {keys.Key(first).id}." in command()
    settings.ENCRYPTION_KEYS = [second]
    assert is_all_there()
