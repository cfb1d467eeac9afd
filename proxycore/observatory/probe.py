"""One exchange with a web server through one outbound, timed from dialling to the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from proxycore.destination import Destination
from proxycore.errors import LinkDown, PeerError, ProxyError
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.observatory.exchange_codec import AnswerReader, encode_request
from proxycore.observatory.probe_url import ProbeUrl
from proxycore.stream import NULL_STREAM, Buffer, Stream
from proxycore.transport.tls import TlsClient
from proxycore.transport.tls_settings import TlsSettings

_log = logging.getLogger("xrev.observatory")


class ProbeResult(NamedTuple):
    """`delay_ns` None: there was no answer in time, because of `error`."""

    delay_ns: int | None
    error: str = ""


class ProbeDial(Protocol):
    """Opens a connection through what is probed."""

    def __call__(self, destination: Destination) -> Stream:
        """A stream that is still connecting. May raise ProxyError."""


OnResult: TypeAlias = Callable[[ProbeResult], None]


class Prober:
    """Makes probes that ask for one URL. `reads_body`: an answer counts when all of it has come."""

    __slots__ = ("_loop", "_method", "_reads_body", "_request", "_timeout_s", "_tls", "_url")

    def __init__(
        self, url: ProbeUrl, path: str, loop: Loop, wheel: Wheel, timeout_s: float, method: str = "GET", *,
        reads_body: bool = False,
    ) -> None:
        """`path` is the section's place in the document. Raises: ConfigError, TLS cannot be used here."""
        self._url = url
        self._loop = loop
        self._timeout_s = timeout_s
        self._method = method
        self._reads_body = reads_body
        self._request = encode_request(url, method)
        self._tls = TlsClient(TlsSettings(), path, wheel, ("http/1.1",)) if url.is_tls else None

    def start(self, dial: ProbeDial, on_result: OnResult) -> Probe:
        """Begin. `on_result` is called once, never before this returns, and not at all after `Probe.stop`."""
        probe = Probe(self._loop, AnswerReader(self._method, reads_body=self._reads_body), self._timeout_s, on_result)
        try:
            stream = dial(self._url.destination)
            if self._tls is not None:
                stream = self._tls.wrap(stream, self._url.destination)
        except ProxyError as error:
            self._loop.call_soon(probe.abort, error)
        except Exception:   # noqa: BLE001 - a bug of ours costs this probe only
            _log.exception("a probe could not begin")
            self._loop.call_soon(probe.abort, None)
        else:
            probe.peer, stream.peer = stream, probe
            stream.write(self._request)
        return probe


class Probe(Stream):
    """One exchange under way."""

    __slots__ = ("_begin_s", "_loop", "_on_result", "_reader", "_timer", "is_over")

    def __init__(self, loop: Loop, reader: AnswerReader, timeout_s: float, on_result: OnResult) -> None:
        self.peer: Stream = NULL_STREAM
        self.is_over = False
        self._loop = loop
        self._reader = reader
        self._on_result = on_result
        self._begin_s = loop.time()
        self._timer: asyncio.TimerHandle = loop.call_later(timeout_s, self._on_timeout, timeout_s)

    def stop(self) -> None:
        """Give it up without a result."""
        if not self.is_over:
            self._part().abort(None)

    def write(self, data: Buffer) -> None:
        if self.is_over:
            return
        try:
            if self._reader.feed(data):
                self._succeed()
        except PeerError as error:
            self._fail(error)

    def write_eof(self) -> None:
        self.close()

    def close(self) -> None:
        if self.is_over:
            return
        if self._reader.feed_end():
            self._succeed()
        else:
            self._fail(LinkDown("it was closed without an answer"))

    def abort(self, error: Exception | None) -> None:
        self._fail(error if error is not None else LinkDown("it was cut off"))

    def pause(self) -> None:
        pass                # one small request was written, and nothing follows it

    def resume(self) -> None:
        pass

    def _on_timeout(self, timeout_s: float) -> None:
        self._fail(LinkDown(f"no answer within {timeout_s:g} s"))

    def _succeed(self) -> None:
        delay_ns = max(int((self._loop.time() - self._begin_s) * 1e9), 1)
        self._part().close()
        self._tell(ProbeResult(delay_ns))

    def _fail(self, error: Exception) -> None:
        if not self.is_over:
            self._part().abort(error)
            self._tell(ProbeResult(None, str(error)))

    def _tell(self, result: ProbeResult) -> None:
        self._loop.call_soon(self._on_result, result)   # what observes may begin the next probe, in a turn of its own

    def _part(self) -> Stream:
        self.is_over = True
        self._timer.cancel()
        peer, self.peer = self.peer, NULL_STREAM
        return peer
