"""A list of address blocks that several rules may share: what `geoip:` and `ext:` name."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

Range = tuple[int, int]         # first and last address of a block, as numbers


class AddressGroup(Protocol):
    """Addresses as rules ask for them; `version` is 4 or 6 (a mapped address is an IPv4 one)."""

    def contain(self, version: int, number: int) -> bool: ...

    def have(self, version: int) -> bool:
        """Whether there is anything of this family."""
        ...


class AddressSet:
    """Very many blocks: a decision is one search in a sorted table, 8 bytes an IPv4 block."""

    __slots__ = ("_v4_firsts", "_v4_lasts", "_v6_firsts", "_v6_lasts")

    def __init__(self, v4: Iterable[Range], v6: Iterable[Range]) -> None:
        firsts, lasts = _joined(v4)
        self._v4_firsts, self._v4_lasts = array("I", firsts), array("I", lasts)
        self._v6_firsts, self._v6_lasts = _joined(v6)

    def contain(self, version: int, number: int) -> bool:
        if version == 4:
            place = bisect_right(self._v4_firsts, number) - 1
            return place >= 0 and number <= self._v4_lasts[place]
        place = bisect_right(self._v6_firsts, number) - 1
        return place >= 0 and number <= self._v6_lasts[place]

    def have(self, version: int) -> bool:
        return bool(self._v4_firsts if version == 4 else self._v6_firsts)


def _joined(ranges: Iterable[Range]) -> tuple[list[int], list[int]]:
    """The ranges, sorted; those that overlap or touch as one."""
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(ranges):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


class AddressList(NamedTuple):
    """An entry of a rule that names a list."""

    group: AddressGroup
    is_negated: bool
    text: str

    def __str__(self) -> str:
        return self.text


class AnyOf:
    """Several lists as one group."""

    __slots__ = ("_groups",)

    def __init__(self, groups: Sequence[AddressGroup]) -> None:
        self._groups = tuple(groups)

    def contain(self, version: int, number: int) -> bool:
        for group in self._groups:  # noqa: SIM110  (`any()` costs a generator per decision)
            if group.contain(version, number):
                return True
        return False

    def have(self, version: int) -> bool:
        return any(group.have(version) for group in self._groups)
