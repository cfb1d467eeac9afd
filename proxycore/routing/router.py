"""The compiled router: the first rule that matches decides, else the default outbound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from proxycore.destination import Request
from proxycore.routing.addresses import AddressCondition
from proxycore.routing.condition import Condition
from proxycore.routing.index import RuleIndex
from proxycore.routing.rule import Rule

DomainStrategy: TypeAlias = Literal["AsIs", "IPIfNonMatch", "IPOnDemand"]
_FEW_RULES = 6          # up to so many, trying each in turn is quicker than looking them up


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation. `rule` is the rule's position; None is the step to the default outbound."""

    rule: int | None
    label: str
    matched: bool
    why: str


class Choice(Protocol):
    """What a balancer says: the outbound's tag, None for none, and why, as one clause."""

    @property
    def tag(self) -> str | None: ...

    @property
    def why(self) -> str: ...


class Balancing(Protocol):
    """The balancers that rules name."""

    def pick(self, tag: str) -> Choice:
        """What the balancer called `tag` picks for one more request."""

    def preview(self, tag: str) -> Choice:
        """The same for an explanation: nothing changes by it."""


class Router:
    """Picks the outbound of a request. Made once for a document; a decision changes nothing in it (in balancers it does)."""

    __slots__ = ("_address_rules", "_index", "balancing", "default_tag", "resolves", "rules", "strategy")

    def __init__(self, rules: Sequence[Rule], default_tag: str | None, strategy: DomainStrategy = "AsIs") -> None:
        self.rules = tuple(rules)
        self.strategy = strategy
        self._address_rules = () if strategy == "AsIs" else tuple(_address_rules(self.rules))
        self.resolves = bool(self._address_rules)       # whether any decision may want addresses
        self.default_tag = default_tag
        self.balancing: Balancing | None = None     # set before requests come, where a rule has a balancer
        self._index = RuleIndex(self.rules) if len(self.rules) > _FEW_RULES else None

    @classmethod
    def compile(cls, rules: Sequence[Rule], default_tag: str | None, strategy: DomainStrategy = "AsIs") -> Router:
        """A router over `rules`; `default_tag` is the first outbound's, None if there is none."""
        return cls(rules, default_tag, strategy)

    def wants_addresses(self, request: Request) -> bool:
        """Whether the decision may depend on the addresses of the request's domain, which it does not have yet.

        IPIfNonMatch: no rule matches without them. IPOnDemand: the first rule that matches without them stands behind an `ip`
        rule. In either case such a rule must fit but for the address: nothing is looked up for what could not matter.
        """
        if not self.resolves or not isinstance(request.destination.host, str):
            return False
        if request.resolved is not None or request.passes or request.keeps_name:
            return False
        first = self._first_number(request)
        if first is not None and self.strategy == "IPIfNonMatch":
            return False
        for number, others in self._address_rules:
            if first is not None and number > first:
                return False
            if all(condition.holds(request) for condition in others):
                return True
        return False

    def pick(self, request: Request) -> str | None:
        """The tag of the outbound that is to carry `request`; None: there is none."""
        return self.outbound_of(self.first_match(request))

    def outbound_of(self, rule: Rule | None) -> str | None:
        """Where the rule that decided leads; its balancer is asked, for one more request. None: no rule matched."""
        if rule is None:
            return self.default_tag
        if rule.outbound_tag or self.balancing is None:
            return rule.outbound_tag
        picked = self.balancing.pick(rule.balancer_tag).tag
        return self.default_tag if picked is None else picked

    def first_match(self, request: Request) -> Rule | None:
        """The rule that decides, or None where no rule matches."""
        number = self._first_number(request)
        return None if number is None else self.rules[number]

    def _first_number(self, request: Request) -> int | None:
        rules = self.rules
        if self._index is None:
            for number, rule in enumerate(rules):
                if rule.matches(request):
                    return number
            return None
        for number in self._index.candidates(request):
            if rules[number].matches(request):
                return number
        return None

    def explain(self, request: Request) -> list[Step]:
        """Why `pick` decides as it does: every rule in turn, up to and including the one that matches.

        Where the decision waits for addresses (`wants_addresses`) the last step says so.
        """
        steps: list[Step] = []
        if self.wants_addresses(request):
            why = f"{self.strategy}: {request.name} is looked up, and the rules are tried with its addresses"
            return [Step(None, "domainStrategy", False, why)]
        for number, rule in enumerate(self.rules):
            failed = next((condition for condition in rule.conditions if not condition.holds(request)), None)
            if failed is not None:
                steps.append(Step(number, rule.label, False, failed.why(request)))
                continue
            why = "; ".join(condition.why(request) for condition in rule.conditions)
            steps.append(Step(number, rule.label, True, f"{why}: goes to {self._where(rule)}"))
            return steps
        if self.default_tag is None:
            steps.append(Step(None, "default", False, "no rule matches, and there is no outbound"))
        else:
            steps.append(Step(None, "default", True, f'no rule matches: goes to the first outbound, "{self.default_tag}"'))
        return steps

    def _where(self, rule: Rule) -> str:
        if rule.outbound_tag or self.balancing is None:
            return rule.outbound_tag or f"the balancer {rule.balancer_tag}"
        choice = self.balancing.preview(rule.balancer_tag)
        if choice.tag is not None:
            return f"the balancer {rule.balancer_tag}, which picks {choice.tag}: {choice.why}"
        picks_none = f"the balancer {rule.balancer_tag}, which picks none: {choice.why}"
        return f'{picks_none}; so to the first outbound, "{self.default_tag}"'


def _address_rules(rules: Sequence[Rule]) -> Iterator[tuple[int, tuple[Condition, ...]]]:
    """Rules with an `ip` matcher: their positions, and their other conditions."""
    for number, rule in enumerate(rules):
        others = tuple(one for one in rule.conditions if not (isinstance(one, AddressCondition) and one.side == "destination"))
        if len(others) < len(rule.conditions):
            yield number, others
