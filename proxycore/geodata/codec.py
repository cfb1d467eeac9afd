"""geosite.dat and geoip.dat: the headers of their lists, and one list's entries.

Both files are protocol buffers: field 1 of the file, repeated, is a list; of a list, field 1 is its code, and field 2,
repeated, an entry. A domain entry: 1 kind, 2 text, 3 attributes (of each: 1 its name). An address entry: 1 the
address, 4 or 16 bytes, 2 the length of its prefix. Other fields are passed over.
Source: Xray-core common/geodata/geodat.proto; the loader there too takes for granted that the code comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from mmap import mmap
from typing import Final, NamedTuple

MAX_LISTS: Final = 100_000             # of one file; the usual ones have some 1,500 and 250
MAX_ENTRIES: Final = 4_000_000         # of one list
MAX_CODE_BYTES: Final = 255
MAX_TEXT_BYTES: Final = 4096           # of one domain entry
_MAX_VARINT_BYTES: Final = 10

KEYWORD, REGEXP, DOMAIN, FULL = range(4)    # kinds of domain entries, as the file numbers them
_WIDTHS: Final = {4: 32, 16: 128}           # bits, by the bytes of an address

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5    # kinds of fields
_FIRST_VARINT: Final = 0x08             # field 1, a number
_FIRST_BYTES: Final = 0x0A              # field 1, bytes
_SECOND_VARINT: Final = 0x10
_SECOND_BYTES: Final = 0x12
_THIRD_BYTES: Final = 0x1A


class Span(NamedTuple):
    """Where a list is in its file."""

    start: int
    end: int


class DomainLists(NamedTuple):
    """The texts of a list by kind, in lower case but for the regexps."""

    keywords: set[str]
    regexps: list[str]
    domains: set[str]
    full: set[str]


class AddressRanges(NamedTuple):
    """The blocks of a list as first and last address, both numbers, in the file's order."""

    v4: list[tuple[int, int]]
    v6: list[tuple[int, int]]


class DatError(ValueError):
    """The file is not what it should be, or broken."""


def index_lists(data: bytes | mmap) -> Mapping[str, Span]:
    """Every list of a file by its code, in upper case; of two with the same code the first. Raises DatError."""
    found: dict[str, Span] = {}
    offset, size = 0, len(data)
    while offset < size:
        if data[offset] != _FIRST_BYTES:
            raise DatError("it is not a file of lists")
        start, end = _span(data, offset + 1, size)
        if start == end or data[start] != _FIRST_BYTES:
            raise DatError("it has a list that does not begin with its code")
        code_start, code_end = _span(data, start + 1, end)
        if code_end - code_start > MAX_CODE_BYTES:
            raise DatError(f"it has a code of more than {MAX_CODE_BYTES} bytes")
        if len(found) == MAX_LISTS:
            raise DatError(f"it has more than {MAX_LISTS} lists")
        found.setdefault(_text(data[code_start:code_end]).upper(), Span(start, end))
        offset = end
    return found


def read_domains(body: bytes, attributes: frozenset[str] = frozenset()) -> DomainLists:
    """The entries of a list, the bytes of its span, that have all of `attributes` (in lower case). Raises DatError."""
    keywords: list[bytes] = []
    regexps: list[bytes] = []
    domains: list[bytes] = []
    full: list[bytes] = []
    by_kind = (keywords.append, regexps.append, domains.append, full.append)
    offset, size, count = 0, len(body), 0
    while offset < size:
        if body[offset] != _SECOND_BYTES:
            offset = _skip(body, offset, size)
            continue
        count += 1
        if count > MAX_ENTRIES:
            raise DatError(f"it has a list of more than {MAX_ENTRIES} entries")
        # Nearly every entry is laid out like this, and there are a hundred thousand: kind, text, both of one-byte lengths.
        if not attributes and size - offset > 5 and body[offset + 2] == _FIRST_VARINT and body[offset + 4] == _SECOND_BYTES:
            length = body[offset + 1]
            text_length = body[offset + 5]
            if length < 128 and 0 < text_length == length - 4 and body[offset + 3] <= FULL and offset + 2 + length <= size:
                by_kind[body[offset + 3]](body[offset + 6 : offset + 6 + text_length])
                offset += 2 + length
                continue
        start, offset = _span(body, offset + 1, size)
        kind, text, given = _domain(body, start, offset)
        if attributes <= given:
            by_kind[kind](text)
    return DomainLists(set(_lower(keywords)), _lines(regexps), set(_lower(domains)), set(_lower(full)))


