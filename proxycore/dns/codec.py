"""DNS messages: questions and answers about addresses. Everything else in a message is skipped.

    header      u16 id | u16 flags | u16 questions | u16 answers | u16 authorities | u16 additionals
    question    name | u16 type | u16 class
    record      name | u16 type | u16 class | u32 TTL | u16 length | data
    name        (u8 length, label)*, then 0, or u16 0xC000 | offset of the rest, which is before this name

Source: RFC 1035 section 4, RFC 2308 (negative answers), RFC 6891 (EDNS), RFC 7871 (client subnet), RFC 7830 (padding).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from proxycore.destination import IPAddress, unmapped
from proxycore.errors import LimitError, PeerError

A, CNAME, SOA, AAAA, OPT = 1, 5, 6, 28, 41
INTERNET = 1                    # the class

MAX_MESSAGE_BYTES = 65535
MAX_NAME_BYTES = 255            # on the wire, with its length bytes
MAX_LABEL_BYTES = 63
MAX_POINTERS = 32               # of one name
MAX_RECORDS = 512               # of one message
MAX_CHAIN = 16                  # aliases that are followed
MAX_TTL_S = 2**31 - 1           # RFC 2181, section 8: above, it counts as 0

LEAST_UDP_BYTES = 512
"""What everyone can take in a datagram; more only who says so (EDNS)."""

UDP_BYTES = 1232
"""What we say that we can take: what fits into every IPv6 packet."""

SUBNET_BITS = {4: 24, 6: 96}
"""How much of `clientIp` a server is told, as Xray does."""

PADDING_BLOCK_BYTES = 128
"""RFC 8467: encrypted questions are padded to a multiple, so that their size says little."""

_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE, _AUTHORITATIVE = 0x8000, 0x0200, 0x0100, 0x0080, 0x0400
_OPCODE = 0x7800
_HEADER = struct.Struct("!6H")
_QUESTION_END = struct.Struct("!HH")
_RECORD_END = struct.Struct("!HHIH")
_POINTER_TO_QUESTION = b"\xc0\x0c"
_OPTION_SUBNET, _OPTION_PADDING = 8, 12


class Question(NamedTuple):
    """`name` in lower case without the last dot, odd characters as `\\ddd`; `labels` as they came."""

    name: str
    type: int
    labels: tuple[bytes, ...]
    in_class: int = INTERNET


class Query(NamedTuple):
    """A question that a client asks. `udp_bytes`: how large an answer in a datagram may be."""

    id: int
    question: Question
    udp_bytes: int


class Response(NamedTuple):
    """`addresses` are those of the question's name, also through aliases. `ttl_s` is None where nothing tells it."""

    id: int
    question: Question | None
    rcode: int
    is_truncated: bool
    addresses: tuple[IPAddress, ...] = ()
    ttl_s: int | None = None


def labels_of(name: str) -> tuple[bytes, ...]:
    """`name` in parts as they are sent. Raises ValueError: it cannot be a name."""
    try:
        encoded = name.encode("ascii" if name.isascii() else "idna")
    except UnicodeError:
        raise ValueError("this cannot be a domain name") from None
    labels = tuple(encoded.removesuffix(b".").split(b"."))
    if any(not 0 < len(label) <= MAX_LABEL_BYTES or b"\\" in label for label in labels):
        raise ValueError(f"a part of a domain name has 1 to {MAX_LABEL_BYTES} characters")
    if sum(map(len, labels)) + len(labels) + 1 > MAX_NAME_BYTES:
        raise ValueError(f"a domain name has {MAX_NAME_BYTES - 2} characters at most")
    return labels


def question_of(name: str, question_type: int) -> Question:
    """Raises ValueError: it cannot be a name."""
    labels = labels_of(name)
    return Question(_text(labels), question_type, labels)


def _text(labels: Sequence[bytes]) -> str:
    return ".".join("".join(map(_character, label)) for label in labels).lower()


def _character(byte: int) -> str:
    return chr(byte) if 0x20 < byte < 0x7F and byte not in b".\\" else f"\\{byte:03d}"


