"""What the data plane says about its protocols and transports, for forms and choices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from proxycore import api

Side = Literal["inbound", "outbound"]


@cache
def protocols(side: Side) -> Sequence[api.ProtocolDescription]:
    """Those that have this side, by name."""
    return tuple(entry for entry in api.describe_protocols() if getattr(entry, side) is not None)


def protocol_choices(side: Side) -> list[tuple[str, str]]:
    return [(entry.name, f"{entry.title} ({entry.name})") for entry in protocols(side)]


def settings_schema(side: Side, protocol: str) -> dict[str, Any] | None:
    """The JSON Schema of the protocol's `settings`; None: it is not one that is run."""
    name = protocol.lower()
    for entry in protocols(side):
        if name == entry.name or name in entry.aliases:
            schema: dict[str, Any] | None = getattr(entry, side)
            return schema
    return None


@cache
def stream_schema() -> dict[str, Any]:
    return api.describe_stream_settings()
