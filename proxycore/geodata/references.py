"""Entries that name a list: `geosite:code@attribute`, `geoip:!code`, `ext:file:code` and its longer names."""

from __future__ import annotations

from typing import NamedTuple

GEOSITE_FILE = "geosite.dat"
GEOIP_FILE = "geoip.dat"
MAX_REFERENCE_CHARS = 512

_OF_DOMAINS = {"geosite": GEOSITE_FILE, "ext": "", "ext-domain": "", "ext-site": ""}
_OF_ADDRESSES = {"geoip": GEOIP_FILE, "ext": "", "ext-ip": ""}


class DomainReference(NamedTuple):
    file: str
    code: str                       # in upper case
    attributes: frozenset[str]      # in lower case; an entry of the list must have all of them
    text: str                       # as written


class AddressReference(NamedTuple):
    file: str
    code: str                       # in upper case
    is_negated: bool
    text: str                       # as written


def domain_reference(text: str) -> DomainReference | None:
    """What a domain entry that names a list says; None for any other. Raises ValueError with one sentence."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _OF_DOMAINS:
        return None
    file, code = _file_and_code(kind, rest, _OF_DOMAINS[kind])
    code, at, attributes = code.partition("@")
    words = attributes.lower().split("@") if at else []
    if not all(words):
        raise ValueError("there is nothing behind an `@`; the name of an attribute is expected")
    return DomainReference(file, _checked_code(kind, code), frozenset(words), text)


def address_reference(text: str) -> AddressReference | None:
    """The same for an address entry. A `!` may stand before the entry and before the code; two of them cancel."""
    plain = text.lstrip("!")
    kind, colon, rest = plain.partition(":")
    if not colon or kind not in _OF_ADDRESSES:
        return None
    file, written = _file_and_code(kind, rest, _OF_ADDRESSES[kind])
    code = written.lstrip("!")
    negations = len(text) - len(plain) + len(written) - len(code)
    return AddressReference(file, _checked_code(kind, code), negations % 2 == 1, text)


def _file_and_code(kind: str, rest: str, file: str) -> tuple[str, str]:
    if len(rest) > MAX_REFERENCE_CHARS:
        raise ValueError(f"the entry is longer than {MAX_REFERENCE_CHARS} characters")
    if file:
        return file, rest
    file, colon, code = rest.partition(":")
    if not colon or not file:
        raise ValueError(f"`{kind}:file:code` is expected")
    if file.startswith("/") or "\\" in file or "\0" in file or ".." in file.split("/"):
        raise ValueError("the file must be the name of one inside the asset folder")
    return file, code


def _checked_code(kind: str, code: str) -> str:
    if not code:
        raise ValueError(f"`{kind}:` must name a list")
    return code.upper()
