"""Rules that name lists: what they match, how negation combines, and that many of them stay quick."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.routing.address_set import AddressList, AddressSet
from proxycore.routing.addresses import AddressCondition, AddressItem, parse_address
from proxycore.routing.domain_set import DomainSet
from proxycore.routing.domains import DomainCondition, parse_domain
from proxycore.routing.router import Router
from proxycore.routing.rule import InboundTagCondition, Rule
from tests.proxycore.routing.requests import request

ADS = DomainSet("geosite:ads", full=["full.example"], suffixes=["ads.example"], keywords=["track"], regexps=["^ad[0-9]+$"])
CLOUD = DomainSet("geosite:cloud", suffixes=["ads.example", "cloud.example"])
MOST_TIMES_SLOWER = 3.0         # with lists of 100,000 names, against the same with 100; it is 1.3


def blocks(*texts: str) -> AddressSet:
    networks = [ip_network(text) for text in texts]
    spans = [(one.version, (int(one.network_address), int(one.broadcast_address))) for one in networks]
    return AddressSet([span for version, span in spans if version == 4], [span for version, span in spans if version == 6])


def listed(*texts: str, is_negated: bool = False) -> AddressList:
    return AddressList(blocks(*texts), is_negated, "geoip:x")


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("full.example", "full:full.example"),
        ("a.full.example", None),
        ("ads.example", "domain:ads.example"),
        ("a.b.ads.example", "domain:ads.example"),
        ("mytracker.example", "keyword:track"),
        ("ad12", "regexp:^ad[0-9]+$"),
        ("example", None),
    ],
)
def test_a_list_says_which_of_its_entries_fits(name: str, entry: str | None) -> None:
    assert ADS.find(name) == entry


def test_a_condition_fits_by_its_own_entries_and_by_its_lists() -> None:
    condition = DomainCondition([parse_domain("full:own.example"), ADS])
    assert condition.holds(request("own.example"))
    assert condition.holds(request("X.ADS.example"))
    assert not condition.holds(request("10.0.0.1"))
    assert condition.why(request("x.ads.example")) == "the domain x.ads.example fits geosite:ads (domain:ads.example)"
    assert condition.why(request("no.example")) == "the domain no.example does not fit full:own.example, geosite:ads"


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("9.255.255.255", False), ("10.0.0.0", True), ("11.255.255.255", True), ("12.0.0.0", False),
        ("2001:db8::1", True), ("2001:db9::1", False), ("::ffff:10.1.1.1", True),
    ],
)
def test_a_list_of_blocks_holds_their_addresses(address: str, is_in: bool) -> None:
    condition = AddressCondition("destination", [listed("10.0.0.0/8", "11.0.0.0/8", "10.1.0.0/16", "2001:db8::/32")])
    assert condition.fits(ip_address(address)) is is_in


PLAIN, NOT = parse_address("10.0.0.0/8"), parse_address("!192.168.0.0/16")
LIST, NOT_LIST = listed("20.0.0.0/8"), listed("30.0.0.0/8", is_negated=True)
OTHER_NOT_LIST = listed("40.0.0.0/8", is_negated=True)


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        ([PLAIN, LIST], ["10.0.0.1", "20.0.0.1"], ["30.0.0.1", "192.168.0.1", "::1"]),
        ([NOT_LIST], ["10.0.0.1"], ["30.0.0.1", "2001:db8::1"]),
        ([NOT_LIST, OTHER_NOT_LIST], ["10.0.0.1"], ["30.0.0.1", "40.0.0.1"]),
        ([PLAIN, NOT], ["10.0.0.1", "8.8.8.8"], ["192.168.0.1", "::1"]),
        ([LIST, NOT_LIST], ["20.0.0.1", "8.8.8.8"], ["30.0.0.1"]),
        # Each negated group is one of its own: what is in one of the two is not in the other, so everything fits.
        ([NOT, NOT_LIST], ["192.168.0.1", "30.0.0.1"], ["::1"]),
        ([listed("30.0.0.0/8", "::/0", is_negated=True)], ["1.1.1.1"], ["::1"]),
    ],
)
def test_blocks_lists_and_their_negations_are_four_groups_of_which_one_is_enough(
    entries: list[AddressItem], inside: list[str], outside: list[str]
) -> None:
    condition = AddressCondition("destination", entries)
    assert [address for address in inside if not condition.holds(request(address))] == []
    assert [address for address in outside if condition.holds(request(address))] == []


ENTRIES = st.lists(
    st.sampled_from(["full:full.example", "domain:cloud.example", "keyword:rack", "regexp:^ad", ADS, CLOUD]),
    min_size=1,
    max_size=3,
)
BLOCKS = st.lists(st.sampled_from([PLAIN, NOT, LIST, NOT_LIST, listed("10.0.0.0/7")]), min_size=1, max_size=3)
HOSTS = [
    "full.example", "x.ads.example", "cloud.example", "a.cloud.example", "rack.example", "ad1", "no", "10.1.1.1", "20.1.1.1",
    "::1",
]


@given(st.lists(ENTRIES | BLOCKS, min_size=8, max_size=12))
def test_the_index_finds_the_rule_that_trying_each_in_turn_finds(rules: list[list[object]]) -> None:
    compiled = []
    for number, entries in enumerate(rules):
        if isinstance(entries[0], str | DomainSet):
            items = [parse_domain(entry) if isinstance(entry, str) else entry for entry in entries]
            compiled.append(Rule(str(number), "out", (DomainCondition(items),)))     # type: ignore[arg-type]
        else:
            compiled.append(Rule(str(number), "out", (AddressCondition("destination", entries),)))      # type: ignore[arg-type]
    router = Router.compile(compiled, None)
    for host in HOSTS:
        one = request(host)
        assert router.first_match(one) is next((rule for rule in compiled if rule.matches(one)), None)


def seconds_a_decision(router: Router, hosts: list[str]) -> float:
    """Of the processor: other programs take turns with this one."""
    requests = [request(host) for host in hosts]
    best = float("inf")
    for _ in range(20):
        start = time.process_time()
        for one in requests:
            router.pick(one)
        best = min(best, (time.process_time() - start) / len(requests))
    return best


def router_with(names: int, lists: int, rules: int, blocks_of_one: int) -> Router:
    """Rules for `lists` lists, `rules` domains and a tenth as many networks, a list of blocks and one of `names` suffixes."""
    big = DomainSet(
        "geosite:big", suffixes=[f"d{n}.example" for n in range(names)], full=[f"w.f{n}.example" for n in range(names // 10)],
        keywords=["qqqq"], regexps=[r"^zz[0-9]+\.example$"],
    )
    small = [DomainSet(f"geosite:{n}", suffixes=[f"d{m}.example" for m in range(n, n + 300)]) for n in range(lists)]
    addresses = AddressSet(
        [(n << 16, (n << 16) + 0x7FFF) for n in range(blocks_of_one)], [(n << 96, n << 96) for n in range(blocks_of_one // 4)])
    made = [Rule("tag", "a", (InboundTagCondition(["other"]), DomainCondition([big])))]
    made += [Rule(f"l{n}", f"l{n}", (DomainCondition([one]),)) for n, one in enumerate(small)]
    made += [Rule(f"r{n}", f"r{n}", (DomainCondition([parse_domain(f"domain:r{n}.test")]),)) for n in range(rules)]
    made += [Rule(f"i{n}", f"i{n}", (AddressCondition("destination", [parse_address(f"10.{n >> 8}.{n & 255}.0/24")]),))
             for n in range(rules // 10)]
    made += [Rule("cn", "cn", (AddressCondition("destination", [AddressList(addresses, False, "geoip:cn")]),))]
    return Router.compile([*made, Rule("big", "big", (DomainCondition([big]),))], "direct")


def test_ten_thousand_rules_and_lists_of_a_hundred_thousand_names_stay_quick() -> None:
    router = router_with(names=100_000, lists=200, rules=9_000, blocks_of_one=20_000)
    assert router.pick(request("a.b.d99999.example")) == "big"
    assert router.pick(request("d450.example")) == "l151"
    assert router.pick(request("x.r8999.test")) == "r8999"
    assert router.pick(request(str(IPv4Address(0x00050001)))) == "cn"
    assert router.pick(request("nothing.invalid")) == "direct"
    hosts = ["a.b.d99999.example", "x.r8999.test", "0.5.0.1", "nothing.invalid", "10.3.1.1", "www.long.name.of.nobody.test"] * 40
    few = router_with(names=100, lists=2, rules=10, blocks_of_one=20)
    assert seconds_a_decision(router, hosts) < MOST_TIMES_SLOWER * seconds_a_decision(few, hosts)


def test_a_list_of_a_hundred_thousand_names_loads_in_a_moment() -> None:
    start = time.process_time()
    big = DomainSet("x", suffixes=[f"d{n}.example" for n in range(100_000)])
    Router.compile([Rule(str(n), "a", (DomainCondition([big]),)) for n in range(10)], None)
    assert time.process_time() - start < 1
