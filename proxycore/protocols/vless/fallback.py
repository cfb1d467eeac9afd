"""Which fallback a connection goes to: by server name and ALPN of TLS, and by the path of its first HTTP/1 request.

Source: Xray-core proxy/vless/inbound/inbound.go. An entry that names no value of a level stands for all values of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxycore.protocols.vless.fallback_settings import Fallback
from proxycore.stream import Buffer, Stream

PATH_BEGINS_WITHIN = 9          # bytes: a method of up to seven letters, then " /"
PATH_ENDS_WITHIN = 64


class FallbackChoice:
    """The fallbacks of one inbound."""

    __slots__ = ("_by_name",)

    def __init__(self, fallbacks: Sequence[Fallback]) -> None:
        names = {fallback.name.lower() for fallback in fallbacks} | {""}
        self._by_name = {name: _by_alpn(fallbacks, name) for name in names}

    def choose(self, stream: Stream, received: Buffer) -> Fallback | None:
        """`stream` may know `server_name` and `alpn` (TLS); `received` is the first that was read of it."""
        server_name = (getattr(stream, "server_name", None) or "").lower()
        alpn = (getattr(stream, "alpn", None) or "").lower()
        by_alpn = self._by_name[self._name(server_name)]
        by_path = by_alpn.get(alpn, by_alpn.get("", {}))
        return by_path.get(http_path(received) if len(by_path) > 1 else "", by_path.get(""))

    def _name(self, server_name: str) -> str:
        """The configured name for a server name: the same, or the longest that is a part of it."""
        if server_name in self._by_name:
            return server_name
        return max((name for name in self._by_name if name in server_name), key=len)


def _by_alpn(fallbacks: Sequence[Fallback], name: str) -> dict[str, dict[str, Fallback]]:
    """By ALPN and path, for connections to `name`: what is said of it, over what is said of all."""
    alpns = {fallback.alpn.lower() for fallback in fallbacks if fallback.name.lower() in ("", name)} | {""}
    found: dict[str, dict[str, Fallback]] = {}
    for alpn in alpns:
        paths = found.setdefault(alpn, {})
        for level in (("", ""), ("", alpn), (name, ""), (name, alpn)):
            for fallback in fallbacks:
                if (fallback.name.lower(), fallback.alpn.lower()) == level:
                    paths[fallback.path] = fallback
    return found


def http_path(received: Buffer) -> str:
    """The path without its query if `received` begins like an HTTP/1 request, else ""."""
    head = bytes(received[:PATH_ENDS_WITHIN])
    begin = head.find(b" /", 0, PATH_BEGINS_WITHIN)
    if begin < 0:
        return ""
    for end in range(begin + 1, len(head)):
        if head[end] in b" ?":
            return head[begin + 1 : end].decode("latin-1")
    return ""
