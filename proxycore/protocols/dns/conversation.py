"""What one client asks, and what it is answered: by the built-in DNS, or by the server that its question is handed to."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from proxycore import tasks
from proxycore.destination import Destination
from proxycore.dns.answer import Answer, Families, Rcode
from proxycore.dns.codec import AAAA, MAX_MESSAGE_BYTES, A, Query, encode_answer, parse_query
from proxycore.dns.links import Link, PacketLink, StreamLink
from proxycore.errors import PeerError, ProxyError
from proxycore.protocols.base import OutboundContext
from proxycore.protocols.dns.settings import Choice

MAX_LOOKUPS = 64
"""Of one client under way at once; what it asks beyond is answered with a failure."""

MAX_UDP_BYTES = 4096
"""Of an answer in a datagram, however much the client says that it can take."""

_log = logging.getLogger("xrev.dns")


class Conversation:
    """Between `client`, which is set right after it is made, and `server`, which is dialled for the first question that
    is handed on."""

    __slots__ = (
        "_choices", "_client_has_ended", "_context", "_forwards_all", "_is_datagrams", "_is_rewritten", "_lookups", "_server",
        "_upstream", "client",
    )

    client: Link

    def __init__(
        self,
        context: OutboundContext,
        choices: Sequence[Choice],
        server: Destination,
        *,
        is_datagrams: bool,
        is_rewritten: bool,
        forwards_all: bool,
    ) -> None:
        """`is_datagrams`: the client's side. `is_rewritten`: `server` is another one than was asked. `forwards_all`: these
        are questions of our own."""
        self._context = context
        self._choices = choices
        self._server = server
        self._is_datagrams = is_datagrams
        self._is_rewritten = is_rewritten
        self._forwards_all = forwards_all
        self._upstream: Link | None = None
        self._lookups = 0
        self._client_has_ended = False

    # what the links tell

    def on_message(self, link: Link, message: bytes, source: Destination | None) -> None:
        if link is not self.client:
            self.client.send(message, source if self._server_is_as_asked(source) else None)
        elif self._forwards_all:
            self._forward(message, source)
        else:
            self._on_question(message, source)

    def on_end(self, link: Link, error: Exception | None) -> None:
        if link is not self.client:
            link.end()
            if link is self._upstream:
                self._upstream = None
        elif link.is_over:
            self._end_upstream()
        self._client_has_ended = self._client_has_ended or link is self.client
        self._end_when_done()

    def on_full(self, link: Link, *, is_full: bool) -> None:
        """Where the answers do not get away, no more questions are read; nor where the questions do not."""
        for other in (self.client, self._upstream):
            if other is not None and (other is not link or link is self.client):
                if is_full:
                    other.stop()
                else:
                    other.go_on()

    # what becomes of a question

    def _on_question(self, message: bytes, address: Destination | None) -> None:
        try:
            query = parse_query(message)
        except PeerError:
            return
        question = query.question
        choice = next(choice for choice in self._choices if choice.fits(question.type, question.name))
        if choice.action == "direct":
            self._forward(message, address)
        elif choice.action == "hijack" and question.type in (A, AAAA):
            self._look_up(query, address)
        elif choice.action != "drop":
            self._answer(query, address, Answer((), 0, choice.rcode))

    def _look_up(self, query: Query, address: Destination | None) -> None:
        if self._lookups >= MAX_LOOKUPS:
            self._answer(query, address, Answer((), 0, Rcode.SERVER_FAILURE))
            return
        self._lookups += 1
        tasks.spawn(f"answer about {query.question.name}", self._look_up_and_answer(query, address))

    async def _look_up_and_answer(self, query: Query, address: Destination | None) -> None:
        names = self._context.names
        families = Families(query.question.type == A, query.question.type == AAAA)
        answer = Answer((), 0, Rcode.SERVER_FAILURE)
        try:
            if names is not None:
                answer = await names.lookup(query.question.name, families)
        except ProxyError as error:
            _log.info("%s", error)
        finally:
            self._lookups -= 1
        self._answer(query, address, answer)
        self._end_when_done()

    def _answer(self, query: Query, address: Destination | None, answer: Answer) -> None:
        limit = min(query.udp_bytes, MAX_UDP_BYTES) if self._is_datagrams else MAX_MESSAGE_BYTES
        message = encode_answer(query, answer.addresses, answer.ttl_s, answer.rcode, limit_bytes=limit)
        self.client.send(message, address)

    # the server

    def _forward(self, message: bytes, address: Destination | None) -> None:
        if self._upstream is None:
            link = self._dial()
            if link.is_over:
                return
            self._upstream = link
        self._upstream.send(message, address if self._server_is_as_asked(address) else None)

    def _dial(self) -> Link:
        if self._server.network == "udp":
            packets = PacketLink(self)
            out = self._context.open_udp(self._server)
            out.peer, packets.peer = packets, out
            return packets
        link = StreamLink(self)
        stream = self._context.dial(self._server)
        stream.peer, link.peer = link, stream
        return link

    def _server_is_as_asked(self, address: Destination | None) -> bool:
        """Whether a datagram may name its other end by itself: not where another server was put in its place."""
        return address is not None and self._is_datagrams and not self._is_rewritten

    def _end_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.end()

    def _end_when_done(self) -> None:
        """A client that has finished asking still gets the answers that are under way."""
        if self._client_has_ended and not self._lookups and self._upstream is None:
            self.client.end()
