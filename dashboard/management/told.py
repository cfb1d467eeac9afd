"""What the commands say: changes and findings, a line each, or as JSON; and how they name and read things."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError

from dashboard.engine.diff import Change
from dashboard.engine.linting import Finding, Problem, finding_as_json
from dashboard.engine.parse import UnreadableDocument
from dashboard.models import Instance, Revision

EXIT_REFUSED: Final = 1
EXIT_BAD_DOCUMENT: Final = 23       # as of the data plane's commands
STDIN: Final = "-"
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_NAMES: Final = 20               # listed when one is not found
MAX_CHANGES: Final = 200            # shown as text; JSON has them all


def instance_named(name: str) -> Instance:
    """Raises CommandError: there is none; says which there are."""
    found = Instance.objects.filter(name=name).first()
    if found is None:
        names = list(Instance.objects.values_list("name", flat=True)[: MAX_NAMES + 1])
        listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
        raise CommandError(f"there is no instance {name}" + (f"; there are: {listed}" if names else "; there is none at all yet"))
    return found


def revision_numbered(instance: Instance, number: int) -> Revision:
    """Raises CommandError: there is none."""
    found = Revision.objects.filter(instance=instance, number=number).first()
    if found is None:
        newest = Revision.objects.filter(instance=instance).order_by("-number").values_list("number", flat=True).first()
        there = f"they go from 1 to {newest}" if newest else "nothing was published yet"
        raise CommandError(f"{instance.name} has no revision {number}; {there}")
    return found


def read_file(file: str) -> str:
    """The text of a file, of standard input for -. Raises CommandError."""
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error.strerror or error}", returncode=EXIT_BAD_DOCUMENT) from None
    if len(data) > MAX_FILE_BYTES:
        raise CommandError(f"{file}: is longer than {MAX_FILE_BYTES >> 20} MiB", returncode=EXIT_BAD_DOCUMENT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{file}:{line}: is not UTF-8", returncode=EXIT_BAD_DOCUMENT) from None


def unreadable(error: UnreadableDocument) -> CommandError:
    """Each problem with its file, line, column and JSON path."""
    return CommandError("\n".join(problem.render() for problem in error.problems), returncode=EXIT_BAD_DOCUMENT)


def change_lines(changes: Sequence[Change]) -> list[str]:
    lines = [f"  {change.text}" for change in changes[:MAX_CHANGES]]
    if len(changes) > MAX_CHANGES:
        lines.append(f"  and {len(changes) - MAX_CHANGES} more changes")
    return lines or ["  nothing changes"]


def finding_lines(problems: Iterable[Problem], findings: Iterable[Finding]) -> list[str]:
    return [f"  {problem.render()}" for problem in problems] + [f"  {finding.render()}" for finding in findings]


def changes_as_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [change.as_json() for change in changes]


def problems_as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in problems]


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [finding_as_json(finding) for finding in findings]
