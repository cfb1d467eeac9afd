"""Strangers who are many, slow, or want much at once: a real web server stays small and answers everybody else."""

from __future__ import annotations

import re
import select
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from dashboard.accounts import hashing
from tests.support.panel import Served, served
from tests.support.processes import until
from xrevsite.serving.bounded_channel import MAX_LISTENING, MAX_SENDING
from xrevsite.serving.turns import AT_ONCE

MIB = 1024**2
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
ARGON2_MIB = 100
LOGIN = "/admin/login/"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def panel() -> Iterator[Served]:
    with served("--only", "web") as panel:
        yield panel


@pytest.fixture
def web(panel: Served) -> int:
    """Its process, whose highest use of memory counts from now on."""
    process = panel.part("web")
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return process


def number(process: int, name: str) -> int:
    return int(re.findall(rf"{name}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0])


def mib(process: int, name: str) -> int:
    return number(process, name) // 1024


def connect(panel: Served, reads: int | None = None) -> socket.socket:
    sock = socket.socket()
    if reads is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, reads)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", panel.port))
    return sock


def asking(panel: Served, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{panel.port}\r\n\r\n".encode()


def is_answered(panel: Served) -> bool:
    with urllib.request.urlopen(f"{panel.url}{LOGIN}", timeout=10) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize(("kind", "piece", "ending"), [
    ("application/x-www-form-urlencoded", b"a=&", b""),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', b"--x--\r\n"),
], ids=["urlencoded", "multipart"])
def test_a_form_of_a_million_fields_keeps_nobody_waiting(panel: Served, web: int, kind: str, piece: bytes, ending: bytes) -> None:
    before = mib(web, "VmRSS")
    body = piece * (30 * MIB // len(piece)) + ending
    with connect(panel) as sock:
        lines = [f"POST {LOGIN} HTTP/1.1", f"Host: 127.0.0.1:{panel.port}", f"Content-Type: {kind}"]
        sock.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        begin = time.monotonic()
        assert sock.recv(12) == b"HTTP/1.1 403"         # no token against forged requests
        assert time.monotonic() - begin < 5             # it was half a minute
    assert mib(web, "VmHWM") - before < 150             # it was 700 MiB


def test_connections_that_ask_nothing_make_room(panel: Served) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(panel)) for _ in range(MAX_LISTENING + 50)]
        for sock in idle[MAX_LISTENING:]:
            sock.sendall(b"GET / HT")
        assert is_answered(panel)
        with pytest.raises(ConnectionResetError):
            idle[0].recv(1)
        newest = idle[-1]
        newest.sendall(f"TP/1.1\r\nHost: 127.0.0.1:{panel.port}\r\n\r\n".encode())
        assert newest.recv(12) == b"HTTP/1.1 302"


def test_a_connection_that_was_answered_waits_again(panel: Served) -> None:
    with connect(panel) as kept, ExitStack() as stack:
        kept.sendall(asking(panel, "/healthz/live"))
        assert kept.recv(12) == b"HTTP/1.1 200"
        for _ in range(MAX_LISTENING):
            stack.enter_context(connect(panel))
        assert is_answered(panel)
        kept.recv(4096)
        with pytest.raises(ConnectionResetError):
            kept.recv(1)


def test_who_asks_before_reading_is_answered_once(panel: Served, web: int) -> None:
    before = mib(web, "VmRSS")
    with connect(panel, reads=4096) as sock:
        sock.sendall(asking(panel, LARGE_FILE) * 200)
        sock.recv(1, socket.MSG_PEEK)           # the first answer has begun
        answered = 0
        try:
            while data := sock.recv(MIB):
                answered += data.count(b"HTTP/1.1 200")
        except ConnectionResetError:            # of what it had sent besides
            pass
    assert answered == 1
    assert mib(web, "VmHWM") - before < 50              # it was 300 MiB


def test_those_who_do_not_read_are_a_few_at_most(panel: Served) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(panel, reads=4096)) for _ in range(2 * MAX_SENDING)]
        ended = select.poll()
        for sock in slow:
            sock.sendall(asking(panel, LARGE_FILE))
            ended.register(sock, 0)
        until("the others are let go", lambda: len(ended.poll(0)) == MAX_SENDING, 30)
        assert is_answered(panel)


def test_many_passwords_are_tried_a_few_at_a_time(panel: Served, web: int) -> None:
    before = mib(web, "VmRSS")

    def try_one(name: str) -> int:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        with browser.open(f"{panel.url}{LOGIN}", timeout=60) as page:
            mark = re.findall(r'csrfmiddlewaretoken" value="([^"]+)', page.read().decode())[0]
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": mark, "username": name, "password": "correct horse"})
        with browser.open(f"{panel.url}{LOGIN}", form.encode(), timeout=60) as answer:
            return int(answer.status)

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(try_one, [f"somebody{one}" for one in range(20)])) == {200}
    assert mib(web, "VmHWM") - before < (hashing.AT_ONCE + 1) * ARGON2_MIB          # all of them: 2,000 MiB


def test_requests_at_once_are_few_threads(panel: Served, web: int) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(connect(panel)) for _ in range(300)]
        for sock in many:
            sock.sendall(asking(panel, "/healthz/ready"))
        most = 0
        for sock in many:
            assert sock.recv(12) == b"HTTP/1.1 200"
            most = max(most, number(web, "Threads"))
    assert most < 2 * AT_ONCE + 20              # those that end are there for a moment
