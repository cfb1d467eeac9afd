"""A question about a tunnel, answered from this end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from proxycore.diagnosis.bridge_side import diagnose_bridge
from proxycore.diagnosis.portal_side import diagnose_portal
from proxycore.diagnosis.steps import Steps
from proxycore.messages.questions import Step

if TYPE_CHECKING:
    from proxycore.instance import Instance

_TARGET: Final = re.compile(r"\S{1,255}:\d{1,5}")


async def diagnose(instance: Instance, arguments: Mapping[str, Any]) -> list[Step]:
    """`arguments` as questions.DIAGNOSE has them. Raises ValueError: there is no such tunnel, or the target is none."""
    tag, kind, target = (str(arguments.get(name) or "") for name in ("tunnel", "kind", "target"))
    if target and (not _TARGET.fullmatch(target) or not 0 < int(target.rpartition(":")[2]) < 65536):
        raise ValueError("the target is given as host:port")
    steps = Steps()
    portal = next((one for one in instance.portals if one.tag == tag), None) if kind != "bridge" else None
    bridge = next((one for one in instance.bridges if one.tag == tag), None) if kind != "portal" else None
    if portal is not None:
        diagnose_portal(instance, portal, steps)
    elif bridge is not None:
        await diagnose_bridge(instance, bridge, target, steps)
    else:
        raise ValueError(f"there is no {kind or 'portal or bridge'} {tag!r} here")
    return steps.lines
