"""What inbounds listen on, seen together: ports, unix sockets, and who is in another one's way."""

from __future__ import annotations

from collections.abc import Sequence

from proxycore.document.inbound import InboundShape
from proxycore.document.jsonc import Loc
from proxycore.document.model import Inbound
from proxycore.document.places import parse_path
from proxycore.document.report import Report
from proxycore.net.unix import UnixAddress
from proxycore.protocols.base import Settings
from proxycore.routing.ports import PortRange

_MAX_COMPARED_LISTENERS = 2000      # pairs of inbounds with more port ranges than this are not compared


def listened_ports(shape: InboundShape, settings: Settings | None, loc: Loc, report: Report) -> tuple[PortRange, ...]:
    """The ports that the inbound at `loc` listens on; none for one on a unix socket."""
    follows = bool(getattr(settings, "follow_redirect", False))
    if follows and _tproxy_of(shape) == "off":
        message = "nothing tells where a client was going"
        remedy = 'set streamSettings.sockopt.tproxy to "redirect" or "tproxy", as the system\'s rule is'
        report.warn((*loc, "settings", "followRedirect"), message, remedy)
    elif follows and settings is not None and "udp" in _networks_of(settings) and _tproxy_of(shape) != "tproxy":
        message = "datagrams are followed where a TPROXY rule sends them; of REDIRECT nothing tells where they were going"
        report.warn((*loc, "settings", "followRedirect"), message, 'take "tproxy", or "network": "tcp"')
    if isinstance(shape.listen, UnixAddress):
        if settings is not None and "tcp" not in _networks_of(settings):
            report.error((*loc, "listen"), "a unix socket takes connections, no datagrams", 'add "tcp" to "network"')
        elif getattr(settings, "needs_a_port", False):
            report.error((*loc, "settings"), "who comes by a unix socket has come by no port: say which one is meant",
                         'give "port"')
        return ()
    if shape.port is None:
        report.error((*loc, "port"), "is required")
        return ()
    ports = tuple((max(low, 1), high) for low, high in shape.port if high > 0)
    if ports != shape.port:
        report.warn((*loc, "port"), "nothing listens on port 0")
    return ports


def check_listeners(inbounds: Sequence[Inbound], report: Report) -> None:
    """Two inbounds cannot listen on the same address and port for the same network."""
    _check_unix_sockets(inbounds, report)
    listeners = sorted(
        (network, low, high, number)
        for number, inbound in enumerate(inbounds) for network in _networks_of(inbound.settings) for low, high in inbound.ports
    )
    if len(listeners) > _MAX_COMPARED_LISTENERS:
        return
    told: set[tuple[int, int]] = set()
    for position, (network, low, high, number) in enumerate(listeners):
        for other_network, other_low, _, other_number in listeners[position + 1 :]:
            if other_network != network or other_low > high:
                break
            first, second = sorted((number, other_number))
            if first == second or (first, second) in told or not _share_address(inbounds[first], inbounds[second]):
                continue
            told.add((first, second))
            port = max(low, other_low)
            message = f"{inbounds[first].path} listens on {network} port {port} of the same address already"
            report.error((*parse_path(inbounds[second].path), "port"), message)


def _check_unix_sockets(inbounds: Sequence[Inbound], report: Report) -> None:
    paths: dict[str, str] = {}
    for inbound in inbounds:
        if isinstance(inbound.listen, UnixAddress):
            earlier = paths.setdefault(inbound.listen.name, inbound.path)
            if earlier != inbound.path:
                report.error((*parse_path(inbound.path), "listen"), f"{earlier} listens on {inbound.listen} already")


def _tproxy_of(shape: InboundShape) -> str:
    return shape.stream_settings.sockopt.tproxy if shape.stream_settings is not None else "off"


def _networks_of(settings: Settings) -> frozenset[str]:
    """What is listened for; protocols that can listen for UDP have `networks` in their settings."""
    return frozenset(getattr(settings, "networks", ("tcp",)))


def _share_address(one: Inbound, other: Inbound) -> bool:
    """Whether listening for one port fails for the second of them: the same address, or all addresses of its family."""
    if isinstance(one.listen, UnixAddress) or isinstance(other.listen, UnixAddress):
        return False
    if one.listen == other.listen or one.listen is None or other.listen is None:
        return True
    if one.listen.version != other.listen.version:
        return False
    return one.listen.is_unspecified or other.listen.is_unspecified
