"""Two hundred requests, and which outbound gets each: the same decision by this program and by V2Ray, on the same document."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support.dat_files import geoip, geosite
from tests.support.processes import LOCALHOST, Processes, free_port
from tests.support.tagged import Case, client_hello, listeners, outbound_of

AT_ONCE = 8
"""Clients at a time."""

TAGS = ("default", "a", "b", "c", "d", "e", "f", "g", "h", "i", "near-one", "near-two")
USERS = ("alice", "bob", "Alice", "bob@example.org")
V4, V6 = "203.0.113.9", "2001:db8::9"       # addresses that no rule means

SITES = {
    "CN": ["domain:cn.example", "full:www.example.org", "regexp:^r[0-9]+\\.test$", "keyword:tracker"],
    "ADS": ["domain:a.example @ads", "domain:b.example @cn @ads", "domain:c.example @cn"],
}
ADDRESSES = {"XX": ["20.0.0.0/8", "2001:db8:20::/48"], "PRIVATE": ["10.0.0.0/8", "127.0.0.0/8", "fc00::/7"]}
HOSTS = {
    "one.example": "10.1.1.1", "two.example": "10.2.2.2", "six.example": "2001:db8:6::1", "other.example": "192.0.2.1",
    "both.example": "10.1.9.9",
}


@dataclass(frozen=True)
class RuleSet:
    rules: Sequence[dict[str, Any]]
    cases: Mapping[Case, str]
    strategy: str = "AsIs"
    balancers: Sequence[dict[str, Any]] = ()
    sections: Mapping[str, Any] = field(default_factory=dict)


def rule(tag: str, **matchers: Any) -> dict[str, Any]:
    return {"type": "field", "outboundTag": tag, **matchers}


def name(host: str, port: int = 443, **more: Any) -> Case:
    return Case(host, port, **more)


def udp(host: str, port: int = 53, **more: Any) -> Case:
    return Case(host, port, "udp", **more)


def web(url: str, method: str = "GET", *fields: str, user: str = "") -> Case:
    return Case("", 0, entry="web-users" if user else "web", url=url, method=method, fields=fields, user=user)


def http_to(host: str, *, entry: str = "sniffing", target: str = V4) -> Case:
    return Case(target, 80, entry=entry, first=f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def tls_to(host: str, *, entry: str = "sniffing", target: str = V4) -> Case:
    return Case(target, 443, entry=entry, first=client_hello(host))


DOMAINS = RuleSet(
    [
        rule("a", domain=["full:www.example", "full:xn--bcher-kva.example", "full:dot.example."]),
        rule("b", domain=["domain:corp.example", "domain:internal", "domain:_srv.zone"]),
        rule("c", domain=["tracker", "keyword:-ads-"]),
        rule("d", domain=["regexp:^r[0-9]+\\.test$", "regexp:\\.(cn|hk)$", "regexp:(?i)^UPPER\\."]),
        rule("e", domain="full:x.example,domain:y.example"),
        rule("f", domains=["full:plural.example"]),
        rule("g", domain=["regexp:^192\\.0\\.2\\.", "domain:0.113.7", "203.0.113.8"]),
        rule("h", domain=["dotless:box", "regexp:^[a-z]{3}\\d{2,3}\\w$"]),
        rule("i", domain=[], port=4711),
    ],
    {
        name("www.example"): "a", name("a.www.example"): "default", name("ww.example"): "default",
        name("www.example."): "default", name("xn--bcher-kva.example"): "a", name("dot.example."): "a",
        name("dot.example"): "default", name("corp.example"): "b", name("x.corp.example"): "b",
        name("x.y.z.corp.example"): "b", name("acorp.example"): "default",
        name("corp.example.org"): "default", name("orp.example"): "default", name("internal"): "b", name("a.internal"): "b",
        name("internal.example"): "default", name("_srv.zone"): "b", name("x._srv.zone"): "b", name("srv.zone"): "default",
        name("tracker"): "c", name("my-tracker.net"): "c", name("tracke.net"): "default", name("track.er"): "default",
        name("x-ads-y.net"): "c", name("x-ads.net"): "default", name("tracker.corp.example"): "b",
        name("r1.test"): "d", name("r12.test"): "d", name("r.test"): "default", name("xr1.test"): "default",
        name("r1.test.net"): "default", name("r1xtest"): "default", name("a.cn"): "d", name("a.hk"): "d", name("cn"): "default",
        name("a.cnn"): "default", name("upper.example"): "d", name("upperx.example"): "default",
        name("x.example"): "e", name("a.x.example"): "default", name("y.example"): "e", name("a.y.example"): "e",
        name("plural.example"): "f", name("box"): "h", name("mailbox1"): "h", name("box.example"): "default",
        name("abc12_"): "h", name("abc1_"): "default", name("ab c12x"): "closed",
        name("192.0.2.1"): "default", name("192.0.2.1", as_name=True): "default", name("203.0.113.8"): "default",
        name("192.0.2.1.example"): "g", name("203.0.113.80.example"): "g",
        name("unrelated.example", 4711): "i", name("www.example", 4711): "a", name(V4, 4711): "i",
        udp("www.example"): "a", udp("x.corp.example"): "b", udp("a.cn"): "d", udp("tracker"): "c",
        name("x." * 100 + "corp.example"): "b", name("a" * 63 + ".internal"): "b",
    },
)  # fmt: skip

ADDRESSES_OF_TARGETS = RuleSet(
    [
        rule("a", ip=["10.0.0.0/8", "192.168.7.1"]),
        rule("b", ip=["172.16.0.0/12"]),
        rule("c", ip=["2001:db8:1::/48", "2001:db8:ff::1"]),
        rule("d", ip=["198.51.100.77/24"]),
        rule("e", ip="192.0.2.0/25,192.0.2.200/30"),
        rule("f", ip=["100.64.0.0/10", "fe80::/10"]),
        rule("g", source=["127.0.0.2", "127.3.0.0/16"]),
        rule("h", source=["127.0.0.4"], ip=["203.0.113.0/24"]),
        rule("i", ip=["0.0.0.0/32", "::/128"]),
    ],
    {
        name("10.0.0.0"): "a", name("10.255.255.255"): "a", name("9.255.255.255"): "default", name("11.0.0.0"): "default",
        name("192.168.7.1"): "a", name("192.168.7.2"): "default", name("172.16.0.1"): "b", name("172.31.255.255"): "b",
        name("172.32.0.0"): "default", name("172.15.255.255"): "default",
        name("2001:db8:1::"): "c", name("2001:db8:1:ffff::1"): "c", name("2001:db8:2::1"): "default",
        name("2001:db8:ff::1"): "c", name("2001:db8:ff::2"): "default",
        name("198.51.100.1"): "d", name("198.51.101.1"): "default", name("192.0.2.127"): "e", name("192.0.2.128"): "default",
        name("192.0.2.201"): "e", name("192.0.2.204"): "default",
        name("fe80::1"): "f", name("febf::1"): "f", name("fec0::1"): "default", name("100.64.0.1"): "f",
        name("::ffff:10.1.2.3"): "a", name("10.1.2.3", as_name=True): "a", name("fe80::2", as_name=True): "closed",
        name("10.example"): "default", name("10.0.0.example"): "default",
        name(V4, source="127.0.0.2"): "g", name(V4, source="127.0.0.3"): "default", name(V4, source="127.3.4.5"): "g",
        name("10.1.1.1", source="127.0.0.2"): "a", name("some.example", source="127.3.0.1"): "g",
        name(V4, source="127.0.0.4"): "h", name("203.0.114.1", source="127.0.0.4"): "default",
        name("some.example", source="127.0.0.4"): "default", name("0.0.0.0"): "i", name("::"): "i",
        udp("10.1.1.1"): "a", udp("2001:db8:1::9"): "c", udp(V4): "default", udp(V4, source="127.0.0.2"): "g",
        udp("192.0.2.201"): "e",
    },
)  # fmt: skip

SOURCE_PORT = free_port()
OTHER_SOURCE_PORT = free_port()
PORTS_AND_NETWORKS = RuleSet(
    [
        rule("a", port=80),
        rule("b", port="443"),
        rule("c", port="1000-1002"),
        rule("d", port="2000,2002-2003,2005"),
        rule("e", port="53", network="udp"),
        rule("f", network=["tcp"], port="3000-3999", domain=["domain:both.example"]),
        rule("g", network="tcp,udp", port="4000"),
        rule("h", sourcePort=str(SOURCE_PORT)),
        rule("i", network="udp"),
    ],
    {
        name(V4, 80): "a", name(V4, 81): "default", name("any.example", 80): "a", name(V4, 443): "b", name(V4, 444): "default",
        name(V4, 999): "default", name(V4, 1000): "c", name(V4, 1001): "c", name(V4, 1002): "c", name(V4, 1003): "default",
        name(V4, 2000): "d", name(V4, 2001): "default", name(V4, 2002): "d", name(V4, 2003): "d", name(V4, 2004): "default",
        name(V4, 2005): "d", name(V4, 53): "default", udp(V4, 53): "e", udp(V4, 54): "i", udp(V4, 80): "a", udp(V4, 443): "b",
        name("x.both.example", 3500): "f", udp("x.both.example", 3500): "i", name("x.both.example", 4500): "default",
        name(V4, 3500): "default", name(V4, 4000): "g", udp(V4, 4000): "g", name(V4, 65535): "default", name(V4, 1): "default",
        name(V4, 9000, source_port=SOURCE_PORT): "h", name(V4, 9001, source_port=OTHER_SOURCE_PORT): "default",
        udp(V4, 9002, source_port=SOURCE_PORT): "h",
    },
)  # fmt: skip

WHO = RuleSet(
    [
        rule("a", user=["alice"]),
        rule("b", user=["bob@example.org"], port="443"),
        rule("c", inboundTag=["second"]),
        rule("d", inboundTag=["door", "web"], network="tcp"),
        rule("e", inboundTag="door,none-such"),
        rule("f", inboundTag=["users"], user=["bob", "carol"]),
        rule("g", inboundTag=["in"], user=["alice"]),
        rule("h", inboundTag=["in"], domain=["full:only.example"], port="8443", network="tcp"),
        rule("i", user=["lice"]),
    ],
    {
        name(V4, entry="users", user="alice"): "a", name("a.example", 80, entry="users", user="alice"): "a",
        name(V4, entry="users", user="Alice"): "default", name(V4, entry="users", user="bob@example.org"): "b",
        name(V4, 80, entry="users", user="bob@example.org"): "default", name(V4, entry="users", user="bob"): "f",
        name(V4): "default", name(V4, entry="second"): "c", name("b.example", entry="second"): "c",
        udp(V4, entry="second"): "c", name(V4, entry=""): "default", udp(V4, entry=""): "default",
        name("", entry="door"): "d", udp("", entry="door"): "e",
        name("only.example", 8443): "h", name("only.example"): "default", name("only.example", 8443, entry="second"): "c",
        name("only.example", 8443, entry=""): "default", udp("only.example", 8443): "default",
        web("http://x.example/"): "d", web("connect://x.example:443"): "d", web("http://x.example/", user="alice"): "a",
        web("connect://x.example:443", user="bob@example.org"): "b", web("connect://x.example:444", user="bob"): "default",
    },
)  # fmt: skip

ORDER = RuleSet(
    [
        rule("a", domain=["full:first.example"]),
        rule("b", domain=["domain:example"], port="80"),
        rule("c", domain=["full:first.example", "full:second.example"]),     # the first of them never comes here
        rule("d", port="443", network="tcp", domain=["domain:example"]),
        rule("e", ip=["10.0.0.0/8"]),
        rule("f", ip=["10.1.0.0/16", "172.16.0.0/12"]),                      # the first of them never comes here
        rule("g", inboundTag=["second"]),
        rule("h", port="1-1024"),
        rule("default", domain=["keyword:back"]),
        rule("i", network="tcp,udp", domain=["regexp:^z"]),
        *(rule("near-one", domain=[f"full:h{number}.test"]) for number in range(40)),
        *(rule("near-two", ip=[f"192.0.2.{number}"], port="5000-5999") for number in range(40)),
        rule("a", port="5000-65535"),
        rule("b", user=["alice"]),
    ],
    {
        name("first.example"): "a", name("first.example", 80): "a", name("x.first.example", 80): "b",
        name("second.example", 80): "b", name("second.example", 443): "c", name("third.example", 443): "d",
        udp("third.example", 443): "h", name("third.example", 444): "h", name("second.example", 2000): "c",
        name("third.example", 2000): "default", name("third.example", 2000, entry="second"): "g",
        name("10.1.1.1"): "e", name("10.2.1.1", 9999): "e", name("172.16.1.1"): "f", name("172.16.1.1", entry="second"): "f",
        name("192.168.1.1", 22, entry="second"): "g", name("192.168.1.1", 22): "h", name("way-back.net", 9999): "default",
        name("zback.net", 9999): "default", name("zzz.net", 9999): "i", name("azz.net", 9999): "a",
        name("h0.test", 9999): "near-one", name("h39.test", 9999): "near-one", name("h40.test", 9999): "a",
        name("h7.test", 22): "h", name("x.h7.test", 2000): "default", name("192.0.2.0", 5000): "near-two",
        name("192.0.2.39", 5999): "near-two", name("192.0.2.39", 6000): "a", name("192.0.2.40", 5000): "a",
        name("192.0.2.5", 4999): "default", name(V4, 2000, entry="users", user="alice"): "b",
        name("h7.test", 2000, entry="users", user="alice"): "near-one", udp("192.0.2.7", 5100): "near-two",
        udp("h1.test", 2000): "near-one",
    },
)  # fmt: skip

LOOKED_UP_LAST = RuleSet(
    [
        rule("a", ip=["10.1.0.0/16"]),
        rule("b", ip=["10.0.0.0/8"], port="80"),
        rule("c", domain=["full:other.example", "full:both.example"], port="443"),
        rule("d", ip=["2001:db8:6::/48"]),
        rule("e", ip=["10.0.0.0/8"]),
    ],
    {
        name("one.example"): "a", name("two.example", 80): "b", name("two.example"): "e", name("six.example"): "d",
        name("other.example"): "c", name("other.example", 80): "default", name("both.example"): "c",
        name("both.example", 80): "a", name("10.1.2.3"): "a", name("10.2.2.3", 80): "b", udp("one.example"): "a",
        udp("two.example", 80): "b",
    },
    strategy="IPIfNonMatch", sections={"dns": {"hosts": HOSTS, "servers": [LOCALHOST]}},
)  # fmt: skip

LOOKED_UP_FIRST = RuleSet(
    LOOKED_UP_LAST.rules,
    {
        name("one.example"): "a", name("two.example", 80): "b", name("two.example"): "e", name("six.example"): "d",
        name("other.example"): "c", name("both.example"): "a", name("both.example", 80): "a", name("10.1.2.3"): "a",
        name("10.2.2.3", 80): "b", udp("both.example", 443): "a",
    },
    strategy="IPOnDemand", sections=LOOKED_UP_LAST.sections,
)  # fmt: skip

NEVER_LOOKED_UP = RuleSet(
    LOOKED_UP_LAST.rules,
    {name("one.example"): "default", name("two.example", 80): "default", name("both.example"): "c", name("10.1.2.3"): "a"},
    sections=LOOKED_UP_LAST.sections,
)

SEEN = RuleSet(
    [
        rule("a", domain=["domain:seen.example"]),
        rule("b", protocol=["bittorrent"]),
        rule("c", protocol=["tls"], port="443"),
        rule("d", attrs={":method": "^POST$"}),
        rule("e", attrs={":path": "^/secret/", "x-key": "^open$"}),
        rule("f", attrs={"accept": "json"}),
        rule("g", protocol="http"),
        rule("h", ip=[f"{V4}/32"]),
        rule("i", ip=["10.0.0.0/8", "2001:db8:7::/48"]),
    ],
    {
        http_to("www.seen.example"): "a", http_to("www.seen.example:8080"): "a", http_to("unseen.example"): "g",
        tls_to("www.seen.example"): "a", tls_to("other.example"): "c", http_to("www.seen.example", entry="in"): "h",
        tls_to("www.seen.example", entry="in"): "h",
        name(V4, entry="sniffing", first=b"\x13BitTorrent protocol" + bytes(48)): "b",
        name(V4, entry="sniffing", first=b"SSH-2.0-x\r\n"): "h", name("sub.seen.example", entry="sniffing"): "a",
        http_to("www.seen.example", entry="tls-only"): "g", tls_to("www.seen.example", entry="tls-only"): "a",
        web("http://x.seen.example/"): "a", web("http://x.example/"): "g", web("http://x.example/", "POST"): "d",
        web("http://x.example/secret/1", "GET", "X-Key: open"): "e", web("http://x.example/secret/1"): "g",
        web("http://x.example/open/secret/1", "GET", "X-Key: open"): "g",
        web("http://x.example/secret/", "GET", "X-Key: opened"): "g",
        web("http://x.example/", "GET", "Accept: text/json"): "f", web("connect://x.example:443"): "default",
        web("connect://x.seen.example:443"): "a",
        http_to("WWW.Seen.Example"): "a", http_to("x.seen.example:99999"): "h", tls_to("x.seen.example", target="10.1.1.1"): "a",
        http_to("elsewhere.example", target="other.seen.example"): "g",
        http_to("www.seen.example.", target="10.1.1.1"): "g",
    },
)  # fmt: skip

BALANCERS = RuleSet(
    [
        rule("", domain=["full:one.example"], balancerTag="one"),
        rule("", domain=["full:two.example"], balancerTag="two"),
        rule("c", domain=["full:both-given.example"], balancerTag="one"),
        rule("", domain=["full:none.example"], balancerTag="nobody"),
        rule("d", domain=["full:one.example", "full:none.example", "full:three.example"]),
        rule("", network="udp", balancerTag="one"),
    ],
    {
        name("one.example"): "near-one", name("two.example"): "near-two", name("both-given.example"): "c",
        name("none.example"): "default", name("three.example"): "d", name("four.example"): "default",
        udp("four.example"): "near-one", udp("two.example"): "near-two",
    },
    balancers=[
        {"tag": "one", "selector": ["near-o"]}, {"tag": "two", "selector": ["near-two", "near-tw"]},
        {"tag": "nobody", "selector": ["far-"]},
    ],
)  # fmt: skip

LISTS = RuleSet(
    [
        rule("a", domain=["geosite:cn"]),
        rule("b", domain=["geosite:ads@ads@cn"]),
        rule("c", domain=["ext:more.dat:ads@ads", "full:own.test"]),
        rule("d", ip=["geoip:xx"], port="443"),
        rule("e", ip=["ext:geoip.dat:private", "192.0.2.0/24"]),
        rule("f", source=["geoip:private"], port="22"),
    ],
    {
        name("cn.example"): "a", name("x.y.cn.example"): "a", name("acn.example"): "default", name("www.example.org"): "a",
        name("a.www.example.org"): "default", name("r12.test"): "a", name("r12.test.net"): "default", name("my-tracker.net"): "a",
        name("b.example"): "b", name("x.b.example"): "b", name("a.example"): "c", name("c.example"): "default",
        name("own.test"): "c", name("20.1.2.3"): "d", name("20.1.2.3", 80): "default", name("2001:db8:20::1"): "d",
        name("2001:db8:21::1"): "default", name("10.1.1.1"): "e", name("192.0.2.9"): "e", name("fd00::1"): "e", name(V4, 22): "f",
        name(V6): "default",
    },
)  # fmt: skip

# What is decided otherwise, and why: docs/compatibility.md. First what V2Ray does, then what this program does.
DIFFERENCES_RULES = [
    rule("a", domain=["full:www.example", "domain:corp.example", "keyword:tracker"]),
    rule("b", domain=["full:Upper.example"]),
    rule("c", user=["alice"]),
    rule("d", attrs={":method": "^POST$"}),
    rule("e", protocol=["http"], port="80"),
    rule("f", ip=["10.0.0.0/8", "10.1.2.3"]),
    rule("g", source=["127.0.0.2", "127.0.0.0/8"], port="4711"),
]
DIFFERENCES: dict[Case, tuple[str, str]] = {
    name("WWW.example"): ("default", "a"), name("x.Corp.example"): ("default", "a"), name("My-TRACKER.net"): ("default", "a"),
    name("upper.example"): ("default", "b"), name("Upper.example"): ("b", "b"),
    udp(V4, entry="users", user="alice"): ("default", "c"),
    name("10.1.0.1"): ("f", "f"), name("10.1.2.3"): ("f", "f"), name("10.1.2.4"): ("default", "f"),
    name(V4, 4711, source="127.0.0.1"): ("g", "g"), name(V4, 4711, source="127.0.0.9"): ("default", "g"),
    Case(V4, 80, entry="sniffing", first=b"POST / HTTP/1.1\r\nHost: x.example\r\n\r\n"): ("e", "d"),
    Case(V4, 80, entry="sniffing", first=b"PATCH / HTTP/1.1\r\nHost: x.example\r\n\r\n"): ("default", "e"),
}  # fmt: skip

RULE_SETS = {
    "domains": DOMAINS, "addresses": ADDRESSES_OF_TARGETS, "ports and networks": PORTS_AND_NETWORKS, "who": WHO, "order": ORDER,
    "looked up last": LOOKED_UP_LAST, "looked up first": LOOKED_UP_FIRST, "never looked up": NEVER_LOOKED_UP, "seen": SEEN,
    "balancers": BALANCERS, "lists": LISTS,
}  # fmt: skip


def inbounds() -> dict[str, dict[str, Any]]:
    """By what the cases call them; one of them has no tag."""
    accounts = [{"user": user, "pass": user} for user in USERS]
    open_settings = {"udp": True, "ip": LOCALHOST}

    def socks(**more: Any) -> dict[str, Any]:
        return {"protocol": "socks", "settings": open_settings, **more}

    found: dict[str, dict[str, Any]] = {
        "in": socks(), "second": socks(), "": socks(),
        "users": socks(settings={**open_settings, "auth": "password", "accounts": accounts}),
        "web": {"protocol": "http", "settings": {}},
        "web-users": {"protocol": "http", "settings": {"accounts": accounts}},
        "door": {"protocol": "dokodemo-door", "settings": {"address": V4, "port": 443, "network": "tcp,udp"}},
        "sniffing": socks(sniffing={"enabled": True, "destOverride": ["http", "tls"]}),
        "tls-only": socks(sniffing={"enabled": True, "destOverride": ["tls"]}),
    }  # fmt: skip
    for tag, inbound in found.items():
        inbound |= {"listen": LOCALHOST, "port": free_port()} | ({"tag": tag} if tag else {})
    return found


def for_v2ray(rule: dict[str, Any]) -> dict[str, Any]:
    """The only thing that is written otherwise: V2Ray 4 has one expression where Xray has patterns by name."""
    if "attrs" not in rule:
        return rule
    wanted = " and ".join(
        {
            "^POST$": "attrs[':method'] == 'POST'",
            "^/secret/": "attrs[':path'].startswith('/secret/')",
            "^open$": "attrs['x-key'] == 'open'",
            "json": "'json' in attrs['accept']",
        }[pattern]
        for pattern in rule["attrs"].values()
    )
    return {**rule, "attrs": wanted}


@pytest.fixture(scope="module")
def outbounds() -> Iterator[list[dict[str, Any]]]:
    with listeners(TAGS) as found:
        yield found


def test_there_are_two_hundred_cases_and_more() -> None:
    assert sum(len(one.cases) for one in RULE_SETS.values()) >= 200


@pytest.mark.parametrize("core", ["v2ray", "xrev"])
@pytest.mark.parametrize("named", RULE_SETS)
def test_each_request_goes_where_v2ray_sends_it(
    processes: Processes, outbounds: list[dict[str, Any]], named: str, core: str
) -> None:
    one = RULE_SETS[named]
    found = decided(processes, outbounds, core, one)
    assert {case: tag for case, tag in found.items() if tag != one.cases[case]} == {}


@pytest.mark.parametrize(("core", "column"), [("v2ray", 0), ("xrev", 1)])
def test_what_is_decided_otherwise_is_known(
    processes: Processes, outbounds: list[dict[str, Any]], core: str, column: int
) -> None:
    one = RuleSet(DIFFERENCES_RULES, {case: both[column] for case, both in DIFFERENCES.items()})
    assert decided(processes, outbounds, core, one) == one.cases


def decided(processes: Processes, outbounds: list[dict[str, Any]], core: str, one: RuleSet) -> dict[Case, str]:
    """Run `core` on the rules; the outbound that each request got to."""
    entries = inbounds()
    rules = [for_v2ray(rule) if core == "v2ray" else rule for rule in copy.deepcopy(list(one.rules))]
    document = {
        "log": {"loglevel": "warning"},
        "inbounds": list(entries.values()),
        "outbounds": outbounds,
        "routing": {"domainStrategy": one.strategy, "rules": rules, "balancers": list(one.balancers)},
        **one.sections,
    }
    folder = processes.folder
    path = folder / "routing.json"
    path.write_text(json.dumps(document))
    for file, content in {"geosite.dat": geosite(SITES), "more.dat": geosite(SITES), "geoip.dat": geoip(ADDRESSES)}.items():
        (folder / file).write_bytes(content)
    environ = {**os.environ, "XRAY_LOCATION_ASSET": str(folder), "V2RAY_LOCATION_ASSET": str(folder)}
    process = processes.start(core, [*program(core), str(path)], environ)
    for inbound in entries.values():
        process.await_port(inbound["port"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        chosen = pool.map(lambda case: outbound_of(case, entries[case.entry]["port"]), one.cases)
        return dict(zip(one.cases, chosen, strict=True))
