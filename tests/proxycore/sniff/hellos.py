"""ClientHellos, TLS records and QUIC Initial packets for the tests: made here, and those of the RFCs."""

from __future__ import annotations

import contextlib
import ssl

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# RFC 9001 appendix A.2: the CRYPTO frame of the client's Initial, whose ClientHello names example.com.
RFC_FRAME = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000"
    "10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033"
    "00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff"
)
RFC_HELLO = RFC_FRAME[4:]
RFC_ID = bytes.fromhex("8394c8f03e515708")
PAYLOAD_BYTES = 1162        # of the RFCs' packets, padding included

# Keys and vectors: RFC 9001 appendix A.1 and RFC 9369 appendix A.1
KEYS = {
    1: ("00000001", 0x00, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"),
    2: ("6b3343cf", 0x10, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"),
}


def initial(version: int, payload: bytes, number: int = 2) -> bytes:
    """An Initial packet from RFC_ID, sealed with the RFC's keys, with a packet number of four bytes."""
    code, kind, key, iv, protection = KEYS[version]
    length = 4 + len(payload) + 16
    header = bytes([0xC3 | kind]) + bytes.fromhex(code) + b"\x08" + RFC_ID + b"\x00\x00" + (0x4000 | length).to_bytes(2)
    number_at = len(header)
    header += number.to_bytes(4)
    nonce = (int(iv, 16) ^ number).to_bytes(12)
    packet = bytearray(header + AESGCM(bytes.fromhex(key)).encrypt(nonce, payload, header))
    encryptor = Cipher(algorithms.AES(bytes.fromhex(protection)), modes.ECB()).encryptor()
    mask = encryptor.update(bytes(packet[number_at + 4 : number_at + 20]))
    packet[0] ^= mask[0] & 0x0F
    for position in range(4):
        packet[number_at + position] ^= mask[1 + position]
    return bytes(packet)


def crypto(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\x06" + (0x4000 | offset).to_bytes(2) + (0x4000 | len(data)).to_bytes(2) + data


def records(hello: bytes, *cuts: int) -> bytes:
    """`hello` in TLS records, cut at these places."""
    ends = [*cuts, len(hello)]
    starts = [0, *cuts]
    return b"".join(
        b"\x16\x03\x01" + (end - start).to_bytes(2) + hello[start:end] for start, end in zip(starts, ends, strict=True))


def openssl_hello(name: str | None) -> bytes:
    """The first flight of the system's OpenSSL."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
