"""The process of the web server: `python -m xrevsite.serving.web`, daphne on uvloop, on sockets that it is given.

It has no access log: addresses hold set-up links, and who wants one has a web server in front.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxycore.event_loop import raise_open_files_limit

if TYPE_CHECKING:
    from daphne.server import Server


def main(arguments: list[str]) -> int:
    asked = _parser().parse_args(arguments)
    _use_uvloop()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xrevsite.settings")
    from daphne.server import Server
    from django.conf import settings

    from xrevsite.asgi import application
    from xrevsite.serving.turns import Turns

    raise_open_files_limit()
    forwarded = bool(settings.TRUSTED_PROXIES)
    server: Server
    server = Server(
        Turns(application),
        endpoints=["ours"],             # it wants one, but its text for a descriptor knows IPv4 only; see _listen
        websocket_max_message_size=settings.WEBSOCKET_MAX_MESSAGE_BYTES,
        websocket_max_frame_size=settings.WEBSOCKET_MAX_MESSAGE_BYTES,
        websocket_timeout=-1,           # an agent's link lasts as long as it lasts; pings tell who is gone
        proxy_forwarded_address_header="X-Forwarded-For" if forwarded else None,
        proxy_forwarded_port_header="X-Forwarded-Port" if forwarded else None,
        proxy_forwarded_proto_header="X-Forwarded-Proto" if forwarded else None,
        verbosity=0,
        server_name="",                 # strangers need not know
        ready_callable=lambda: _listen(server, asked),
    )
    server.endpoints.clear()
    server.run()
    return 1 if server.abort_start else 0


def _use_uvloop() -> None:
    """Daphne takes the reactor that is there; it has to be made before its import."""
    import uvloop
    from twisted.internet import asyncioreactor

    asyncioreactor.install(uvloop.new_event_loop())     # type: ignore[no-untyped-call]


def _listen(server: Any, asked: argparse.Namespace) -> None:
    from twisted.internet import reactor

    from xrevsite.serving.bounded_request import BoundedFactory

    factory = BoundedFactory(server)
    for fd in asked.plain:
        reactor.adoptStreamPort(fd, _family(fd), factory)
    if asked.tls:
        with_tls = _with_tls(factory, asked.certificate, asked.key)
        for fd in asked.tls:
            reactor.adoptStreamPort(fd, _family(fd), with_tls)


def _with_tls(factory: Any, certificate: Path, key: Path) -> Any:
    from OpenSSL import crypto
    from twisted.internet import ssl
    from twisted.protocols.tls import TLSMemoryBIOFactory

    first, *others = [ssl.Certificate.loadPEM(part).original for part in _pem_parts(certificate.read_bytes())]
    options = ssl.CertificateOptions(
        privateKey=crypto.load_privatekey(crypto.FILETYPE_PEM, key.read_bytes()), certificate=first, extraCertChain=others,
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2, acceptableProtocols=[b"http/1.1"])
    return TLSMemoryBIOFactory(options, False, factory)     # type: ignore[arg-type]


def _pem_parts(data: bytes) -> list[bytes]:
    end = b"-----END CERTIFICATE-----"
    return [part[part.index(b"-----BEGIN CERTIFICATE-----"):] + end + b"\n" for part in data.split(end)[:-1]]


def _family(fd: int) -> int:
    with socket.socket(fileno=os.dup(fd)) as sock:
        return int(sock.family)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m xrevsite.serving.web", description=__doc__)
    parser.add_argument("--plain", type=int, action="append", required=True, metavar="FD", help="a listening socket for HTTP")
    parser.add_argument("--tls", type=int, action="append", default=[], metavar="FD", help="a listening socket for HTTPS")
    parser.add_argument("--certificate", type=Path, help="PEM, with the chain")
    parser.add_argument("--key", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
