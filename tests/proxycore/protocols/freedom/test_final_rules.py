"""What may be dialled, and what becomes of who wants something else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from proxycore.destination import Destination
from proxycore.errors import Blocked
from tests.proxycore.protocols.freedom.ways import Way

KINDS = {"tunnel": "vless-reverse", "server": "vmess", "door": "dokodemo-door"}
NO_PRIVATE: list[dict[str, Any]] = [{"action": "block", "ip": ["10.0.0.0/8", "::1"]}]


def may(rules: list[dict[str, Any]], to: str, port: int = 443, tag: str = "door", network: str = "tcp") -> bool:
    way = Way(KINDS, finalRules=rules)
    if network == "tcp":
        way.open(to, port, tag)
        return bool(way.dialled)
    way.open_packets(to, port, tag)
    return bool(way.flows)


@pytest.mark.parametrize(("rules", "to", "port", "network", "allowed"), [
    (NO_PRIVATE, "10.1.2.3", 443, "tcp", False), (NO_PRIVATE, "11.1.2.3", 443, "tcp", True),
    (NO_PRIVATE, "::1", 443, "udp", False), (NO_PRIVATE, "::2", 443, "udp", True),
    ([{"action": "block", "port": "25,1000-2000"}], "8.8.8.8", 25, "tcp", False),
    ([{"action": "block", "port": "25,1000-2000"}], "8.8.8.8", 1500, "tcp", False),
    ([{"action": "block", "port": "25,1000-2000"}], "8.8.8.8", 443, "tcp", True),
    ([{"action": "block", "network": "udp"}], "8.8.8.8", 443, "udp", False),
    ([{"action": "block", "network": "udp"}], "8.8.8.8", 443, "tcp", True),
    ([{"action": "Allow", "ip": ["10.0.0.9"]}, *NO_PRIVATE], "10.0.0.9", 443, "tcp", True),
    ([{"action": "block"}], "8.8.8.8", 443, "tcp", False),
    ([{"action": "allow"}, {"action": "block"}], "10.0.0.9", 443, "tcp", True),
])
def test_the_first_rule_that_fits_decides(rules: list[dict[str, Any]], to: str, port: int, network: str, allowed: bool) -> None:
    assert may(rules, to, port, network=network) is allowed


@pytest.mark.parametrize(("tag", "private", "public"), [
    ("tunnel", False, False), ("server", False, True), ("door", True, True), ("other", True, True)])
def test_what_no_rule_fits_is_decided_by_how_it_came(tag: str, private: bool, public: bool) -> None:
    for to in ("127.0.0.1", "192.168.1.1", "fd00::1", "169.254.169.254"):
        assert may([], to, tag=tag) is private
    assert may([], "8.8.8.8", tag=tag) is public
    assert may([{"action": "allow", "port": 443}], "127.0.0.1", tag=tag)


@pytest.mark.parametrize("tag", ["tunnel", "server", "door"])
def test_a_document_without_final_rules_allows_everything(tag: str) -> None:
    way = Way(KINDS)
    client = way.open("127.0.0.1", tag=tag)
    assert client.peer is way.out


def test_a_blocked_client_is_held_and_not_refused() -> None:
    way = Way(finalRules=[{"action": "block", "blockDelay": "5-5"}])
    client = way.open("8.8.8.8")
    client.peer.write(b"hello")
    way.turn(4)
    assert not client.ended
    assert not client.paused
    way.turn(2)
    assert client.ended
    assert client.data == b""
    assert way.dialled == []


def test_one_that_has_finished_is_let_go() -> None:
    way = Way(finalRules=[{"action": "block"}])
    client = way.open("8.8.8.8")
    client.peer.write_eof()
    assert client.ended


async def test_a_name_is_dialled_at_the_addresses_that_are_allowed() -> None:
    way = Way(finalRules=NO_PRIVATE)
    client = way.open("both.example")
    [resolve] = way.resolvers
    assert resolve is not None
    assert await resolve("both.example") == [ip_address("8.8.8.8")]
    way.out.connect()
    way.loop.turn()
    assert client.peer is way.out


async def test_a_name_without_such_an_address_holds_the_client() -> None:
    way = Way(finalRules=[{"action": "block", "ip": "10.0.0.0/8", "blockDelay": 3}])
    client = way.open("inside.example")
    client.peer.write(b"hello")
    [resolve] = way.resolvers
    assert resolve is not None
    with pytest.raises(Blocked) as caught:
        await resolve("inside.example")
    way.out.peer.abort(caught.value)
    assert not client.ended
    assert not client.paused
    way.turn(4)
    assert client.ended


def test_no_address_is_needed_where_all_is_allowed() -> None:
    way = Way(finalRules=[{"action": "allow", "network": "tcp"}, {"action": "block"}])
    client = way.open("inside.example")
    assert way.resolvers == [None]
    assert client.peer is way.out


def test_a_redirect_is_judged_by_where_it_leads() -> None:
    way = Way(finalRules=NO_PRIVATE, redirect="10.0.0.1:80")
    way.open("8.8.8.8")
    assert way.dialled == []


def test_single_datagrams_are_dropped_both_ways() -> None:
    way = Way(finalRules=NO_PRIVATE)
    client = way.open_packets("8.8.8.8", 53)
    inside = Destination("udp", ip_address("10.0.0.1"), 53)
    outside = Destination("udp", ip_address("9.9.9.9"), 53)
    for address in (None, inside, outside):
        client.peer.write_packet(b"ask", address)
        way.flow.peer.write_packet(b"answer", address)
    assert way.flow.packets == [(b"ask", None), (b"ask", outside)]
    assert client.packets == [(b"answer", None), (b"answer", outside)]
    way.flow.peer.close()
    assert client.closed


def test_a_flow_to_what_is_blocked_is_held_and_then_ends() -> None:
    way = Way(finalRules=[{"action": "block", "blockDelay": 5}])
    client = way.open_packets("8.8.8.8")
    client.peer.write_packet(b"ask", None)
    assert way.flows == []
    way.turn(6)
    assert client.closed
