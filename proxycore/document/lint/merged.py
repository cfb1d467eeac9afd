"""Several files that are one document: what is said of it stands where it was written."""

from __future__ import annotations

from collections.abc import Sequence

from proxycore.document.jsonc import Fault, Loc, Parsed
from proxycore.document.lint.codes import Code
from proxycore.document.lint.cores import Core
from proxycore.document.lint.finding import MAX_FINDINGS, Edit, Finding, Tell
from proxycore.document.lint.known_keys import keys_of
from proxycore.document.lint.linting import as_it_stands, parsed_or_fault
from proxycore.document.lint.registry import CHECKS
from proxycore.document.lint.rules import text as text_rules
from proxycore.document.lint.spans import ForeignSource
from proxycore.document.lint.view import View
from proxycore.document.merge import Merged, Part
from proxycore.document.places import render_path


def lint_merged(texts: Sequence[tuple[str, str]], core: Core | None = None) -> list[Finding]:
    """All findings about the document that the texts make together, merged in this order as `run` does it.

    The places are those in the files. Nothing is mended: a remedy may be one for another file.
    """
    found: list[Finding] = []
    parts: list[Part] = []
    for file, text in texts:
        parsed = parsed_or_fault(text, file)
        findings, view = as_it_stands(file, text, parsed, core)
        found += findings
        if view is None or isinstance(parsed, Fault):
            continue
        tell = Tell(file, parsed)
        text_rules.check(view, tell)
        found += tell.findings
        parts.append(Part(file, parsed, _sections(parsed)))
    if parts:
        merged = Merged(parts)
        whole = Parsed(merged.sections, 0, [], [], [], is_json=False)
        told = _MergedTell(merged, parts[0].file, whole)
        view = View(parts[0].file, ForeignSource(whole), core)
        for check in CHECKS:
            if check is not text_rules.check:       # which has looked at each file
                check(view, told)
        found += told.findings
    order = {file: number for number, (file, _) in enumerate(texts)}
    return [Finding(one.code, one.file, one.line, one.column, one.path, one.message, one.fix)
            for one in sorted(found, key=lambda one: (order[one.file], one.line, one.column, one.code.id))]


def _sections(parsed: Parsed) -> dict[str, object]:
    """Those of one file, their names spelled as documented."""
    spellings: dict[str, str] = {key.lower(): key for key in keys_of("root")}
    value = parsed.value if isinstance(parsed.value, dict) else {}
    return {spellings.get(str(key).lower(), str(key)): section for key, section in value.items()}


class _MergedTell(Tell):
    """Collects the findings of the whole."""

    __slots__ = ("_merged",)

    def __init__(self, merged: Merged, file: str, parsed: Parsed) -> None:
        super().__init__(file, parsed)
        self._merged = merged

    def __call__(self, code: Code, loc: Loc, message: str, fix: str, edits: Sequence[Edit] = (), *, of_key: bool = False) -> None:
        if len(self.findings) < MAX_FINDINGS:
            file, line, column, local = self._merged.locate(loc, of_key=of_key)
            self.findings.append(Finding(code, file, line, column, render_path(local), message, fix))
