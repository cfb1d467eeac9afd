"""The `policy` section, and `stats`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from proxycore.document.jsonc import Loc
from proxycore.document.report import Report
from proxycore.document.shape import Shape
from proxycore.policy import LevelValues, PolicyValues

MAX_LEVEL = 2**32 - 1
MAX_SECONDS = 2**32 - 1
MAX_KIB = 2**31 - 1

Seconds: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SECONDS)] | None


class LevelShape(Shape):
    """What is absent is as the cores' code has it; docs/policy.md has the values."""

    handshake: Seconds = None
    conn_idle: Seconds = None
    uplink_only: Seconds = None
    downlink_only: Seconds = None
    buffer_size: Annotated[int, Field(ge=-MAX_KIB - 1, le=MAX_KIB)] | None = None      # KiB
    stats_user_uplink: bool = False
    stats_user_downlink: bool = False
    stats_user_online: bool = False


class SystemShape(Shape):
    stats_inbound_uplink: bool = False
    stats_inbound_downlink: bool = False
    stats_outbound_uplink: bool = False
    stats_outbound_downlink: bool = False


class PolicyShape(Shape):
    """Levels by their number, written as text."""

    levels: dict[str, LevelShape | None] = Field(default_factory=dict)
    system: SystemShape = SystemShape()


class StatsShape(Shape):
    """That the section is there, even as `{}`, makes counters readable; it has no keys."""


def policy_values(shape: PolicyShape, report: Report) -> PolicyValues:
    """What `shape` says; what is wrong or hardly meant goes to the report."""
    levels: dict[int, LevelValues] = {}
    for text, level in shape.levels.items():
        loc: Loc = ("policy", "levels", text)
        if not (text.isascii() and text.isdigit() and int(text[:11]) <= MAX_LEVEL):
            report.error(loc, f"the name of a level is its number, 0 to {MAX_LEVEL}", of_key=True)
            continue
        if level is None:
            continue
        for name, value in (("handshake", level.handshake), ("connIdle", level.conn_idle)):
            if value == 0:
                report.warn((*loc, name), "with 0 every connection of this level ends at once")
        levels[int(text)] = LevelValues(
            level.handshake, level.conn_idle, level.uplink_only, level.downlink_only, level.buffer_size,
            level.stats_user_uplink, level.stats_user_downlink, level.stats_user_online)
    system = shape.system
    return PolicyValues(
        levels, system.stats_inbound_uplink, system.stats_inbound_downlink, system.stats_outbound_uplink,
        system.stats_outbound_downlink)


def counts_anything(values: PolicyValues) -> bool:
    """Whether any flag asks for a counter."""
    return (
        values.inbound_uplink or values.inbound_downlink or values.outbound_uplink or values.outbound_downlink
        or any(level.counts_uplink or level.counts_downlink or level.counts_online for level in values.levels.values())
    )
