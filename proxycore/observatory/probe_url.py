"""The URL that a probe asks for: http or https, a host, perhaps a port, a path."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from proxycore.destination import Destination, parse_host

MAX_URL_CHARS = 2048
_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[\x21-\x7e]+")


class ProbeUrl(NamedTuple):
    """`target` is what the request line names, `authority` the Host field."""

    text: str
    is_tls: bool
    destination: Destination
    authority: str
    target: str

    def __str__(self) -> str:
        return self.text


def parse_probe_url(text: str) -> ProbeUrl:
    """Raises: ValueError with one sentence."""
    text = text.strip()
    if len(text) > MAX_URL_CHARS or not _PLAIN.fullmatch(text):
        raise ValueError("a URL such as https://www.example.com/ is expected")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the URL's host or port cannot be read") from None
    if parts.scheme not in _PORTS:
        raise ValueError("the URL must begin with http:// or https://")
    if not host or port == 0:
        raise ValueError("the URL names no host that could be connected to")
    if "@" in parts.netloc:
        raise ValueError("the URL must not have a user or password in it")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    destination = Destination("tcp", parse_host(host), port or _PORTS[parts.scheme])
    return ProbeUrl(text, parts.scheme == "https", destination, parts.netloc, target)
