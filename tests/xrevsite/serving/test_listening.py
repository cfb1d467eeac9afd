"""Where the panel may listen, and what it says where it may not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from xrevsite.serving.listening import BadListen, Place, Tls, check_exposure, listen, read_place, read_tls


@pytest.mark.parametrize(("text", "place", "url"), [
    ("127.0.0.1:8000", Place("127.0.0.1", 8000), "http://127.0.0.1:8000"),
    ("[::1]:8000", Place("::1", 8000), "http://[::1]:8000"),
    ("0.0.0.0:80", Place("0.0.0.0", 80), "http://127.0.0.1:80"),
    ("[::]:80", Place("::", 80), "http://[::1]:80"),
])
def test_an_address_and_how_this_host_reaches_it(text: str, place: Place, url: str) -> None:
    assert read_place(text) == place
    assert place.url("http") == url


@pytest.mark.parametrize("text", ["8000", "localhost:8000", "127.0.0.1:0", "127.0.0.1:http"])
def test_an_address_that_is_none_is_named(text: str) -> None:
    with pytest.raises(BadListen, match=f"--listen {text}: an address and a port are expected"):
        read_place(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_the_network_needs_tls_or_a_word(host: str) -> None:
    place = Place(host, 8000)
    with pytest.raises(BadListen, match="XREV_TLS_CERT"):
        check_exposure(place, is_encrypted=False, is_insisted=False)
    check_exposure(place, is_encrypted=True, is_insisted=False)
    check_exposure(place, is_encrypted=False, is_insisted=True)


def test_this_host_needs_none() -> None:
    check_exposure(Place("127.0.0.1", 8000), is_encrypted=False, is_insisted=False)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BadListen, match=f"127.0.0.1 port {port} cannot be listened on: Address already in use"):
            listen(Place("127.0.0.1", port))


def test_two_files_that_belong_together(tmp_path: Path) -> None:
    authority = Authority()
    for name in ("a", "b"):
        pair = authority.issue("panel.example.org")
        (tmp_path / f"{name}.pem").write_text(pair.certificate)
        (tmp_path / f"{name}.key").write_text(pair.key)
    certificate, key, other = (str(tmp_path / name) for name in ("a.pem", "a.key", "b.key"))
    assert read_tls("", "") is None
    assert read_tls(certificate, key) == Tls(Path(certificate), Path(key))
    with pytest.raises(BadListen, match="belong together"):
        read_tls(certificate, "")
    with pytest.raises(BadListen, match="cannot be used"):
        read_tls(certificate, other)
    with pytest.raises(BadListen, match="No such file"):
        read_tls(certificate, str(tmp_path / "nothing"))
