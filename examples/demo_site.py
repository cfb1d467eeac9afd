"""The web server that the demo reaches through the tunnel: one page, which says how it was reached."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from threading import Thread

MARK = "X-Through-The-Tunnel"           # a header by which the demo knows its own page
IDLE_S = 300


@dataclass(frozen=True)
class Ports:
    """The three ports of the demo, all on 127.0.0.1."""

    entry: int          # where clients connect: the portal
    carrier: int        # where the bridge connects to the portal
    site: int           # the web server


def serve(ports: Ports) -> ThreadingHTTPServer:
    """Serve the page on `ports.site`, in threads that end with the process. Raises: OSError."""
    page = Template((Path(__file__).parent / "demo_page.html").read_text(encoding="utf-8"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_GET(self) -> None:
            if self.path == "/ping":
                self._answer("text/plain", "pong\n")
                return
            self._answer("text/html", page.substitute(
                entry_port=ports.entry, carrier_port=ports.carrier, site_port=ports.site,
                path=html.escape(self.path), host=html.escape(self.headers.get("Host", "-")), time=time.strftime("%H:%M:%S %Z"),
            ))

        do_HEAD = do_GET

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header(MARK, "yes")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the demo's terminal shows what runs."""

    server = ThreadingHTTPServer(("127.0.0.1", ports.site), Handler)
    Thread(target=server.serve_forever, name="demo site", daemon=True).start()
    return server
