"""Mends what can be mended in the text itself, so that comments and layout stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxycore.document.formats import parse_document
from proxycore.document.jsonc import JsonError
from proxycore.document.lint.cores import Core
from proxycore.document.lint.finding import Edit, Finding
from proxycore.document.lint.linting import lint_texts

MAX_ROUNDS = 20  # a fix can bring out another finding; after so many rounds the rest stays


@dataclass(slots=True)
class Fixed:
    """A file after it was mended: its text, and the findings whose edits were made, in that order."""

    file: str
    text: str
    applied: list[Finding] = field(default_factory=list)


def fix_texts(texts: Sequence[tuple[str, str]], core: Core | None = None) -> list[Fixed]:
    """The files with every fix that can be made, in the order of `texts`; where there was none the text is unchanged.

    A text that could be read stays readable: edits after which it could not be are not made.
    """
    files = [Fixed(name, text) for name, text in texts]
    refused: set[tuple[str, str, str]] = set()
    for _ in range(MAX_ROUNDS):
        # By number, for two files can have the same name.
        names = [(f"{number}:{one.file}", one.text) for number, one in enumerate(files)]
        wanted: dict[int, list[Finding]] = {}
        for finding in lint_texts(names, core):
            if finding.edits and _key(finding) not in refused:
                wanted.setdefault(int(finding.file.partition(":")[0]), []).append(finding)
        if not wanted:
            break
        for number, findings in wanted.items():
            chosen = _apart(findings)
            text = _readable(files[number], chosen)
            if text is None:
                chosen = [one for one in chosen[:1] if _readable(files[number], [one]) is not None]
                refused.update(_key(one) for one in findings[:1] if not chosen)
                text = _readable(files[number], chosen)
            if text is not None and chosen:
                files[number].text = text
                files[number].applied += [_renamed(one, files[number].file) for one in chosen]
    return files


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.file, finding.code.id, finding.path


def _renamed(finding: Finding, file: str) -> Finding:
    return Finding(finding.code, file, finding.line, finding.column, finding.path, finding.message, finding.fix, finding.edits)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """The findings whose edits do not touch those of an earlier one; the others wait for the next round."""
    taken: list[Edit] = []
    chosen: list[Finding] = []
    for finding in findings:
        if not any(_touch(one, other) for one in finding.edits for other in taken):
            taken += finding.edits
            chosen.append(finding)
    return chosen


def _touch(one: Edit, other: Edit) -> bool:
    return one.start <= other.end and other.start <= one.end


def _readable(file: Fixed, findings: Sequence[Finding]) -> str | None:
    """The text after the edits; None if it could not be read any more."""
    changed = apply_edits(file.text, [edit for finding in findings for edit in finding.edits])
    try:
        parse_document(changed, file.file)
    except JsonError:
        return None
    return changed


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made; they do not overlap."""
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
