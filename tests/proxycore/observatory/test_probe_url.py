"""The URL of a probe."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.observatory.probe_url import ProbeUrl, parse_probe_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example", (True, Destination("tcp", "a.example", 443), "a.example", "/")),
        (" http://A.example:81/x?y=z#f ", (False, Destination("tcp", "a.example", 81), "A.example:81", "/x?y=z")),
        ("http://[2001:db8::1]:8080/", (False, Destination("tcp", ip_address("2001:db8::1"), 8080), "[2001:db8::1]:8080", "/")),
        ("HTTPS://192.0.2.1?q", (True, Destination("tcp", ip_address("192.0.2.1"), 443), "192.0.2.1", "/?q")),
    ],
)
def test_a_url_is_read(text: str, expected: tuple[object, ...]) -> None:
    assert parse_probe_url(text) == ProbeUrl(text.strip(), *expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", "a.example", "ftp://a/", "http://", "http:///x", "http://a:0/", "http://a:65536/", "http://a:x/", "http://[::1/",
     "http://u@a/", "http://a/\r\nX: y", "http://a/ b", "http://\u00e9.example/", "http://a/" + "x" * 3000, "//a/"],
)
def test_what_is_no_url_of_a_web_page_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL"):
        parse_probe_url(text)


@given(st.text(max_size=60).map("http://{}".format) | st.text(max_size=20))
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    try:
        url = parse_probe_url(text)
    except ValueError:
        return
    assert url.target.startswith("/")
    assert 0 < url.destination.port < 65536
