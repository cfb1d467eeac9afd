"""Rows by what an address says of them, and what they are called in a sentence."""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

MAX_PK_DIGITS: Final = 18       # what every database takes


def number_in(text: str) -> int | None:
    """What an address or a form has as a number; None: it is none, or one that no database takes."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_PK_DIGITS else None


def number_sent(request: HttpRequest, name: str) -> int:
    """What a form carries from when it was shown (a version, say); 0, which is none, where somebody spoilt it."""
    return number_in(request.POST.get(name, "")) or 0


def find_row(rows: Any, object_id: str) -> Any:
    """The row with this key. Raises Http404, also for what is no key at all."""
    if number_in(object_id) is None:
        raise Http404("there is no such row")
    return get_object_or_404(rows, pk=object_id)


def named(sort: str, row: object) -> str:
    """What sort of thing a row is, and its name. A rule without a name of its own is "rule 2" already."""
    words = str(row)
    return words if re.fullmatch(rf"{sort} \d+", words) else f"{sort} {words}"
