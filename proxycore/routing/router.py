"""The compiled router: the first rule that matches decides, else the default outbound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxycore.destination import Request
from proxycore.routing.index import RuleIndex
from proxycore.routing.rule import Rule

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

    __slots__ = ("_index", "balancing", "default_tag", "rules")

    def __init__(self, rules: Sequence[Rule], default_tag: str | None) -> None:
        self.rules = tuple(rules)
        self.default_tag = default_tag
        self.balancing: Balancing | None = None     # set before requests come, where a rule has a balancer
        self._index = RuleIndex(self.rules) if len(self.rules) > _FEW_RULES else None

    @classmethod
    def compile(cls, rules: Sequence[Rule], default_tag: str | None) -> Router:
        """A router over `rules`; `default_tag` is the first outbound's, None if there is none."""
        return cls(rules, default_tag)

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
        if self._index is None:
            for rule in self.rules:
                if rule.matches(request):
                    return rule
            return None
        rules = self.rules
        for number in self._index.candidates(request):
            if rules[number].matches(request):
                return rules[number]
        return None

    def explain(self, request: Request) -> list[Step]:
        """Why `pick` decides as it does: every rule in turn, up to and including the one that matches."""
        steps: list[Step] = []
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
