"""One plain request and its answer: the stream that is dispatched for it."""

from __future__ import annotations

from typing import Protocol

from proxycore.errors import LimitError, PeerError
from proxycore.protocols.http.codec import UNAVAILABLE, PlainRequest, response_body, write_response
from proxycore.protocols.http.codec_body import Body, EndlessBody
from proxycore.protocols.http.codec_head import HeadReader, parse_response
from proxycore.stream import NULL_STREAM, Buffer, Stream

MAX_INTERIM_ANSWERS = 32
"""Heads with a status of 1xx before the answer's own."""


class OnExchanged(Protocol):
    def __call__(self, *, keeps: bool) -> None:
        """It is over; `keeps`: the client's connection may carry another."""


class Exchange(Stream):
    """What the server writes to it is the answer, which goes to `client` with its head rewritten."""

    __slots__ = ("_body", "_client", "_interim_answers", "_is_over", "_keeps", "_on_exchanged", "_reader", "_request")

    def __init__(self, client: Stream, request: PlainRequest, on_exchanged: OnExchanged, *, keeps: bool) -> None:
        self.peer: Stream = NULL_STREAM
        self._client = client
        self._request = request
        self._on_exchanged = on_exchanged
        self._keeps = keeps
        self._reader = HeadReader()
        self._body: Body | None = None      # of the answer; None: its head is not there yet
        self._interim_answers = 0
        self._is_over = False

    @property
    def is_sent(self) -> bool:
        """The whole request has been handed on."""
        return self._request.body.is_done

    def send_body(self, data: Buffer) -> int:
        """Hand on what belongs to the request's body; the number of bytes. Raises: PeerError, the body is broken."""
        body = self._request.body
        if body.is_done:
            return 0
        size = body.feed(data)
        self.peer.write(memoryview(data)[:size])
        return size

    def give_up(self, error: Exception | None) -> None:
        """The client is gone, or has to go."""
        if not self._is_over:
            self._leave().abort(error)

    # what the server's side does

    def write(self, data: Buffer) -> None:
        if self._is_over:
            return
        if self._body is None:
            try:
                rest = self._read_head(data)
            except PeerError:
                self._unavailable()
                return
            if rest is None:
                return
            data = rest
        assert self._body is not None
        if len(data) and not self._body.is_done:
            try:
                size = self._body.feed(data)
            except PeerError as error:
                self._break(error)
                return
            self._client.write(memoryview(data)[:size])
        if self._body.is_done and not self._is_over:
            self._finish(keeps=self._keeps and self.is_sent)

    def _read_head(self, data: Buffer) -> bytes | None:
        """What came behind the head, once it is whole. Raises: PeerError, it is none."""
        rest: Buffer = data
        while self._reader.feed(rest):
            response = parse_response(self._reader.head)
            rest, self._reader = self._reader.rest, HeadReader()
            if response.status == 101:
                raise PeerError("it changes protocol unasked")
            if response.status < 200:           # an answer before the answer
                self._interim_answers += 1
                if self._interim_answers > MAX_INTERIM_ANSWERS:
                    raise LimitError("answers before the answer", got=self._interim_answers, limit=MAX_INTERIM_ANSWERS)
                self._client.write(write_response(response, keeps=True))
                continue
            body = response_body(response, is_head=self._request.is_head)
            self._keeps = self._keeps and not isinstance(body, EndlessBody)
            self._client.write(write_response(response, keeps=self._keeps))
            self._body = body
            return bytes(rest)
        return None

    def write_eof(self) -> None:
        if self._is_over:
            return
        if self._body is None:
            self._unavailable()
        elif isinstance(self._body, EndlessBody):
            self._finish(keeps=False)
        else:
            self._break(PeerError("the answer ended within its body"))

    def close(self) -> None:
        self.write_eof()

    def abort(self, error: Exception | None) -> None:
        if self._is_over:
            return
        if self._body is None:
            self._unavailable()
        else:
            self._break(error)

    def pause(self) -> None:
        if not self._is_over:
            self._client.pause()

    def resume(self) -> None:
        if not self._is_over:
            self._client.resume()

    # ends

    def _unavailable(self) -> None:
        client = self._client
        self._leave().close()
        client.write(UNAVAILABLE)
        self._on_exchanged(keeps=False)

    def _break(self, error: Exception | None) -> None:
        """A part of the answer is missing, and the client must see that."""
        client = self._client
        self._leave().close()
        client.peer.abort(error)
        client.abort(error)

    def _finish(self, *, keeps: bool) -> None:
        self._leave().close()
        self._on_exchanged(keeps=keeps)

    def _leave(self) -> Stream:
        """It is over: leave both neighbours; return the server's."""
        self._is_over = True
        self._client = NULL_STREAM
        out, self.peer = self.peer, NULL_STREAM
        return out
