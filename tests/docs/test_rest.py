"""The commands of docs/rest.md, in their order, against a panel of their own; answers are what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.browser.conftest import running_panel
from tests.conftest import require_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rest.md"
BLOCK = re.compile(r"^```(sh|json answer)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "-- end of step --"


class Step(NamedTuple):
    command: str
    answer: object      # None: the page says nothing of it


def steps() -> list[Step]:
    found: list[Step] = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append(Step(text, None))
        else:
            found[-1] = found[-1]._replace(answer=json.loads(text))
    return found


def assert_is_in(wanted: object, got: object) -> None:
    """The page shows part of an object where that is enough."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            assert_is_in(value, got.get(key))
    else:
        assert got == wanted


def test_every_command_of_the_page_answers_what_the_page_says(tmp_path: Path) -> None:
    bash, *_ = (require_program(name) for name in ("bash", "curl", "jq"))
    known = steps()
    assert len(known) == 25
    with running_panel(tmp_path) as panel:
        panel.add_people()
        token = panel.python("""
from django.contrib.auth.models import User
from dashboard.services.instances import local_node
from dashboard.services.tokens import create_token
local_node()
print(create_token(User.objects.get(username="ada"), by=None, name="ci", scope="admin", may_read_secrets=True)[1])""").strip()
        script = "set -euo pipefail\n" + "".join(f"{step.command}\necho '{MARK}'\n" for step in known)
        folder = tmp_path / "here"
        folder.mkdir()
        done = subprocess.run(
            [bash, "-c", script], cwd=folder, env={**os.environ, "PANEL": panel.url, "TOKEN": token}, capture_output=True,
            text=True, timeout=120, check=False)
    said = done.stdout.split(f"{MARK}\n")
    assert done.returncode == 0, f"{done.stderr}\n{known[len(said) - 1].command}\n{said[-1]}"
    for step, text in zip(known, said, strict=False):
        if step.answer is not None:
            assert_is_in(step.answer, json.loads(text))
