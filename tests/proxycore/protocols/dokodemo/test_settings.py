"""Settings of dokodemo-door."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from proxycore.protocols.dokodemo.settings import DokodemoSettings


def read(**settings: object) -> DokodemoSettings:
    return DokodemoSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        ({}, (None, 5000)),
        ({"address": "192.0.2.1", "port": 80}, (ip_address("192.0.2.1"), 80)),
        ({"address": "[::1]"}, (ip_address("::1"), 5000)),
        ({"rewriteAddress": "example.com", "rewritePort": 81}, ("example.com", 81)),
        ({"address": "old", "rewriteAddress": "new"}, ("old", 5000)),
        ({"address": "", "port": 0}, (None, 5000)),
        ({"address": "a", "port": 80, "portMap": {"5000": "1.1.1.1:7777"}}, (ip_address("1.1.1.1"), 7777)),
        ({"address": "a", "port": 80, "portMap": {"5000": ":8888"}}, ("a", 8888)),
        ({"address": "a", "port": 80, "portMap": {"5000": "example.com:"}}, ("example.com", 80)),
        ({"address": "a", "port": 80, "portMap": {"5000": "[::1]:1"}}, (ip_address("::1"), 1)),
        ({"address": "a", "port": 80, "portMap": {"5001": "b:1"}}, ("a", 80)),
    ],
)
def test_the_destination_of_a_client_that_came_in_by_port_5000(settings: dict[str, object], target: tuple[object, int]) -> None:
    assert read(**settings).target(5000) == target


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("tcp", ("tcp",)),
        ("tcp,udp", ("tcp", "udp")),
        ("UDP", ("udp",)),
        (["udp", "TCP"], ("udp", "tcp")),
        ([], ("tcp",)),
        ("", ("tcp",)),
    ],
)
def test_networks_are_a_list_or_a_text(value: object, networks: tuple[str, ...]) -> None:
    assert read(network=value).networks == networks
    assert read(allowedNetwork=value).networks == networks


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"network": "tcp,unix"}, "to listen on a unix socket, write its path"),
        ({"network": "tpc"}, '"tpc" is no network; tcp and udp are'),
        ({"network": 5}, 'a list, or text such as "tcp,udp", is expected'),
        ({"address": "env:X"}, "an address from an environment variable is known to Xray, not run by this version"),
        ({"portMap": {"0": "a:1"}}, 'the key "0" is no port'),
        ({"portMap": {"80": "a"}}, 'for port 80: "host:port", ":port" or "host:" is expected'),
        ({"portMap": {"80": "::1:5"}}, 'for port 80: "host:port", ":port" or "host:" is expected'),
        ({"portMap": {"80": "a:70000"}}, "for port 80: the port must be a number from 0 to 65535"),
        ({"port": 70000}, "less than or equal to 65535"),
        ({"userLevel": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_run_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**settings)
    assert reason in caught.value.errors()[0]["msg"]


def test_old_settings_and_unknown_ones_do_no_harm() -> None:
    settings = read(timeout=300, userLevel=3, followRedirect=False, future=1)
    assert (settings.user_level, settings.model_extra) == (3, {"future": 1})
