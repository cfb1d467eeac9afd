"""Who gets a flow where there is no more room."""

from __future__ import annotations

import pytest

from proxycore.net import flow_table
from proxycore.net.flow_table import LOOKED_AT, FlowTable, source_of

Table = FlowTable[object]


def full(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> Table:
    monkeypatch.setattr(flow_table, "MAX_FLOWS", len(hosts))
    table = Table()
    for port, host in enumerate(hosts, 1):
        assert not table.is_full
        table.add((host, port), (host, port))
    assert table.is_full
    return table


def test_the_oldest_of_who_has_more_ends_for_a_newcomer(monkeypatch: pytest.MonkeyPatch) -> None:
    table = full(monkeypatch, "192.0.2.9", *["198.51.100.1"] * 5, "192.0.2.8")
    ending = table.to_end_for(("203.0.113.5", 1))
    assert ending == ("198.51.100.1", 2)
    table.remove(("198.51.100.1", 2), ending)
    assert not table.is_full


def test_who_has_most_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    table = full(monkeypatch, "192.0.2.9", *["198.51.100.1"] * 5)
    assert table.to_end_for(("198.51.100.1", 99)) is None


def test_nobody_loses_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table = full(monkeypatch, *[f"192.0.2.{number}" for number in range(3 * LOOKED_AT)])
    assert table.to_end_for(("203.0.113.5", 1)) is None


def test_those_that_may_stay_do_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    table = full(monkeypatch, *[f"192.0.2.{number}" for number in range(3 * LOOKED_AT)], "198.51.100.1", "198.51.100.1")
    found = [table.to_end_for(("203.0.113.5", 1)) for _ in range(4)]
    assert found == [None, None, None, ("198.51.100.1", 3 * LOOKED_AT + 1)]


def test_a_newer_flow_of_the_same_address_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    first, second = object(), object()
    table.add(("192.0.2.1", 1), first)
    table.remove(("192.0.2.1", 1), first)
    table.add(("192.0.2.1", 1), second)
    table.remove(("192.0.2.1", 1), first)
    assert table.get(("192.0.2.1", 1)) is second


@pytest.mark.parametrize(("one", "other", "same"), [
    ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True), ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ("fe80::1%lo", "fe80::2", True), ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False), ("192.0.2.1", "192.0.2.1", True),
])
def test_an_ipv6_network_is_one_source(one: str, other: str, same: bool) -> None:
    assert (source_of((one, 1)) == source_of((other, 2))) is same
