from __future__ import annotations

import ssl

import pytest

from proxycore.agent.panel_address import PanelAddress, WrongCertificate
from proxycore.errors import ConfigError

FINGERPRINT = "ab" * 32


@pytest.mark.parametrize(("url", "websocket", "join", "shown"), [
    ("https://panel.example", "wss://panel.example:443/agent/v1/", "/agent/v1/join/", "https://panel.example:443"),
    ("https://panel.example:8443/xrev/", "wss://panel.example:8443/xrev/agent/v1/", "/xrev/agent/v1/join/",
     "https://panel.example:8443/xrev"),
    ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/agent/v1/", "/agent/v1/join/", "http://127.0.0.1:8000"),
    ("http://[::1]:8000/", "ws://[::1]:8000/agent/v1/", "/agent/v1/join/", "http://[::1]:8000"),
    ("http://localhost", "ws://localhost:80/agent/v1/", "/agent/v1/join/", "http://localhost:80"),
])
def test_where_to_join_and_to_connect(url: str, websocket: str, join: str, shown: str) -> None:
    address = PanelAddress.parse(url)
    assert (address.websocket_url, address.join_path, str(address)) == (websocket, join, shown)
    assert PanelAddress.parse(str(address)) == address


@pytest.mark.parametrize(("url", "words"), [
    ("panel.example", "it looks like https://panel.example.com"),
    ("wss://panel.example", "it looks like https://"),
    ("https://", "it looks like https://"),
    ("https://panel.example:port", "is not an address"),
    ("https://me:secret@panel.example", "has no user"),
    ("https://panel.example/?next=x", "no ?"),
])
def test_what_is_no_address_is_said(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match="--panel") as raised:
        PanelAddress.parse(url)
    assert words in raised.value.reason
    assert "secret" not in raised.value.reason


@pytest.mark.parametrize("host", ["panel.example", "192.168.1.5", "localhost.example", "127.0.0.1.example", "0.0.0.0"])
def test_http_leaves_the_host_only_when_told_so_in_words(host: str) -> None:
    with pytest.raises(ConfigError) as raised:
        PanelAddress.parse(f"http://{host}")
    assert "--plain-http-on-the-network" in raised.value.reason
    assert not PanelAddress.parse(f"http://{host}", may_be_plain=True).is_secure


@pytest.mark.parametrize("text", [FINGERPRINT, FINGERPRINT.upper(), ":".join(["AB"] * 32)])
def test_a_fingerprint_is_taken_as_programs_print_it(text: str) -> None:
    assert PanelAddress.parse("https://panel.example", text).fingerprint == FINGERPRINT


@pytest.mark.parametrize(("url", "text"), [("https://panel.example", "ab:cd"), ("http://127.0.0.1", FINGERPRINT)])
def test_a_fingerprint_that_is_none_or_of_nothing(url: str, text: str) -> None:
    with pytest.raises(ConfigError, match="--fingerprint"):
        PanelAddress.parse(url, text)


def test_a_certificate_is_the_pinned_one_or_nothing_is_said() -> None:
    import hashlib

    address = PanelAddress.parse("https://panel.example", hashlib.sha256(b"its DER").hexdigest())
    address.check(b"its DER")
    for other in (b"another", b"", None):
        with pytest.raises(WrongCertificate):
            address.check(other)


def test_without_a_fingerprint_the_system_judges() -> None:
    tls = PanelAddress.parse("https://panel.example").tls()
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert PanelAddress.parse("http://127.0.0.1").tls() is None
