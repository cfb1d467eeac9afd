"""Freedom's ways out, seen by programs that others wrote: nginx reads our PROXY header, TLS stacks our pieces of a hello."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from tests.e2e.nginx import nginx
from tests.support import documents
from tests.support.certificates import pair
from tests.support.processes import LOCALHOST, XREV, Processes, free_port, until
from tests.support.target import Target, ask, download_is_whole, is_served, udp_echo

Json = documents.Json
NAME = "site.example.org"


def run(processes: Processes, door: Json, settings: Json) -> None:
    document = documents.proxy([door], [{"tag": "out", "protocol": "freedom", "settings": settings}])
    processes.run_document("server", XREV, document).await_port(door["port"])


def get(port: int, path: str) -> str:
    with ask(port, f"GET {path} HTTP/1.0\r\n\r\n".encode()) as sock, sock.makefile("rb") as answer:
        return answer.read().decode().rpartition("\r\n\r\n")[2]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("host", [LOCALHOST, "localhost"])
def test_nginx_learns_who_came(processes: Processes, require: Callable[[str], str], version: int, host: str) -> None:
    port, target = free_port(), free_port()
    nginx(processes, require("nginx"), [(f"{LOCALHOST}:{target} proxy_protocol", "seen")])
    run(processes, documents.door("web", port, target, address=host), {"proxyProtocol": version, "domainStrategy": "UseIPv4"})
    assert get(port, "/a") == f"seen {LOCALHOST} /a"


def test_a_cut_hello_is_a_hello_to_a_tls_server(processes: Processes, require: Callable[[str], str]) -> None:
    port, target = free_port(), free_port()
    folder, entry = processes.folder, pair(NAME)
    (folder / "cert.pem").write_text(entry.certificate)
    (folder / "key.pem").write_text(entry.key)
    more = f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;"
    nginx(processes, require("nginx"), [(f"{LOCALHOST}:{target} ssl", "hello")], more)
    run(processes, documents.door("web", port, target), {
        "fragment": {"packets": "tlshello", "length": "20-40", "interval": "1-3"}})
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((LOCALHOST, port), 5) as plain, context.wrap_socket(plain, server_hostname=NAME) as tls:
        tls.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        data = b""
        while piece := tls.recv(4096):
            data += piece
    assert data.endswith(b"hello  /x")


def test_pieces_arrive_with_time_between_them(processes: Processes) -> None:
    port = free_port()
    arrivals: list[tuple[float, bytes]] = []

    def record(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock, _ = server.accept()
            with sock:
                while data := sock.recv(100):
                    arrivals.append((time.monotonic(), data))

    with socket.create_server((LOCALHOST, 0)) as server:
        run(processes, documents.door("web", port, server.getsockname()[1]), {
            "fragment": {"packets": "1-1", "length": 4, "interval": 200}})
        thread = threading.Thread(target=record, args=(server,), daemon=True)
        # await_port has connected too: that connection comes first, and ends without a byte
        sock, _ = server.accept()
        sock.close()
        thread.start()
        with socket.create_connection((LOCALHOST, port), 5) as client:
            client.sendall(b"abcdefghij")
            until("all of the first is there", lambda: sum(len(data) for _, data in arrivals) == 10, 10)
            client.sendall(b"klmnopqrst")
            client.shutdown(socket.SHUT_WR)
            thread.join(10)
    assert [data for _, data in arrivals] == [b"abcd", b"efgh", b"ij", b"klmnopqrst"]
    assert arrivals[1][0] - arrivals[0][0] > 0.03
    assert arrivals[2][0] - arrivals[1][0] > 0.03


def test_a_fragment_of_the_hello_leaves_other_traffic_whole(processes: Processes, target: Target) -> None:
    port = free_port()
    run(processes, documents.door("web", port, target.port), {"fragment": {"packets": "tlshello", "length": 5, "interval": 5}})
    assert download_is_whole(port, 8 << 20)


def test_noise_arrives_before_the_first_datagram(processes: Processes) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOCALHOST, 0))
        server.settimeout(5)
        door = documents.door("udp", port, server.getsockname()[1], "tcp,udp")
        run(processes, door, {"noises": [{"type": "str", "packet": "noise", "delay": "20-30"}, {"type": "rand", "packet": "7"}]})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((LOCALHOST, port))
            client.send(b"hello")
            seen = [server.recvfrom(100) for _ in range(3)]
            server.sendto(b"answer", seen[2][1])
            client.settimeout(5)
            assert client.recv(100) == b"answer"
    assert [data for data, _ in seen[::2]] == [b"noise", b"hello"]
    assert len(seen[1][0]) == 7


@pytest.mark.parametrize("host", [LOCALHOST, "localhost"])
def test_a_private_target_is_out_of_reach_where_it_is_blocked(processes: Processes, target: Target, host: str) -> None:
    port, open_port = free_port(), free_port()
    rules = [{"action": "allow", "port": target.udp_port}, {"action": "block", "ip": ["127.0.0.0/8", "::1"], "blockDelay": "2-2"}]
    doors = [documents.door("web", port, target.port, address=host), documents.door("u", open_port, target.udp_port, "udp", host)]
    out = {"tag": "out", "protocol": "freedom", "settings": {"finalRules": rules, "domainStrategy": "UseIPv4"}}
    process = processes.run_document("server", XREV, documents.proxy(doors, [out]))
    process.await_port(port)
    begin = time.monotonic()
    assert not is_served(port)
    assert time.monotonic() - begin > 0.9       # it was held, not refused
    assert udp_echo(open_port, b"datagram") == b"datagram"
