"""Settings of SOCKS."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proxycore.protocols.socks.settings import SocksInboundSettings, SocksOutboundSettings


def test_everybody_may_come_unless_a_password_is_wanted() -> None:
    accounts = [{"user": "alice", "pass": "secret"}]
    assert SocksInboundSettings.model_validate({"accounts": accounts}).passwords is None
    assert SocksInboundSettings.model_validate({"auth": "", "accounts": accounts}).passwords is None
    assert SocksInboundSettings.model_validate({"auth": "Password", "users": accounts}).passwords == {b"alice": b"secret"}
    assert SocksInboundSettings.model_validate({"auth": "password"}).passwords == {}


def test_a_word_for_auth_that_is_not_known_does_not_open_the_proxy() -> None:
    with pytest.raises(ValidationError, match="auth"):
        SocksInboundSettings.model_validate({"auth": "pasword"})


def test_udp_listens_on_the_same_port() -> None:
    assert SocksInboundSettings.model_validate({}).networks == ("tcp",)
    assert SocksInboundSettings.model_validate({"udp": True}).networks == ("tcp", "udp")


@pytest.mark.parametrize("bad", [{"ip": "here"}, {"accounts": [{"user": "é" * 128}]}, {"userLevel": -1}])
def test_what_cannot_be_run_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SocksInboundSettings.model_validate(bad)


def test_a_server_may_be_written_flat() -> None:
    flat = SocksOutboundSettings.model_validate({"address": "a.example", "port": 1, "user": "u", "pass": "p"}).server
    listed = SocksOutboundSettings.model_validate(
        {"servers": [{"address": "a.example", "port": 1, "users": [{"user": "u", "pass": "p"}]}]}).server
    assert (flat.address, flat.port, flat.login) == (listed.address, listed.port, listed.login) == ("a.example", 1, (b"u", b"p"))
    assert SocksOutboundSettings.model_validate({"address": "a.example", "port": 1}).server.login is None


@pytest.mark.parametrize("bad", [{}, {"servers": []}, {"address": "a"}, {"address": "a", "port": 0},
                                 {"servers": [{"address": "a", "port": 1}] * 2}])
def test_an_outbound_without_one_server_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SocksOutboundSettings.model_validate(bad)
