"""Two inbounds of one node that want the same port: only one of them can listen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dashboard.engine.columns import inbound_columns
from dashboard.engine.content import Content, Entry, Kind, get
from dashboard.engine.diff import entry_name
from dashboard.engine.references import words
from dashboard.models import Inbound, Instance, Node
from dashboard.services.errors import PortTaken

MAX_PORT: Final = 65535
MAX_RANGES: Final = 256             # of one inbound; what is written beyond them is not compared
_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::", "[::]"})
_DATAGRAM_NETWORKS: Final = frozenset({"kcp", "mkcp", "quic", "hysteria"})
_OWN_NETWORKS: Final = frozenset({"dokodemo-door", "tunnel", "shadowsocks"})


@dataclass(frozen=True, slots=True)
class PortConflict:
    """`name` (of the instance being looked at) and `other` both want `port`. `other_instance` is the other's."""

    name: str
    port: int
    network: str
    other: str
    other_instance: str
    pk: int | None
    other_pk: int | None

    @property
    def text(self) -> str:
        return f"inbound {self.name}: port {self.port}/{self.network} is taken by inbound {self.other} of {self.other_instance}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    instance: str
    address: str
    networks: frozenset[str]
    ranges: tuple[tuple[int, int], ...]
    pk: int | None


def conflicts_of(node: Node, content: Content, instance: Instance | None = None) -> list[PortConflict]:
    """The conflicts of a document's inbounds with each other and with those of the node's other instances."""
    own_name = instance.name if instance is not None else "this document"
    own = [
        wanted
        for number, entry in enumerate(content.entries[Kind.INBOUND])
        if entry.enabled
        for wanted in _wanted(entry.body, entry_name(Kind.INBOUND, entry.body, number), own_name, entry.pk)
    ]
    others = list(_others(node, instance)) if own else []
    return _conflicts(own, others)


def check_ports(instance: Instance, entry: Entry) -> None:
    """Raises PortTaken: another enabled inbound of the node wants a port of this inbound (of `instance`)."""
    own = list(_wanted(entry.body, entry_name(Kind.INBOUND, entry.body, entry.position), instance.name, entry.pk))
    if own and instance.enabled:
        conflicts = _conflicts(own, list(_others(instance.node, None, but=entry.pk)))
        if conflicts:
            raise PortTaken(conflicts[0].text, "port")


def free_port(node: Node, start: int, avoid: Iterable[int] = ()) -> int:
    """The first port from `start` on that no inbound of the node wants; 0 if there is none."""
    taken = [one for wanted in _others(node, None) for one in wanted.ranges]
    avoided = frozenset(avoid)
    for port in range(start, MAX_PORT + 1):
        if port not in avoided and not any(low <= port <= high for low, high in taken):
            return port
    return 0


def _others(node: Node, instance: Instance | None, but: int | None = None) -> Iterator[_Wanted]:
    rows = Inbound.objects.filter(instance__node=node, instance__enabled=True, enabled=True).select_related("instance")
    if instance is not None:
        rows = rows.exclude(instance=instance)
    if but is not None:
        rows = rows.exclude(pk=but)
    for row in rows.defer("comments", "instance__rest", "instance__comments"):
        yield from _wanted(row.entry, str(row), row.instance.name, row.pk)


def _wanted(body: dict[str, object], name: str, instance: str, pk: int | None) -> Iterator[_Wanted]:
    columns = inbound_columns(body)
    if columns["listen"].startswith(("/", "@")):
        return
    ranges = _ranges(columns["port"])
    if ranges:
        address = "" if columns["listen"] in _ANY_ADDRESS else columns["listen"]
        yield _Wanted(name, instance, address, _networks(body, columns), ranges, pk)


def _networks(body: dict[str, object], columns: dict[str, str]) -> frozenset[str]:
    if columns["protocol"] in _OWN_NETWORKS:
        listed = words(get(get(body, "settings"), "network", "allowedNetwork"))
        return frozenset({name.strip().lower() for name in listed} & {"tcp", "udp"}) or frozenset({"tcp"})
    is_datagram = columns["network"] in _DATAGRAM_NETWORKS or columns["protocol"] in ("wireguard", "hysteria")
    return frozenset({"udp" if is_datagram else "tcp"})


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    """The ports of a port list; what is not a number (env:NAME, say) is not known here."""
    ranges: list[tuple[int, int]] = []
    for part in text.split(",")[:MAX_RANGES]:
        low, _, high = part.strip().partition("-")
        if low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit())) and len(part) < 16:
            first, last = int(low), int(high or low)
            if 0 < first <= last <= MAX_PORT:
                ranges.append((first, last))
    return tuple(ranges)


def _conflicts(own: list[_Wanted], others: list[_Wanted]) -> list[PortConflict]:
    """By sorted ranges, so that thousands of inbounds cost no more than a sort; one conflict per pair of neighbours."""
    found: dict[tuple[int, int], PortConflict] = {}
    everyone = [*own, *others]
    for network in ("tcp", "udp"):
        spans = sorted(
            (low, high, number) for number, one in enumerate(everyone) if network in one.networks for low, high in one.ranges
        )
        open_spans: list[tuple[int, int]] = []          # (last port, number) that may still overlap
        for low, high, number in spans:
            open_spans = [one for one in open_spans if one[0] >= low]
            for _, other in open_spans[:MAX_RANGES]:
                first, second = (number, other) if number < len(own) else (other, number)
                if first >= len(own) or first == second or (first, second) in found or (second, first) in found:
                    continue
                mine, theirs = everyone[first], everyone[second]
                if not mine.address or not theirs.address or mine.address == theirs.address:
                    found[first, second] = PortConflict(
                        mine.name, low, network, theirs.name, theirs.instance, mine.pk, theirs.pk
                    )
            open_spans.append((high, number))
    return list(found.values())
