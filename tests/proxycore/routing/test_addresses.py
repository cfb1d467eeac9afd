"""IP entries."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination, Request
from proxycore.routing.addresses import AddressCondition, AddressIndex, parse_address
from tests.proxycore.routing.requests import request


def matches(entries: list[str], host: str) -> bool:
    return AddressCondition("destination", [parse_address(entry) for entry in entries]).holds(request(host))


@pytest.mark.parametrize(
    ("entries", "host", "expected"),
    [
        (["1.2.3.4"], "1.2.3.4", True),
        (["1.2.3.4"], "1.2.3.5", False),
        (["10.0.0.0/8", "192.168.0.0/16"], "192.168.7.7", True),
        (["10.1.2.3/8"], "10.200.0.1", True),  # host bits are dropped
        (["0.0.0.0/0"], "::1", False),
        (["fc00::/7"], "fd00::1", True),
        (["::ffff:10.0.0.0/104"], "10.1.1.1", True),  # a mapped block is an IPv4 block
        (["::/0"], "10.1.1.1", False),
        (["!10.0.0.0/8"], "11.0.0.1", True),
        (["!10.0.0.0/8"], "10.0.0.1", False),
        (["!10.0.0.0/8"], "::1", False),  # a negated group without IPv6 never holds for it
        (["!10.0.0.0/8", "!11.0.0.0/8"], "11.0.0.1", False),  # in none of the negated entries
        (["10.0.0.0/8", "!192.168.0.0/16"], "10.0.0.1", True),  # the groups are OR-ed
        (["10.0.0.0/8", "!192.168.0.0/16"], "8.8.8.8", True),
        (["10.0.0.0/8", "!192.168.0.0/16"], "192.168.0.1", False),
        (["!!10.0.0.0/8"], "10.0.0.1", True),
        (["0.0.0.0/0", "::/0"], "example.com", False),  # names are not resolved
    ],
)
def test_entries_match_as_in_xray(entries: list[str], host: str, expected: bool) -> None:
    assert matches(entries, host) is expected


def test_a_mapped_target_counts_as_ipv4() -> None:
    condition = AddressCondition("destination", [parse_address("10.0.0.0/8")])
    assert condition.holds(Request(Destination("tcp", IPv6Address("::ffff:10.0.0.1"), 1), ""))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("10.0.0", "an IP address or a CIDR block such as 10.0.0.0/8 is expected"),
        ("example.com", "an IP address or a CIDR block such as 10.0.0.0/8 is expected"),
        ("fe80::1%eth0", "an IP address or a CIDR block such as 10.0.0.0/8 is expected"),
        ("10.0.0.0/33", "the prefix length must be a number from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "the prefix length must be a number from 0 to 32"),
        ("::/129", "the prefix length must be a number from 0 to 128"),
        ("::/", "the prefix length must be a number from 0 to 128"),
        ("!geoip:cn", "a list such as `geoip:` cannot be used here"),
    ],
)
def test_an_entry_that_means_nothing_is_refused(entry: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_address(entry)


def test_the_clients_and_the_local_address_can_be_compared() -> None:
    source = AddressCondition("source", [parse_address("10.0.0.0/8")])
    local = AddressCondition("local", [parse_address("fe80::/10")])
    one = request(source=("10.0.0.7", 4000), local=("fe80::1%eth0", 80))
    assert source.holds(one)
    assert local.holds(one)
    assert not source.holds(request())
    assert not source.holds(request(source=("/run/client.sock", 0)))
    assert source.why(request()) == "the source address is not known"
    assert source.why(one) == "the source address 10.0.0.7 fits 10.0.0.0/8"


BLOCKS = st.builds(lambda number, length: f"{ip_address(number)}/{length}", st.integers(0, 2**32 - 1), st.integers(0, 32))


@given(st.lists(BLOCKS, max_size=10), st.integers(0, 2**32 - 1))
def test_blocks_contain_what_the_standard_library_says(blocks: list[str], number: int) -> None:
    address = ip_address(number)
    expected = [place for place, block in enumerate(blocks) if address in ip_network(block, strict=False)]
    index = AddressIndex()
    for place, block in enumerate(blocks):
        index.add(parse_address(block), place)
    assert sorted(index.find(address)) == expected
    assert matches(blocks, str(address)) == bool(expected)
