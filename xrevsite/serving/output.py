"""The parts' standard output and error as one log: each line begins with the name of its part, or says it in JSON."""

from __future__ import annotations

import json
import logging
from typing import Final

from proxycore.logs import STDERR, JsonFormatter, LogfmtFormatter, Sink

MAX_LINE_BYTES: Final = 16 * 1024
"""Of one part's unfinished line; a longer one is cut into pieces."""

NAME_WIDTH: Final = 7


class Output:
    """Where all lines go: standard error, never waited for. What a stopped reader does not take is counted and dropped."""

    def __init__(self, *, as_json: bool, fd: int = STDERR) -> None:
        self.as_json = as_json
        self._sink = Sink(fd)

    def write(self, part: str, line: bytes) -> None:
        self._sink.write(_as_json(part, line) if self.as_json else f"{part:<{NAME_WIDTH}} ".encode() + line + b"\n")

    def flush(self) -> None:
        self._sink.flush()


class Lines:
    """Cuts what one part writes into lines; those that have something of `unwanted` in them are left out."""

    __slots__ = ("_buffer", "_output", "_part", "_unwanted")

    def __init__(self, output: Output, part: str, unwanted: tuple[bytes, ...] = ()) -> None:
        self._output = output
        self._part = part
        self._unwanted = unwanted
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data
        *whole, rest = self._buffer.split(b"\n")
        for line in whole:
            if line.strip() and not any(text in line for text in self._unwanted):
                self._output.write(self._part, bytes(line).rstrip(b"\r"))
        self._buffer = rest
        while len(self._buffer) > MAX_LINE_BYTES:
            self._output.write(self._part, bytes(self._buffer[:MAX_LINE_BYTES]))
            del self._buffer[:MAX_LINE_BYTES]

    def end(self) -> None:
        """What has no line's end is a line as well."""
        if self._buffer:
            self._output.write(self._part, bytes(self._buffer))
            self._buffer = bytearray()


class OutputHandler(logging.Handler):
    """The supervisor's own records, and those of the beat."""

    def __init__(self, output: Output, part: str) -> None:
        super().__init__()
        self._output = output
        self._part = part
        self.setFormatter(JsonFormatter() if output.as_json else LogfmtFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - logging must not end what it tells of
            self.handleError(record)
            return
        for line in [text] if self._output.as_json else text.split("\n"):
            self._output.write(self._part, line.encode("utf-8", "backslashreplace"))


def _as_json(part: str, line: bytes) -> bytes:
    text = line.decode("utf-8", "backslashreplace")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {"message": text}
    return json.dumps({"part": part, **fields}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
