"""The compiled router decides as trying each rule in turn would, quickly, and says why."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Request
from proxycore.routing.addresses import AddressCondition, parse_address
from proxycore.routing.condition import Condition
from proxycore.routing.domains import DomainCondition, parse_domain
from proxycore.routing.ports import PortCondition
from proxycore.routing.router import Router, Step
from proxycore.routing.rule import InboundTagCondition, NetworkCondition, Rule, UserCondition, parse_user
from tests.proxycore.routing.requests import request


def domains(*entries: str) -> DomainCondition:
    return DomainCondition([parse_domain(entry) for entry in entries])


def tags(*names: str) -> InboundTagCondition:
    return InboundTagCondition(names)


TUNNEL = Router.compile(
    [
        Rule("register", "interconn", (tags("bridge"), domains("full:reverse.example"))),
        Rule("serve", "out", (tags("bridge"),)),
        Rule("public", "portal", (tags("external"), PortCondition("destination", [(1, 65535)]))),
    ],
    "direct",
)


@pytest.mark.parametrize(
    ("one", "tag"),
    [
        (request("reverse.example", 0, tag="bridge"), "interconn"),
        (request("other.example", tag="bridge"), "out"),
        (request("127.0.0.1", tag="external"), "portal"),
        (request("127.0.0.1", 0, tag="external"), "direct"),
        (request("reverse.example"), "direct"),
    ],
)
def test_the_first_rule_that_matches_decides_else_the_default(one: Request, tag: str) -> None:
    assert TUNNEL.pick(one) == tag


def test_without_a_default_there_may_be_no_outbound() -> None:
    assert Router.compile([], None).pick(request()) is None
    assert Router.compile([], None).explain(request()) == [
        Step(None, "default", False, "no rule matches, and there is no outbound")
    ]


def test_a_decision_is_explained_rule_by_rule() -> None:
    assert TUNNEL.explain(request("other.example", tag="bridge")) == [
        Step(0, "register", False, "the domain other.example does not fit full:reverse.example"),
        Step(1, "serve", True, 'the inbound tag "bridge" is bridge: goes to out'),
    ]
    assert TUNNEL.explain(request("127.0.0.1", 0, tag="external"))[2:] == [
        Step(2, "public", False, "the destination port 0 is not in 1-65535"),
        Step(None, "default", True, 'no rule matches: goes to the first outbound, "direct"'),
    ]


# --- compiled == each rule in turn

NAMES = st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab", "abba", "babab"]), min_size=1, max_size=3).map(".".join)
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.1.1", "10.1.0.1", "11.0.0.1", "::1", "fd00::1"])
BLOCKS = st.sampled_from(
    ["10.0.0.1", "10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "!10.0.0.0/16", "!::1"]
)
ENTRIES = st.builds(
    lambda kind, name: kind + name, st.sampled_from(["full:", "domain:", "keyword:", "", "regexp:"]), NAMES
) | st.sampled_from(["dotless:", "dotless:a", "dotless:ab", "dotless:abba"])
USERS = st.sampled_from(["alice", "bob", "regexp:^a"])
PORTS = st.sampled_from([(80, 80), (443, 443), (0, 0), (1, 65535), (80, 90)])


def few(entries: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(entries, min_size=1, max_size=4)


CONDITIONS: st.SearchStrategy[Condition] = (
    few(ENTRIES).map(lambda entries: domains(*entries))
    | st.builds(
        lambda side, entries: AddressCondition(side, [parse_address(entry) for entry in entries]),
        st.sampled_from(["destination", "source", "local"]),
        few(BLOCKS),
    )
    | st.builds(PortCondition, st.sampled_from(["destination", "source"]), st.lists(PORTS, min_size=1, max_size=2))
    | few(USERS).map(lambda entries: UserCondition([parse_user(entry) for entry in entries]))
    | few(st.sampled_from(["x", "y", "z"])).map(lambda names: tags(*names))
    | st.sampled_from([NetworkCondition(["tcp"]), NetworkCondition(["udp", "unix"])])
)
SIDES = st.none() | st.tuples(ADDRESSES, st.sampled_from([80, 443, 5000]))
REQUESTS = st.builds(
    lambda host, port, tag, network, user, source, local: request(
        host, port, tag=tag, network=network, user=user, source=source, local=local
    ),
    NAMES | ADDRESSES,
    st.sampled_from([0, 80, 85, 443]),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from(["", "alice", "bob", "al"]),
    SIDES,
    SIDES,
)
RULES = st.lists(st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple), max_size=25)


@pytest.mark.fuzz
@given(RULES, st.lists(REQUESTS, min_size=1, max_size=8))
def test_the_compiled_router_picks_what_trying_each_rule_in_turn_picks(
    rules: list[tuple[Condition, ...]], requests: list[Request]
) -> None:
    compiled = [Rule(f"rule {number}", str(number), conditions) for number, conditions in enumerate(rules)]
    router = Router.compile(compiled, "default")
    for one in requests:
        expected = next(
            (rule.outbound_tag for rule in compiled if all(condition.holds(one) for condition in rule.conditions)), "default"
        )
        assert router.pick(one) == expected
        last = router.explain(one)[-1]
        assert last.matched
        assert (last.label if last.rule is None else str(last.rule)) == expected


# --- speed

MANY = 10_000
MOST_TIMES_SLOWER = 10.0  # one of many rules, against one of ten; it is about the same. Trying each would be 1000


def seconds_a_decision(router: Router, requests: list[Request]) -> float:
    rounds = 200
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        for _ in range(rounds):
            for one in requests:
                router.pick(one)
        best = min(best, time.process_time() - begin)
    return best / rounds / len(requests)


@pytest.mark.parametrize("kind", ["full:", "domain:", ""], ids=["full", "domain", "keyword"])
@pytest.mark.parametrize("in_one_rule", [False, True], ids=["each its own rule", "one rule"])
def test_ten_thousand_domains_cost_about_what_ten_cost(kind: str, in_one_rule: bool) -> None:
    entries = [f"{kind}host{number}.example.com" for number in range(MANY)]

    def router(count: int) -> Router:
        chosen = entries[:count]
        if in_one_rule:
            return Router.compile([Rule("all", "all", (domains(*chosen),))], "default")
        return Router.compile([Rule(entry, entry, (domains(entry),)) for entry in chosen], "default")

    requests = [request("host9.example.com"), request("www.host7.example.com"), request("nothing.like.it.example.org")]
    many, ten = router(MANY), router(10)
    assert [many.pick(one) == ten.pick(one) for one in requests] == [True, True, True]
    assert seconds_a_decision(many, requests) < MOST_TIMES_SLOWER * seconds_a_decision(ten, requests)


@pytest.mark.parametrize(
    ("conditions", "one"),
    [
        (
            [AddressCondition("destination", [parse_address(f"10.{n >> 8}.{n & 255}.0/24")]) for n in range(MANY)],
            request("10.39.15.7"),
        ),
        (
            [AddressCondition("source", [parse_address(f"10.{n >> 8}.{n & 255}.0/24")]) for n in range(MANY)],
            request(source=("10.39.15.7", 5)),
        ),
        ([UserCondition([parse_user(f"user{n}@x")]) for n in range(MANY)], request(user="user9999@x")),
        ([tags(f"in{n}") for n in range(MANY)], request(tag="in9999")),
        ([PortCondition("destination", [(n, n)]) for n in range(MANY)], request(port=9999)),
    ],
    ids=["ip", "source", "user", "inboundTag", "port"],
)
def test_ten_thousand_rules_of_another_kind_are_looked_up_too(conditions: list[Condition], one: Request) -> None:
    many = Router.compile([Rule(str(n), str(n), (condition,)) for n, condition in enumerate(conditions)], "default")
    ten = Router.compile(many.rules[-10:], "default")
    assert many.pick(one) == "9999"
    assert seconds_a_decision(many, [one]) < MOST_TIMES_SLOWER * seconds_a_decision(ten, [one])
