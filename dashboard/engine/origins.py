"""Which country the sources of sessions are in: looked up here, since the panel's time is cheaper than a worker's."""

from __future__ import annotations

from proxycore.api import country_of


def add_countries(sessions: object) -> None:
    """`country` of each whose source is a public address, as ISO 3166-1 has it. In place; some 2 µs each.

    They are as a node sent them: what is no list of sessions stays as it is.
    """
    known: dict[str, str] = {}
    for session in sessions if isinstance(sessions, list) else ():
        host = _host(session.get("source")) if isinstance(session, dict) else ""
        if not host:
            continue
        code = known.get(host)
        if code is None:
            code = known[host] = country_of(host)
        if code:
            session["country"] = code


def _host(source: object) -> str:
    """Of `198.51.100.7:4711`, `[2001:db8::1]:4711`, or without a port."""
    if not isinstance(source, str):
        return ""
    return source[1:].partition("]")[0] if source.startswith("[") else source.partition(":")[0]
