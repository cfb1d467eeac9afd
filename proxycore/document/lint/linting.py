"""Lints documents: texts in, findings out. Never raises for anything that a document says."""

from __future__ import annotations

from collections.abc import Sequence

from proxycore.document.formats import parse_document
from proxycore.document.jsonc import Fault, JsonError, Parsed
from proxycore.document.lint.cores import Core
from proxycore.document.lint.finding import Finding, Tell
from proxycore.document.lint.registry import CHECKS
from proxycore.document.lint.rules import pairs
from proxycore.document.lint.rules.text import DUPLICATE_KEY, UNREADABLE
from proxycore.document.lint.spans import ForeignSource, Source
from proxycore.document.lint.view import View


def lint_texts(texts: Sequence[tuple[str, str]], core: Core | None = None) -> list[Finding]:
    """All findings, file by file and by place. Each text is given as (name for messages, text).

    Several documents stand side by side, a portal and its bridges, say; they are not merged.
    """
    return lint_parsed([(file, text, parsed_or_fault(text, file)) for file, text in texts], core)


def parsed_or_fault(text: str, file: str) -> Parsed | Fault:
    try:
        return parse_document(text, file)
    except JsonError as error:
        return error.fault


def lint_parsed(texts: Sequence[tuple[str, str, Parsed | Fault]], core: Core | None = None) -> list[Finding]:
    """The same for texts that were read already, each with what came of it."""
    views: list[View] = []
    tells: list[Tell] = []
    found: dict[int, list[Finding]] = {}
    for number, (file, text, parsed) in enumerate(texts):
        found[number], view = as_it_stands(file, text, parsed, core)
        if view is None or isinstance(parsed, Fault):
            continue
        tell = Tell(file, parsed, found[number])
        for check in CHECKS:
            check(view, tell)
        views.append(view)
        tells.append(tell)
    pairs.check_together(views, tells)
    return [finding for number in sorted(found) for finding in _sorted(found[number])]


def as_it_stands(file: str, text: str, parsed: Parsed | Fault, core: Core | None) -> tuple[list[Finding], View | None]:
    """What is wrong with the text itself, and what it says; None: nothing that can be read."""
    if isinstance(parsed, Fault):
        return [Finding(UNREADABLE, file, parsed.line, parsed.column, "", parsed.message, "mend the text at this place")], None
    duplicates = [
        Finding(DUPLICATE_KEY, file, fault.line, fault.column, "", fault.message, "remove one of the two")
        for fault in parsed.duplicates
    ]
    return duplicates, View(file, Source(text, parsed) if parsed.is_json else ForeignSource(parsed), core)


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.line, one.column, one.code.id))
