"""The HTTP proxy with curl, the standard library's client, and V2Ray on either side."""

from __future__ import annotations

import http.client
import os
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
from tests.support.processes import LOCALHOST, Processes, free_port
from tests.support.target import BLOCK, GREETING, Target, read_exactly, read_to_end


class Page(BaseHTTPRequestHandler):
    """Answers with what it was asked, in the way that the path asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.command} {self.path} {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("X-Names", ",".join(sorted(name.lower() for name in self.headers)))
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")
            return
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    do_HEAD = do_GET

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port of a web server."""
    server = ThreadingHTTPServer((LOCALHOST, 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def serve(processes: Processes, core: str = "xrev", **settings: object) -> int:
    """A core with an HTTP inbound that connects to what is asked for; the port."""
    port = free_port()
    one = {"tag": "entry", "listen": LOCALHOST, "port": port, "protocol": "http", "settings": settings}
    document = documents.proxy([one], [{"tag": "direct", "protocol": "freedom"}])
    processes.run_document(f"server-{core}", program(core), document).await_port(port)
    return port


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [require_program("curl"), "-sS", "--max-time", "10", "--noproxy", "", *arguments]
    return subprocess.run(command, capture_output=True, timeout=20, check=False)


@pytest.mark.parametrize("tunnel", [[], ["-p"]], ids=["plain", "connect"])
def test_curl_gets_a_page(processes: Processes, site: int, tunnel: list[str]) -> None:
    proxy = f"http://{LOCALHOST}:{serve(processes)}"
    done = curl(*tunnel, "-x", proxy, f"http://{LOCALHOST}:{site}/a?b=c")
    assert done.stdout == f"GET /a?b=c {LOCALHOST}:{site}".encode(), done.stderr


def test_curl_uploads_a_big_body(processes: Processes, site: int) -> None:
    data = os.urandom(3_000_000)
    path = processes.folder / "body"
    path.write_bytes(data)
    proxy, url = f"http://{LOCALHOST}:{serve(processes)}", f"http://{LOCALHOST}:{site}/"
    assert curl("-x", proxy, "--data-binary", f"@{path}", url).stdout == data
    assert curl("-x", proxy, "-H", "Expect: 100-continue", "--data-binary", f"@{path}", url).stdout == data


def test_only_the_right_password_is_let_in(processes: Processes, site: int) -> None:
    port, url = serve(processes, accounts=[{"user": "alice", "pass": "secret"}]), f"http://{LOCALHOST}:{site}/"
    for tunnel in ([], ["-p"]):
        assert curl(*tunnel, "-x", f"http://alice:secret@{LOCALHOST}:{port}", url).stdout.startswith(b"GET / ")
        wrong = f"http://alice:wrong@{LOCALHOST}:{port}"
        done = curl(*tunnel, "-x", wrong, "-o", "/dev/null", "-w", "%{http_code}%{http_connect}", url)
        assert done.stdout in (b"407000", b"000407")
    with socket.create_connection((LOCALHOST, port), 10) as sock:
        sock.sendall(b"GET http://example.com/ HTTP/1.1\r\n\r\n")
        assert read_to_end(sock) == (
            b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n')


def test_a_connection_is_used_for_many_requests_where_the_client_asks(processes: Processes, site: int) -> None:
    client = http.client.HTTPConnection(LOCALHOST, serve(processes), timeout=10)
    client.connect()
    first = client.sock
    requests = [("GET", "/one", True), ("GET", "/chunked", True), ("HEAD", "/two", False), ("GET", "/three", True)]
    for method, path, body in requests:
        client.request(method, f"http://{LOCALHOST}:{site}{path}", headers={"Proxy-Connection": "keep-alive"})
        answer = client.getresponse()
        assert answer.status == 200
        assert "proxy-connection" not in answer.headers["X-Names"]
        assert bool(answer.read()) is body
        assert client.sock is first
    client.close()


def test_an_answer_that_ends_with_its_connection_ends_the_clients(processes: Processes, site: int) -> None:
    with socket.create_connection((LOCALHOST, serve(processes)), 10) as sock:
        url = f"http://{LOCALHOST}:{site}/endless"
        sock.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n".encode())
        answer = read_to_end(sock)
    assert b"Connection: close" in answer
    assert answer.endswith(f"\r\n\r\nGET /endless {LOCALHOST}:{site}".encode())


@pytest.mark.parametrize("request_line", ["CONNECT 127.0.0.1:{port} HTTP/1.1", "GET http://127.0.0.1:{port}/ HTTP/1.1"])
def test_a_refused_destination_is_a_503(processes: Processes, request_line: str) -> None:
    with socket.create_connection((LOCALHOST, serve(processes)), 10) as sock:
        sock.sendall(request_line.format(port=free_port()).encode() + b"\r\n\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


def test_a_request_of_a_web_browser_to_a_web_server_is_taken_only_if_allowed(processes: Processes, site: int) -> None:
    for allowed, status in ((False, b"HTTP/1.1 400 "), (True, b"HTTP/1.1 200 ")):
        with socket.create_connection((LOCALHOST, serve(processes, allowTransparent=allowed)), 10) as sock:
            sock.sendall(f"GET /x HTTP/1.1\r\nHost: {LOCALHOST}:{site}\r\n\r\n".encode())
            assert read_to_end(sock).startswith(status)


@pytest.mark.parametrize(("client", "server"), [("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev")])
@pytest.mark.parametrize("login", [{}, {"user": "alice", "pass": "secret"}], ids=["open", "password"])
def test_cores_reach_each_other(
    processes: Processes, target: Target, client: str, server: str, login: dict[str, str]
) -> None:
    server_port = serve(processes, server, **({"accounts": [login]} if login else {}))
    upstream: Json = {"address": LOCALHOST, "port": server_port} | ({"users": [login]} if login else {})
    tcp, greeting = free_port(), free_port()
    document = documents.proxy(
        [documents.door("tcp", tcp, target.port), documents.door("greeting", greeting, target.greeting_port)],
        [{"tag": "next", "protocol": "http", "settings": {"servers": [upstream]}}])
    processes.run_document(f"client-{client}", program(client), document).await_port(tcp)
    with socket.create_connection((LOCALHOST, tcp), 10) as sock:
        sock.sendall(b"GET 3000000\n")
        assert read_exactly(sock, 3_000_000) == (BLOCK * 3)[:3_000_000]
    if client == "xrev":        # V2Ray waits for the client's first data before it dials
        with socket.create_connection((LOCALHOST, greeting), 10) as sock:
            assert read_exactly(sock, len(GREETING)) == GREETING
