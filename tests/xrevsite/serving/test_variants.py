"""The whole panel on another database and another Redis than its own: real servers, and a page through a tunnel."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require_program
from tests.support.panel import READY, served
from tests.support.postgres import NoPostgres, running_postgres
from tests.support.processes import free_port, until
from tests.support.redis import running_redis

SHOW = """
from django.contrib.auth.models import User
from django.db import connection
from dashboard.models import Instance
print(connection.vendor, [user.username for user in User.objects.all()], sorted(one.name for one in Instance.objects.all()))
"""
ADD_ADA = 'from django.contrib.auth.models import User; User.objects.create_superuser("ada", password="correct horse battery")'


@pytest.fixture
def database_url() -> Iterator[str]:
    try:
        with running_postgres() as url:
            yield url
    except NoPostgres as error:
        if os.environ.get("XREV_REQUIRE_ALL") == "1":
            pytest.fail(f"{error}, and XREV_REQUIRE_ALL=1 asks for everything")
        pytest.skip(str(error))


def test_postgresql_and_redis_with_a_backup_that_comes_back(database_url: str, tmp_path: Path) -> None:
    require_program("redis-server")
    port, file = free_port(), tmp_path / "backup.tar.gz"
    with running_redis() as redis_url:
        variables = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        with served("--demo", "--demo-port", str(port), **variables) as panel:
            until("the demo's page came through the tunnel", lambda: "A page that came through a tunnel" in panel.log, 40)
            assert "valkey runs" not in panel.log
            assert panel.readiness() == READY
            panel.python(ADD_ADA)
            panel.manage("backup", str(file))
            panel.python("from dashboard.models import Service; Service.objects.all().delete()")
            panel.python("from dashboard.models import Instance; Instance.objects.all().delete()")
            shown = panel.python(SHOW)
            assert shown == "postgresql ['ada'] []\n"
            panel.end()
            said = panel.manage("restore", "--replace", str(file))
            assert "The postgresql database of" in said
            assert panel.python(SHOW) == "postgresql ['ada'] ['demo-bridge', 'demo-portal']\n"
            begin = time.monotonic()
            panel.start()
            print(f"up again after the restore: {time.monotonic() - begin:.1f} s")      # noqa: T201 - a figure worth seeing
            until("the page comes again", lambda: panel.log.count("A page that came through a tunnel") == 2, 40)

