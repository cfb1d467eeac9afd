"""What is not a panel, or not one that is trusted yet, answers a join."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from proxycore.agent.joining import JoinFailed, JoinRefused, join
from proxycore.agent.panel_address import PanelAddress

OK = b"HTTP/1.1 200 OK\r\n"
Answer = Callable[[socket.socket, threading.Event], None]


@contextmanager
def answering(answer: Answer) -> Iterator[PanelAddress]:
    over = threading.Event()

    def serve() -> None:
        sock, _ = listening.accept()
        with sock, contextlib.suppress(OSError):        # who joins may leave amid an answer
            sock.recv(65536)
            answer(sock, over)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):         # the body comes by itself; unread, it would make the end a reset
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, name="answering")
        thread.start()
        try:
            yield PanelAddress.parse(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            over.set()
            thread.join()


def endless_head(sock: socket.socket, over: threading.Event) -> None:
    sock.sendall(OK + b"X: ")
    while not over.wait(0.01):
        sock.sendall(b"y")


def endless_promise(sock: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def endless_body(sock: socket.socket, over: threading.Event) -> None:
    sock.sendall(OK + b"Content-Length: 60000\r\n\r\n")
    while not over.wait(0.01):
        sock.sendall(b"y")


@pytest.mark.parametrize("answer", [endless_head, endless_promise, endless_body])
def test_an_answer_without_an_end_is_given_up(answer: Answer) -> None:
    with answering(answer) as address, pytest.raises((JoinFailed, JoinRefused)):
        join(address, "token", "node", most_s=0.3)


def said(head: bytes, body: bytes = b"") -> str:
    with (
        answering(lambda sock, over: sock.sendall(head + b"\r\n" + body)) as address,
        pytest.raises((JoinFailed, JoinRefused)) as refused,
    ):
        join(address, "token", "node")
    return str(refused.value)


def test_an_answer_that_is_nested_without_end_is_no_reason() -> None:
    assert said(b"HTTP/1.1 400 Bad Request\r\n", b"[" * 60_000).endswith("400 Bad Request")


def test_nothing_that_is_answered_reaches_the_terminal_as_a_command() -> None:
    assert "http://a/?[31m" in said(b"HTTP/1.1 302 Found\r\nLocation: http://a/\x1b[31m\r\n")
    assert "no?[31m" in said(b"HTTP/1.1 400 Bad Request\r\n", b'{"detail": "no\\u001b[31m"}')
