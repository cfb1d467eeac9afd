"""A rule: conditions that must all hold, and the outbound that then carries the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxycore.destination import Request
from proxycore.routing.condition import Condition, some_of
from proxycore.routing.patterns import Pattern, Patterns

_REGEXP = "regexp:"


class InboundTagCondition(Condition):
    """The request came in through one of these inbounds or bridges. Exact; one without a tag never fits."""

    __slots__ = ("tags",)

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = frozenset(tag for tag in tags if tag)

    def holds(self, request: Request) -> bool:
        return request.inbound_tag in self.tags

    def why(self, request: Request) -> str:
        verb = "is" if self.holds(request) else "is not"
        return f'the inbound tag "{request.inbound_tag}" {verb} {some_of(sorted(self.tags))}'


class NetworkCondition(Condition):
    """The request is for one of these networks."""

    __slots__ = ("networks",)

    def __init__(self, networks: Sequence[str]) -> None:
        self.networks = frozenset(networks)

    def holds(self, request: Request) -> bool:
        return request.destination.network in self.networks

    def why(self, request: Request) -> str:
        verb = "is" if self.holds(request) else "is not"
        return f"the network {request.destination.network} {verb} {some_of(sorted(self.networks))}"


class UserEntry(NamedTuple):
    text: str                           # as written
    pattern: Pattern | None             # of an entry with `regexp:`


def parse_user(text: str) -> UserEntry:
    """Read one entry: an e-mail, exact and case-sensitive, or `regexp:` and an unanchored pattern. Raises ValueError."""
    if not text.removeprefix(_REGEXP):
        raise ValueError("the entry is empty")
    if text.startswith(_REGEXP):
        return UserEntry(text, Pattern(text.removeprefix(_REGEXP)))
    return UserEntry(text, None)


class UserCondition(Condition):
    """The credential's e-mail fits an entry; a request without one never does."""

    __slots__ = ("_patterns", "entries", "exact")

    def __init__(self, entries: Sequence[UserEntry]) -> None:
        self.entries = tuple(entries)
        self.exact = frozenset(entry.text for entry in entries if entry.pattern is None)
        self._patterns = Patterns(entry.pattern for entry in entries if entry.pattern is not None)

    @property
    def has_pattern(self) -> bool:
        return bool(self._patterns)

    def holds(self, request: Request) -> bool:
        user = request.user
        return bool(user) and (user in self.exact or self._patterns.find(user) is not None)

    def why(self, request: Request) -> str:
        if not request.user:
            return "the request has no user"
        verb = "fits" if self.holds(request) else "does not fit"
        return f"the user {request.user} {verb} {some_of([entry.text for entry in self.entries])}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`label` is the rule's `ruleTag`, else its place in the document. Without a condition it would match everything.

    `balancer_tag` is who names the outbound where `outbound_tag` is empty.
    """

    label: str
    outbound_tag: str
    conditions: tuple[Condition, ...]
    balancer_tag: str = ""

    def matches(self, request: Request) -> bool:
        for condition in self.conditions:  # noqa: SIM110  (`all()` costs a generator per rule)
            if not condition.holds(request):
                return False
        return True
