"""One HTTP/1.1 request, and the answer to it as far as a probe wants it. Source: RFC 9112."""

from __future__ import annotations

from proxycore.errors import PeerError
from proxycore.observatory.probe_url import ProbeUrl
from proxycore.protocols.http.codec_body import Body, ChunkedBody, EndlessBody, SizedBody
from proxycore.stream import Buffer
from proxycore.transport.http_head_codec import Head, HeadReader, encode_head, parse_head

MAX_INTERIM_ANSWERS = 5
"""Of status 1xx before the answer, as Go's client takes them."""

MAX_BODY_BYTES = 1024 * 1024
"""An answer with a longer body counts as read after so much of it."""

_MAX_LENGTH_DIGITS = 18
_SWITCHING = 101
_BODILESS = (204, 304)


def encode_request(url: ProbeUrl, method: str) -> bytes:
    """A request without a body, after whose answer the server is to close."""
    fields = [("Host", url.authority), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*"), ("Connection", "close")]
    if method not in ("GET", "HEAD"):
        fields.append(("Content-Length", "0"))
    return encode_head(f"{method} {url.target} HTTP/1.1", fields)


class AnswerReader:
    """Reads an answer; any status will do. With `reads_body` it is read to its end, else to the end of its head."""

    __slots__ = ("_body", "_body_bytes", "_head", "_interim", "_method", "_reads_body", "is_done", "status")

    def __init__(self, method: str, *, reads_body: bool) -> None:
        self.is_done = False
        self.status = 0             # 0: no answer yet
        self._method = method
        self._reads_body = reads_body
        self._head = HeadReader()
        self._body: Body | None = None
        self._body_bytes = 0
        self._interim = 0

    def feed(self, data: Buffer) -> bool:
        """Whether the answer is complete. Raises: PeerError, it is none."""
        while self._body is None and not self.is_done:
            head = self._head.feed(data)
            if head is None:
                return False
            data = self._head.rest
            self._on_head(parse_head(head))
        if self._body is not None and not self.is_done:
            self._body_bytes += self._body.feed(data)
            self.is_done = self._body.is_done or self._body_bytes >= MAX_BODY_BYTES
        return self.is_done

    def feed_end(self) -> bool:
        """The same for the end of the connection, which is the end of some answers."""
        if isinstance(self._body, EndlessBody):
            self.is_done = True
        return self.is_done

    def _on_head(self, head: Head) -> None:
        version, code, _ = head.first
        if not version.startswith("HTTP/1.") or not (len(code) == 3 and code.isascii() and code.isdigit() and code >= "100"):
            raise PeerError("this is not an answer of HTTP/1.1")
        status = int(code)
        if status < 200 and status != _SWITCHING:
            self._interim += 1
            if self._interim > MAX_INTERIM_ANSWERS:
                raise PeerError(f"more than {MAX_INTERIM_ANSWERS} answers of status 1xx")
            return
        self.status = status
        if not self._reads_body or self._method == "HEAD" or status < 200 or status in _BODILESS:
            self.is_done = True
        else:
            self._body = _body_of(head)
            self.is_done = self._body.is_done


def _body_of(head: Head) -> Body:
    if head.has_word("transfer-encoding", "chunked"):
        return ChunkedBody()
    length = head.get("content-length")
    if length is None:
        return EndlessBody()
    if not (length.isascii() and length.isdigit() and len(length) <= _MAX_LENGTH_DIGITS):
        raise PeerError("a Content-Length that is no number")
    return SizedBody(int(length))
