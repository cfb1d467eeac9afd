"""What the process says: a structured log (logfmt, or JSON when asked) and an access log, a line per connection.

Writing never blocks the loop. A line that a full disk or a reader that stopped cannot take is dropped, and how many
were dropped is written as soon as there is room again. No payload, id or key is ever given to a logger.

Levels, paths and masks are those of the document's `log` section (https://xtls.github.io/en/config/log.html).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import re
import select
import stat
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from proxycore.destination import Destination, HostPort, IPAddress, Request
from proxycore.log_flood import FloodFilter

FLUSH_S: Final = 0.2                    # an access line is written this much later at most
MAX_WAITING_LINES: Final = 20_000       # access lines kept between two writes: 100,000 connections/s
MAX_BACKLOG_BYTES: Final = 1 << 20      # kept for an output that is full just now
PIPE_BYTES: Final = 4096                # a pipe that polls as writable takes this much without blocking (PIPE_BUF)
FILE_MODE: Final = 0o640

STDOUT: Final = 1
STDERR: Final = 2

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL + 1,
}

_STANDARD_FIELDS: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class Sink:
    """A file descriptor that is written to only as far as it takes the bytes at once."""

    __slots__ = ("_backlog", "_dropped_lines", "_fd", "_is_file", "_is_owned", "_poll")

    def __init__(self, fd: int, *, is_owned: bool = False) -> None:
        self._fd = fd
        self._is_owned = is_owned
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._backlog = bytearray()
        self._dropped_lines = 0

    @classmethod
    def open(cls, path: str, console: int) -> Sink:
        """The file `path`, made if it is not there and appended to; "" is the console. Raises: OSError."""
        if not path:
            return cls(console)
        return cls(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE), is_owned=True)

    @property
    def has_backlog(self) -> bool:
        return bool(self._backlog)

    def write(self, lines: bytes) -> None:
        """Write whole lines, after what is still waiting; what does not fit is counted and dropped."""
        if len(self._backlog) + len(lines) > MAX_BACKLOG_BYTES:
            self.flush()
        if len(self._backlog) + len(lines) > MAX_BACKLOG_BYTES:
            self.drop(lines.count(b"\n"))
            return
        self._backlog += lines
        self.flush()

    def drop(self, lines: int) -> None:
        """Count lines that were lost; the count is written when there is room."""
        self._dropped_lines += lines

    def flush(self) -> None:
        """Write what is waiting, as far as it goes without blocking."""
        if self._dropped_lines and len(self._backlog) < MAX_BACKLOG_BYTES // 2:
            self._backlog += b"%d lines dropped: the log could not be written\n" % self._dropped_lines
            self._dropped_lines = 0
        while self._backlog:
            if not self._is_file and not self._is_writable():
                return
            piece = self._backlog if self._is_file else self._backlog[:PIPE_BYTES]
            try:
                written = os.write(self._fd, piece)
            except OSError:             # disk full, reader gone: nobody could be told but by the log itself
                self.drop(self._backlog.count(b"\n"))
                self._backlog.clear()
                return
            del self._backlog[:written]

    def close(self) -> None:
        """Write what still goes at once and close the file. May be called twice."""
        self.flush()
        if self._is_owned:
            self._is_owned = False
            os.close(self._fd)

    def _is_writable(self) -> bool:
        return any(event & select.POLLOUT for _, event in self._poll.poll(0))


class StructuredHandler(logging.Handler):
    """Log records as lines of a sink."""

    def __init__(self, sink: Sink, mask: Callable[[str], str] | None) -> None:
        super().__init__()
        self.addFilter(FloodFilter())
        self._sink = sink
        self._mask = mask

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a wrong format string in a log call must not end a connection
            self.handleError(record)
            return
        if self._mask is not None:
            line = self._mask(line)
        self._sink.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        self._sink.close()
        super().close()


class LogfmtFormatter(logging.Formatter):
    """`time=... level=... logger=... message="..." key=value`; a traceback follows on indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join(f"{key}={_quoted(value)}" for key, value in _fields(record).items())
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


class JsonFormatter(logging.Formatter):
    """The same fields as one JSON object a line; a traceback is the field `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str, ensure_ascii=False)


def configure(loglevel: str = "warning", path: str = "", mask_address: str = "", *, as_json: bool = False) -> None:
    """Send everything below the logger `xrev` to `path` ("" is standard error, "none" nothing).

    Raises: OSError, the file cannot be opened; what was configured before stays.
    """
    install(open_handler(path, mask_address, as_json=as_json), level_of(loglevel, path))


def level_of(loglevel: str, path: str = "") -> int:
    """From where on records are wanted."""
    return LEVELS["none"] if path == "none" else LEVELS[loglevel]


def open_handler(path: str = "", mask_address: str = "", *, as_json: bool = False) -> logging.Handler:
    """What writes log records to `path`, as `configure` says; to be installed or closed. Raises: OSError."""
    sink = Sink.open("" if path == "none" else path, STDERR)
    handler = StructuredHandler(sink, masker(mask_address))
    handler.setFormatter(JsonFormatter() if as_json else LogfmtFormatter())
    return handler


def install(handler: logging.Handler, level: int) -> None:
    """Let `handler` have every record from `level` on, and close the one that had them before."""
    for name in ("xrev", "asyncio"):
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.propagate = False
    set_level(level)


def set_level(level: int) -> None:
    """Records are wanted from `level` on. asyncio's own say only what our code did wrong: not below a warning."""
    logging.getLogger("xrev").setLevel(level)
    logging.getLogger("asyncio").setLevel(max(level, logging.WARNING))


