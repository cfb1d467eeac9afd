"""What a finding can be: a code that never changes its meaning, with its name, severity, reason and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
"""error: it will not start or not work; warning: it is probably not what was meant, or unsafe; note: worth knowing."""


@dataclass(frozen=True, slots=True)
class Code:
    """`why` and `remedy` are sentences for the page of codes; `is_fixable`: --fix can do something about some of them."""

    id: str
    name: str
    severity: Severity
    summary: str
    why: str
    remedy: str
    is_fixable: bool = False
