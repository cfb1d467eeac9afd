"""`finalRules`: what may be dialled, judged by the address itself once it is known. Source: Xray-core proxy/freedom/freedom.go.

Where nothing fits, what counts is by what kind of inbound the request came: see DEFAULTS. That holds only for a document
that has `finalRules` at all; others were written for cores that do not know them, and everything is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from proxycore.destination import IPAddress, Network
from proxycore.protocols.freedom.way_out_settings import FinalRuleSettings, Range
from proxycore.routing.addresses import AddressCondition, parse_address
from proxycore.routing.ports import PortRange

PRIVATE_BLOCKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "::/127",
    "fc00::/7", "fe80::/10", "ff00::/8",
)
Blocks: TypeAlias = Literal["", "private", "all"]
DEFAULTS: dict[str, Blocks] = {
    "vless-reverse": "all",
    **dict.fromkeys(("vless", "vmess", "trojan", "hysteria", "wireguard", "shadowsocks", "shadowsocks-2022"), "private"),
}
BLOCK_DELAY_S = Range(30, 90)


class FinalRule(NamedTuple):
    """Empty parts fit everything."""

    is_block: bool
    networks: tuple[Network, ...] = ()
    ports: tuple[PortRange, ...] = ()
    addresses: AddressCondition | None = None
    delay_s: Range = BLOCK_DELAY_S

    def fits(self, network: Network, ip: IPAddress, port: int) -> bool:
        if self.networks and network not in self.networks:
            return False
        if self.ports and not any(low <= port <= high for low, high in self.ports):
            return False
        return self.addresses is None or self.addresses.fits(ip)


_BY_DEFAULT: dict[Blocks, FinalRule | None] = {
    "": None,
    "private": FinalRule(True, addresses=AddressCondition("destination", [parse_address(one) for one in PRIVATE_BLOCKS])),
    "all": FinalRule(True),
}


class FinalRules:
    """The rules for requests of one kind of inbound."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[FinalRule], kind: str) -> None:
        """`kind`: the inbound's protocol, or "vless-reverse"."""
        default = _BY_DEFAULT[DEFAULTS.get(kind, "")]
        self._rules = (*rules, default) if default is not None else tuple(rules)

    def blocks(self, network: Network, ip: IPAddress, port: int) -> FinalRule | None:
        """The rule that forbids this; None: it is allowed."""
        for rule in self._rules:
            if rule.fits(network, ip, port):
                return rule if rule.is_block else None
        return None

    def need_address(self, network: Network) -> bool:
        """Whether a name has to be resolved before it can be judged."""
        if not self._rules:
            return False
        first = self._rules[0]
        is_for_all = not first.ports and first.addresses is None and (not first.networks or network in first.networks)
        return first.is_block or not is_for_all

    @property
    def know_ports(self) -> bool:
        return any(rule.ports for rule in self._rules)


def final_rules_of(settings: Sequence[FinalRuleSettings]) -> tuple[FinalRule, ...]:
    return tuple(
        FinalRule(
            one.action == "block", one.network, one.port, AddressCondition("destination", one.ip) if one.ip else None,
            one.block_delay)
        for one in settings)
