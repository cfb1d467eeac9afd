"""What is wrong with a document, each thing with its file, line, column and JSON path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxycore.errors import ProxyError

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` 0: the whole file is meant. `hint` is what to do about it, or empty."""

    severity: Severity
    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def render(self) -> str:
        """`file:line:column: error: inbounds[0].port: message (hint)`, always one line."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return _one_line(f"{place}: {self.severity}: {path}{self.message}{hint}")

    __str__ = render


class DocumentError(ProxyError):
    """The document cannot be run. `problems` are all of them, warnings too, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted_problems(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def sorted_problems(problems: Sequence[Problem]) -> list[Problem]:
    """By file (in the order in which the files appear), then by place; at one place errors come first."""
    files = {file: number for number, file in enumerate(dict.fromkeys(problem.file for problem in problems))}
    return sorted(problems, key=lambda one: (files[one.file], one.line, one.column, one.severity, one.path))


def _one_line(text: str) -> str:
    """Keys and tags come from the file: what would break or recolour a terminal's line is shown as an escape."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
