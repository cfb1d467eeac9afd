"""A small DNS server in a thread of the test: UDP and TCP on one port, HTTPS on another. Its messages are dnspython's."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.certificates import pair
from tests.support.processes import LOCALHOST, free_port

TTL_S = 300
ACCEPT_TURNS = 10
"""Of the loop; from a connection that is accepted to its conversation there are fewer."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class NameServer:
    """Knows `records`: by name the texts of its records, such as "A 10.0.0.1" or "CNAME other.example.".

    `asked` is what came: (way, name, type). Names in `silent` get no answer, names in `too_long` none by UDP but that it is
    too long, names in `forged` three answers that are wrong first. `refused` is the code for what is not known.
    """

    def __init__(self, records: dict[str, list[str]] | None = None) -> None:
        self.records = dict(records or {})
        self.asked: list[tuple[str, str, str]] = []
        self.messages: list[dns.message.Message] = []
        self.sources: list[int] = []            # ports that datagrams came from
        self.connections = 0
        self.silent: set[str] = set()
        self.too_long: set[str] = set()
        self.forged: set[str] = set()
        self.unknown_code = dns.rcode.NXDOMAIN
        self.closes_after_answer = False        # of TCP and HTTPS connections
        self.is_chunked = False                 # of HTTPS answers
        self.https_status = 200
        self.port = free_port()
        self.https_port = free_port()
        self._loop = asyncio.SelectorEventLoop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._conversations: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the name server did not stop"

    def answer(self, way: str, data: bytes) -> list[bytes]:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((way, name, kind))
        self.messages.append(query)
        if name in self.silent:
            return []
        response = dns.message.make_response(query, recursion_available=True)
        if way == "udp" and name in self.too_long:
            response.flags |= dns.flags.TC
            return [response.to_wire()]
        self._fill(response, name, kind)
        answers = [response.to_wire(max_size=65535)]
        if name in self.forged:
            answers = [*self._forgeries(query), *answers]
        return answers

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        if name not in self.records:
            response.set_rcode(self.unknown_code)
        while name in self.records:
            target = ""
            for text in self.records[name]:
                record_kind, _, value = text.partition(" ")
                if record_kind in (kind, "CNAME"):
                    response.answer.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", record_kind, value))
                    target = value.removesuffix(".") if record_kind == "CNAME" else ""
            name = target
        if not response.answer:
            response.authority.append(dns.rrset.from_text("example.", 900, "IN", "SOA", "ns. root. 1 2 3 4 30"))

    @staticmethod
    def _forgeries(query: dns.message.Message) -> list[bytes]:
        def forged(name: str, number: int) -> bytes:
            other = dns.message.make_query(name, "A", id=number)
            response = dns.message.make_response(other)
            response.answer.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", "A", "6.6.6.6"))
            return response.to_wire()

        name = query.question[0].name.to_text(omit_final_dot=True)
        return [forged(name, query.id ^ 1), forged("other.example", query.id), b"\0" * 20]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = pair("dns.example", LOCALHOST)
        with _file(certificate.certificate + certificate.key) as path:
            context.load_cert_chain(path)
        context.set_alpn_protocols(["http/1.1"])
        datagrams, _ = await self._loop.create_datagram_endpoint(lambda: _Datagrams(self), (LOCALHOST, self.port))
        servers = [
            await asyncio.start_server(partial(self._begin, self._serve_tcp), LOCALHOST, self.port),
            await asyncio.start_server(partial(self._begin, self._serve_https), LOCALHOST, self.https_port, ssl=context),
        ]
        self._ready.set()
        await self._stopping.wait()
        datagrams.close()
        for server in servers:
            server.close()
        # As Server.abort_clients of Python 3.13 does, and also those that were accepted just now, or are amid a TLS handshake or
        # the farewell after it: whoever is left open is told of in a later test.
        for _ in range(ACCEPT_TURNS):
            for transport in list(self._loop._transports.values()):     # type: ignore[attr-defined]
                transport.abort()
            await asyncio.sleep(0)
        if self._conversations:
            await asyncio.wait(self._conversations)

    def _begin(self, serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called when the connection is there: a server that is stopped before the conversation has begun knows of it."""
        self.connections += 1
        task = asyncio.create_task(self._converse(serve, reader, writer))
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)

    @staticmethod
    async def _converse(serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ends with its connection."""
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
        finally:
            writer.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            for message in self.answer("tcp", await reader.readexactly(size)):
                writer.write(len(message).to_bytes(2, "big") + message)
            if self.closes_after_answer:
                break

    async def _serve_https(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            assert head[0] == "post /dns-query http/1.1"
            assert "content-type: application/dns-message" in head
            [size] = [int(line.partition(":")[2]) for line in head if line.startswith("content-length:")]
            for message in self.answer("https", await reader.readexactly(size)):
                writer.write(self._https_answer(message))
            if self.closes_after_answer:
                break

    def _https_answer(self, message: bytes) -> bytes:
        head = f"HTTP/1.1 {self.https_status} Whatever\r\nContent-Type: application/dns-message\r\n".encode()
        if self.is_chunked:
            pieces = [message[:5], message[5:]]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        return head + f"Content-Length: {len(message)}\r\n\r\n".encode() + message


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._server.sources.append(address[1])
        for message in self._server.answer("udp", data):
            self._transport.sendto(message, address)


@contextlib.contextmanager
def _file(text: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)
