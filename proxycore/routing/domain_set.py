"""A list of domains that several rules may share: what `geosite:` and `ext:` name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from proxycore.routing.domains import DomainEntry, Keywords, parents
from proxycore.routing.patterns import Pattern, Patterns


class DomainSet:
    """Very many entries of all kinds. Made once, asked by every rule that names it; about 150 bytes an entry.

    `text` is what the rules call it. Texts are in lower case, but for the regexps. Raises ValueError for a regexp that
    cannot be compiled.
    """

    __slots__ = ("_keywords", "full", "keywords", "patterns", "suffixes", "text")

    kind = "list"
    pattern = None          # as an entry it has none; those that are in it are not shown one by one

    def __init__(
        self,
        text: str,
        *,
        full: Collection[str] = (),
        suffixes: Collection[str] = (),
        keywords: Iterable[str] = (),
        regexps: Iterable[str] = (),
    ) -> None:
        self.text = text
        self.full = frozenset(full)
        self.suffixes = frozenset(suffixes)
        self.keywords = tuple(sorted(set(keywords)))
        self._keywords = Keywords(self.keywords)
        self.patterns = Patterns(map(Pattern, regexps))

    def __str__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return len(self.full) + len(self.suffixes) + len(self.keywords) + len(self.patterns)

    def find(self, name: str) -> str | None:
        """The entry (with its prefix) that fits `name`, which is in lower case."""
        if name in self.full:
            return "full:" + name
        suffixes = self.suffixes
        if suffixes:
            for parent in parents(name):
                if parent in suffixes:
                    return "domain:" + parent
        keyword = self._keywords.find(name) if self.keywords else None
        if keyword is not None:
            return "keyword:" + keyword
        pattern = self.patterns.find(name)
        return "regexp:" + pattern.text if pattern is not None else None


DomainItem: TypeAlias = DomainEntry | DomainSet
"""One entry of a rule: a single one, or a list that the rule names."""


class SetIndex:
    """Which rules name a list that a name is in, for all lists together. Keywords are filed elsewhere."""

    __slots__ = ("_full", "_patterns", "_suffixes")

    def __init__(self, rules: Mapping[DomainSet, Sequence[int]]) -> None:
        # A tuple of positions is shared by all names of a list: a name costs its place in the table, and nothing more.
        self._full: dict[str, tuple[int, ...]] = {}
        self._suffixes: dict[str, tuple[int, ...]] = {}
        self._patterns = [(one.patterns, tuple(numbers)) for one, numbers in rules.items() if one.patterns]
        joined: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]] = {}
        for one, numbers in rules.items():
            _file(self._full, one.full, tuple(numbers), joined)
            _file(self._suffixes, one.suffixes, tuple(numbers), joined)

    def find(self, name: str, found: list[int]) -> None:
        """Add the positions of the rules to `found`; `name` is in lower case."""
        found += self._full.get(name, ())
        suffixes = self._suffixes
        if suffixes:
            for parent in parents(name):
                if parent in suffixes:
                    found += suffixes[parent]
        for patterns, numbers in self._patterns:
            if patterns.find(name) is not None:
                found += numbers


def _file(
    table: dict[str, tuple[int, ...]],
    names: frozenset[str],
    numbers: tuple[int, ...],
    joined: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]],
) -> None:
    """Put `names` into the table; what is in it already gets both lists' positions, one tuple for each pair of lists."""
    if not table:
        table.update(dict.fromkeys(names, numbers))
        return
    for name in names:
        earlier = table.get(name)
        if earlier is None:
            table[name] = numbers
        else:
            pair = (earlier, numbers)
            table[name] = joined.setdefault(pair, (*earlier, *numbers))
