"""Heads of HTTP/1 messages: cut out of a stream, read, rewritten as a proxy does, written.

Source: RFC 9110, RFC 9112, Xray-core proxy/http/server.go and common/protocol/http/headers.go. Stricter than the cores where
being lax would let two programs see different messages: lines end in CR LF, no folded lines, one length.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple, TypeAlias

from proxycore.destination import Destination, IPAddress, ip_text
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer
from proxycore.wire.address import domain_from_wire

MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 256
MAX_LENGTH_DIGITS = 18
HTTP_PORT = 80

Fields: TypeAlias = list[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n\x00]*)?")
_HOP_BY_HOP = frozenset({
    b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailers", b"upgrade", b"connection",
    b"keep-alive",
})  # fmt: skip
_NEVER_DROPPED = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Framing belongs to the message: a client must not have it removed by naming it in Connection."""


class HeadReader:
    """Collects a head, the empty line that ends it included."""

    __slots__ = ("_buffer", "head", "rest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.head = b""
        self.rest = b""             # what came behind it

    @property
    def has_begun(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: Buffer) -> bool:
        """True once the head is whole. Raises: LimitError, above MAX_HEAD_BYTES."""
        buffer = self._buffer
        begin = max(0, len(buffer) - 3)
        buffer += data
        end = buffer.find(b"\r\n\r\n", begin, MAX_HEAD_BYTES)
        if end < 0:
            if len(buffer) >= MAX_HEAD_BYTES:
                raise LimitError("bytes of an HTTP head", got=len(buffer), limit=MAX_HEAD_BYTES)
            return False
        self.head, self.rest = bytes(buffer[:end + 2]), bytes(buffer[end + 4:])
        buffer.clear()
        return True


class RequestHead(NamedTuple):
    method: bytes
    target: bytes
    minor_version: int
    fields: Fields


class ResponseHead(NamedTuple):
    status: int
    line: bytes
    fields: Fields


def check_field(name: bytes, value: bytes) -> None:
    """Raises: PeerError, this is no header line."""
    if not _TOKEN.fullmatch(name):
        raise PeerError("a header name with a character that none has")
    if _BAD_VALUE.search(value):
        raise PeerError("a header value with a control character")


def _fields(lines: list[bytes]) -> Fields:
    if len(lines) > MAX_FIELDS:
        raise LimitError("header lines", got=len(lines), limit=MAX_FIELDS)
    fields: Fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise PeerError("a header line without a colon")
        value = value.strip(b" \t")
        check_field(name, value)
        fields.append((name, value))
    return fields


def parse_request(head: bytes) -> RequestHead:
    """Raises: PeerError, it is none."""
    line, *lines = head[:-2].split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise PeerError("no HTTP request")
    return RequestHead(match[1], match[2], int(match[3]), _fields(lines))


def parse_response(head: bytes) -> ResponseHead:
    """Raises: PeerError, it is none."""
    line, *lines = head[:-2].split(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise PeerError("no HTTP answer")
    return ResponseHead(int(match[1]), line, _fields(lines))


def values(fields: Fields, name: bytes) -> list[bytes]:
    """All values of the header `name` (lower case)."""
    return [value for key, value in fields if key.lower() == name]


def body_length(fields: Fields) -> int | None:
    """What Content-Length says; None: nothing. Raises: PeerError, no number, or different ones."""
    lengths = {item.strip() for value in values(fields, b"content-length") for item in value.split(b",")}
    if not lengths:
        return None
    text = lengths.pop()
    if lengths or not text.isdigit() or len(text) > MAX_LENGTH_DIGITS:
        raise PeerError("a Content-Length that is no single number")
    return int(text)


def is_chunked(fields: Fields) -> bool:
    """Whether the body comes in chunks. Raises: PeerError, in a way that is not known, or with a length as well."""
    codings = [item.strip().lower() for value in values(fields, b"transfer-encoding") for item in value.split(b",")]
    if not codings:
        return False
    if codings != [b"chunked"]:
        raise PeerError("a Transfer-Encoding other than chunked")
    return True


def parse_authority(text: bytes, network_port: int = HTTP_PORT) -> Destination:
    """`host`, `host:port`, `[ip6]:port`, with or without a user before it. Raises: PeerError."""
    text = text.rpartition(b"@")[2]
    host, colon, port = text.rpartition(b":")
    if not colon or port.endswith(b"]"):
        host, port = text, b""
    if port and not (port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise PeerError("a port that is no number up to 65535")
    if b":" in host and not host.startswith(b"["):
        raise PeerError("an IPv6 address without brackets")
    return Destination("tcp", domain_from_wire(host), int(port) if port else network_port)


def split_url(target: bytes) -> tuple[bytes, bytes] | None:
    """Authority and the rest of an absolute http:// URL; None: it is none."""
    if target[:7].lower() != b"http://":
        return None
    rest = target[7:]
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    path = rest[end:].partition(b"#")[0]
    return rest[:end], path if path.startswith(b"/") else b"/" + path


def authority(host: str | IPAddress, port: int) -> bytes:
    """As CONNECT names a destination."""
    text = host if isinstance(host, str) else ip_text(host)
    return f"[{text}]:{port}".encode() if ":" in text else f"{text}:{port}".encode()


def end_to_end(fields: Fields) -> Fields:
    """Without what concerns one connection only."""
    named = {item.strip().lower() for value in values(fields, b"connection") for item in value.split(b",")}
    dropped = _HOP_BY_HOP | (named - _NEVER_DROPPED)
    return [(name, value) for name, value in fields if name.lower() not in dropped]


def write_head(line: bytes, fields: Fields) -> bytes:
    return b"".join((line, b"\r\n", *(b"%b: %b\r\n" % field for field in fields), b"\r\n"))


def encode_basic(login: bytes) -> bytes:
    """The value of Proxy-Authorization for `name:password`."""
    return b"Basic " + base64.b64encode(login)


def decode_basic(fields: Fields) -> bytes | None:
    """`name:password` out of Proxy-Authorization; None: there is none, or it cannot be read."""
    for value in values(fields, b"proxy-authorization"):
        if value.startswith(b"Basic "):
            try:
                return base64.b64decode(value[6:].strip(), validate=True)
            except binascii.Error:
                return None
    return None
