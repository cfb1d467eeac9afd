"""Several processes that publish one instance of one database file at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

PUBLISHERS = 3
TRIES_EACH = 5

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
    for number in range({TRIES_EACH}):
        document = {{"outbounds": [{{"tag": f"out-{{person}}-{{number}}", "protocol": "freedom"}}]}}
        try:
            import_document(instance, json.dumps(document), by=None)
            publish(instance, by=None, accept_warnings=True)
        except ServiceError:        # the others were quicker, as the message says
            pass
    os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * {PUBLISHERS}
print(json.dumps(list(Revision.objects.order_by("number").values_list("number", flat=True))))
"""


def test_numbers_have_no_gaps(tmp_path: Path) -> None:
    environment = {**os.environ, "XREV_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "xrevsite.settings"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _CODE], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= TRIES_EACH
