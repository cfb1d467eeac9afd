"""`make demo`: the panel with a tunnel to look at, and the web server behind it."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from dashboard.models import Service
from dashboard.services.errors import ServiceError
from dashboard.services.example import LOOPBACK, find_example, make_example
from xrevsite.serving.keeper import Part

PUBLIC_PORT: Final = 8080
CARRIER_PORT: Final = 10240
SITE_PORT: Final = 8081
PROGRAM: Final = Path(__file__).resolve().parents[2] / "examples" / "demo_site.py"

PAGE_S: Final = 30.0
POLL_S: Final = 0.1
_MARK: Final = "X-Through-The-Tunnel"


class DemoError(Exception):
    """Why there is no demo, for the person who asked for it."""


@dataclass(frozen=True, slots=True)
class Demo:
    service: Service

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.service.public_port}"

    def part(self, panel_url: str) -> Part:
        service = self.service
        return Part("site", [
            sys.executable, str(PROGRAM), "--port", str(service.target_port), "--entry", str(service.public_port), "--carrier",
            str(service.carrier_port), "--panel", panel_url], has_secrets=False)

    async def wait_for_page(self) -> str:
        """Until the page comes through the tunnel; what to tell the person."""
        begin = time.monotonic()
        while time.monotonic() - begin < PAGE_S:
            if await asyncio.to_thread(is_answered, self.service.public_port):
                return f"A page that came through a tunnel of this panel:\n  {self.url}"
            await asyncio.sleep(POLL_S)
        return f"No page came through the demo's tunnel ({self.url}) within {PAGE_S:.0f} s: the panel says why."


def prepare(public_port: int | None) -> Demo:
    """The tunnel that is there, or one that is made. Raises: DemoError."""
    service = find_example()
    if service is not None:
        if public_port not in (None, service.public_port):
            raise DemoError(f"The demo's entry has port {service.public_port}; it is changed in the panel, like every port.")
        return Demo(service)
    if public_port is not None:
        _ask_for(public_port)
    taken: set[int] = set()
    ports: list[int] = []
    for wanted in (public_port or PUBLIC_PORT, CARRIER_PORT, SITE_PORT):
        port = next(port for port in range(wanted, 65_536) if port not in taken and is_free(port))
        taken.add(port)
        ports.append(port)
    try:
        return Demo(make_example(public_port=ports[0], carrier_port=ports[1], target_port=ports[2]))
    except ServiceError as error:
        raise DemoError(f"The demo's tunnel cannot be made: {error}") from None


def is_answered(port: int) -> bool:
    """Whether the demo's page comes from there."""
    connection = HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        answer.read()
        return answer.getheader(_MARK) == "yes"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def is_free(port: int) -> bool:
    try:
        _try(port)
    except OSError:
        return False
    return True


def _ask_for(port: int) -> None:
    """Raises: DemoError with a port that can be had, `port` cannot."""
    try:
        _try(port)
    except OSError as error:
        other = next((other for other in range(max(port, 1024) + 10, 65_536) if is_free(other)), 0)
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise DemoError(f"Port {port} on {LOOPBACK} {why}. Choose another: make demo PORT={other}") from None


def _try(port: int) -> None:
    """Listen there for a moment. Raises: OSError."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((LOOPBACK, port))
        one.listen()
