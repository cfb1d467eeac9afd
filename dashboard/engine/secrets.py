"""Which values of a document are secret, and documents without them.

A value is secret by the name of its key, wherever it stands, so that keys of cores that we do not know are covered too;
what is masked needlessly does no harm. Comments may hold anything: a document without secrets has no comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from dashboard.engine.content import Body
from proxycore.api import Loc

MASK: Final = "••••••••"

_SECRET_KEYS: Final = frozenset(
    {
        "id", "password", "pass", "privatekey", "secretkey", "presharedkey", "psk", "key", "seed", "mldsa65seed", "shortid",
        "shortids", "token", "apikey", "secret", "authorization", "proxy-authorization", "cookie", "echserverkeys", "auth",
        "decryption",
    }
)  # fmt: skip
_NO_SECRETS: Final = frozenset({"", "none", "noauth", "password", "auto"})
"""What stands behind such a key and is a choice, not a secret."""

MIN_TOLD_CHARS: Final = 6       # of a secret that is looked for in complaints; a shorter one may be any word
QUOTED_CHARS: Final = 24        # that are compared, as long values are cut where they are quoted

_SECRET_OBJECTS: Final = frozenset({"env"})
"""Objects with names that the person chose, all of whose values are secret: environment variables."""


def is_secret(key: object, value: object) -> bool:
    """Whether `value` is a secret when it stands behind `key`."""
    if not isinstance(key, str) or key.lower() not in _SECRET_KEYS:
        return False
    if isinstance(value, list):
        return any(is_secret(key, one) for one in value)
    if isinstance(value, str):
        return value not in _NO_SECRETS
    return isinstance(value, int | float) and not isinstance(value, bool)


def mask(value: Any, key: object = "") -> Any:
    """`value` (which stands behind `key`) without secrets; a new one wherever something was masked."""
    if is_secret(key, value):
        return [MASK] if isinstance(value, list) else MASK
    if isinstance(value, dict):
        if isinstance(key, str) and key.lower() in _SECRET_OBJECTS:
            return {name: MASK for name in value}
        return {name: mask(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [mask(one, key) for one in value]
    return value


def restore(value: Any, before: Any, key: object = "") -> Any:
    """`value` with its masks replaced by what stands at the same places of `before`; a mask that has no such place stays."""
    if value == MASK or value == [MASK]:
        return before if before is not None and mask(before, key) == value else value
    if isinstance(value, dict):
        earlier = before if isinstance(before, dict) else {}
        if isinstance(key, str) and key.lower() in _SECRET_OBJECTS:
            return {name: earlier.get(name, one) if one == MASK else one for name, one in value.items()}
        return {name: restore(one, earlier.get(name), name) for name, one in value.items()}
    if isinstance(value, list):
        listed = before if isinstance(before, list) else []
        return [restore(one, _counterpart(one, number, listed, key), key) for number, one in enumerate(value)]
    return value


def _counterpart(one: Any, number: int, listed: list[Any], key: object) -> Any:
    """What an item of a list was: the one item that looks like it when masked, wherever it stood, else that of its place."""
    alike = [old for old in listed if isinstance(old, dict) and mask(old, key) == one] if isinstance(one, dict) else []
    if len(alike) == 1:
        return alike[0]
    return listed[number] if number < len(listed) else None


def secret_texts(value: Any, key: object = "") -> Iterator[str]:
    """The secrets in `value`, which stands behind `key`, as far as they can be told from other words."""
    if isinstance(value, dict):
        is_all = isinstance(key, str) and key.lower() in _SECRET_OBJECTS
        for name, one in value.items():
            yield from secret_texts(one, "secret" if is_all else name)
    elif isinstance(value, list):
        for one in value:
            yield from secret_texts(one, key)
    elif isinstance(value, str) and len(value) >= MIN_TOLD_CHARS and is_secret(key, value):
        yield value


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A complaint that quotes what somebody typed, masked where that was a secret, also if only its beginning is quoted."""
    for secret in secrets:
        start = secret[:QUOTED_CHARS]
        if start in text:
            text = re.sub(f"{re.escape(start)}[^\\s\"']*", MASK, text)
    return text


def masked_places(value: Any, place: Loc = ()) -> list[Loc]:
    """Where masks stand instead of secrets."""
    if isinstance(value, dict):
        return [
            found
            for key, one in value.items()
            for found in ([(*place, key)] if one in (MASK, [MASK]) and is_secret(key, one) else masked_places(one, (*place, key)))
        ]
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in masked_places(one, (*place, number))]
    return []


def mask_entry(body: Body) -> Body:
    masked: Body = mask(body)
    return masked
