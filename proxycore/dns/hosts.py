"""Fixed names: what `hosts` says, and the system's file of them. Source: Xray-core app/dns/hosts.go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from proxycore.destination import IPAddress, unmapped
from proxycore.dns.answer import Answer, Families, Rcode
from proxycore.routing.domain_set import DomainItem
from proxycore.routing.domains import DomainCondition, DomainEntry

MAX_ALIASES = 5                         # that are followed among the fixed names
HOSTS_TTL_S = 10
SYSTEM_HOSTS = Path("/etc/hosts")
MAX_SYSTEM_HOSTS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HostEntry:
    """What the names that fit `domain` are: addresses, or another name, or (as a code) nothing."""

    domain: DomainItem
    addresses: tuple[IPAddress, ...] = ()
    alias: str = ""
    rcode: int | None = None


class Hosts:
    """Finds names among the fixed ones."""

    __slots__ = ("_by_name", "_others")

    def __init__(self, entries: Sequence[HostEntry]) -> None:
        self._by_name: dict[str, list[HostEntry]] = {}
        self._others: list[tuple[DomainCondition, HostEntry]] = []
        for entry in entries:
            if entry.domain.kind == "full":
                self._by_name.setdefault(entry.domain.text, []).append(entry)
            else:
                self._others.append((DomainCondition([entry.domain]), entry))

    def find(self, name: str, families: Families) -> Answer | str | None:
        """The answer for `name` (lower case), the other name that is to be looked up instead, or None: it is not fixed."""
        alias: str | None = None
        for _ in range(MAX_ALIASES + 1):
            found = list(self._entries(name))
            if not found:
                return alias
            rcode = next((entry.rcode for entry in found if entry.rcode is not None), None)
            if rcode is not None:
                return Answer((), HOSTS_TTL_S, rcode)
            addresses = [ip for entry in found for ip in entry.addresses]
            alias = next((entry.alias for entry in found if entry.alias), None)
            if addresses or alias is None:
                chosen = (ip for ip in addresses if (families.v4 if ip.version == 4 else families.v6))
                return Answer(tuple(dict.fromkeys(chosen)), HOSTS_TTL_S, Rcode.NO_ERROR)
            name = alias
        return alias

    def _entries(self, name: str) -> Iterator[HostEntry]:
        yield from self._by_name.get(name, ())
        for condition, entry in self._others:
            if condition.find(name) is not None:
                yield entry


def system_entries(path: Path = SYSTEM_HOSTS) -> list[HostEntry]:
    """The system's own fixed names; lines that say nothing are skipped. Raises OSError."""
    with path.open("rb") as file:
        text = file.read(MAX_SYSTEM_HOSTS_BYTES).decode("utf-8", "replace")
    found: dict[str, list[IPAddress]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            address = unmapped(ip_address(words[0].partition("%")[0])) if len(words) > 1 else None
        except ValueError:
            continue
        if address is not None:
            for name in words[1:]:
                found.setdefault(name.lower().removesuffix("."), []).append(address)
    return [HostEntry(DomainEntry("full", name), tuple(addresses)) for name, addresses in found.items()]
