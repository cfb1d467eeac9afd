"""What a document may say about VLESS, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from proxycore.protocols.vless.settings import VlessInboundSettings, VlessOutboundSettings
from tests.proxycore.protocols.vless.wires import TUNNEL_UUID, USER_ID, UUID

SERVER = {"address": "vless.example.org", "port": 443}
FLAT = {**SERVER, "id": UUID, "encryption": "none"}
VNEXT = {"vnext": [{**SERVER, "users": [{"id": UUID, "encryption": "none"}]}]}


def inbound(*clients: dict[str, Any], **settings: Any) -> VlessInboundSettings:
    return VlessInboundSettings.model_validate({"decryption": "none", "clients": list(clients), **settings})


def test_a_server_has_clients_and_users_is_another_name_for_them() -> None:
    settings = inbound({"id": UUID, "email": "alice", "level": 3, "flow": ""})
    assert [(user.user_id, user.email, user.level) for user in settings.accounts] == [(USER_ID, "alice", 3)]
    other = VlessInboundSettings.model_validate({"decryption": "none", "users": [{"id": UUID}]})
    assert other.accounts[0].user_id == USER_ID


@pytest.mark.parametrize("document", [FLAT, VNEXT])
def test_a_server_to_connect_to_is_written_flat_or_in_vnext(document: dict[str, Any]) -> None:
    [server] = VlessOutboundSettings.model_validate(document).servers
    assert (server.address, server.port, server.users[0].user_id) == ("vless.example.org", 443, USER_ID)


@pytest.mark.parametrize(("value", "reason"), [
    (None, "none"), ("", "none"), ("aes", "none"), ("mlkem768x25519plus.native.600s.key", "not run by this version")])
def test_encryption_must_be_written_out_as_none(value: str | None, reason: str) -> None:
    given = {} if value is None else {"decryption": value}
    with pytest.raises(ValueError, match=reason):
        VlessInboundSettings.model_validate({"clients": [{"id": UUID}], **given})
    given = {} if value is None else {"encryption": value}
    with pytest.raises(ValueError, match=reason):
        VlessOutboundSettings.model_validate({**SERVER, "id": UUID, **given})
    with pytest.raises(ValueError, match=reason):
        VlessOutboundSettings.model_validate({"vnext": [{**SERVER, "users": [{"id": UUID, **given}]}]})


@pytest.mark.parametrize(("flow", "reason"), [
    ("xtls-rprx-vision", "known to Xray, not run"), ("xtls-rprx-vision-udp443", "known to Xray, not run"), ("x", "no flow")])
def test_a_flow_is_refused_everywhere(flow: str, reason: str) -> None:
    for refused in (lambda: inbound({"id": UUID, "flow": flow}), lambda: inbound(flow=flow),
                    lambda: VlessOutboundSettings.model_validate({**FLAT, "flow": flow})):
        with pytest.raises(ValueError, match=reason):
            refused()


@pytest.mark.parametrize(("document", "reason"), [
    ({}, "a server is missing"), ({"address": "a"}, "port is missing"), ({**SERVER}, "id is missing"),
    ({**VNEXT, "reverse": {"tag": "r"}}, "written flat"), ({**FLAT, "reverse": {"tag": ""}}, "at least 1"),
    ({**FLAT, "reverse": {"tag": "r", "sniffing": {"enabled": True}}}, "sniffing"), ({**FLAT, "id": "x" * 31}, "an id is")])
def test_a_client_that_cannot_be_run_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VlessOutboundSettings.model_validate(document)


def test_emails_differ_without_regard_to_letter_case() -> None:
    with pytest.raises(ValueError, match="used twice"):
        inbound({"id": UUID, "email": "A@x"}, {"id": "other", "email": "a@X"})
    assert len(inbound({"id": UUID}, {"id": "other"}).accounts) == 2


def test_it_cautions_of_ids_that_differ_only_where_it_does_not_count() -> None:
    assert inbound({"id": UUID}, {"id": TUNNEL_UUID}).cautions() == []
    [caution] = inbound({"id": TUNNEL_UUID}, {"id": UUID}, {"id": UUID.replace("51cd", "4444")}).cautions()
    assert caution.startswith("the ids of clients 1 and 2 are the same but for their third group")


def test_tunnels_provide_their_tags_once() -> None:
    settings = inbound({"id": UUID}, *({"id": f"bridge {number}", "reverse": {"tag": "home"}} for number in range(2)))
    assert settings.provides_outbound_tags() == ("home",)
    assert VlessOutboundSettings.model_validate({**FLAT, "reverse": {"tag": "r-in"}}).provides_inbound_tags() == ("r-in",)
    assert VlessOutboundSettings.model_validate(FLAT).provides_inbound_tags() == ()
