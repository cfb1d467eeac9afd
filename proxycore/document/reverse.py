"""The `reverse` section: bridges and portals."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from proxycore.document.shape import Shape

Dialect: TypeAlias = Literal[
    "auto", "reverse", "reverse.internal.v2fly.org", "reverse.internal.v2ray.com", "reverse.internal.example.com"
]
"""The control domain that a portal opens its control session to; `auto` finds out what each bridge understands."""


def _filled(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


Seconds: TypeAlias = Annotated[int, Field(ge=0, le=3600)]
"""0: never, or not at all."""


class BridgeShape(Shape):
    """`stallTimeout` is ours; other cores ignore the key."""

    tag: Annotated[str, AfterValidator(_filled)]
    domain: Annotated[str, AfterValidator(_filled)]
    stall_timeout: Seconds = 10


class PickingShape(Shape):
    """How a portal shares sessions out among several bridges, which it tells apart by the e-mail of their credentials."""

    policy: Literal["leastLoad", "weighted", "sticky", "primaryBackup"] = "leastLoad"
    weights: dict[str, Annotated[float, Field(gt=0, le=1000, strict=False)]] = Field(default_factory=dict)
    primary: list[str] = Field(default_factory=list)
    slow_start: Seconds = 10
    eject_after: Annotated[int, Field(ge=0, le=1000)] = 5
    eject_for: Seconds = 30


class PortalShape(Shape):
    """`dialect`, `picking` and `stallTimeout` are ours; other cores ignore the keys."""

    tag: Annotated[str, AfterValidator(_filled)]
    domain: Annotated[str, AfterValidator(_filled)]
    dialect: Dialect = "auto"
    picking: PickingShape = Field(default_factory=PickingShape)
    stall_timeout: Seconds = 10


class ReverseShape(Shape):
    """Its entries are read one by one, so that one that is wrong does not hide the others."""

    bridges: list[Any] = Field(default_factory=list)
    portals: list[Any] = Field(default_factory=list)
