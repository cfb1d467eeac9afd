"""The web server of `make demo` (`manage.py serve --demo`): one page, which says how it was reached and what to look at next."""

from __future__ import annotations

import argparse
import html
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

MARK = "X-Through-The-Tunnel"           # a header by which the page is known
IDLE_S = 300
MAX_TRAFFIC_S = 60
PIECE = b"x" * 65_536
PIECES_PER_S = 16                       # 1 MiB/s


def make_handler(page: Template, numbers: dict[str, object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path == "/ping":
                self._answer("text/plain", "pong\n")
            elif path.path == "/traffic":
                self._traffic(parse_qs(path.query).get("seconds", ["20"])[0])
            else:
                self._answer("text/html", page.substitute(
                    numbers, path=html.escape(self.path), host=html.escape(self.headers.get("Host", "-")),
                    time=time.strftime("%H:%M:%S %Z")))

        do_HEAD = do_GET

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self._begin(kind, ("Content-Length", str(len(body))))
            if self.command != "HEAD":
                self.wfile.write(body)

        def _traffic(self, seconds: str) -> None:
            """So many bytes a second, for something to be seen in the panel."""
            count = min(int(seconds), MAX_TRAFFIC_S) * PIECES_PER_S if seconds.isdecimal() and len(seconds) < 6 else 0
            self._begin("application/octet-stream", ("Content-Length", str(count * len(PIECE))))
            try:
                for _ in range(count if self.command != "HEAD" else 0):
                    self.wfile.write(PIECE)
                    time.sleep(1 / PIECES_PER_S)
            except OSError:
                self.close_connection = True        # its session was closed, from the panel perhaps

        def _begin(self, kind: str, length: tuple[str, str]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
            self.send_header(*length)
            self.send_header(MARK, "yes")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the terminal shows what runs."""

    return Handler


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where this server listens, on 127.0.0.1")
    parser.add_argument("--entry", type=int, required=True, help="the port at which the tunnel is entered")
    parser.add_argument("--carrier", type=int, required=True, help="the port to which the bridge dials")
    parser.add_argument("--panel", default="", help="the panel's address")
    asked = parser.parse_args()
    page = Template((Path(__file__).parent / "demo_page.html").read_text(encoding="utf-8"))
    numbers = {
        "entry_port": asked.entry, "carrier_port": asked.carrier, "site_port": asked.port, "panel": html.escape(asked.panel)}
    try:
        server = ThreadingHTTPServer(("127.0.0.1", asked.port), make_handler(page, numbers))
    except OSError as error:
        print(f"127.0.0.1 port {asked.port} cannot be listened on: {error.strerror}", file=sys.stderr)
        return 1
    server.daemon_threads = True
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
