"""HTTP calls with an end: `requests` bounds each read by itself, and who answers a byte at a time would keep us for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class BoundedCall:
    """For one call: `session` is used within `with`, and its connection is cut `limit_s` after that began; `is_over` then."""

    def __init__(self, limit_s: float) -> None:
        self.is_over = False
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Adapter(self._connected))
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        self.session.close()

    def _connected(self, sock: socket.socket) -> None:
        self._sockets.append(sock)
        if self.is_over:
            self._cut()

    def _cut(self) -> None:
        self.is_over = True
        for sock in self._sockets:
            with suppress(OSError):         # it has ended meanwhile
                socket.socket.shutdown(sock, socket.SHUT_RDWR)      # of TLS: at once, without a word


class _Adapter(HTTPAdapter):
    """`connected` is told the socket of each connection."""

    def __init__(self, connected: Callable[[socket.socket], None]) -> None:
        self._connected = connected
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        connected = self._connected

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                connected(self.sock)

        class Tls(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                connected(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
