"""Accounts: streams are counted while they live and when they end, for everybody whom they belong to, and once each."""

from __future__ import annotations

from dataclasses import dataclass

from proxycore.policy import LevelValues, Policy, PolicyValues
from proxycore.stats import Account, Stats


@dataclass(eq=False)
class Moved:
    """Something that counts its bytes."""

    received: int = 0
    sent: int = 0
    account: Account | None = None
    counted_received: int = 0
    counted_sent: int = 0


def counters(stats: Stats) -> dict[str, int]:
    return {name: value for name, value in stats.all_counters().items() if value}


def test_what_a_client_sends_is_the_uplink_of_its_inbound() -> None:
    stats = Stats()
    stream = Moved()
    stats.inbound("in").open(stream)
    stream.received, stream.sent = 7, 100
    assert counters(stats) == {"inbound>>>in>>>traffic>>>uplink": 7, "inbound>>>in>>>traffic>>>downlink": 100}


def test_what_an_outbound_sends_is_its_uplink() -> None:
    stats = Stats()
    stream = Moved()
    stats.outbound("out").open(stream)
    stream.received, stream.sent = 100, 7
    assert counters(stats) == {"outbound>>>out>>>traffic>>>uplink": 7, "outbound>>>out>>>traffic>>>downlink": 100}


def test_a_stream_that_is_closed_twice_and_read_in_between_is_counted_once() -> None:
    stats = Stats()
    account, stream = stats.inbound("in"), Moved()
    account.open(stream)
    stream.received = 5
    for _ in range(2):
        assert counters(stats) == {"inbound>>>in>>>traffic>>>uplink": 5}
    account.close(stream)
    account.close(stream)
    assert counters(stats) == {"inbound>>>in>>>traffic>>>uplink": 5}
    assert not account.live


def test_a_user_is_charged_from_when_it_is_known_and_its_inbound_all_along() -> None:
    stats = Stats()
    stream, account = Moved(), stats.inbound("in")
    account.open(stream)
    stream.received = 50            # the header
    user = stats.user("a@b", 0)
    account.charge(stream, user, "192.0.2.1")
    stream.received += 8
    assert stream.account is not None
    stream.account.charge(stream, user, "192.0.2.1")        # a session that is routed again
    assert counters(stats) == {
        "inbound>>>in>>>traffic>>>uplink": 58, "user>>>a@b>>>traffic>>>uplink": 8, "user>>>a@b>>>online": 1}
    stream.account.close(stream)
    assert counters(stats) == {"inbound>>>in>>>traffic>>>uplink": 58, "user>>>a@b>>>traffic>>>uplink": 8}


def test_a_user_is_online_with_as_many_addresses_as_it_comes_from() -> None:
    stats = Stats()
    user = stats.user("a@b", 0)
    streams = [Moved() for _ in range(3)]
    for stream, ip in zip(streams, ("192.0.2.1", "192.0.2.1", "192.0.2.2"), strict=True):
        user.served.open(stream, ip)
    assert user.online == 2
    user.served.close(streams[2])
    assert user.online == 1


def test_a_tag_that_comes_back_goes_on_counting_and_an_empty_one_is_not_told() -> None:
    stats = Stats()
    for tag in ("in", "", "in"):
        stream, account = Moved(), stats.inbound(tag)
        account.open(stream)
        stream.sent = 3
        account.close(stream)
    assert counters(stats) == {"inbound>>>in>>>traffic>>>downlink": 6}


def test_only_what_the_flags_ask_for_is_exported() -> None:
    stats = Stats()
    stats.inbound("in"), stats.outbound("out")
    stats.user("a@b", 0), stats.user("c@d", 1)
    assert stats.exported(Policy()) == {}
    policy = Policy(PolicyValues(
        {1: LevelValues(counts_downlink=True, counts_online=True)}, inbound_uplink=True, outbound_downlink=True))
    assert set(stats.exported(policy)) == {
        "inbound>>>in>>>traffic>>>uplink", "outbound>>>out>>>traffic>>>downlink",
        "user>>>c@d>>>traffic>>>downlink", "user>>>c@d>>>online"}
