"""Which credentials are out, and the document without them."""

from __future__ import annotations

from typing import Any

import pytest

from proxycore.document.load import load_document
from proxycore.document.model import LoadedDocument
from proxycore.messages.worker import Limit
from proxycore.worker.limits import Limits
from tests.support.documents import UUID, vmess_inbound

IDS = [UUID, "0b2f1c9e-2a4f-4f0a-9b53-6f1b9f3c2f11", "7d4cf9f0-1c4b-4c05-9f0c-0f2a3a2b6a11"]


def load(*inbounds: dict[str, Any]) -> LoadedDocument:
    import json

    return load_document(json.dumps({"inbounds": inbounds, "outbounds": [{"protocol": "freedom"}]}), "document.json")


@pytest.fixture
def loaded() -> LoadedDocument:
    inbound = vmess_inbound("in", 10001)
    inbound["settings"]["clients"] = [{"id": one, "email": f"{number}@example.org"} for number, one in enumerate(IDS)]
    return load(vmess_inbound("other", 10000), inbound)


def limit(number: int, *, expires_at: float | None = None, bytes_left: int | None = None, inbound: int = 1) -> Limit:
    return Limit(
        path=f"inbounds[{inbound}].settings.clients[{number}]", email=f"{number}@example.org", expires_at=expires_at,
        bytes_left=bytes_left)


def emails(loaded: LoadedDocument, inbound: int = 1) -> list[str]:
    settings: Any = loaded.document.inbounds[inbound].settings
    return [user.email for user in settings.accounts]


def nothing_moved(email: str) -> int:
    return 0


def test_while_nobody_is_out_the_document_is_itself(loaded: LoadedDocument) -> None:
    limits = Limits([limit(0, expires_at=2000.0), limit(1, bytes_left=10)], 1000.0, nothing_moved)
    assert limits.without_those_out(loaded) is loaded
    assert limits.look(1999.0, nothing_moved) == []


def test_places_are_those_of_the_whole_document_however_many_are_out(loaded: LoadedDocument) -> None:
    limits = Limits([limit(0, expires_at=1001.0), limit(2, expires_at=1003.0)], 1000.0, nothing_moved)
    assert [reason for _, reason in limits.look(1001.0, nothing_moved)] == ["expired"]
    assert emails(limits.without_those_out(loaded)) == ["1@example.org", "2@example.org"]
    assert limits.look(1002.0, nothing_moved) == []
    assert [one.path for one, _ in limits.look(1003.0, nothing_moved)] == ["inbounds[1].settings.clients[2]"]
    without = limits.without_those_out(loaded)
    assert emails(without) == ["1@example.org"]
    assert emails(loaded) == ["0@example.org", "1@example.org", "2@example.org"], "what was read stays as it is"
    assert without.document.inbounds[0] is loaded.document.inbounds[0]


def test_bytes_count_from_when_the_limit_was_read(loaded: LoadedDocument) -> None:
    moved = {"0@example.org": 5000, "1@example.org": 0}
    limits = Limits([limit(0, bytes_left=100), limit(1, bytes_left=100)], 0.0, lambda email: moved[email])
    assert limits.count_bytes
    moved["0@example.org"] = 5099
    assert limits.look(0.0, lambda email: moved[email]) == []
    moved["0@example.org"] = 5100
    assert [(one.email, reason) for one, reason in limits.look(0.0, lambda email: moved[email])] == [("0@example.org", "used_up")]
    assert limits.look(0.0, lambda email: moved[email]) == [], "told once"
    assert emails(limits.without_those_out(loaded)) == ["1@example.org", "2@example.org"]


def test_nothing_left_means_at_once(loaded: LoadedDocument) -> None:
    limits = Limits([limit(1, bytes_left=0)], 0.0, lambda email: 77)
    assert [reason for _, reason in limits.out] == ["switched_off"]
    assert emails(limits.without_those_out(loaded)) == ["0@example.org", "2@example.org"]


def test_of_a_server_with_ids_nobody_is_left(loaded: LoadedDocument) -> None:
    limits = Limits([limit(number, expires_at=0.0) for number in range(3)], 1.0, nothing_moved)
    assert emails(limits.without_those_out(loaded)) == []


def test_of_a_proxy_with_passwords_somebody_is_left_whom_nobody_knows() -> None:
    loaded = load({"port": 10000, "protocol": "http", "settings": {"accounts": [{"user": "alice", "pass": "secret"}]}})
    out = Limit(path="inbounds[0].settings.accounts[0]", email="", expires_at=0.0, bytes_left=None)
    limits = Limits([out], 1.0, nothing_moved)
    settings: Any = limits.without_those_out(loaded).document.inbounds[0].settings
    (login,) = settings.logins
    assert b"alice" not in login
    assert b"secret" not in login


@pytest.mark.parametrize("path", [
    "", "inbounds[9].settings.clients[0]", "inbounds[1].settings.clients[99]", "inbounds[1].settings.fallbacks[0]",
    "outbounds[0].settings.clients[0]", "inbounds[1].settings.clients", "inbounds[1].settings.users[0]", "x[",
])  # fmt: skip
def test_a_path_that_leads_nowhere_changes_nothing(path: str, loaded: LoadedDocument) -> None:
    limits = Limits([Limit(path=path, email="", expires_at=0.0, bytes_left=None)], 1.0, nothing_moved)
    assert emails(limits.without_those_out(loaded)) == ["0@example.org", "1@example.org", "2@example.org"]
