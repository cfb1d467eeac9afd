"""DNS over HTTPS: one message in the body of a POST, another in that of the answer. HTTP/1.1.

Source: RFC 8484; RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

from proxycore.dns.codec import MAX_MESSAGE_BYTES
from proxycore.errors import LimitError, PeerError
from proxycore.transport.http_head_codec import HeadReader, encode_head, parse_head

MEDIA_TYPE = "application/dns-message"
MAX_CHUNK_LINE_BYTES = 256
MAX_TRAILER_LINES = 32
MAX_INTERIM_ANSWERS = 8
"""Heads with a status of 1xx before the answer's own."""

_OK = "200"


def encode_post(host: str, path: str, message: bytes) -> bytes:
    """`host` with its port, as in a URL. Raises ValueError: a line break in one of them."""
    fields = [
        ("Host", host), ("Accept", MEDIA_TYPE), ("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(message))),
    ]
    return encode_head(f"POST {path} HTTP/1.1", fields) + message


class HttpsReader:
    """Reads answers, one at a time. `may_go_on`: whether the connection can take another question after this answer."""

    __slots__ = ("_body", "_buffer", "_head", "_interim_answers", "_left", "_status", "_trailer_lines", "may_go_on")

    def __init__(self) -> None:
        self._head: HeadReader | None = HeadReader()
        self._status = ""
        self._buffer = bytearray()      # what is behind the head and not read yet
        self._body = bytearray()
        self._left = 0                  # bytes of the body or of the chunk to come; -1: up to the end; -2: chunks
        self._trailer_lines = -1        # -1: the trailer has not begun
        self._interim_answers = 0
        self.may_go_on = True

    def feed(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """The message, once it is complete; the reader is ready for the next one then.

        Raises: PeerError, it is not an answer that we can use.
        """
        if self._head is not None:
            head = self._head.feed(data)
            if head is None:
                return None
            self._buffer += self._head.rest
            self._head = None
            self._begin(head)
        else:
            self._buffer += data
        if self._head is not None:      # it was an interim answer
            rest, self._buffer = bytes(self._buffer), bytearray()
            return self.feed(rest)
        return self._finished() if self._read_body() else None

    def end(self) -> bytes | None:
        """The connection has ended: the message, if that is how it ends."""
        if self._head is None and self._left == -1:
            return self._finished()
        return None

    def _begin(self, data: bytes) -> None:
        head = parse_head(data)
        self._status = head.first[1]
        if self._status.startswith("1"):
            self._interim_answers += 1
            if self._interim_answers > MAX_INTERIM_ANSWERS:
                raise LimitError("answers before the answer", got=self._interim_answers, limit=MAX_INTERIM_ANSWERS)
            self._head = HeadReader()
            return
        if head.has_word("connection", "close") or head.first[0] == "HTTP/1.0":
            self.may_go_on = False
        length = head.get("content-length")
        if head.has_word("transfer-encoding", "chunked"):
            self._left = -2
        elif length is not None:
            if not (length.isascii() and length.isdigit()) or len(length) > 9:
                raise PeerError("the length of an HTTP answer is not one")
            self._left = int(length)
            self._check(self._left)
        else:
            self._left = -1
            self.may_go_on = False

    def _check(self, size: int) -> None:
        if size > MAX_MESSAGE_BYTES:
            raise LimitError("bytes of a DNS answer over HTTPS", got=size, limit=MAX_MESSAGE_BYTES)

    def _read_body(self) -> bool:
        """Move what is there into the body; whether it is complete."""
        if self._left == -2:
            return self._read_chunks()
        take = len(self._buffer) if self._left == -1 else min(self._left, len(self._buffer))
        self._check(len(self._body) + take)
        self._body += self._buffer[:take]
        del self._buffer[:take]
        if self._left >= 0:
            self._left -= take
        return self._left == 0

    def _read_chunks(self) -> bool:
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n")
            if end < 0 or end > MAX_CHUNK_LINE_BYTES:
                if len(buffer) > MAX_CHUNK_LINE_BYTES:
                    raise PeerError("a chunk without a size")
                return False
            if self._trailer_lines >= 0:
                del buffer[:end + 2]
                if not end:
                    return True
                self._trailer_lines += 1
                if self._trailer_lines > MAX_TRAILER_LINES:
                    raise LimitError("lines of a trailer", got=self._trailer_lines, limit=MAX_TRAILER_LINES)
                continue
            digits = bytes(buffer[:end]).partition(b";")[0].strip(b" \t")
            if not 0 < len(digits) <= 8 or digits.strip(b"0123456789abcdefABCDEF"):
                raise PeerError("a chunk without a size")
            size = int(digits, 16)
            self._check(len(self._body) + size)
            if not size:
                self._trailer_lines = 0
                del buffer[:end + 2]
                continue
            begin = end + 2
            if len(buffer) < begin + size + 2:
                return False
            if buffer[begin + size:begin + size + 2] != b"\r\n":
                raise PeerError("a chunk that is not followed by CR LF")
            self._body += buffer[begin:begin + size]
            del buffer[:begin + size + 2]

    def _finished(self) -> bytes:
        status, body = self._status, bytes(self._body)
        self._head = HeadReader()
        self._body.clear()
        self._left = 0
        self._trailer_lines = -1
        self._interim_answers = 0
        if self._buffer:
            self.may_go_on = False      # nothing was asked that this could answer
        if status != _OK:
            raise PeerError(f"the server answered {status[:3]} instead of 200")
        return body
