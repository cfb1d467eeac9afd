"""The head of an HTTP/1 request: its host, and the attributes that `attrs` rules see.

Source: Xray-core common/protocol/http/sniff.go. As there, what has no Host is not taken for HTTP, and HTTP/2 is not looked for.
Unlike there only whole lines count, so that a host is never cut off where a packet ended, and PATCH and TRACE are methods.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from proxycore.destination import parse_host
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Verdict

MAX_FIELDS = 256
"""Lines of a head that are looked at."""

MAX_HOST_CHARS = 255

_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"TRACE ")
_LONGEST_METHOD = max(map(len, _METHODS))
_MAX_PORT_DIGITS = 5
_MAX_PORT = 65535


def sniff_http(data: bytes | bytearray) -> Verdict:
    """`data`: everything that the client has sent."""
    begin = bytes(data[:_LONGEST_METHOD]).upper()
    if not begin.startswith(_METHODS):
        return MORE if any(method.startswith(begin) for method in _METHODS) else NOT
    first, *lines = bytes(data).split(b"\n", MAX_FIELDS + 2)
    if not lines:
        return MORE
    lines.pop()                     # not whole yet
    attributes: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if line in (b"", b"\r"):
            break
        if colon:
            attributes[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
    else:
        return MORE if len(lines) <= MAX_FIELDS else NOT
    if "host" not in attributes:
        return NOT
    host = host_of(attributes["host"])
    if host is None:
        return NOT
    words = first.rstrip(b"\r").split(b" ")
    if len(words) == 3:
        attributes[":method"], attributes[":path"] = words[0].decode("latin-1"), words[1].decode("latin-1")
    return Sniffed("http1", host, attributes)


def host_of(text: str) -> str | None:
    """A Host field without its port, in lower case; None: it names no host."""
    text = text.lower()
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port or isinstance(parse_host(text), IPv6Address):       # no port
        host = text
    elif not (port.isascii() and port.isdigit() and len(port) <= _MAX_PORT_DIGITS and int(port) <= _MAX_PORT):
        return None
    host = host.removeprefix("[").removesuffix("]")
    if not host or len(host) > MAX_HOST_CHARS or any(character <= " " or character >= "\x7f" for character in host):
        return None
    return host
