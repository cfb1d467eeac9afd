"""Settings of HTTP proxies."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proxycore.protocols.http.settings import HttpInboundSettings, HttpOutboundSettings


def test_without_accounts_everybody_may_come() -> None:
    assert HttpInboundSettings.model_validate({"accounts": []}).logins is None
    accounts = [{"user": "alice", "pass": "a:b"}]
    assert HttpInboundSettings.model_validate({"users": accounts}).logins == {b"alice:a:b": "alice"}


def test_a_name_with_a_colon_is_refused() -> None:
    with pytest.raises(ValidationError, match="colon"):
        HttpInboundSettings.model_validate({"accounts": [{"user": "a:b", "pass": "c"}]})


def test_a_server_may_be_written_flat() -> None:
    flat = HttpOutboundSettings.model_validate({"address": "a.example", "port": 1, "user": "u", "pass": "p"})
    listed = HttpOutboundSettings.model_validate(
        {"servers": [{"address": "a.example", "port": 1, "users": [{"user": "u", "pass": "p"}]}]})
    assert flat.server == listed.server == ("a.example", 1)
    assert flat.server_login == listed.server_login == b"u:p"
    assert HttpOutboundSettings.model_validate({"address": "a", "port": 1}).server_login is None


@pytest.mark.parametrize("bad", [{}, {"servers": []}, {"address": "a"},
                                 {"address": "a", "port": 1, "headers": {"X": "a\r\nb: c"}},
                                 {"address": "a", "port": 1, "headers": {"a b": "c"}}])
def test_an_outbound_that_cannot_be_run_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpOutboundSettings.model_validate(bad)
