"""Conditions on what else was seen of a request: its protocol, HTTP attributes, the route in a VLESS id, and our system."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from proxycore.destination import Request
from proxycore.routing.condition import Condition, some_of
from proxycore.routing.patterns import Pattern
from proxycore.routing.ports import PortCondition, PortRange, show_ports

_OS_NAMES = {"win32": "windows"}        # where Python's name is not Go's


class ProtocolCondition(Condition):
    """What the client speaks begins with one of these words: "http" fits http1 and http/1.1."""

    __slots__ = ("prefixes",)

    def __init__(self, prefixes: Sequence[str]) -> None:
        self.prefixes = tuple(prefixes)

    def holds(self, request: Request) -> bool:
        protocol = request.protocol
        return bool(protocol) and protocol.startswith(self.prefixes)

    def why(self, request: Request) -> str:
        if not request.protocol:
            return "what the client speaks is not known (its inbound does not sniff, or nothing was recognised)"
        verb = "fits" if self.holds(request) else "does not fit"
        return f"the protocol {request.protocol} {verb} {some_of(list(self.prefixes))}"


class AttributesCondition(Condition):
    """Every named attribute of the HTTP request is there, and its pattern is found somewhere in it."""

    __slots__ = ("patterns",)

    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        """Names are compared in lower case."""
        self.patterns = {name.lower(): pattern for name, pattern in patterns.items()}

    def holds(self, request: Request) -> bool:
        return self._misfit(request) is None

    def _misfit(self, request: Request) -> str | None:
        """The first name that does not fit."""
        attributes = request.attributes or {}
        for name, pattern in self.patterns.items():
            value = attributes.get(name)
            if value is None or pattern.found_in(value) is None:
                return name
        return None

    def why(self, request: Request) -> str:
        if request.attributes is None:
            return "the request has no attributes: it is not HTTP, or its inbound does not sniff"
        misfit = self._misfit(request)
        if misfit is None:
            return f"the attributes {some_of(list(self.patterns))} fit"
        return f"the attribute {misfit} {'does not fit' if misfit in request.attributes else 'is missing'}"


class VlessRouteCondition(Condition):
    """The route that the client wrote into bytes 6 and 7 of its VLESS id is in the list; only VLESS has one."""

    __slots__ = ("_ports",)

    def __init__(self, ranges: Sequence[PortRange]) -> None:
        self._ports = PortCondition("destination", ranges)

    def holds(self, request: Request) -> bool:
        route = request.vless_route
        return route is not None and self._ports.has(route)

    def why(self, request: Request) -> str:
        if request.vless_route is None:
            return "the request did not come by VLESS"
        verb = "is" if self.holds(request) else "is not"
        return f"the VLESS route {request.vless_route} {verb} in {show_ports(self._ports.ranges)}"


class LocalOsCondition(Condition):
    """This program runs on one of these systems: the same answer for every request."""

    __slots__ = ("_holds", "names")

    def __init__(self, names: Sequence[str], system: str = sys.platform) -> None:
        self.names = tuple(names)
        self._holds = _OS_NAMES.get(system, system) in {name.lower() for name in names}

    def holds(self, request: Request) -> bool:
        return self._holds

    def why(self, request: Request) -> str:
        return f"the operating system {'is' if self._holds else 'is not'} {some_of(list(self.names))}"
