"""Documents as coloured lines of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from dashboard.engine.colours import Piece, Sort, lines

MAX_LINES: Final = 3000         # that are shown; a download has all
MAX_POINTER_COLUMNS: Final = 100
MAX_LINE_CHARS: Final = 500     # of a line around a fault
CHARS_BEFORE: Final = 60        # of those, before what the fault is about
_CLASSES: Final[Mapping[Sort, str]] = {
    "": "", "key": "k", "string": "s", "number": "n", "word": "w", "comment": "c", "mask": "m",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CodeLine:
    """`note` is said below the line, `column` (from 1) is where it points at."""

    number: int
    html: SafeString
    note: str = ""
    column: int = 0

    @property
    def pointer(self) -> str:
        return f"{' ' * min(self.column - 1, MAX_POINTER_COLUMNS)}^ "


def code_lines(
    text: str, notes: Mapping[int, tuple[int, str]] | None = None, around: int | None = None
) -> tuple[list[CodeLine], int]:
    """The lines to show, and how many there are in all. `notes`: (column, words) by line.

    `around`: only that many lines before and after each line that has a note.
    """
    notes = dict(notes or {})
    total = text.count("\n") + (not text.endswith("\n"))
    last = max((MAX_LINES if around is None else 0), *(line + (around or 0) for line in notes), 0)
    first = text.split("\n", last)[:last]
    if around is not None:
        _shorten(first, notes)
    cut = lines("\n".join(first))
    total = max(total, len(cut))
    if around is not None:
        near = {number for line in notes for number in range(line - around, line + around + 1)}
        wanted = sorted(number for number in near if 0 < number <= len(cut))
    else:
        wanted = list(range(1, min(len(cut), MAX_LINES) + 1))
    shown = []
    for number in wanted[:MAX_LINES]:
        column, words = notes.get(number, (0, ""))
        shown.append(CodeLine(number, _html(cut[number - 1]), words, column))
    return shown, total


def _shorten(lines_of_text: list[str], notes: dict[int, tuple[int, str]]) -> None:
    """Of lines that are too long what is near their notes: a document without line breaks is one of millions of characters."""
    for number, line in enumerate(lines_of_text, 1):
        if len(line) <= MAX_LINE_CHARS:
            continue
        column, words = notes.get(number, (0, ""))
        start = max(0, min(column - CHARS_BEFORE, len(line) - MAX_LINE_CHARS))
        before, after = "…" if start else "", "…" if start + MAX_LINE_CHARS < len(line) else ""
        lines_of_text[number - 1] = f"{before}{line[start : start + MAX_LINE_CHARS]}{after}"
        if column:
            notes[number] = (column - start + len(before), words)


def _html(pieces: list[Piece]) -> SafeString:
    return format_html_join(
        "", '<span class="{}">{}</span>', ((_CLASSES[piece.sort], piece.text) for piece in pieces)
    )
