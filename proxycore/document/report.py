"""Collects problems while a document is read, and knows where each place of the document was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from proxycore.document.jsonc import Fault, Loc
from proxycore.document.places import render_path
from proxycore.document.problems import Problem, Severity, sorted_problems

MAX_PROBLEMS = 250      # errors that are kept of one document, and as many warnings; the rest would not be read


Hint: TypeAlias = str | Callable[[], str]
"""What to do about a problem, or what works it out: that costs something, and is done for kept problems only."""


class Origin(Protocol):
    """Where a document was written: in one file, or in several that were merged."""

    def locate(self, loc: Loc, *, of_key: bool) -> tuple[str, int, int, Loc]:
        """File, line, column, and the place within that file."""

    def has(self, loc: Loc) -> bool:
        """Whether there is a value at `loc`."""


class Report:
    """The problems found so far."""

    __slots__ = ("_errors", "_origin", "_warnings")

    def __init__(self, origin: Origin, earlier: Report | None = None) -> None:
        """With `earlier`, problems are added to those of that report, which can have another origin."""
        self._origin = origin
        self._errors: list[Problem] = [] if earlier is None else earlier._errors
        self._warnings: list[Problem] = [] if earlier is None else earlier._warnings

    @property
    def errors(self) -> list[Problem]:
        return sorted_problems(self._errors)

    @property
    def warnings(self) -> list[Problem]:
        return sorted_problems(self._warnings)

    def error(self, loc: Loc, message: str, hint: Hint = "", *, of_key: bool = False) -> None:
        """What makes the document impossible to run. `of_key`: the key is at fault, not its value."""
        self._add("error", loc, message, hint, of_key=of_key)

    def warn(self, loc: Loc, message: str, hint: Hint = "", *, of_key: bool = False) -> None:
        self._add("warning", loc, message, hint, of_key=of_key)

    def add_fault(self, fault: Fault, file: str) -> None:
        """An error that the reader of the text found."""
        if len(self._errors) < MAX_PROBLEMS:
            self._errors.append(Problem("error", file, fault.line, fault.column, "", fault.message))

    def has(self, loc: Loc) -> bool:
        return self._origin.has(loc)

    def problem(self, severity: Severity, loc: Loc, message: str, hint: str = "", *, of_key: bool = False) -> Problem:
        """A problem at `loc` that is not kept."""
        file, line, column, place = self._origin.locate(loc, of_key=of_key)
        return Problem(severity, file, line, column, render_path(place), message, hint)

    def _add(self, severity: Severity, loc: Loc, message: str, hint: Hint, *, of_key: bool) -> None:
        kept = self._errors if severity == "error" else self._warnings
        if len(kept) < MAX_PROBLEMS:
            text = hint if isinstance(hint, str) else hint()
            kept.append(self.problem(severity, loc, message, text, of_key=of_key))
