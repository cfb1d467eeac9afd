"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

_MOST_NAMES = 200       # compared with; comparing costs some 10 us each
_MOST_CHARS = 64


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`did you mean "..."?` with the nearest of `names`, whatever its letter case; empty if none is near."""
    by_folded = {name.lower(): name for name in islice(names, _MOST_NAMES)}
    near = difflib.get_close_matches(word[:_MOST_CHARS].lower(), by_folded, n=1)
    return f'did you mean "{by_folded[near[0]]}"?' if near else ""
