"""The head of an HTTP/1.1 message: its first line and header fields, up to the empty line. Bytes in, a head out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxycore.destination import ip_text, parse_host
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer

MAX_HEAD_BYTES = 8192
_END = b"\r\n\r\n"


class Head(NamedTuple):
    """`first` are the words of the first line (three); names of fields are in lower case, in the order they came."""

    first: tuple[str, str, str]
    fields: Sequence[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The first field of this name."""
        return next((value for key, value in self.fields if key == name), None)

    def has_word(self, name: str, word: str) -> bool:
        """Whether a comma-separated field names `word` (lower case)."""
        return any(word == item.strip().lower() for key, value in self.fields if key == name for item in value.split(","))

    @property
    def path(self) -> str:
        """Of a request: without the query."""
        return self.first[1].partition("?")[0]


class HeadReader:
    """Gathers bytes until the head is complete; `rest` is what followed it."""

    __slots__ = ("_data", "rest")

    def __init__(self) -> None:
        self._data = bytearray()
        self.rest = b""

    def feed(self, data: Buffer) -> bytes | None:
        """The head without its empty line, once it is there. Raises: LimitError, it is longer than MAX_HEAD_BYTES."""
        begin = max(len(self._data) - len(_END) + 1, 0)
        self._data += data
        end = self._data.find(_END, begin)
        if end > MAX_HEAD_BYTES - len(_END) or (end < 0 and len(self._data) > MAX_HEAD_BYTES):
            raise LimitError("bytes of an HTTP head", got=len(self._data) if end < 0 else end, limit=MAX_HEAD_BYTES)
        if end < 0:
            return None
        head, self.rest = bytes(self._data[:end]), bytes(self._data[end + len(_END):])
        self._data.clear()
        return head


def parse_head(head: bytes) -> Head:
    """Raises: PeerError, it is not HTTP/1.1."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) == 2 and words[0].startswith("HTTP/"):
        words.append("")                # a status without its reason
    if len(words) != 3 or not (words[0].startswith("HTTP/1.") or words[2].startswith("HTTP/1.")):
        raise PeerError("this is not HTTP/1.1")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
            raise PeerError("a header line is not one")
        fields.append((name.lower(), value.strip(" \t")))
    return Head((words[0], words[1], words[2]), fields)


def encode_head(first: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """The head with its empty line. Raises: ValueError, a line break within a line."""
    lines = [first, *(f"{name}: {value}" for name, value in fields)]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header has a line break in it")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def host_matches(head: Head, host: str) -> bool:
    """Whether the request is for `host`, in any letter case, its port left out. An empty `host` is every one."""
    asked = (head.get("host") or "").lower()
    name, colon, port = asked.rpartition(":")
    if colon and (not port or port.isdigit()):
        asked = name
    return not host or asked.removeprefix("[").removesuffix("]") == host.lower()


def forwarded_source(head: Head, trusted: Sequence[str]) -> str:
    """The client's address according to X-Forwarded-For, if one of the `trusted` headers is in the request; else empty."""
    if not any(head.get(name.lower()) is not None for name in trusted):
        return ""
    host = parse_host((head.get("x-forwarded-for") or "").partition(",")[0])
    return "" if isinstance(host, str) else ip_text(host)
