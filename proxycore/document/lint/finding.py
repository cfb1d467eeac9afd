"""What the linter found, and the changes of the text that would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxycore.document.jsonc import Loc, Parsed
from proxycore.document.lint.codes import Code, Severity
from proxycore.document.places import render_path

MAX_FINDINGS = 500  # of one file; more would not be read


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters from `start` to before `end` of a file's text become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` 0: the whole file is meant. `fix` says what to do; `edits`, which belong together, do it (empty: they cannot)."""

    code: Code
    file: str
    line: int
    column: int
    path: str
    message: str
    fix: str
    edits: tuple[Edit, ...] = ()

    @property
    def severity(self) -> Severity:
        return self.code.severity

    @property
    def is_fixable(self) -> bool:
        return bool(self.edits)

    def render(self) -> str:
        """`file:line:column: warning XR301 bridge-unrouted: reverse.bridges[0]: message (what to do)`, one line."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        mark = " [--fix]" if self.edits else ""
        text = f"{place}: {self.severity} {self.code.id} {self.code.name}: {path}{self.message} ({self.fix}){mark}"
        return printable(text)


def printable(text: str) -> str:
    """Tags and keys come from the file: what would break or recolour a terminal's line is shown as an escape."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class Tell:
    """Collects the findings of one file."""

    __slots__ = ("_parsed", "file", "findings")

    def __init__(self, file: str, parsed: Parsed, findings: list[Finding] | None = None) -> None:
        """`findings`: those that there are already, to which others are added."""
        self.file = file
        self.findings: list[Finding] = [] if findings is None else findings
        self._parsed = parsed

    def __call__(self, code: Code, loc: Loc, message: str, fix: str, edits: Sequence[Edit] = (), *, of_key: bool = False) -> None:
        """Keep a finding at `loc` (or, where the document has no such value, at what encloses it)."""
        if len(self.findings) < MAX_FINDINGS:
            line, column = self._parsed.line_column(loc, of_key=of_key)
            self.findings.append(Finding(code, self.file, line, column, render_path(loc), message, fix, tuple(edits)))

    @property
    def is_full(self) -> bool:
        """Nothing more is kept: what costs time to find out need not be."""
        return len(self.findings) >= MAX_FINDINGS

    def at_offset(self, code: Code, place: tuple[int, int], message: str, fix: str, edits: Sequence[Edit] = ()) -> None:
        """Keep a finding about the text at this line and column."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, self.file, *place, "", message, fix, tuple(edits)))
