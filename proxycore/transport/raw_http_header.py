"""The fake HTTP exchange around a raw stream: one head each way, the bytes as they are after it.

Source: Xray-core transport/internet/headers/http/http.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from random import Random

from proxycore.destination import Destination, HostPort
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer, Stream
from proxycore.transport.base import Then
from proxycore.transport.face import UpperFace
from proxycore.transport.http_head_codec import HeadReader, encode_head, parse_head
from proxycore.transport.http_settings import HeaderRequest, HeaderResponse, RawHeader

SERVER_HEADER_S = 8.0
CLIENT_CONNECT_S = 60.0             # only a bound: what is below has its own
_REFUSALS = {400: "HTTP/1.1 400 Bad Request", 404: "HTTP/1.1 404 Not Found"}
_REQUEST_HEADERS: Mapping[str, Sequence[str]] = {
    "Host": ("www.baidu.com", "www.bing.com"),
    "User-Agent": ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124 Safari/537.36",),
    "Accept-Encoding": ("gzip, deflate",),
    "Connection": ("keep-alive",),
    "Pragma": ("no-cache",),
}
_RESPONSE_HEADERS: Mapping[str, Sequence[str]] = {
    "Content-Type": ("application/octet-stream", "video/mpeg"),
    "Transfer-Encoding": ("chunked",),
    "Connection": ("keep-alive",),
    "Pragma": ("no-cache",),
    "Cache-Control": ("private, no-cache",),
}


def _picked(headers: Mapping[str, Sequence[str]], random: Random) -> list[tuple[str, str]]:
    return [(name, random.choice(values)) for name, values in headers.items() if values]


def encode_request(settings: HeaderRequest, random: Random) -> bytes:
    headers = _REQUEST_HEADERS if settings.headers is None else settings.headers
    path = random.choice(settings.path or ("/",))
    return encode_head(f"{settings.method} {path} HTTP/{settings.version}", _picked(headers, random))


def encode_response(settings: HeaderResponse, random: Random, now: float) -> bytes:
    """`now`: Unix time, seconds."""
    fields = _picked(_RESPONSE_HEADERS if settings.headers is None else settings.headers, random)
    if not any(name.lower() == "date" for name, _ in fields):
        fields.append(("Date", formatdate(now, usegmt=True)))
    return encode_head(f"HTTP/{settings.version} {settings.status} {settings.reason}", fields)


class _HeaderFace(UpperFace):
    """`_own` goes out with the first data; the far end's head is read away."""

    __slots__ = ("_awaited", "_own")

    handshake = "HTTP header"

    def __init__(self, lower: Stream, wheel: Wheel, timeout_s: float, own: bytes) -> None:
        self._own = own
        self._awaited: HeadReader | None = HeadReader()
        super().__init__(lower, wheel, timeout_s)

    def _send(self, data: Buffer) -> None:
        if self._own:
            own, self._own = self._own, b""
            self._lower.write(b"".join((own, data)))
        else:
            self._lower.write(data)

    def _on_head(self, head: bytes) -> None:
        """The far end's head. May end the stream. Raises: PeerError."""

    def _on_data(self, data: Buffer) -> None:
        reader = self._awaited
        if reader is None:
            self.peer.write(data)
            return
        try:
            head = reader.feed(data)
            if head is None:
                return
            self._awaited = None
            self._on_head(head)
        except PeerError as error:
            self._awaited = None
            self._refuse(error)
            return
        if reader.rest and not self.is_over:
            self.peer.write(reader.rest)

    def _refuse(self, error: PeerError) -> None:
        self.fail(error)


class RawHeaderServer:
    """The layer of one inbound."""

    def __init__(self, settings: RawHeader, wheel: Wheel, random: Random, clock: Callable[[], float] = time.time) -> None:
        self.paths = frozenset(path.partition("?")[0] for path in settings.request.path or ("/",))
        self._response = settings.response
        self._wheel = wheel
        self._random = random
        self._clock = clock

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        own = encode_response(self._response, self._random, self._clock())
        _ServerFace(self, lower, self._wheel, own, source, local, then)


class _ServerFace(_HeaderFace):
    __slots__ = ("_local", "_server", "_source", "_then")

    def __init__(
        self, server: RawHeaderServer, lower: Stream, wheel: Wheel, own: bytes, source: HostPort, local: HostPort, then: Then
    ) -> None:
        self._server = server
        self._source = source
        self._local = local
        self._then = then
        super().__init__(lower, wheel, SERVER_HEADER_S, own)

    def _on_head(self, head: bytes) -> None:
        if parse_head(head).path not in self._server.paths:
            self._answer(404)
            return
        self._ready()
        self._then(self, self._source, self._local)

    def _refuse(self, error: PeerError) -> None:
        self._answer(400)

    def _answer(self, status: int) -> None:
        self._lower.write(encode_head(_REFUSALS[status], [("Content-Length", "0"), ("Connection", "close")]))
        if not self.is_over:
            self._part()
            self._lower.close()


class RawHeaderClient:
    """The layer of one outbound."""

    def __init__(self, settings: RawHeader, wheel: Wheel, random: Random) -> None:
        self._settings = settings
        self._wheel = wheel
        self._random = random

    def wrap(self, lower: Stream, destination: Destination) -> Stream:
        return _ClientFace(lower, self._wheel, CLIENT_CONNECT_S, encode_request(self._settings.request, self._random))


class _ClientFace(_HeaderFace):
    """Ready at once: the server's head comes with its first data. What is below keeps what it cannot send yet."""

    __slots__ = ()

    def __init__(self, lower: Stream, wheel: Wheel, timeout_s: float, own: bytes) -> None:
        super().__init__(lower, wheel, timeout_s, own)
        self._ready()

    @property
    def is_connecting(self) -> bool:
        return self._lower.is_connecting

    def _on_eof(self) -> None:
        if self._awaited is not None and not self.is_over and not self._received_end:
            self._awaited = None        # an empty answer
        super()._on_eof()