class AccessLog:
    """One line per connection, as Xray writes it.

    2026/11/23 20:41:05 from 127.0.0.1:50000 accepted tcp:127.0.0.1:80 [inTag -> outTag] email: x

    Called on the hot path, so lines are collected and written together, FLUSH_S later at most.
    """

    __slots__ = ("_destination", "_destination_text", "_lines", "_loop", "_mask", "_second", "_second_text", "_sink", "_timer")

    def __init__(self, sink: Sink, loop: asyncio.AbstractEventLoop, mask: Callable[[str], str] | None = None) -> None:
        self._sink = sink
        self._loop = loop
        self._mask = mask
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._second_text = ""
        self._destination: Destination | None = None        # the last one that was written out
        self._destination_text = ""

    def accepted(self, request: Request, out_tag: str) -> None:
        """`request` was given to the outbound `out_tag`."""
        email = f" email: {request.user}" if request.user else ""
        source = "-" if request.source is None else _host_port(request.source)
        if request.destination is not self._destination:
            self._destination, self._destination_text = request.destination, str(request.destination)
        self._add(f"from {source} accepted {self._destination_text} [{request.inbound_tag} -> {out_tag}]{email}")

    def rejected(self, request: Request, reason: str) -> None:
        """`request` is not carried, because of `reason`."""
        email = f" email: {request.user}" if request.user else ""
        source = "-" if request.source is None else _host_port(request.source)
        self._add(f"from {source} rejected {request.destination} [{request.inbound_tag}] {reason}{email}")

    def answered(
        self, server: str, status: str, name: str, addresses: Sequence[IPAddress], elapsed_ms: float, error: str
    ) -> None:
        """What a name server answered."""
        elapsed = f" {elapsed_ms:.3f}ms" if elapsed_ms else ""
        reason = f" <{error}>" if error else ""
        self._add(f"{server} {status}: {name} -> [{', '.join(map(str, addresses))}]{elapsed}{reason}")

    def flush(self) -> None:
        """Write what was collected now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._lines.append("")
            text = "\n".join(self._lines)
            self._lines.clear()
            if self._mask is not None:
                text = self._mask(text)
            self._sink.write(text.encode("utf-8", "backslashreplace"))
        else:
            self._sink.flush()
        if self._sink.has_backlog:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def close(self) -> None:
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sink.close()

    def _add(self, line: str) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y/%m/%d %H:%M:%S ", time.localtime(second))
        if len(self._lines) >= MAX_WAITING_LINES:
            self._sink.drop(1)
            return
        if not line.isprintable():      # a domain is the peer's text: it must not be able to write lines of its own
            line = line.encode("unicode_escape").decode("ascii")
        self._lines.append(self._second_text + line)
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)


class SilentAccessLog(AccessLog):
    """No access log."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def accepted(self, request: Request, out_tag: str) -> None:
        pass

    def rejected(self, request: Request, reason: str) -> None:
        pass

    def answered(
        self, server: str, status: str, name: str, addresses: Sequence[IPAddress], elapsed_ms: float, error: str
    ) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def open_access_log(path: str, loop: asyncio.AbstractEventLoop, mask_address: str = "") -> AccessLog:
    """The access log of `log.access`: a file, "" for standard output, "none" for no log. Raises: OSError."""
    if path == "none":
        return SilentAccessLog()
    return AccessLog(Sink.open(path, STDOUT), loop, masker(mask_address))


_IPV4: Final = re.compile(r"\b(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}\b")
_PERHAPS_IPV6: Final = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
_MASKED_V4: Final = {"quarter": r"\1.*.*.*", "half": r"\1.\2.*.*", "full": "[Masked IPv4]"}
_KEPT_V6_BITS: Final = {"quarter": 16, "half": 32, "full": 0}


def masker(mask_address: str) -> Callable[[str], str] | None:
    """What hides the IP addresses of a text: `quarter` and `half` of each stay, `full` hides all; None where nothing is hidden.

    Raises: KeyError, another word.
    """
    if not mask_address:
        return None
    masked_v4 = _MASKED_V4[mask_address]
    kept_bits = _KEPT_V6_BITS[mask_address]

    def mask_v6(found: re.Match[str]) -> str:
        try:
            network = ipaddress.IPv6Network((found[0], kept_bits), strict=False)
        except ValueError:              # a time of day, say
            return found[0]
        return str(network) if kept_bits else "Masked IPv6"

    def mask(text: str) -> str:
        return _PERHAPS_IPV6.sub(mask_v6, _IPV4.sub(masked_v4, text))

    return mask


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """A record as a mapping; what was given as `extra` comes last."""
    when = time.localtime(record.created)
    fields: dict[str, Any] = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', when)}.{int(record.msecs):03d}{time.strftime('%z', when)}",
        "level": record.levelname.lower(),
        "logger": record.name.removeprefix("xrev."),
        "message": record.getMessage(),
    }
    fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD_FIELDS)
    return fields


_PLAIN: Final = re.compile(r"[\w.:/@+*\[\]-]+")


def _quoted(value: Any) -> str:
    """A logfmt value: as it is where that is unambiguous, else in quotes with escapes."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())


def _host_port(address: HostPort) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
