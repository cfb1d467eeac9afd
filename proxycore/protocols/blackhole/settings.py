"""What a document says about blackhole: the answer before the end.

Source: Xray-core infra/conf/blackhole.go.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from proxycore.protocols.base import Settings


def _lower(value: object) -> object:
    return (value.lower() or "none") if isinstance(value, str) else value


class BlackholeResponse(Settings):
    type: Annotated[Literal["none", "http"], BeforeValidator(_lower)] = Field(
        default="none", description="`none` cuts at once; `http` answers 403 first.")


class BlackholeSettings(Settings):
    """What is sent here ends."""

    response: BlackholeResponse = Field(default_factory=BlackholeResponse)

    @property
    def answers_http(self) -> bool:
        """Whether an HTTP 403 is sent before the end."""
        return self.response.type == "http"
