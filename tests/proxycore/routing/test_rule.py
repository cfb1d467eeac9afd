"""The conditions that are neither names, addresses nor ports."""

from __future__ import annotations

import pytest

from proxycore.routing.rule import InboundTagCondition, NetworkCondition, Rule, UserCondition, parse_user
from tests.proxycore.routing.requests import request


def test_an_inbound_tag_is_compared_exactly_and_an_untagged_inbound_never_fits() -> None:
    condition = InboundTagCondition(["a", "b", ""])
    assert [condition.holds(request(tag=tag)) for tag in ("a", "b", "A", "")] == [True, True, False, False]
    assert condition.why(request(tag="x")) == 'the inbound tag "x" is not a, b'


def test_a_network_is_one_of_the_list() -> None:
    condition = NetworkCondition(["udp", "unix"])
    assert [condition.holds(request(network=network)) for network in ("tcp", "udp")] == [False, True]
    assert condition.why(request()) == "the network tcp is not udp, unix"


def test_a_user_is_compared_exactly_or_by_an_unanchored_pattern() -> None:
    condition = UserCondition([parse_user("alice@x"), parse_user("regexp:^bob")])
    assert [condition.holds(request(user=user)) for user in ("alice@x", "Alice@x", "bob@y", "rob@y", "")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert condition.why(request()) == "the request has no user"
    assert condition.why(request(user="bob@y")) == "the user bob@y fits alice@x, regexp:^bob"


def test_a_pattern_that_matches_everything_does_not_match_nobody() -> None:
    assert not UserCondition([parse_user("regexp:.*")]).holds(request())


@pytest.mark.parametrize("text", ["", "regexp:", "regexp:("])
def test_a_user_entry_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"empty|compile"):
        parse_user(text)


def test_all_conditions_of_a_rule_must_hold() -> None:
    rule = Rule("r", "out", (InboundTagCondition(["a"]), NetworkCondition(["udp"])))
    assert rule.matches(request(tag="a", network="udp"))
    assert not rule.matches(request(tag="a"))
    assert not rule.matches(request(tag="b", network="udp"))
