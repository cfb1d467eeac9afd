"""Names looked up as a document asks for it, at real servers on this host."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from proxycore.dns.answer import BOTH, Answer, Families
from proxycore.errors import DialError
from proxycore.net.resolve import Strategy
from tests.proxycore.dns.conftest import BuildDns, DirectDispatcher, SystemNames
from tests.support.certificates import authority
from tests.support.name_server import NameServer
from tests.support.processes import LOCALHOST, free_port

V4, V6 = Families(True, False), Families(False, True)
pytestmark = pytest.mark.timeout(20)


def at(server: NameServer, **more: object) -> dict[str, object]:
    return {"address": LOCALHOST, "port": server.port, **more}


def ips(*texts: str) -> list[Any]:
    return [ip_address(text) for text in texts]


async def test_a_plain_server_is_asked_by_udp_through_the_routing(
    build: BuildDns, name_server: NameServer, dispatcher: DirectDispatcher
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1", "A 10.0.0.2", "AAAA 2001:db8::1"]
    dns = build({"tag": "dns-in", "servers": [at(name_server)]})
    answer = await dns.lookup("WWW.Site.org.", BOTH)
    assert set(answer.addresses) == set(ips("10.0.0.1", "10.0.0.2", "2001:db8::1"))
    assert answer.ttl_s == 300
    assert sorted(name_server.asked) == [("udp", "www.site.org", "A"), ("udp", "www.site.org", "AAAA")]
    [request] = dispatcher.requests
    assert (request.inbound_tag, request.destination.network, request.destination.port) == ("dns-in", "udp", name_server.port)
    assert dns.is_own(request)


@pytest.mark.parametrize("scheme", ["tcp", "tcp+local"])
async def test_a_server_is_asked_by_tcp(
    build: BuildDns, name_server: NameServer, dispatcher: DirectDispatcher, scheme: str
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    dns = build({"servers": [f"{scheme}://{LOCALHOST}:{name_server.port}"]})
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.1"),)
    assert name_server.asked == [("tcp", "www.site.org", "A")]
    assert len(dispatcher.requests) == (1 if scheme == "tcp" else 0)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("scheme", ["https", "https+local"])
async def test_a_server_is_asked_by_https(
    build: BuildDns, name_server: NameServer, dispatcher: DirectDispatcher, trusted: None, scheme: str, *, is_chunked: bool
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1", "AAAA 2001:db8::1"]
    name_server.is_chunked = is_chunked
    dns = build({"servers": [f"{scheme}://{LOCALHOST}:{name_server.https_port}/dns-query"]})
    assert (await dns.lookup("www.site.org", BOTH)).addresses == tuple(ips("10.0.0.1", "2001:db8::1"))
    assert (await dns.lookup("other.site.org", V4)).rcode == 3
    assert sorted(name_server.asked) == [
        ("https", "other.site.org", "A"), ("https", "www.site.org", "A"), ("https", "www.site.org", "AAAA")]
    assert name_server.connections == 2       # two questions at once; the third goes on one of their connections
    assert len(dispatcher.requests) == (2 if scheme == "https" else 0)
    assert {message.id for message in name_server.messages} == {0}
    assert {len(message.to_wire()) % 128 for message in name_server.messages} == {0}


async def test_an_https_server_whose_certificate_nobody_signed_is_not_asked(build: BuildDns, name_server: NameServer) -> None:
    dns = build({"servers": [f"https+local://{LOCALHOST}:{name_server.https_port}/dns-query"]})
    with pytest.raises(DialError, match="certificate"):
        await dns.lookup("www.site.org", V4)
    assert name_server.asked == []


async def test_an_https_answer_that_is_an_error_is_told(build: BuildDns, name_server: NameServer, trusted: None) -> None:
    name_server.https_status = 404
    dns = build({"servers": [f"https+local://{LOCALHOST}:{name_server.https_port}/dns-query"]})
    with pytest.raises(DialError, match="404"):
        await dns.lookup("www.site.org", V4)


@pytest.mark.parametrize("scheme", ["tcp", "https"])
async def test_a_kept_connection_that_the_server_closed_is_opened_again(
    build: BuildDns, name_server: NameServer, trusted: None, scheme: str
) -> None:
    name_server.records |= {"a.org": ["A 10.0.0.1"], "b.org": ["A 10.0.0.2"]}
    name_server.closes_after_answer = True
    port = name_server.port if scheme == "tcp" else name_server.https_port
    dns = build({"servers": [f"{scheme}://{LOCALHOST}:{port}{'/dns-query' if scheme == 'https' else ''}"]})
    assert (await dns.lookup("a.org", V4)).addresses
    assert (await dns.lookup("b.org", V4)).addresses
    assert name_server.connections == 2


async def test_an_answer_too_long_for_a_datagram_is_asked_for_by_tcp(build: BuildDns, name_server: NameServer) -> None:
    name_server.records["many.org"] = [f"A 10.0.0.{number}" for number in range(100)]
    name_server.too_long.add("many.org")
    dns = build({"servers": [at(name_server)]})
    assert len((await dns.lookup("many.org", V4)).addresses) == 100
    assert name_server.asked == [("udp", "many.org", "A"), ("tcp", "many.org", "A")]


async def test_answers_to_other_questions_are_not_believed(build: BuildDns, name_server: NameServer) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    name_server.forged.add("www.site.org")
    dns = build({"servers": [at(name_server)]})
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.1"),)


async def test_where_somebody_guesses_the_question_is_asked_by_tcp(build: BuildDns, name_server: NameServer) -> None:
    name_server.records |= {f"{number}.org": ["A 10.0.0.1"] for number in range(4)}
    name_server.forged |= set(name_server.records)
    dns = build({"servers": [at(name_server)]})
    for number in range(4):
        assert (await dns.lookup(f"{number}.org", V4)).addresses == (IPv4Address("10.0.0.1"),)
    assert [way for way, _, _ in name_server.asked].count("tcp") >= 1


async def test_a_flow_takes_a_few_questions_only(build: BuildDns, name_server: NameServer) -> None:
    dns = build({"servers": [at(name_server)], "disableCache": True})
    for number in range(40):
        await dns.lookup(f"{number}.org", V4)
    assert len(set(name_server.sources)) == 3


async def test_aliases_are_followed(build: BuildDns, name_server: NameServer) -> None:
    name_server.records |= {"www.site.org": ["CNAME cdn.net."], "cdn.net": ["A 10.0.0.7"]}
    dns = build({"servers": [at(name_server)]})
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.7"),)


async def test_a_name_is_asked_for_once_however_many_want_it_and_then_remembered(
    build: BuildDns, name_server: NameServer
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    dns = build({"servers": [at(name_server)]})
    await asyncio.gather(*(dns.lookup("www.site.org", V4) for _ in range(20)))
    await dns.lookup("www.site.org", V4)
    assert name_server.asked == [("udp", "www.site.org", "A")]


async def test_without_a_cache_every_lookup_is_a_question(build: BuildDns, name_server: NameServer) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    dns = build({"servers": [at(name_server)], "disableCache": True})
    await dns.lookup("www.site.org", V4)
    await dns.lookup("www.site.org", V4)
    assert len(name_server.asked) == 2


async def test_that_there_is_no_such_name_is_remembered_too(build: BuildDns, name_server: NameServer) -> None:
    dns = build({"servers": [at(name_server)]})
    assert await dns.lookup("nowhere.org", V4) == Answer((), 30, 3)
    assert (await dns.lookup("nowhere.org", V4)).rcode == 3
    assert len(name_server.asked) == 1


async def test_a_server_that_does_not_answer_is_given_its_time(build: BuildDns, name_server: NameServer) -> None:
    name_server.silent.add("www.site.org")
    dns = build({"servers": [at(name_server, timeoutMs=200)]})
    begin = asyncio.get_running_loop().time()
    with pytest.raises(DialError, match=r"did not answer within 0\.2 s"):
        await dns.lookup("www.site.org", V4)
    assert asyncio.get_running_loop().time() - begin < 1


async def test_the_next_server_is_asked_when_one_knows_nothing(
    build: BuildDns, name_server: NameServer, second_server: NameServer
) -> None:
    second_server.records["www.site.org"] = ["A 10.0.0.2"]
    dns = build({"servers": [at(name_server), at(second_server)]})
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.2"),)
    assert len(name_server.asked) == len(second_server.asked) == 1


async def test_the_server_of_a_domain_is_asked_first(
    build: BuildDns, name_server: NameServer, second_server: NameServer
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    second_server.records["www.site.org"] = ["A 10.0.0.2"]
    dns = build({"servers": [at(name_server), at(second_server, domains=["domain:site.org"])]})
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.2"),)
    assert name_server.asked == []


@pytest.mark.parametrize(("section", "entry", "falls_back"), [
    ({}, {}, True),
    ({"disableFallback": True}, {}, False),
    ({"disableFallbackIfMatch": True}, {}, False),
    ({}, {"finalQuery": True}, False),
], ids=["by default", "disableFallback", "disableFallbackIfMatch", "finalQuery"])
async def test_the_others_are_asked_after_the_server_of_a_domain_unless_told_otherwise(
    build: BuildDns, name_server: NameServer, second_server: NameServer, section: dict[str, object], entry: dict[str, object], *,
    falls_back: bool,
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1"]
    dns = build({"servers": [at(name_server), at(second_server, domains=["domain:site.org"], **entry)], **section})
    answer = await dns.lookup("www.site.org", V4)
    assert bool(answer.addresses) == falls_back
    assert len(second_server.asked) == 1


async def test_a_server_that_skips_fallback_is_asked_for_its_domains_only(
    build: BuildDns, name_server: NameServer, second_server: NameServer
) -> None:
    dns = build({"servers": [at(name_server, domains=["domain:mine.org"], skipFallback=True), at(second_server)]})
    await dns.lookup("www.site.org", V4)
    assert name_server.asked == []
    await dns.lookup("www.mine.org", V4)
    assert len(name_server.asked) == 1


@pytest.mark.parametrize(("entry", "expected"), [
    ({"expectIPs": ["10.0.0.0/8"]}, ("10.0.0.1",)),
    ({"expectedIPs": ["10.0.0.0/8"]}, ("10.0.0.1",)),
    ({"unexpectedIPs": ["10.0.0.0/8"]}, ("192.0.2.1",)),
    ({"expectedIPs": ["172.16.0.0/12"]}, ("203.0.113.9",)),
    ({"expectedIPs": ["172.16.0.0/12", "*"]}, ("10.0.0.1", "192.0.2.1")),
    ({"expectedIPs": ["10.0.0.0/8", "*"]}, ("10.0.0.1",)),
    ({"unexpectedIPs": ["0.0.0.0/0", "*"]}, ("10.0.0.1", "192.0.2.1")),
    ({"unexpectedIPs": ["0.0.0.0/0"]}, ("203.0.113.9",)),
])
async def test_addresses_that_are_not_expected_do_not_count(
    build: BuildDns, name_server: NameServer, second_server: NameServer, entry: dict[str, object], expected: tuple[str, ...]
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1", "A 192.0.2.1"]
    second_server.records["www.site.org"] = ["A 203.0.113.9"]
    dns = build({"servers": [at(name_server, **entry), at(second_server)]})
    assert sorted((await dns.lookup("www.site.org", V4)).addresses) == sorted(ips(*expected))


async def test_all_servers_at_once_the_first_group_that_finds_something_counts(
    build: BuildDns, name_server: NameServer, second_server: NameServer
) -> None:
    name_server.silent.add("www.site.org")
    second_server.records["www.site.org"] = ["A 10.0.0.2"]
    dns = build({"servers": [at(name_server), at(second_server)], "enableParallelQuery": True})
    begin = asyncio.get_running_loop().time()
    assert (await dns.lookup("www.site.org", V4)).addresses == (IPv4Address("10.0.0.2"),)
    assert asyncio.get_running_loop().time() - begin < 1


@pytest.mark.parametrize(("section", "entry", "kinds"), [
    ({}, {}, ["A", "AAAA"]), ({"queryStrategy": "UseIPv4"}, {}, ["A"]), ({}, {"queryStrategy": "UseIPv6"}, ["AAAA"]),
    ({"queryStrategy": "use_ip_v6"}, {}, ["AAAA"]),
])
async def test_only_the_families_of_the_query_strategy_are_asked_for(
    build: BuildDns, name_server: NameServer, section: dict[str, object], entry: dict[str, object], kinds: list[str]
) -> None:
    dns = build({"servers": [at(name_server, **entry)], **section})
    await dns.lookup("www.site.org", BOTH)
    assert sorted(kind for _, _, kind in name_server.asked) == kinds


async def test_the_client_ip_is_told_with_its_last_part_cut(build: BuildDns, name_server: NameServer) -> None:
    dns = build({"servers": [at(name_server)], "clientIp": "203.0.113.77"})
    await dns.lookup("www.site.org", V4)
    [option] = name_server.messages[0].options
    assert option.to_text() == "ECS 203.0.113.0/24 scope/0"


async def test_fixed_names_are_not_asked_for(build: BuildDns, name_server: NameServer) -> None:
    hosts = {
        "router": "192.168.1.1", "domain:site.org": ["10.0.0.1", "::1"], "other.net": "www.site.org", "ads.net": "#3",
        "away.net": "far.org",
    }
    name_server.records["far.org"] = ["A 10.9.9.9"]
    dns = build({"servers": [at(name_server)], "hosts": hosts})
    assert (await dns.lookup("router", V4)).addresses == (IPv4Address("192.168.1.1"),)
    assert (await dns.lookup("a.site.org", V6)).addresses == tuple(ips("::1"))
    assert (await dns.lookup("other.net", V4)).addresses == (IPv4Address("10.0.0.1"),)
    assert (await dns.lookup("ads.net", V4)).rcode == 3
    assert (await dns.lookup("router", V6)).addresses == ()
    assert name_server.asked == []
    assert (await dns.lookup("away.net", V4)).addresses == (IPv4Address("10.9.9.9"),)
    assert name_server.asked == [("udp", "far.org", "A")]


async def test_localhost_is_asked_first_for_names_that_only_it_can_know(
    build: BuildDns, name_server: NameServer, system: SystemNames
) -> None:
    system.names["nas.lan"] = ips("192.168.1.5")
    dns = build({"servers": [at(name_server), "localhost"]})
    assert (await dns.lookup("nas.lan", V4)).addresses == (IPv4Address("192.168.1.5"),)
    assert name_server.asked == []


@pytest.mark.parametrize(("strategy", "expected"), [
    (Strategy.USE_IP, ["2001:db8::1", "10.0.0.1"]),
    (Strategy.USE_IPV4, ["10.0.0.1"]),
    (Strategy.FORCE_IPV6, ["2001:db8::1"]),
    (Strategy.USE_IPV4V6, ["10.0.0.1"]),
    (Strategy.USE_IPV6V4, ["2001:db8::1"]),
    (Strategy.AS_IS, ["127.0.0.9"]),
])
async def test_a_domain_strategy_chooses_who_is_asked_and_for_what(
    build: BuildDns, name_server: NameServer, system: SystemNames, strategy: Strategy, expected: list[str]
) -> None:
    name_server.records["www.site.org"] = ["A 10.0.0.1", "AAAA 2001:db8::1"]
    system.names["www.site.org"] = ips("127.0.0.9")
    dns = build({"servers": [at(name_server)]})
    assert list(await dns.resolve("www.site.org", strategy)) == ips(*expected)


async def test_use_falls_back_to_the_system_and_force_does_not(
    build: BuildDns, name_server: NameServer, system: SystemNames
) -> None:
    system.names["www.site.org"] = ips("127.0.0.9")
    dns = build({"servers": [at(name_server)]})
    assert list(await dns.resolve("www.site.org", Strategy.USE_IP)) == ips("127.0.0.9")
    with pytest.raises(DialError, match="forceip"):
        await dns.resolve("www.site.org", Strategy.FORCE_IP)


async def test_the_second_family_is_asked_for_when_the_first_has_nothing(build: BuildDns, name_server: NameServer) -> None:
    name_server.records["six.org"] = ["AAAA 2001:db8::6"]
    dns = build({"servers": [at(name_server)]})
    assert list(await dns.resolve("six.org", Strategy.FORCE_IPV4V6)) == ips("2001:db8::6")


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, ".".join(["y" * 60] * 5), "\u00fc" * 70])
async def test_what_cannot_be_a_name_is_not_asked_for(build: BuildDns, name_server: NameServer, name: str) -> None:
    dns = build({"servers": [at(name_server)]})
    with pytest.raises(DialError):
        await dns.resolve(name, Strategy.FORCE_IP)
    assert name_server.asked == []


async def test_a_server_that_cannot_be_reached_is_told(build: BuildDns) -> None:
    dns = build({"servers": [f"tcp+local://{LOCALHOST}:{free_port()}"]})
    with pytest.raises(DialError, match="refused"):
        await dns.lookup("www.site.org", V4)


@pytest.fixture
def trusted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificates of tests count as signed."""
    path = tmp_path / "authorities.pem"
    path.write_text(authority().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
