"""Conditions on protocol, attributes, VLESS route and system."""

from __future__ import annotations

import pytest

from proxycore.destination import Destination, Request
from proxycore.routing.patterns import Pattern
from proxycore.routing.seen import AttributesCondition, LocalOsCondition, ProtocolCondition, VlessRouteCondition

PLAIN = Request(Destination("tcp", "example.org", 80), "in")
GET = PLAIN._replace(protocol="http1", attributes={":method": "GET", ":path": "/photos/1", "user-agent": "curl/8"})


@pytest.mark.parametrize(
    ("spoken", "written", "fits"),
    [
        ("http1", "http", True), ("http/1.1", "http", True), ("http1", "http1", True), ("tls", "tls", True),
        ("http1", "http2", False), ("http", "http1", False), ("http1", "HTTP", False), ("", "http", False),
    ],
)  # fmt: skip
def test_a_protocol_rule_is_a_prefix_of_what_is_spoken(spoken: str, written: str, fits: bool) -> None:
    assert ProtocolCondition([written]).holds(PLAIN._replace(protocol=spoken)) is fits


def test_any_entry_of_a_protocol_rule_is_enough() -> None:
    condition = ProtocolCondition(["tls", "http"])
    assert condition.holds(GET)
    assert condition.why(GET) == "the protocol http1 fits tls, http"
    assert condition.why(PLAIN).startswith("what the client speaks is not known")


def attributes(**patterns: str) -> AttributesCondition:
    return AttributesCondition({name.replace("_", ":", 1): Pattern(text) for name, text in patterns.items()})


def test_every_attribute_must_fit_somewhere_in_it() -> None:
    assert attributes(_method="^GET$", _path="photos").holds(GET)
    assert not attributes(_method="^GET$", _path="^photos").holds(GET)


def test_names_of_attributes_are_compared_in_lower_case() -> None:
    assert AttributesCondition({"User-Agent": Pattern("curl")}).holds(GET)


def test_a_missing_attribute_fits_no_pattern() -> None:
    condition = attributes(cookie="")
    assert not condition.holds(GET)
    assert condition.why(GET) == "the attribute cookie is missing"
    assert not condition.holds(PLAIN)
    assert condition.why(PLAIN) == "the request has no attributes: it is not HTTP, or its inbound does not sniff"


def test_an_attribute_that_does_not_fit_is_named() -> None:
    assert attributes(_path="^/x").why(GET) == "the attribute :path does not fit"
    assert attributes(_path="^/p").why(GET) == "the attributes :path fit"


def test_a_vless_route_is_in_a_list_of_ports() -> None:
    condition = VlessRouteCondition([(1, 5), (443, 443)])
    assert [number for number in (0, 1, 5, 6, 443) if condition.holds(PLAIN._replace(vless_route=number))] == [1, 5, 443]
    assert condition.why(PLAIN._replace(vless_route=6)) == "the VLESS route 6 is not in 1-5,443"


def test_what_did_not_come_by_vless_has_no_route() -> None:
    assert not VlessRouteCondition([(0, 65535)]).holds(PLAIN)


@pytest.mark.parametrize(("system", "fits"), [("linux", True), ("win32", True), ("darwin", False)])
def test_systems_have_the_names_that_go_gives_them(system: str, fits: bool) -> None:
    condition = LocalOsCondition(["Linux", "windows"], system)
    assert condition.holds(PLAIN) is fits
    assert condition.why(PLAIN) == f"the operating system {'is' if fits else 'is not'} Linux, windows"
