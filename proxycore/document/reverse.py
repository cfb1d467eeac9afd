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


class BridgeShape(Shape):
    tag: Annotated[str, AfterValidator(_filled)]
    domain: Annotated[str, AfterValidator(_filled)]


class PortalShape(Shape):
    """`dialect` is ours; other cores ignore the key."""

    tag: Annotated[str, AfterValidator(_filled)]
    domain: Annotated[str, AfterValidator(_filled)]
    dialect: Dialect = "auto"


class ReverseShape(Shape):
    """Its entries are read one by one, so that one that is wrong does not hide the others."""

    bridges: list[Any] = Field(default_factory=list)
    portals: list[Any] = Field(default_factory=list)
