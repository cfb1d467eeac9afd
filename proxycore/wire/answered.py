"""A client that is told of success once its outbound has connected, where the outbound can tell.

    client's stream  <->  ClientFace | AnsweredStream  <->  what the dispatcher joined

Then both step aside: client and outbound become each other's peers, and the bytes pass nothing of this.
Outbounds that cannot tell (their far end is another core, which says nothing before its first data) count as connected.
"""

from __future__ import annotations

from collections.abc import Callable

from proxycore.stream import NULL_STREAM, Buffer, Stream


class AnsweredStream(Stream):
    """What is dispatched. After that call `settle`, then hand on what the client sent early: `client.peer.write(...)`."""

    __slots__ = ("_client", "_refusal", "_success")

    def __init__(self, client: Stream, success: bytes, refusal: Callable[[Exception | None], bytes]) -> None:
        """`refusal` makes the answer to an end before success, out of its error (None: it was closed in order)."""
        self.peer: Stream = NULL_STREAM
        self._client = client
        self._success = success
        self._refusal: Callable[[Exception | None], bytes] | None = refusal     # None: it was answered
        client.peer = ClientFace(self)

    def settle(self) -> None:
        """The stream was dispatched: unless its outbound is still going to tell, this is success."""
        if not self.peer.is_connecting:
            self.on_connected()

    def on_connected(self) -> None:
        if self._refusal is None:
            return
        self._refusal = None
        out, client = self.peer, self._client
        if getattr(out, "peer", None) is self:
            out.peer, client.peer = client, out
        client.write(self._success)

    def write(self, data: Buffer) -> None:
        self.on_connected()
        self._client.write(data)

    def write_eof(self) -> None:
        self.on_connected()
        self._client.write_eof()

    def close(self) -> None:
        if self._refusal is not None:
            self._refuse(None)
        else:
            self._leave().close()

    def abort(self, error: Exception | None) -> None:
        if self._refusal is not None:
            self._refuse(error)
        else:
            self._leave().abort(error)

    def pause(self) -> None:
        self._client.pause()

    def resume(self) -> None:
        self._client.resume()

    def on_client_ended(self) -> None:
        """The client is gone: there is nobody to answer."""
        self._refusal = None
        self._client = self.peer = NULL_STREAM

    def _refuse(self, error: Exception | None) -> None:
        assert self._refusal is not None
        answer = self._refusal(error)
        self._refusal = None
        client = self._leave()
        if answer:
            client.write(answer)
        client.close()

    def _leave(self) -> Stream:
        client, self._client = self._client, NULL_STREAM
        self.peer = NULL_STREAM
        if client is not NULL_STREAM:
            client.peer = NULL_STREAM
        return client


class ClientFace(Stream):
    """The client's peer until the two have stepped aside."""

    __slots__ = ("_answered",)

    def __init__(self, answered: AnsweredStream) -> None:
        self._answered = answered

    def write(self, data: Buffer) -> None:
        self._answered.peer.write(data)

    def write_eof(self) -> None:
        self._answered.peer.write_eof()

    def close(self) -> None:
        out = self._answered.peer
        self._answered.on_client_ended()
        out.close()

    def abort(self, error: Exception | None) -> None:
        out = self._answered.peer
        self._answered.on_client_ended()
        out.abort(error)

    def pause(self) -> None:
        self._answered.peer.pause()

    def resume(self) -> None:
        self._answered.peer.resume()
