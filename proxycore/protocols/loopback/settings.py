"""What a document says about loopback. Source: Xray-core infra/conf/loopback.go."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from proxycore.protocols.base import Settings


def _not_run(value: object) -> object:
    if isinstance(value, dict) and not value.get("enabled"):
        return None
    if value is not None:
        raise ValueError("is known to Xray, not run by this version")
    return None


_NotRun: TypeAlias = SkipJsonSchema[Annotated[Any, BeforeValidator(_not_run)]]


class LoopbackSettings(Settings):
    """A second way through the router."""

    inbound_tag: str = Field(
        alias="inboundTag", min_length=1, description="Tag that rules see then; no inbound needs to have it.")
    sniffing: _NotRun = None

    def provides_inbound_tags(self) -> tuple[str, ...]:
        return (self.inbound_tag,)