def _lines(texts: list[bytes]) -> list[str]:
    """All texts at once: one by one that takes as long as everything else here."""
    lines = _text(b"\n".join(texts)).split("\n") if texts else []
    if len(lines) != len(texts):
        raise DatError("it has a text of several lines")
    return lines


def _lower(texts: list[bytes]) -> list[str]:
    return [text.lower() if not text.islower() else text for text in _lines(texts)]


def _domain(body: bytes, offset: int, end: int) -> tuple[int, bytes, frozenset[str]]:
    kind, text = KEYWORD, b""
    attributes: list[str] = []
    while offset < end:
        tag = body[offset]
        if tag == _FIRST_VARINT:
            kind, offset = _varint(body, offset + 1, end)
        elif tag == _SECOND_BYTES:
            start, offset = _span(body, offset + 1, end)
            text = body[start:offset]
        elif tag == _THIRD_BYTES:
            start, offset = _span(body, offset + 1, end)
            attributes.append(_attribute(body, start, offset))
        else:
            offset = _skip(body, offset, end)
    if kind > FULL:
        raise DatError(f"it has an entry of the unknown kind {kind}")
    if not text:
        raise DatError("it has an entry without a text")
    if len(text) > MAX_TEXT_BYTES:
        raise DatError(f"it has an entry of more than {MAX_TEXT_BYTES} bytes")
    return kind, text, frozenset(attributes)


def _attribute(body: bytes, offset: int, end: int) -> str:
    name = ""
    while offset < end:
        if body[offset] == _FIRST_BYTES:
            start, offset = _span(body, offset + 1, end)
            name = _text(body[start:offset]).lower()
        else:
            offset = _skip(body, offset, end)
    return name


def read_ranges(body: bytes) -> AddressRanges:
    """The blocks of a list, the bytes of its span. IPv4-mapped blocks are IPv4 blocks. Raises DatError."""
    found = AddressRanges([], [])
    offset, size, count = 0, len(body), 0
    while offset < size:
        if body[offset] != _SECOND_BYTES:
            offset = _skip(body, offset, size)
            continue
        count += 1
        if count > MAX_ENTRIES:
            raise DatError(f"it has a list of more than {MAX_ENTRIES} entries")
        start, offset = _span(body, offset + 1, size)
        _add_block(found, *_block(body, start, offset))
    return found


def _block(body: bytes, offset: int, end: int) -> tuple[bytes, int]:
    address, length = b"", 0
    while offset < end:
        tag = body[offset]
        if tag == _FIRST_BYTES:
            start, offset = _span(body, offset + 1, end)
            address = body[start:offset]
        elif tag == _SECOND_VARINT:
            length, offset = _varint(body, offset + 1, end)
        else:
            offset = _skip(body, offset, end)
    return address, length


def _add_block(found: AddressRanges, address: bytes, length: int) -> None:
    width = _WIDTHS.get(len(address), -1)
    if not 0 <= length <= width:
        raise DatError("it has an entry that is no block of addresses")
    if width == 128 and length >= 96 and address.startswith(b"\0" * 10 + b"\xff\xff"):
        address, width, length = address[12:], 32, length - 96
    hosts = (1 << (width - length)) - 1
    first = int.from_bytes(address, "big") & ~hosts
    (found.v4 if width == 32 else found.v6).append((first, first | hosts))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DatError("it has a text that is not UTF-8") from None


def _varint(data: bytes | mmap, offset: int, end: int) -> tuple[int, int]:
    """A number, and the offset behind it."""
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if offset >= end:
            raise DatError("it ends too early")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, offset
    raise DatError("it has a number that is too long")


def _span(data: bytes | mmap, offset: int, end: int) -> tuple[int, int]:
    """The bytes of a field, whose length is at `offset`: where they start and end."""
    length, start = _varint(data, offset, end)
    if length > end - start:
        raise DatError("it ends too early")
    return start, start + length


def _skip(data: bytes, offset: int, end: int) -> int:
    """The offset behind the field at `offset`."""
    tag, offset = _varint(data, offset, end)
    kind = tag & 7
    if kind == _VARINT:
        return _varint(data, offset, end)[1]
    if kind == _BYTES:
        return _span(data, offset, end)[1]
    if kind in (_FIXED64, _FIXED32):
        offset += 8 if kind == _FIXED64 else 4
        if offset <= end:
            return offset
        raise DatError("it ends too early")
    raise DatError("it has a field of an unknown kind")
