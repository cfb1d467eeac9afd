"""Listeners that tell the tag of the outbound which leads to them, and clients that ask through a proxy: who got it?"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.support.processes import LOCALHOST, free_port

TIMEOUT_S = 10.0
UDP_TRY_S = 1.0
UDP_TRIES = 8
_TAG = re.compile(rb"<([a-z-]*)>")


class Case(NamedTuple):
    """One connection, or one flow of datagrams, as its client makes it."""

    host: str                       # what the client asks for, a name or an address
    port: int = 443
    network: str = "tcp"
    entry: str = "in"               # the inbound that it goes to; one called "door" is told nothing
    user: str = ""                  # says who it is; the password is the same text
    source: str = LOCALHOST         # the address that the client comes from
    source_port: int = 0
    first: bytes = b"?"             # what it sends first
    as_name: bool = False           # an address is sent as if it were a name
    url: str = ""                   # of a request to an HTTP proxy; `connect://name:port` opens a tunnel through it
    method: str = "GET"
    fields: tuple[str, ...] = ()    # of the same


class _Answers(asyncio.Protocol):
    """Says the tag once something has come; it reads as an answer of HTTP, too."""

    def __init__(self, tag: str, opened: set[Any]) -> None:
        text = b"<%s>" % tag.encode()
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
        self._opened = opened

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)
        self._answer = b""

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(self._answer, address)


async def _listen(ports: Mapping[str, int], is_ready: threading.Event, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    opened: set[Any] = set()
    servers = []
    for tag, port in ports.items():
        servers.append(await loop.create_server(partial(_Answers, tag, opened), LOCALHOST, port))
        await loop.create_datagram_endpoint(partial(_Answers, tag, opened), local_addr=(LOCALHOST, port))     # type: ignore[arg-type]
    is_ready.set()
    await stopping.wait()
    for server in servers:
        server.close()
    for transport in tuple(opened):
        transport.abort()
    while opened:
        await asyncio.sleep(0)


@contextmanager
def listeners(tags: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """A listener for each tag, for TCP and UDP; the outbounds that lead to them, whatever the destination is."""
    ports = {tag: free_port() for tag in tags}
    loop = asyncio.SelectorEventLoop()
    is_ready, stopping = threading.Event(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(_listen(ports, is_ready, stopping))

    thread = threading.Thread(target=run, name="listeners", daemon=True)
    thread.start()
    assert is_ready.wait(TIMEOUT_S)
    try:
        yield [
            {"tag": tag, "protocol": "freedom", "settings": {"redirect": f"{LOCALHOST}:{port}"}} for tag, port in ports.items()
        ]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(TIMEOUT_S)


def outbound_of(case: Case, port: int) -> str:
    """The tag of the outbound that the core whose inbound is at `port` chose; "closed" where nobody answers."""
    try:
        found = _TAG.search(_asked_by_udp(case, port) if case.network == "udp" else _asked_by_tcp(case, port))
    except ConnectionError:
        return "closed"
    return found[1].decode() if found else "closed"


def client_hello(name: str) -> bytes:
    """What a TLS client sends first to a server of this name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with_name = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        with_name.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without an answer")


def _asked_by_tcp(case: Case, port: int) -> bytes:
    with _socket(case, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect((LOCALHOST, port))
        if not _is_open(sock, case):
            return b""
        sock.sendall(case.first)
        return _read_tag(sock)


def _socket(case: Case, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)      # the port may wait for old packets of another core
    sock.bind((case.source, case.source_port))
    return sock


def _is_open(sock: socket.socket, case: Case) -> bool:
    """Ask for the connection; whether what is sent now goes to the other side."""
    if case.entry == "door":
        return True
    if case.url:
        sock.sendall(_web_request(case))
        return case.url.startswith("http:") or b" 200 " in _read_until(sock, b"\r\n\r\n")
    sock.sendall(_greeting(case) + b"\x05\x01\x00" + _address(case))
    return _is_granted(sock, case)


def _asked_by_udp(case: Case, port: int) -> bytes:
    """Through UDP ASSOCIATE. A datagram may be lost under load, so it is sent again."""
    header = b"" if case.entry == "door" else b"\0\0\0" + _address(case)
    with socket.socket() as control, _socket(case, socket.SOCK_DGRAM) as sock:
        if header:
            control.settimeout(TIMEOUT_S)
            control.bind((case.source, 0))
            control.connect((LOCALHOST, port))
            control.sendall(_greeting(case) + b"\x05\x03\x00\x01\0\0\0\0\0\0")
            _read_exactly(control, 4 if case.user else 2)
            port = int.from_bytes(_read_exactly(control, 10)[8:], "big")
        sock.settimeout(UDP_TRY_S)
        sock.connect((LOCALHOST, port))
        for _ in range(UDP_TRIES):
            sock.send(header + case.first)
            try:
                return sock.recv(65535)
            except TimeoutError:
                continue
    return b""


def _greeting(case: Case) -> bytes:
    if not case.user:
        return b"\x05\x01\x00"
    name = bytes([len(case.user)]) + case.user.encode()
    return b"\x05\x01\x02" + b"\x01" + name + name


def _address(case: Case) -> bytes:
    try:
        address = ip_address(case.host)
    except ValueError:
        address = None
    if address is None or case.as_name:
        name = case.host.encode()
        host = b"\x03" + bytes([len(name)]) + name
    else:
        host = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    return host + case.port.to_bytes(2, "big")


def _is_granted(sock: socket.socket, case: Case) -> bool:
    """Read the answers to greeting and request: version and method, perhaps version and verdict, then 10 bytes."""
    methods = _read_exactly(sock, 4 if case.user else 2)
    reply = _read_exactly(sock, 10)
    return methods[-1] in (0, 2) and reply[1:2] == b"\0"


def _web_request(case: Case) -> bytes:
    parts = urlsplit(case.url)
    first = f"{case.method} {case.url}" if parts.scheme == "http" else f"CONNECT {parts.netloc}"
    lines = [f"{first} HTTP/1.1", f"Host: {parts.netloc}"]
    if case.user:
        both = base64.b64encode(f"{case.user}:{case.user}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {both}")
    return "\r\n".join([*lines, *case.fields, "", ""]).encode()


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionError("the end")
        data += piece
    return data


def _read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += _read_exactly(sock, 1)
    return data


def _read_tag(sock: socket.socket) -> bytes:
    """Up to the tag: the end itself comes late through some cores."""
    data = b""
    while not _TAG.search(data) and (piece := sock.recv(4096)):
        data += piece
    return data
