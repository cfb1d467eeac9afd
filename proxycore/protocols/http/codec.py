"""What an HTTP proxy and its peers say: the request that goes on, the answer that comes back, and CONNECT of a client."""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.errors import AuthError, PeerError
from proxycore.protocols.http.codec_body import Body, ChunkedBody, EndlessBody, SizedBody
from proxycore.protocols.http.codec_head import (
    Fields,
    HeadReader,
    RequestHead,
    ResponseHead,
    authority,
    body_length,
    encode_basic,
    end_to_end,
    is_chunked,
    parse_authority,
    parse_response,
    split_url,
    values,
    write_head,
)
from proxycore.stream import Buffer

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
AUTH_REQUIRED = b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n'
_CLOSING = b"\r\nConnection: close\r\nProxy-Connection: close\r\nContent-Length: 0\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request" + _CLOSING
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable" + _CLOSING
_KEPT = [(b"Proxy-Connection", b"keep-alive"), (b"Connection", b"keep-alive"), (b"Keep-Alive", b"timeout=60")]
_CLOSED = [(b"Proxy-Connection", b"close"), (b"Connection", b"close")]


class PlainRequest:
    """A request that is not CONNECT, as it goes on: in origin form, on a connection of its own."""

    __slots__ = ("attributes", "body", "destination", "head", "is_head", "wants_reuse")

    def __init__(self, request: RequestHead, *, allow_transparent: bool) -> None:
        """Raises: PeerError, it names no host, or its body cannot be told from what follows."""
        parts = split_url(request.target)
        if parts is None:
            hosts = values(request.fields, b"host")
            if not allow_transparent or len(hosts) != 1 or not request.target.startswith((b"/", b"*")):
                raise PeerError("a request without a host in its URL")
            parts = hosts[0], request.target
        host, path = parts
        self.destination: Destination = parse_authority(host)
        length = body_length(request.fields)
        chunked = is_chunked(request.fields)
        if chunked and (length is not None or request.minor_version == 0):
            raise PeerError("a body with two lengths")
        self.body: Body = ChunkedBody() if chunked else SizedBody(length or 0)
        self.is_head = request.method == b"HEAD"
        self.wants_reuse = any(value.lower() == b"keep-alive" for value in values(request.fields, b"proxy-connection"))
        self.attributes = _attributes(request, path)
        fields: Fields = [(b"Host", host.rpartition(b"@")[2])]
        fields += [field for field in end_to_end(request.fields) if field[0].lower() != b"host"]
        fields.append((b"Connection", b"close"))
        self.head = write_head(b"%b %b HTTP/1.%d" % (request.method, path, request.minor_version), fields)


def _attributes(request: RequestHead, path: bytes) -> dict[str, str]:
    """What rules see of a request, as the cores have it: of several fields of one name the first, and no Host."""
    fields = [(name.lower(), value) for name, value in end_to_end(request.fields)]
    attributes = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(fields) if name != b"host"}
    attributes[":method"] = request.method.decode("latin-1").upper()
    attributes[":path"] = path.partition(b"?")[0].decode("latin-1")
    return attributes


def response_body(response: ResponseHead, *, is_head: bool) -> Body:
    """Raises: PeerError, its length cannot be read."""
    if is_head or response.status < 200 or response.status in (204, 304):
        return SizedBody(0)
    if values(response.fields, b"transfer-encoding"):
        return ChunkedBody() if is_chunked(response.fields) else EndlessBody()
    length = body_length(response.fields)
    return EndlessBody() if length is None else SizedBody(length)


def write_response(response: ResponseHead, *, keeps: bool) -> bytes:
    """The head as the client gets it. `keeps`: the connection takes another request."""
    fields = end_to_end(response.fields)
    if values(fields, b"transfer-encoding"):
        fields = [field for field in fields if field[0].lower() != b"content-length"]
    return write_head(response.line, fields + (_KEPT if keeps else _CLOSED))


class ConnectDecoder:
    """The client's half of CONNECT."""

    __slots__ = ("_hello", "_reader", "is_done", "rest")

    def __init__(self, destination: Destination, login: bytes | None, headers: Fields) -> None:
        where = authority(destination.host, destination.port)
        given = {name.lower() for name, _ in headers}
        fields: Fields = [] if b"host" in given else [(b"Host", where)]
        if login is not None:
            fields.append((b"Proxy-Authorization", encode_basic(login)))
        if b"proxy-connection" not in given:
            fields.append((b"Proxy-Connection", b"Keep-Alive"))
        self._hello = write_head(b"CONNECT %b HTTP/1.1" % where, fields + headers)
        self._reader = HeadReader()
        self.is_done = False
        self.rest = b""

    def hello(self) -> bytes:
        return self._hello

    def feed(self, data: Buffer) -> bytes:
        """Nothing more is said. Raises: PeerError, the server refused or is no HTTP proxy."""
        if self._reader.feed(data):
            status = parse_response(self._reader.head).status
            if status == 407:
                raise AuthError("the HTTP proxy wants another user name or password")
            if status != 200:
                raise PeerError(f"the HTTP proxy answers with status {status}")
            self.is_done = True
            self.rest = self._reader.rest
        return b""
