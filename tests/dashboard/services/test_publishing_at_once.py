"""Several processes that publish one instance of one database file at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

PUBLISHERS = 4
REVISIONS_EACH = 4

_CODE = f"""
import json, os, sys
from django.core.management import call_command
from django.db import connections
from dashboard.models import Instance, Revision
from dashboard.services.errors import ServiceError
from dashboard.services.importing import import_document, import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
call_command("migrate", verbosity=0)
instance, _ = import_new("{{}}", name="edge", node=local_node(), by=None)
connections.close_all()
children = []
for person in range({PUBLISHERS}):
    child = os.fork()
    if child:
        children.append(child)
        continue
    done = 0
    while done < {REVISIONS_EACH}:
        document = {{"outbounds": [{{"tag": f"out-{{person}}-{{done}}", "protocol": "freedom"}}]}}
        try:
            import_document(instance, json.dumps(document), by=None)
            publish(instance, by=None, accept_warnings=True)
            done += 1
        except ServiceError:
            pass
    os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * {PUBLISHERS}
print(json.dumps(list(Revision.objects.order_by("number").values_list("number", flat=True))))
"""


def test_numbers_have_no_gaps_and_nobody_fails(tmp_path: Path) -> None:
    environment = {**os.environ, "XREV_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "xrevsite.settings"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _CODE], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(list(range(1, PUBLISHERS * REVISIONS_EACH + 1)))
