"""Findings as SARIF 2.1.0, the format that code hosts show beside the lines of a change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from proxycore import __version__
from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Finding
from proxycore.document.lint.registry import CODES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif_log(findings: Sequence[Finding]) -> dict[str, Any]:
    """A log with one run. Columns count characters (Unicode code points), which it says."""
    places = {code: number for number, code in enumerate(CODES)}
    driver = {"name": "xrev", "version": __version__, "rules": [_rule(code) for code in CODES.values()]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, places[finding.code.id]) for finding in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "name": code.name,
        "shortDescription": {"text": code.summary},
        "fullDescription": {"text": code.why},
        "help": {"text": code.remedy},
        "defaultConfiguration": {"level": code.severity},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line:
        location["region"] = {"startLine": finding.line, "startColumn": finding.column}
    place: dict[str, Any] = {"physicalLocation": location}
    if finding.path:
        place["logicalLocations"] = [{"fullyQualifiedName": finding.path}]
    return {
        "ruleId": finding.code.id,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": f"{finding.message} ({finding.fix})"},
        "locations": [place],
    }


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
