"""SOCKS with real clients and cores on either side: curl, V2Ray, a client of the standard library."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import require_program
from tests.e2e.conftest import program
from tests.support import documents
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, XREV, Processes, free_port, until
from tests.support.target import BLOCK, GREETING, Target, read_exactly
from tests.support.target import udp_echo as door_echo
from tests.support.tunnel import Tunnel

PAGE = b"behind the proxy"
CORES = ["xrev", "v2ray"]


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port of a web server."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((LOCALHOST, 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def inbound(port: int, protocol: str = "socks", **settings: object) -> Json:
    return {"tag": "entry", "listen": LOCALHOST, "port": port, "protocol": protocol, "settings": settings}


def outbound(port: int, **user: str) -> Json:
    server: Json = {"address": LOCALHOST, "port": port} | ({"users": [user]} if user else {})
    return {"tag": "next", "protocol": "socks", "settings": {"servers": [server]}}


def serve(processes: Processes, core: str, one: Json) -> int:
    """A core with `one` inbound that connects to what is asked for; the port."""
    document = documents.proxy([one], [{"tag": "direct", "protocol": "freedom"}])
    processes.run_document(f"server-{core}", program(core), document).await_port(one["port"])
    return int(one["port"])


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [require_program("curl"), "-sS", "--max-time", "10", "--noproxy", "", *arguments]
    return subprocess.run(command, capture_output=True, timeout=20, check=False)


def read_code(sock: socket.socket) -> int:
    """The code of a SOCKS 5 answer with an IPv4 address, which is read whole."""
    return read_exactly(sock, 10)[1]


def connect_request(port: int, command: int = 1) -> bytes:
    return bytes((5, command, 0, 1, 127, 0, 0, 1)) + port.to_bytes(2, "big")


def udp_echo(proxy_port: int, target_port: int, data: bytes) -> bytes:
    """What comes back for `data` through UDP ASSOCIATE; the answer's header is checked."""
    header = bytes((0, 0, 0, 1, 127, 0, 0, 1)) + target_port.to_bytes(2, "big")
    with socket.create_connection((LOCALHOST, proxy_port), 10) as control, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM) as sock:
        control.sendall(b"\x05\x01\x00")
        assert read_exactly(control, 2) == b"\x05\x00"
        control.sendall(b"\x05\x03\x00\x01\0\0\0\0\0\0")
        reply = read_exactly(control, 10)
        assert reply[:8] == bytes((5, 0, 0, 1, 127, 0, 0, 1))
        sock.settimeout(0.5)
        sock.connect((LOCALHOST, int.from_bytes(reply[8:], "big")))

        def answer() -> bytes:
            try:
                sock.send(header + data)
                return sock.recv(65535)
            except OSError:
                return b""

        got = until("a datagram comes back", answer, 10)
        assert got[:len(header)] == header
        return got[len(header):]


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "http"])
def test_curl_gets_a_page_by_every_version(processes: Processes, site: int, scheme: str) -> None:
    port = serve(processes, "xrev", inbound(free_port(), "mixed"))
    host = "localhost" if scheme in ("socks4a", "socks5h", "http") else LOCALHOST
    done = curl("-x", f"{scheme}://{LOCALHOST}:{port}", f"http://{host}:{site}/")
    assert (done.returncode, done.stdout) == (0, PAGE), done.stderr


def test_curl_needs_the_right_password_for_socks_and_for_http(processes: Processes, site: int) -> None:
    one = inbound(free_port(), auth="password", accounts=[{"user": "alice", "pass": "secret"}])
    port, url = serve(processes, "xrev", one), f"http://{LOCALHOST}:{site}/"
    for scheme in ("socks5", "http"):
        assert curl("-x", f"{scheme}://alice:secret@{LOCALHOST}:{port}", url).stdout == PAGE
    assert curl("-x", f"socks5://alice:wrong@{LOCALHOST}:{port}", url).returncode == 97      # CURLE_PROXY
    assert curl("-x", f"socks5://{LOCALHOST}:{port}", url).returncode == 97
    assert curl("-x", f"socks4://{LOCALHOST}:{port}", url).returncode == 97
    assert curl("-x", f"http://{LOCALHOST}:{port}", "-o", "/dev/null", "-w", "%{http_code}", url).stdout == b"407"


