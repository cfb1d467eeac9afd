"""An entry of `routing.balancers`. Source: Xray-core infra/conf/router.go, router_strategy.go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from proxycore.balancing.balancer import BalancerPlan, StrategyName
from proxycore.balancing.costs import Cost
from proxycore.balancing.least_load import LeastLoadSettings
from proxycore.document.duration import Duration
from proxycore.document.shape import Shape
from proxycore.document.words import Split, one_of
from proxycore.routing.patterns import Pattern

_STRATEGIES: Mapping[str, StrategyName] = {
    "": "random", "random": "random", "roundrobin": "roundRobin", "leastping": "leastPing", "leastload": "leastLoad",
}


def _beginning(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("the beginning of a tag is expected, as text")
    if value != value.strip():
        raise ValueError("the entry has blanks around it, which Xray takes for a part of it")
    return value


def _some(entries: list[str]) -> list[str]:
    if not entries:
        raise ValueError("the beginning of at least one outbound's tag is needed")
    return entries


def _filled(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


Beginnings = Annotated[list[Annotated[str, PlainValidator(_beginning)]], Split]
"""Outbounds whose tag begins with one of these. The empty text fits every tag."""


class CostShape(Shape):
    regexp: bool = False
    match: str = ""
    value: float = 0.0

    @model_validator(mode="after")
    def _compiles(self) -> CostShape:
        if self.regexp:
            Pattern(self.match)
        return self


class LeastLoadShape(Shape):
    """`settings` of the strategy leastLoad. Out of range counts as the nearest that is in range, as in the cores."""

    costs: list[CostShape] = Field(default_factory=list)
    baselines: list[Duration] = Field(default_factory=list)
    expected: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    max_rtt: Duration = Field(default=0, validation_alias="maxRTT")
    tolerance: float = 0.0

    def settings(self) -> LeastLoadSettings:
        return LeastLoadSettings(
            max(self.expected, 0), max(self.max_rtt, 0), min(max(self.tolerance, 0.0), 1.0),
            tuple(baseline for baseline in self.baselines if baseline > 0), tuple(_cost(shape) for shape in self.costs))


def _cost(shape: CostShape) -> Cost:
    return Cost(shape.match, Pattern(shape.match) if shape.regexp else None, shape.value)


class NoSettingsShape(Shape):
    """The other strategies have none."""


class StrategyShape(Shape):
    """`settings` are read by themselves, as the type asks for."""

    type: Annotated[StrategyName, PlainValidator(one_of(_STRATEGIES))] = "random"
    settings: dict[str, Any] = Field(default_factory=dict)


class BalancerShape(Shape):
    tag: Annotated[str, AfterValidator(_filled)]
    selector: Annotated[Beginnings, AfterValidator(_some)]
    strategy: StrategyShape = StrategyShape()
    fallback_tag: str = ""

    def plan(self, path: str, least_load: LeastLoadSettings) -> BalancerPlan:
        """`path` is its place in the document."""
        return BalancerPlan(path, self.tag, tuple(self.selector), self.strategy.type, least_load, self.fallback_tag)
