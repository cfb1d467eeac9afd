"""What probes see; with everything there tests/xrevsite/serving asks it of a whole panel."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "probe.example.org"])
@pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready"])
def test_a_probe_may_ask_by_any_name_and_without_tls(client: Client, settings: Settings, host: str, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_ready_names_what_there_is(client: Client) -> None:
    assert client.get("/healthz/ready").json() == {"ready": True, "database": "ok", "migrations": "ok", "broker": "ok"}


def test_a_migration_that_was_not_made_is_named(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    newest = MigrationLoader(connection).graph.leaf_nodes("dashboard")[0]
    recorder.record_unapplied(*newest)
    answer = client.get("/healthz/ready")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "failed")
    recorder.record_applied(*newest)
    assert client.get("/healthz/ready").status_code == 200


def test_a_redis_that_does_not_answer_is_named_and_nothing_about_it(client: Client, settings: Settings) -> None:
    settings.HAS_REDIS, settings.REDIS_URL = True, "unix:///nowhere/secret.sock"
    answer = client.get("/healthz/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": "ok", "migrations": "ok", "broker": "failed"}


def test_other_addresses_are_not_the_probes(client: Client) -> None:
    assert client.get("/healthz/other").status_code == 404
