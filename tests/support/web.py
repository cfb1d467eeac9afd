"""A web server in a thread of the test: it answers every request with 204."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.certificates import Pair
from tests.support.processes import LOCALHOST


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Web)
        server.asked.append(f"{self.command} {self.path}")
        self.send_response(204)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class Web(ThreadingHTTPServer):
    """`asked`: the methods and paths that came, in order."""

    daemon_threads = True

    def __init__(self, pair: Pair | None, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.asked: list[str] = []
        self.scheme = "http"
        if pair is not None:
            self.scheme = "https"
            self.socket = _context(pair).wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{LOCALHOST}:{self.server_port}/204"

    def handle_error(self, request: object, client_address: object) -> None:
        pass                # probes that are given up, and handshakes that are refused


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_text(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


@contextmanager
def web_server(pair: Pair | None = None, host: str = LOCALHOST, port: int = 0) -> Iterator[Web]:
    """Over TLS with `pair`. Port 0: one that is free."""
    with Web(pair, host, port) as web:
        thread = threading.Thread(target=web.serve_forever, name="web", daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join(10)
