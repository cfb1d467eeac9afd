"""Settings of freedom."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from proxycore.protocols.base import Strategy
from proxycore.protocols.freedom.settings import STRATEGIES, FreedomSettings


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
    ("key", "value"),
    [
        ("fragment", {"packets": "tlshello"}),
        ("noises", [{"type": "rand"}]),
        ("proxyProtocol", 2),
        ("finalRules", [{"action": "block"}]),
    ],
)
def test_what_is_not_run_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**{key: value})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == ((key,), "Value error, is known to Xray, not run by this version")


def test_what_was_removed_from_xray_is_refused() -> None:
    with pytest.raises(ValidationError, match="was removed from Xray"):
        read(noise={"type": "rand"})


def test_settings_that_switch_nothing_on_are_accepted() -> None:
    settings = read(
        fragment={}, noises=[], proxyProtocol=0, finalRules=[], timeout=300, ipsBlocked=["geoip:private"], userLevel=1
    )
    assert (settings.user_level, settings.redirect_target) == (1, None)
