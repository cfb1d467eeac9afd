"""Requests whose bodies are bounded while they arrive: daphne would take one of any length, of anybody, and hold it in memory.

Nor are they read here: Twisted would take forms apart, in the thread that everybody waits for, although Django does it again.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Any, Final

from daphne.http_protocol import HTTPFactory, WebRequest

from xrevsite.serving.bounded_channel import MAX_LISTENING, MAX_SENDING, BoundedChannel, Oldest

MAX_BODY_BYTES: Final = 32 * 1024**2        # twice the largest document: its form has names and marks beside it
MAX_BODIES_BYTES: Final = 128 * 1024**2     # of all requests that are not answered yet
SMALL_BYTES: Final = 64 * 1024              # so much of a body is taken whatever the others hold: one may always log in
LINGER_S: Final = 10.0                      # to read the refusal, while the rest of the body is thrown away


class Bodies:
    """How many bytes of bodies are held at the moment, of one server."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def refusal(self, length: int) -> HTTPStatus | None:
        """Why a body of `length` bytes, which are counted already, is not taken."""
        if length > MAX_BODY_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if length > SMALL_BYTES and self.held > MAX_BODIES_BYTES:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return None


class BoundedRequest(WebRequest):       # type: ignore[misc]        # daphne has no types
    """`factory.bodies` counts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._bodies: Bodies = self.channel.factory.bodies
        self._length = 0
        self._ending: Any = None        # set once it is refused: then the connection only lingers
        self.content: Any

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def handleContentChunk(self, data: bytes) -> None:
        if self._ending is not None:
            return
        self._length += len(data)
        self._bodies.held += len(data)
        refusal = self._bodies.refusal(self._length)
        if refusal is None:
            super().handleContentChunk(data)
        else:
            self._refuse(refusal)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self._ending is not None:
            self.channel.loseConnection()
            return
        upgrade = self.requestHeaders.getRawHeaders(b"Upgrade", [b""])[0]
        if upgrade.lower() == b"websocket":         # as daphne asks
            if self._length:                        # it would never be told how the request ended
                self._refuse(HTTPStatus.BAD_REQUEST)
                self.channel.loseConnection()
                return
            self.channel.is_websocket = True
        super().requestReceived(command, path, version)

    def finish(self) -> None:
        super().finish()
        self._let_go()

    def connectionLost(self, reason: Any) -> None:
        self._let_go()
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        super().connectionLost(reason)

    def _let_go(self) -> None:
        self._bodies.held -= self._length
        self._length = 0
        self.transport = None           # garbage that is collected late refers to us, and must not hold what waits to be sent

    def _refuse(self, status: HTTPStatus) -> None:
        self._let_go()
        self.content.close()
        self.content = io.BytesIO()
        self.channel.write(_answer(status))
        asks = self.requestHeaders.hasHeader(b"Expect")     # whether it may send the body: it sends none now
        self.requestHeaders.removeHeader(b"Expect")
        self._ending = self.channel.callLater(0.0 if asks else LINGER_S, self.channel.loseConnection)


def _answer(status: HTTPStatus) -> bytes:
    said = {
        HTTPStatus.BAD_REQUEST: "A WebSocket begins without a body.\n",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"A body may have {MAX_BODY_BYTES // 1024**2} MiB.\n",
        HTTPStatus.SERVICE_UNAVAILABLE: "Too many long requests at once; try again in a moment.\n",
    }[status]
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(said)}",
        "Connection: close", "", said]
    return "\r\n".join(lines).encode("ascii")


class BoundedFactory(HTTPFactory):      # type: ignore[misc]
    protocol = BoundedChannel

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.bodies = Bodies()
        self.listening = Oldest(MAX_LISTENING)
        self.sending = Oldest(MAX_SENDING)

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol
