"""QUIC: the name in the ClientHello of the client's Initial packets, which are sealed with keys that anybody can derive.

    u8 first · u32 version · u8+ destination id · u8+ source id · [varint+ token] · varint length · packet number · payload

The payload is frames; the ClientHello is in CRYPTO frames, in any order and over several packets.
Source: RFC 9000 sections 12, 16, 17.2 and 19; RFC 9001 section 5 (version 1); RFC 9369 section 3 (version 2).
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxycore.sniff.codec_client_hello import read_server_name
from proxycore.sniff.verdict import NOT, Sniffed, Undecided, Verdict

MAX_CRYPTO_BYTES = 16 * 1024
"""Of a ClientHello; what lies beyond is not kept."""

MAX_DATAGRAM_BYTES = 2048
"""Of one datagram that are looked at: a client's first ones have to fit through any network, and each byte may be a frame."""

MAX_PACKETS = 16
"""The same of packets."""

_LONG_HEADER = 0xC0                     # with the fixed bit
_MAX_ID_BYTES = 20
_SAMPLE_BYTES, _TAG_BYTES = 16, 16
_KEY_BYTES, _IV_BYTES, _SECRET_BYTES = 16, 12, 32
_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0x00, 0x01, 0x02, 0x03, 0x06, 0x1C


class _Version(NamedTuple):
    salt: bytes
    initial_type: int                   # bits 4 and 5 of the first byte
    label: bytes                        # how the labels of keys begin


_SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
_VERSIONS = {
    0xFF00001D: _Version(_SALT_29, 0, b"quic"),         # draft 29
    0x00000001: _Version(_SALT_1, 0, b"quic"),
    0x6B3343CF: _Version(_SALT_2, 1, b"quicv2"),
}


class _Malformed(Exception):
    """This is no QUIC, or nothing that can be read."""


class _Keys:
    """What opens the client's Initial packets."""

    __slots__ = ("_aead", "_header", "_iv")

    def __init__(self, version: _Version, connection_id: bytes) -> None:
        initial = hmac.digest(version.salt, connection_id, "sha256")
        secret = _expand(initial, b"client in", _SECRET_BYTES)
        self._aead = AESGCM(_expand(secret, version.label + b" key", _KEY_BYTES))
        self._iv = int.from_bytes(_expand(secret, version.label + b" iv", _IV_BYTES))
        # one block at a time is what header protection is defined as (RFC 9001 section 5.4.3)
        self._header = Cipher(algorithms.AES(_expand(secret, version.label + b" hp", _KEY_BYTES)), modes.ECB())

    def open(self, packet: bytes, number_at: int) -> bytes:
        """The payload of `packet`, whose number is at `number_at`. Raises: _Malformed."""
        sample = packet[number_at + 4 : number_at + 4 + _SAMPLE_BYTES]
        if len(sample) < _SAMPLE_BYTES:
            raise _Malformed
        mask = self._header.encryptor().update(sample)
        first = packet[0] ^ mask[0] & 0x0F
        width = (first & 3) + 1
        number = bytes(byte ^ masked for byte, masked in zip(packet[number_at : number_at + width], mask[1:], strict=False))
        nonce = (self._iv ^ int.from_bytes(number)).to_bytes(_IV_BYTES)
        header = bytes((first,)) + packet[1:number_at] + number
        try:
            return self._aead.decrypt(nonce, packet[number_at + width :], header)
        except InvalidTag:
            raise _Malformed from None


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1) with no context, for at most one block."""
    info = length.to_bytes(2) + bytes((6 + len(label),)) + b"tls13 " + label + b"\x00"
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]


class _Reader:
    """Cuts numbers and strings off. Every method raises _Malformed at the end of the data."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise _Malformed
        return self.data[start : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        first = self.byte()
        more = (1 << (first >> 6)) - 1          # bytes
        return (first & 0x3F) << 8 * more | int.from_bytes(self.take(more))


class QuicSniffer:
    """Takes the datagrams of one flow."""

    __slots__ = ("_hello", "_keys", "_known")

    def __init__(self) -> None:
        self._keys: _Keys | None = None
        self._hello = bytearray()           # with holes
        self._known = bytearray()           # a 1 for each byte that has come

    def feed(self, datagram: bytes) -> Verdict:
        """The verdict after one more datagram."""
        rest = datagram[:MAX_DATAGRAM_BYTES]
        for _ in range(MAX_PACKETS):
            try:
                rest = self._take_packet(rest)
            except _Malformed:
                break
            if not rest:
                break
        if self._keys is None:
            return NOT
        end = self._known.find(0)
        name = read_server_name(self._hello if end < 0 else self._hello[:end])
        return name if isinstance(name, Undecided) else Sniffed("quic", name)

    def _take_packet(self, datagram: bytes) -> bytes:
        """Read the first packet; return what follows it. Raises: _Malformed."""
        reader = _Reader(datagram)
        first = reader.byte()
        version = _VERSIONS.get(int.from_bytes(reader.take(4)))
        if first & _LONG_HEADER != _LONG_HEADER or version is None:
            raise _Malformed
        connection_id = reader.take(reader.byte())
        source_id = reader.take(reader.byte())
        if max(len(connection_id), len(source_id)) > _MAX_ID_BYTES:
            raise _Malformed
        is_initial = first >> 4 & 3 == version.initial_type
        if is_initial:
            reader.take(reader.varint())        # token
        length = reader.varint()
        number_at = reader.at
        reader.take(length)
        if is_initial:
            keys = self._keys or _Keys(version, connection_id)
            self._take_frames(_Reader(keys.open(datagram[: reader.at], number_at)))
            self._keys = keys
        return datagram[reader.at :]

    def _take_frames(self, reader: _Reader) -> None:
        """Raises: _Malformed, a frame that has no business in an Initial packet, or ends early."""
        size = len(reader.data)
        while reader.at < size:
            kind = reader.byte()
            if kind in (_PADDING, _PING):
                continue
            if kind in (_ACK, _ACK_ECN):
                reader.varint()
                reader.varint()
                ranges = reader.varint()
                for _ in range(min(1 + 2 * ranges, size) + (3 if kind == _ACK_ECN else 0)):
                    reader.varint()
            elif kind == _CRYPTO:
                offset = reader.varint()
                self._keep(offset, reader.take(reader.varint()))
            elif kind == _CLOSE:
                reader.varint()
                reader.varint()
                reader.take(reader.varint())
            else:
                raise _Malformed

    def _keep(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if end > MAX_CRYPTO_BYTES:
            raise _Malformed
        if end > len(self._hello):
            missing = bytes(end - len(self._hello))
            self._hello += missing
            self._known += missing
        self._hello[offset:end] = data
        self._known[offset:end] = b"\x01" * len(data)
