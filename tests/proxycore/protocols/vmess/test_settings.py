"""What a document may say about VMess."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxycore.protocols.vmess.settings import VmessInboundSettings, VmessOutboundSettings, VmessServer, VmessUser

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
SERVER = {"address": "192.0.2.1", "port": 443}


def only_error(model: type[VmessInboundSettings] | type[VmessOutboundSettings], document: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    [error] = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")


def test_an_inbound_of_the_documentation_is_read() -> None:
    settings = VmessInboundSettings.model_validate({
        "clients": [{"id": UUID, "level": 1, "email": "love@example.org", "alterId": 0, "security": "auto"}, {"id": "hello"}],
        "default": {"level": 2}, "detour": {"to": "x"}, "disableInsecureEncryption": False})
    alice, hello = settings.accounts
    assert (alice.user_id.hex(), alice.level, alice.email) == (UUID.replace("-", ""), 1, "love@example.org")
    assert hello.user_id.hex() == "b7502f40115259f2ba1069aeed522cdf"
    assert settings.default.level == 2


def test_clients_win_over_users() -> None:
    both = VmessInboundSettings.model_validate({"users": [{"id": "a"}], "clients": [{"id": "b"}, {"id": "c"}]})
    assert [user.id for user in both.accounts] == ["b", "c"]
    assert [user.id for user in VmessInboundSettings.model_validate({"users": [{"id": "a"}]}).accounts] == ["a"]
    assert VmessInboundSettings.model_validate({}).accounts == ()


def test_an_e_mail_may_not_be_used_twice_in_any_case() -> None:
    document = {"clients": [{"id": "a", "email": "Bob@example.org"}, {"id": "b"}, {"id": "c"},
                            {"id": "d", "email": "bob@EXAMPLE.org"}]}
    assert only_error(VmessInboundSettings, document) == (
        "", "the e-mail 'bob@EXAMPLE.org' is used twice (upper and lower case do not differ)")


def test_legacy_vmess_is_refused_with_the_reason() -> None:
    reason = "legacy VMess is refused, its headers can be forged and probed: set alterId to 0 on both sides"
    assert only_error(VmessInboundSettings, {"clients": [{"id": UUID, "alterId": 64}]}) == ("clients.0.alterId", reason)
    vnext = [{**SERVER, "users": [{"id": UUID}, {"id": UUID, "alterId": 1}]}]
    assert only_error(VmessOutboundSettings, {"vnext": vnext}) == ("vnext.0.users.1.alterId", reason)
    assert only_error(VmessOutboundSettings, {**SERVER, "id": UUID, "alterId": 1}) == ("alterId", reason)


def test_an_unreadable_id_is_refused_where_it_stands() -> None:
    reason = "an id is a UUID or a text of 1 to 30 bytes; this one of 31 bytes is neither"
    assert only_error(VmessInboundSettings, {"clients": [{"id": "x" * 31}]}) == ("clients.0.id", reason)
    assert only_error(VmessOutboundSettings, {**SERVER, "id": "x" * 31}) == ("id", reason)


@pytest.mark.parametrize(("written", "read"), [
    ("auto", "auto"), ("aes-128-gcm", "aes-128-gcm"), ("AES-128-GCM", "aes-128-gcm"), ("zero", "zero"), ("none", "none"),
    ("chacha20-poly1305", "chacha20-poly1305"), ("rc4", "auto"), ("", "auto"),
])
def test_a_security_that_nobody_knows_is_auto(written: str, read: str) -> None:
    assert VmessUser.model_validate({"id": UUID, "security": written}).security == read


def test_experiments_are_words_in_a_text() -> None:
    both = VmessUser.model_validate({"id": UUID, "experiments": "AuthenticatedLength|NoTerminationSignal"})
    none = VmessUser.model_validate({"id": UUID})
    assert (both.seals_lengths, both.sends_end_mark) == (True, False)
    assert (none.seals_lengths, none.sends_end_mark) == (False, True)


def test_an_outbound_can_be_written_with_vnext_or_flat() -> None:
    user = {"id": UUID, "security": "none", "email": "a@b", "level": 4, "experiments": "AuthenticatedLength"}
    nested = VmessOutboundSettings.model_validate({"vnext": [{**SERVER, "users": [user]}]})
    flat = VmessOutboundSettings.model_validate({**SERVER, **user})
    assert nested.servers == flat.servers == (
        VmessServer(address="192.0.2.1", port=443, users=(VmessUser.model_validate(user),)),)


def test_the_flat_form_wins() -> None:
    settings = VmessOutboundSettings.model_validate(
        {"vnext": [{"address": "192.0.2.9", "port": 1, "users": [{"id": "nested"}]}], **SERVER, "id": "flat"})
    assert [(server.address, server.users[0].id) for server in settings.servers] == [("192.0.2.1", "flat")]


@pytest.mark.parametrize(("document", "place", "reason"), [
    ({}, "", "a server is missing: give either vnext, or address, port and id"),
    ({"vnext": []}, "", "a server is missing: give either vnext, or address, port and id"),
    ({"address": "a", "id": "x"}, "", "port is missing beside address"),
    ({"address": "a", "port": 1}, "", "id is missing beside address"),
    ({"vnext": [{**SERVER, "users": []}]}, "vnext.0.users", "Tuple should have at least 1 item after validation, not 0"),
    ({"vnext": [{"address": "a", "port": 0, "users": [{"id": "x"}]}]}, "vnext.0.port",
     "Input should be greater than or equal to 1"),
    ({"vnext": [{"address": "", "port": 9, "users": [{"id": "x"}]}]}, "vnext.0.address",
     "String should have at least 1 character"),
])
def test_what_is_missing_in_an_outbound_is_said(document: dict[str, Any], place: str, reason: str) -> None:
    assert only_error(VmessOutboundSettings, document) == (place, reason)


def test_unknown_keys_are_kept() -> None:
    settings = VmessInboundSettings.model_validate({"clients": [{"id": "a", "note": 1}], "more": True})
    assert settings.model_extra == {"more": True}
    assert settings.accounts[0].model_extra == {"note": 1}