def test_a_refused_destination_is_told_as_refused(processes: Processes) -> None:
    port = serve(processes, "xrev", inbound(free_port()))
    with socket.create_connection((LOCALHOST, port), 10) as sock:
        sock.sendall(b"\x05\x01\x00" + connect_request(free_port()))
        assert read_exactly(sock, 2) == b"\x05\x00"
        assert read_code(sock) == 5
        assert sock.recv(1) == b""


def test_data_sent_along_with_the_request_arrives(processes: Processes, target: Target) -> None:
    port = serve(processes, "xrev", inbound(free_port()))
    with socket.create_connection((LOCALHOST, port), 10) as sock:
        sock.sendall(b"\x05\x01\x00" + connect_request(target.port) + b"GET 100000\n")
        assert read_exactly(sock, 12)[:4] == b"\x05\x00\x05\x00"
        assert read_exactly(sock, 100000) == BLOCK[:100000]


def test_a_stranger_without_an_association_is_not_relayed(processes: Processes, target: Target) -> None:
    port = serve(processes, "xrev", inbound(free_port(), udp=True))
    before = len(target.datagrams)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(bytes((0, 0, 0, 1, 127, 0, 0, 1)) + target.udp_port.to_bytes(2, "big") + b"x", (LOCALHOST, port))
        assert udp_echo(port, target.udp_port, b"asked for") == b"asked for"
    assert set(target.datagrams[before:]) == {b"asked for"}         # it may have been asked for twice


@pytest.mark.parametrize(("client", "server"), [("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev")])
@pytest.mark.parametrize("login", [{}, {"user": "alice", "pass": "secret"}], ids=["open", "password"])
def test_cores_reach_each_other(
    processes: Processes, target: Target, client: str, server: str, login: dict[str, str]
) -> None:
    auth: Json = {"auth": "password", "accounts": [login]} if login else {}
    server_port = serve(processes, server, inbound(free_port(), udp=True, ip=LOCALHOST, **auth))
    tcp, greeting, udp = free_port(), free_port(), free_port()
    doors = [
        documents.door("tcp", tcp, target.port),
        documents.door("greeting", greeting, target.greeting_port),
        documents.door("udp", udp, target.udp_port, "udp"),
    ]
    document = documents.proxy(doors, [outbound(server_port, **login)])
    processes.run_document(f"client-{client}", program(client), document).await_port(tcp)
    with socket.create_connection((LOCALHOST, tcp), 10) as sock:
        sock.sendall(b"GET 3000000\n")
        assert read_exactly(sock, 3_000_000) == (BLOCK * 3)[:3_000_000]
    with socket.create_connection((LOCALHOST, greeting), 10) as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING
    assert door_echo(udp, b"d" * 1200) == b"d" * 1200


@pytest.mark.parametrize("core", CORES)
def test_datagrams_come_back_through_an_association(processes: Processes, target: Target, core: str) -> None:
    port = serve(processes, core, inbound(free_port(), udp=True, ip=LOCALHOST))
    assert udp_echo(port, target.udp_port, b"datagram") == b"datagram"


@pytest.mark.parametrize("bridge", CORES)
def test_an_entry_of_a_tunnel_reaches_any_host(processes: Processes, target: Target, site: int, bridge: str) -> None:
    tunnel = Tunnel(processes, target, bridge=program(bridge))
    entry = inbound(free_port(), "mixed", udp=True)
    portal = tunnel.documents["portal"]
    portal["inbounds"].append(entry)
    portal["routing"]["rules"][0]["inboundTag"].append("entry")
    tunnel.up()
    port, url = entry["port"], f"http://{LOCALHOST}:{site}/"
    assert curl("-x", f"socks5h://{LOCALHOST}:{port}", url).stdout == PAGE
    assert curl("-x", f"http://{LOCALHOST}:{port}", url).stdout == PAGE
    assert curl("-p", "-x", f"http://{LOCALHOST}:{port}", url).stdout == PAGE
    assert udp_echo(port, target.udp_port, b"datagram") == b"datagram"


def test_a_circle_of_loopbacks_ends_the_connection_and_not_the_process(processes: Processes) -> None:
    port = free_port()
    document = documents.proxy(
        [documents.door("web", port, 9)],
        [{"tag": "again", "protocol": "loopback", "settings": {"inboundTag": "again"}}])
    process = processes.run_document("circle", XREV, document)
    process.await_port(port)
    with socket.create_connection((LOCALHOST, port), 10) as sock, contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""
    assert process.exit_code is None