def _wire(labels: Sequence[bytes]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


# --- writing

def encode_query(number: int, question: Question, subnet: IPAddress | None = None, *, pads: bool = False) -> bytes:
    """A question that asks for recursion. `subnet`: an address of the client on whose behalf; `pads`: hide its length."""
    options = _subnet(subnet) if subnet is not None else b""
    has_opt = bool(options) or pads
    message = _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, int(has_opt)) + _encode_question(question)
    if not has_opt:
        return message
    if pads:
        size = len(message) + 11 + len(options) + 4         # with the OPT record's head, and that of the padding
        options += struct.pack("!HH", _OPTION_PADDING, -size % PADDING_BLOCK_BYTES)
        options += bytes(-size % PADDING_BLOCK_BYTES)
    return message + b"\0" + _RECORD_END.pack(OPT, UDP_BYTES, 0, len(options)) + options


def _subnet(client: IPAddress) -> bytes:
    client = unmapped(client)
    bits = SUBNET_BITS[client.version]
    family = 1 if client.version == 4 else 2
    data = struct.pack("!HBB", family, bits, 0) + client.packed[: bits // 8]
    return struct.pack("!HH", _OPTION_SUBNET, len(data)) + data


def _encode_question(question: Question) -> bytes:
    return _wire(question.labels) + _QUESTION_END.pack(question.type, question.in_class)


def encode_answer(
    query: Query, addresses: Sequence[IPAddress] = (), ttl_s: int = 0, rcode: int = 0, *, limit_bytes: int = MAX_MESSAGE_BYTES
) -> bytes:
    """The answer to `query`, with those of `addresses` that are of the type asked for; what exceeds the limit is left
    out, and the answer says so."""
    head = _encode_question(query.question)
    records = [
        _POINTER_TO_QUESTION + _RECORD_END.pack(query.question.type, INTERNET, min(ttl_s, MAX_TTL_S), len(ip.packed)) + ip.packed
        for ip in addresses if query.question.type == (A if ip.version == 4 else AAAA)
    ]
    kept = records[: max(limit_bytes - _HEADER.size - len(head), 0) // len(records[0])] if records else []
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_DESIRED | _RECURSION_AVAILABLE | (rcode & 0xF)
    if len(kept) < len(records):
        flags |= _TRUNCATED
    return _HEADER.pack(query.id, flags, 1, len(kept), 0, 0) + head + b"".join(kept)


# --- reading

def parse_query(data: bytes) -> Query:
    """Raises PeerError: it is no question."""
    number, flags, questions, answers, authorities, additionals = _head(data)
    if flags & (_RESPONSE | _OPCODE) or questions != 1:
        raise PeerError("this is no DNS question")
    question, at = _question(data, _HEADER.size)
    udp_bytes = LEAST_UDP_BYTES
    for _ in range(min(answers + authorities + additionals, MAX_RECORDS)):
        _, record_type, size, _, _, at = _record(data, at)
        if record_type == OPT:
            udp_bytes = max(udp_bytes, size)        # the class of an OPT record is the size
    return Query(number, question, udp_bytes)


def parse_response(data: bytes) -> Response:
    """Raises PeerError: it is no answer, or broken."""
    number, flags, questions, answers, authorities, _ = _head(data)
    if not flags & _RESPONSE or questions > 1:
        raise PeerError("this is no DNS answer")
    question, at = _question(data, _HEADER.size) if questions else (None, _HEADER.size)
    rcode, is_truncated = flags & 0xF, bool(flags & _TRUNCATED)
    if is_truncated or question is None:
        return Response(number, question, rcode, is_truncated)
    if answers + authorities > MAX_RECORDS:
        raise LimitError("records of a DNS answer", got=answers + authorities, limit=MAX_RECORDS)
    aliases: dict[str, tuple[str, int]] = {}
    found: dict[str, list[tuple[IPAddress, int]]] = {}
    for _ in range(answers):
        name, record_type, record_class, ttl_s, begin, at = _record(data, at)
        if record_class != INTERNET:
            continue
        if record_type == CNAME:
            target, _ = _name(data, begin)
            aliases.setdefault(name, (_text(target), ttl_s))
        elif record_type == question.type and record_type in (A, AAAA):
            found.setdefault(name, []).append((_address(record_type, data[begin:at]), ttl_s))
    addresses, ttls = _follow(question.name, aliases, found)
    if not addresses:
        ttls += [ttl for ttl in (_negative_ttl(data, at, authorities),) if ttl is not None]
    return Response(number, question, rcode, False, addresses, min(ttls, default=None))


def _follow(
    name: str, aliases: dict[str, tuple[str, int]], found: dict[str, list[tuple[IPAddress, int]]]
) -> tuple[tuple[IPAddress, ...], list[int]]:
    """The addresses of `name`, through its aliases, and every TTL on the way."""
    ttls: list[int] = []
    for _ in range(MAX_CHAIN):
        if name in found:
            ttls += [ttl_s for _, ttl_s in found[name]]
            return tuple(dict.fromkeys(ip for ip, _ in found[name])), ttls
        if name not in aliases:
            break
        name, ttl_s = aliases[name]
        ttls.append(ttl_s)
    return (), ttls


def _negative_ttl(data: bytes, at: int, authorities: int) -> int | None:
    """How long it holds that there is nothing: the smaller of the SOA's own TTL and its last field."""
    for _ in range(authorities):
        _, record_type, _, ttl_s, begin, at = _record(data, at)
        if record_type == SOA:
            if at - begin < 4:
                raise PeerError("a DNS record is cut off")
            return min(ttl_s, _clamped(int.from_bytes(data[at - 4:at], "big")))
    return None


def _address(record_type: int, data: bytes) -> IPAddress:
    if len(data) != (4 if record_type == A else 16):
        raise PeerError("a DNS record has an address of another length")
    return IPv4Address(data) if record_type == A else IPv6Address(data)


def _head(data: bytes) -> tuple[int, int, int, int, int, int]:
    if len(data) < _HEADER.size:
        raise PeerError("a DNS message is cut off")
    return _HEADER.unpack_from(data)


def _question(data: bytes, at: int) -> tuple[Question, int]:
    labels, at = _name(data, at)
    if at + _QUESTION_END.size > len(data):
        raise PeerError("a DNS question is cut off")
    question_type, in_class = _QUESTION_END.unpack_from(data, at)
    return Question(_text(labels), question_type, tuple(labels), in_class), at + _QUESTION_END.size


def _record(data: bytes, at: int) -> tuple[str, int, int, int, int, int]:
    """Name, type, class, TTL, where its data begins, where it ends."""
    labels, at = _name(data, at)
    begin = at + _RECORD_END.size
    if begin > len(data):
        raise PeerError("a DNS record is cut off")
    record_type, record_class, ttl_s, length = _RECORD_END.unpack_from(data, at)
    if begin + length > len(data):
        raise PeerError("a DNS record is cut off")
    return _text(labels), record_type, record_class, _clamped(ttl_s), begin, begin + length


def _clamped(ttl_s: int) -> int:
    return ttl_s if ttl_s <= MAX_TTL_S else 0


def _name(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels at `at`, and where what follows them begins."""
    labels: list[bytes] = []
    size, pointers, end = 1, 0, -1
    first = at                  # a pointer leads to before where its name began, so there is no way in circles
    while True:
        if at >= len(data):
            raise PeerError("a DNS name is cut off")
        length = data[at]
        if not length:
            return labels, at + 1 if end < 0 else end
        if length >= 0xC0:
            if at + 1 >= len(data):
                raise PeerError("a DNS name is cut off")
            target = (length & 0x3F) << 8 | data[at + 1]
            pointers += 1
            if target >= first or target < _HEADER.size or pointers > MAX_POINTERS:
                raise PeerError("a DNS name leads in circles")
            if end < 0:
                end = at + 2
            at = first = target
            continue
        if length > MAX_LABEL_BYTES:
            raise PeerError("a DNS name has a label of an unknown kind")
        size += length + 1
        if size > MAX_NAME_BYTES:
            raise LimitError("bytes of a DNS name", got=size, limit=MAX_NAME_BYTES)
        if at + 1 + length > len(data):
            raise PeerError("a DNS name is cut off")
        labels.append(data[at + 1:at + 1 + length])
        at += 1 + length


class MessageDecoder:
    """Cuts a byte stream into messages, each behind its length (u16). Source: RFC 7766."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The messages that `data` completed."""
        buffer = self._buffer
        buffer += data
        messages = []
        at = 0
        while at + 2 <= len(buffer):
            end = at + 2 + int.from_bytes(buffer[at:at + 2], "big")
            if end > len(buffer):
                break
            messages.append(bytes(buffer[at + 2:end]))
            at = end
        del buffer[:at]
        return messages


def framed(message: bytes) -> bytes:
    """`message` as it is sent on a stream."""
    return len(message).to_bytes(2, "big") + message
