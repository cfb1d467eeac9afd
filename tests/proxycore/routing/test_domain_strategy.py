"""When a decision needs the addresses of a name, and what it is with them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from proxycore.destination import Request
from proxycore.routing.addresses import AddressCondition, parse_address
from proxycore.routing.condition import Condition
from proxycore.routing.domains import DomainCondition, parse_domain
from proxycore.routing.ports import PortCondition
from proxycore.routing.router import DomainStrategy, Router
from proxycore.routing.rule import InboundTagCondition, Rule
from tests.proxycore.routing.requests import request

PRIVATE = (ip_address("10.0.0.1"),)
PUBLIC = (ip_address("2001:db8::1"), ip_address("192.0.2.1"))


def ip(*blocks: str) -> Condition:
    return AddressCondition("destination", [parse_address(block) for block in blocks])


def domain(*entries: str) -> Condition:
    return DomainCondition([parse_domain(entry) for entry in entries])


def router(strategy: DomainStrategy, *rules: tuple[str, list[Condition]]) -> Router:
    compiled = [Rule(f"{number}", tag, tuple(conditions)) for number, (tag, conditions) in enumerate(rules)]
    return Router.compile(compiled, "default", strategy)


NAMED = ("named", [domain("domain:named.example")])
LOCAL = ("local", [ip("10.0.0.0/8")])
LOCAL_OF_IN = ("local", [InboundTagCondition(["in"]), ip("10.0.0.0/8")])


@pytest.mark.parametrize(("strategy", "rules", "host", "wanted"), [
    ("AsIs", [LOCAL, NAMED], "a.example", False),
    ("IPIfNonMatch", [LOCAL, NAMED], "a.example", True),
    ("IPIfNonMatch", [LOCAL, NAMED], "named.example", False),
    ("IPIfNonMatch", [NAMED], "a.example", False),
    ("IPIfNonMatch", [LOCAL, NAMED], "192.0.2.1", False),
    ("IPOnDemand", [LOCAL, NAMED], "a.example", True),
    ("IPOnDemand", [LOCAL, NAMED], "named.example", True),
    ("IPOnDemand", [NAMED, LOCAL], "named.example", False),
    ("IPOnDemand", [NAMED, LOCAL], "a.example", True),
    ("IPOnDemand", [LOCAL], "10.0.0.1", False),
])  # fmt: skip
@pytest.mark.parametrize("padding", [0, 10], ids=["few rules", "with an index"])
def test_addresses_are_wanted_only_where_they_decide(
    strategy: DomainStrategy, rules: list[tuple[str, list[Condition]]], host: str, wanted: bool, padding: int
) -> None:
    others: list[tuple[str, list[Condition]]] = [("other", [PortCondition("destination", [(9, 9)])])] * padding
    assert router(strategy, *rules, *others).wants_addresses(request(host)) is wanted


@pytest.mark.parametrize("strategy", ["IPIfNonMatch", "IPOnDemand"])
def test_a_rule_that_cannot_match_for_another_reason_wants_no_addresses(strategy: DomainStrategy) -> None:
    rules = router(strategy, LOCAL_OF_IN)
    assert rules.wants_addresses(request("a.example", tag="in"))
    assert not rules.wants_addresses(request("a.example", tag="bridge"))


@pytest.mark.parametrize("change", [{"passes": 1}, {"keeps_name": True}, {"resolved": PRIVATE}, {"resolved": ()}])
def test_loopbacks_and_questions_of_the_dns_section_are_not_resolved(change: dict[str, object]) -> None:
    assert not router("IPOnDemand", LOCAL).wants_addresses(request("a.example")._replace(**change))


@pytest.mark.parametrize(("addresses", "tag"), [(PRIVATE, "local"), (PUBLIC, "default"), (PUBLIC + PRIVATE, "local")])
def test_any_one_address_is_enough(addresses: tuple[object, ...], tag: str) -> None:
    rules = router("IPIfNonMatch", LOCAL, NAMED)
    assert rules.pick(request("a.example")._replace(resolved=addresses)) == tag


@pytest.mark.parametrize("padding", [0, 10], ids=["few rules", "with an index"])
def test_any_one_address_is_enough_also_for_an_index(padding: int) -> None:
    others: list[tuple[str, list[Condition]]] = [("other", [ip(f"172.16.{number}.0/24")]) for number in range(padding)]
    rules = router("IPIfNonMatch", *others, LOCAL)
    assert rules.pick(request("a.example")._replace(resolved=PUBLIC + PRIVATE)) == "local"


def test_on_demand_an_earlier_address_rule_goes_before_a_later_name() -> None:
    one = request("named.example")._replace(resolved=PRIVATE)
    assert router("IPOnDemand", LOCAL, NAMED).pick(one) == "local"
    assert router("IPOnDemand", NAMED, LOCAL).pick(one) == "named"


def test_of_a_sniffed_name_the_rules_see_the_name_and_the_original_address() -> None:
    one = request("10.0.0.1")._replace(route_domain="named.example")
    assert router("IPOnDemand", LOCAL, NAMED).pick(one) == "local"
    assert router("IPOnDemand", NAMED, LOCAL).pick(one) == "named"
    assert not router("IPOnDemand", LOCAL, NAMED).wants_addresses(one)


def test_of_two_names_the_sniffed_one_counts() -> None:
    one: Request = request("original.example")._replace(route_domain="named.example")
    assert one.name == "named.example"
    assert router("AsIs", ("original", [domain("full:original.example")]), NAMED).pick(one) == "named"


def test_an_explanation_says_that_a_name_is_looked_up() -> None:
    rules = router("IPIfNonMatch", LOCAL)
    (step,) = rules.explain(request("a.example"))
    assert step.why == "IPIfNonMatch: a.example is looked up, and the rules are tried with its addresses"
    (step,) = rules.explain(request("a.example")._replace(resolved=PRIVATE))
    assert step.why == "the destination address 10.0.0.1 fits 10.0.0.0/8: goes to local"
