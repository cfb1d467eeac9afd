"""Domain entries of a rule: `full:`, `domain:`, `keyword:` (or no prefix), `regexp:`, `dotless:`; lists of them.

Names and patterns are compared in lower case, as in Xray at HEAD; a `regexp:` is taken as it is written, so capitals
in it never match. A trailing dot is part of the name.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from proxycore.destination import Request
from proxycore.routing.condition import Condition, some_of
from proxycore.routing.patterns import Pattern, Patterns

if TYPE_CHECKING:
    from proxycore.routing.domain_set import DomainItem

GRAM_CHARS = 4              # a keyword is found by one piece of this length; shorter keywords by themselves
_SCANNED_KEYWORDS = 8       # up to so many, searching for each in turn is quicker than cutting the name up

_PREFIXES = ("full", "domain", "keyword", "regexp", "dotless")
_LISTS = ("geosite", "ext", "ext-domain", "ext-site")


class DomainEntry(NamedTuple):
    kind: Literal["full", "domain", "keyword", "regexp", "dotless"]
    text: str                               # in lower case, but for a regexp
    pattern: Pattern | None = None      # of a regexp

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"


def parse_domain(text: str) -> DomainEntry:
    """Read one entry that names no list. Raises ValueError with one sentence about what is wrong."""
    prefix, colon, rest = text.partition(":")
    if not colon:
        prefix, rest = "keyword", text
    elif prefix in _LISTS:
        raise ValueError(f"a list such as `{prefix}:` cannot be used here")
    elif prefix not in _PREFIXES:
        near = difflib.get_close_matches(prefix[:32].lower(), _PREFIXES, n=1)
        raise ValueError(f"`{prefix[:32]}:` is no kind of domain entry" + (f"; did you mean `{near[0]}:`?" if near else ""))
    if not rest and prefix != "dotless":
        raise ValueError("the entry is empty")
    if prefix == "regexp":
        return DomainEntry("regexp", rest, Pattern(rest))
    if prefix == "dotless" and "." in rest:
        raise ValueError("the text after `dotless:` must not contain a dot")
    return DomainEntry(prefix, rest.lower())    # type: ignore[arg-type]


def rare_grams(keywords: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each keyword with that piece of it which the fewest others have: who contains the keyword contains the piece."""
    counts = Counter(gram for keyword in keywords for gram in set(_grams(keyword)))
    for keyword in keywords:
        yield keyword, min(_grams(keyword), key=counts.__getitem__)


def _grams(keyword: str) -> Sequence[str]:
    if len(keyword) <= GRAM_CHARS:
        return (keyword,)
    return [keyword[i : i + GRAM_CHARS] for i in range(len(keyword) - GRAM_CHARS + 1)]


def pieces(name: str, lengths: Iterable[int]) -> Iterator[str]:
    """Every piece of `name` with one of these lengths."""
    for length in lengths:
        for start in range(len(name) - length + 1):
            yield name[start : start + length]


def parents(name: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while True:
        yield name
        dot = name.find(".")
        if dot < 0:
            return
        name = name[dot + 1 :]


class Keywords:
    """Which of many texts is somewhere inside a name."""

    __slots__ = ("_by_gram", "_few", "_lengths")

    def __init__(self, keywords: Iterable[str]) -> None:
        keywords = dict.fromkeys(keywords)
        self._few: tuple[str, ...] = ()
        self._by_gram: dict[str, list[str]] = {}
        if len(keywords) <= _SCANNED_KEYWORDS:
            self._few = tuple(keywords)
        else:
            for keyword, gram in rare_grams(keywords):
                self._by_gram.setdefault(gram, []).append(keyword)
        self._lengths = sorted({len(gram) for gram in self._by_gram})

    def find(self, name: str) -> str | None:
        for keyword in self._few:
            if keyword in name:
                return keyword
        if self._by_gram:
            by_gram = self._by_gram
            for piece in pieces(name, self._lengths):
                for keyword in by_gram.get(piece, ()):
                    if keyword in name:
                        return keyword
        return None


class DomainCondition(Condition):
    """The target is a domain that one of the entries fits, or that is in one of the lists."""

    __slots__ = ("_dotless", "_full", "_keywords", "_patterns", "_suffixes", "items", "sets")

    def __init__(self, items: Sequence[DomainItem]) -> None:
        self.items = tuple(items)
        entries = [item for item in items if isinstance(item, DomainEntry)]
        self.sets = tuple(item for item in items if not isinstance(item, DomainEntry))
        self._full = frozenset(entry.text for entry in entries if entry.kind == "full")
        self._suffixes = frozenset(entry.text for entry in entries if entry.kind == "domain")
        self._keywords = Keywords(entry.text for entry in entries if entry.kind == "keyword")
        self._dotless = Keywords(entry.text for entry in entries if entry.kind == "dotless")
        self._patterns = Patterns(entry.pattern for entry in entries if entry.pattern is not None)

    def holds(self, request: Request) -> bool:
        host = request.route_domain or request.destination.host
        return isinstance(host, str) and self.find(host.lower()) is not None

    def find(self, name: str) -> str | None:
        """The entry (with its prefix) that fits `name`, which is in lower case."""
        if name in self._full:
            return "full:" + name
        if self._suffixes:
            for parent in parents(name):
                if parent in self._suffixes:
                    return "domain:" + parent
        keyword = self._keywords.find(name)
        if keyword is not None:
            return "keyword:" + keyword
        if "." not in name:
            keyword = self._dotless.find(name)
            if keyword is not None:
                return "dotless:" + keyword
        pattern = self._patterns.find(name)
        if pattern is not None:
            return "regexp:" + pattern.text
        for one in self.sets:
            found = one.find(name)
            if found is not None:
                return f"{one} ({found})"
        return None

    @property
    def entries(self) -> tuple[DomainEntry, ...]:
        """The entries that are no lists."""
        return tuple(item for item in self.items if isinstance(item, DomainEntry))

    def why(self, request: Request) -> str:
        host = request.route_domain or request.destination.host
        if not isinstance(host, str):
            return f"the target {host} is an address, not a domain"
        entry = self.find(host.lower())
        if entry is None:
            return f"the domain {host} does not fit {some_of([str(item) for item in self.items])}"
        return f"the domain {host} fits {entry}"
