"""What a look at the first bytes can end with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias


class Undecided(Enum):
    """Nothing was found."""

    MORE = "it may be this: more bytes are needed"
    NOT = "it is not this, whatever follows"


class Sniffed(NamedTuple):
    """`protocol` as `protocol` rules see it; `domain` as the client wrote it ("" for protocols that name none)."""

    protocol: str
    domain: str = ""
    attributes: Mapping[str, str] | None = None     # of an HTTP request, names in lower case


Verdict: TypeAlias = Sniffed | Undecided
MORE, NOT = Undecided.MORE, Undecided.NOT
