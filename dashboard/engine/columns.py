"""What the columns of an entry say: one function per model. They read as leniently as an entry may be written.

Text that a column cannot hold (too long, or with a NUL, which PostgreSQL has not) is as if it were not there: the
entry itself keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dashboard.engine.content import Body, Kind, get

MAX_TEXT_CHARS: Final = 255
MAX_WORD_CHARS: Final = 64
MAX_LEVEL: Final = 2**31 - 1

SECRET_KEYS: Final = ("id", "password", "pass", "auth")
"""What a client proves itself with, in the order in which it is looked for."""

Columns = dict[str, Any]


def inbound_columns(body: Body) -> Columns:
    return {
        "tag": _text(get(body, "tag")),
        "protocol": _word(get(body, "protocol")),
        "listen": _text(get(body, "listen")),
        "port": _port(get(body, "port")),
        **_transport(body),
    }


def outbound_columns(body: Body) -> Columns:
    settings = get(body, "settings")
    server = _server(settings)
    reverse = get(settings, "reverse")
    sockopt = get(get(body, "streamSettings"), "sockopt")
    return {
        "tag": _text(get(body, "tag")),
        "protocol": _word(get(body, "protocol")),
        "address": _text(get(server, "address")),
        "port": _port(get(server, "port")),
        "proxy_tag": _text(get(get(body, "proxySettings"), "tag")) or _text(get(sockopt, "dialerProxy")),
        "reverse_tag": _text(get(reverse, "tag")),
        **_transport(body),
    }


def end_columns(body: Body) -> Columns:
    """Of a portal or a bridge."""
    return {"tag": _text(get(body, "tag")), "domain": _text(get(body, "domain"))}


def rule_columns(body: Body) -> Columns:
    return {
        "rule_tag": _text(get(body, "ruleTag")),
        "outbound_tag": _text(get(body, "outboundTag")),
        "balancer_tag": _text(get(body, "balancerTag")),
    }


def balancer_columns(body: Body) -> Columns:
    return {
        "tag": _text(get(body, "tag")),
        "strategy": _word(get(get(body, "strategy"), "type")),
        "fallback_tag": _text(get(body, "fallbackTag")),
    }


def credential_columns(body: Body, keyed_hash: Callable[[str], str]) -> Columns:
    """`keyed_hash` makes 64 characters of a secret."""
    secret = secret_of(body)
    level = get(body, "level")
    return {
        "email": _text(get(body, "email", "user")),
        "level": level if type(level) is int and 0 <= level <= MAX_LEVEL else None,
        "flow": _word(get(body, "flow")),
        "reverse_tag": _text(get(get(body, "reverse"), "tag")),
        "secret_hash": keyed_hash(hashed_form(secret)) if secret else "",
    }


COLUMNS: Final[Mapping[Kind, Callable[[Body], Columns]]] = {
    Kind.INBOUND: inbound_columns,
    Kind.OUTBOUND: outbound_columns,
    Kind.PORTAL: end_columns,
    Kind.BRIDGE: end_columns,
    Kind.RULE: rule_columns,
    Kind.BALANCER: balancer_columns,
}


def secret_of(client: Body) -> str:
    """The id or password of a client; empty if it has none."""
    value = get(client, *SECRET_KEYS)
    return value if isinstance(value, str) else ""


def hashed_form(secret: str) -> str:
    """One form for all spellings of one id: letter case and dashes of a UUID do not count."""
    digits = secret.replace("-", "").lower()
    if len(digits) == 32 and all(digit in "0123456789abcdef" for digit in digits):
        return digits
    return secret


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS or "\0" in value:
        return ""
    return value


def _word(value: object) -> str:
    text = _text(value).lower()
    return text if len(text) <= MAX_WORD_CHARS else ""


def _port(value: object) -> str:
    """As text, whether it is written as a number or as text."""
    if type(value) is int:
        value = str(value)
    return _text(value)


def _transport(body: Body) -> Columns:
    stream = get(body, "streamSettings")
    return {"network": _word(get(stream, "method", "network")), "security": _word(get(stream, "security"))}


def _server(settings: object) -> object:
    """Where the (first) server is written: in the settings themselves, or in a list of them."""
    if get(settings, "address") is not None:
        return settings
    servers = get(settings, "vnext", "servers")
    return servers[0] if isinstance(servers, list) and servers else None
