"""Settings of freedom."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from proxycore.protocols.base import Strategy
from proxycore.protocols.freedom.settings import STRATEGIES, FreedomSettings
from proxycore.protocols.freedom.way_out_settings import parse_range


def read(**settings: object) -> FreedomSettings:
    return FreedomSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("redirect", "target"),
    [
        ("127.0.0.1:80", (ip_address("127.0.0.1"), 80)),
        ("example.com:80", ("example.com", 80)),
        ("[::1]:80", (ip_address("::1"), 80)),
        (":80", (None, 80)),
        ("host:0", ("host", None)),
        ("0.0.0.0:80", (None, 80)),
        ("[::]:80", (None, 80)),
        ("", None),
    ],
)
def test_a_redirect_replaces_the_host_the_port_or_both(redirect: str, target: object) -> None:
    assert read(redirect=redirect).redirect_target == target


@pytest.mark.parametrize(
    "redirect", ["host", "host:", ":", "::1:80", "::1", "host:70000", "host:-1", "host:x", "host:٣", "[::1:80"]
)
def test_a_redirect_without_a_port_is_refused(redirect: str) -> None:
    with pytest.raises(ValidationError, match=r"is expected|must be a number"):
        read(redirect=redirect)


@pytest.mark.parametrize("word", STRATEGIES)
def test_every_strategy_is_read_in_any_letter_case(word: str) -> None:
    for written in (word, word.upper(), word.lower()):
        assert Strategy(read(domainStrategy=written).strategy).value == word.lower()


def test_the_newer_name_of_the_strategy_wins() -> None:
    assert read(domainStrategy="UseIP", targetStrategy="ForceIPv4").strategy == "forceipv4"
    assert read().strategy == "asis"
    assert read(domainStrategy="").strategy == "asis"


def test_an_unknown_strategy_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValidationError, match=r'did you mean "UseIPv4"\?'):
        read(domainStrategy="useip4")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fragment": {"length": 5}}, "Field required"),
        ({"fragment": {"packets": "0-3", "length": 5, "interval": 1}}, "counted from 1"),
        ({"fragment": {"packets": "hello", "length": 5, "interval": 1}}, "tlshello"),
        ({"fragment": {"length": 0, "interval": 1}}, "bytes from 1 to"),
        ({"fragment": {"length": "1-x", "interval": 1}}, "a number, or text such as"),
        ({"fragment": {"length": 1, "interval": 60001}}, "milliseconds from 0 to 60000"),
        ({"noises": [{"type": "rand", "packet": "0"}]}, "a datagram of 1 to"),
        ({"noises": [{"type": "rand", "packet": "1-70000"}]}, "a datagram of 1 to"),
        ({"noises": [{"type": "hex", "packet": "abc"}]}, "hexadecimal digits are expected"),
        ({"noises": [{"type": "base64", "packet": "a*"}]}, "base64 is expected"),
        ({"noises": [{"type": "text", "packet": "a"}]}, "'rand', 'str', 'hex' or 'base64'"),
        ({"noises": [{"type": "str", "packet": "a", "applyTo": "ipv5"}]}, "'ip', 'ipv4' or 'ipv6'"),
        ({"proxyProtocol": "2"}, "0, 1 or 2 is expected"),
        ({"finalRules": [{"action": "drop"}]}, "'allow' or 'block'"),
        ({"finalRules": [{"action": "allow", "network": "sctp"}]}, "is no network"),
        ({"finalRules": [{"action": "allow", "port": "80-"}]}, "a port must be a number"),
        ({"finalRules": [{"action": "allow", "ip": ["host"]}]}, "an IP address or a CIDR block"),
    ],
)
def test_what_cannot_be_run_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        read(**settings)


@pytest.mark.parametrize(("written", "version"), [(0, 0), (1, 1), (2, 2), (3, 0)])
def test_another_version_of_the_proxy_protocol_is_none(written: int, version: int) -> None:
    assert read(proxyProtocol=written).proxy_protocol == version


@pytest.mark.parametrize(("written", "found"), [(5, (5, 5)), ("5", (5, 5)), ("1-5", (1, 5)), ("5-1", (1, 5)), ("", (0, 0))])
def test_a_range_is_read_in_every_form(written: object, found: tuple[int, int]) -> None:
    assert parse_range(written) == found


@pytest.mark.parametrize(("noise", "content"), [
    ({"type": "str", "packet": " abc "}, b"abc"),
    ({"type": "hex", "packet": "0aFF"}, b"\x0a\xff"),
    ({"type": "base64", "packet": "-_8="}, b"\xfb\xff"),
    ({"type": "base64", "packet": "+/8"}, b"\xfb\xff"),
    ({"type": "rand", "packet": "10-20"}, None),
])
def test_a_noise_is_read(noise: dict[str, str], content: bytes | None) -> None:
    [found] = read(noises=[noise]).noises
    assert found.content == content
    assert found.length == ((10, 20) if content is None else (len(content), len(content)))
    assert found.apply_to == "ip"


def test_a_removed_key_is_a_caution_and_blocks_nothing() -> None:
    [caution] = read(ipsBlocked=["geoip:private"]).cautions()
    assert "finalRules" in caution
    assert list(read().cautions()) == []


def test_what_was_removed_from_xray_is_refused() -> None:
    with pytest.raises(ValidationError, match="was removed from Xray"):
        read(noise={"type": "rand"})


def test_settings_that_switch_nothing_on_are_accepted() -> None:
    settings = read(
        noises=[], proxyProtocol=0, timeout=300, ipsBlocked=[], userLevel=1
    )
    assert (settings.user_level, settings.redirect_target) == (1, None)
