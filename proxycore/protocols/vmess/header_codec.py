"""The two sealed headers of VMess AEAD. No I/O, no clock, no randomness.

    request   authID(16) | sealed length(18) | nonce(8) | sealed header(n + 16)
    response  sealed length(18) | sealed header(n + 16)

Plain request header, big-endian:

    u8 version | body IV(16) | body key(16) | u8 V | u8 options | u4 padding length, u4 security | u8 0 | u8 command
    [ u16 port | u8 address type | address ]  (not for Mux) | padding | u32 FNV-1a of all before

Plain response header: u8 V | u8 options | u8 command | u8 n | n bytes. Only V has a meaning today.
Source: Xray-core proxy/vmess/encoding/{client,server}.go, proxy/vmess/aead/encrypt.go; vectors/vmess.json.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Generic, Protocol, TypeVar
from zlib import crc32

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxycore.destination import Destination
from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.protocols.vmess import kdf
from proxycore.stream import Buffer
from proxycore.wire.address import decode_port_address, encode_port_address

TAG_BYTES = 16
AUTH_ID_BYTES = 16
SEALED_LENGTH_BYTES = 2 + TAG_BYTES
NONCE_BYTES = 8
MAX_HEADER_PADDING = 15                 # bytes; the length has four bits
MAX_HEADER_BYTES = 512                  # plain; 316 is the most that a client has reason to send
MAX_RESPONSE_HEADER_BYTES = 4 + 255
MUX_HOST = "v1.mux.cool"                # the destination that command Mux stands for, port 0

_VERSION = 1
_FIXED = struct.Struct(">B16s16sBBBBB")
_AUTH_ID = struct.Struct(">q4s")
_FNV_BYTES = 4
_MIN_RESPONSE_HEADER_BYTES = 4


class Security(IntEnum):
    """How the body is enciphered, as the header says it."""

    AES_128_GCM = 3
    CHACHA20_POLY1305 = 4
    NONE = 5


class Option(IntFlag):
    """Bits of the options byte. Bit 0x02 (reuse) is obsolete and ignored."""

    CHUNK_STREAM = 0x01                 # the body is chunked and ends with an end chunk
    CHUNK_MASKING = 0x04                # sizes are masked with SHAKE128
    GLOBAL_PADDING = 0x08               # 0 to 63 random bytes behind each chunk; needs CHUNK_MASKING
    AUTHENTICATED_LENGTH = 0x10         # sizes are sealed


class Command(IntEnum):
    TCP = 1
    UDP = 2
    MUX = 3


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What a client says first. `destination` of command Mux is MUX_HOST port 0. The repr shows no key."""

    body_iv: bytes
    body_key: bytes
    response_v: int
    options: int
    security: Security
    command: Command
    destination: Destination

    def __repr__(self) -> str:
        return f"RequestHeader({self.command.name}, {self.security.name}, options {self.options:#04x})"


class Credential(Protocol):
    """Who may connect, as far as a header needs to know."""

    @property
    def command_key(self) -> bytes: ...


CredentialT = TypeVar("CredentialT", bound=Credential)


def encode_auth_id(command_key: bytes, unix_time_s: int, random: bytes) -> bytes:
    """The 16 bytes that name the user to who knows the key. `random` has 4 bytes."""
    plain = _AUTH_ID.pack(unix_time_s, random)
    encryptor = Cipher(algorithms.AES(kdf.kdf16(command_key, kdf.AUTH_ID)), modes.ECB()).encryptor()
    return encryptor.update(plain + crc32(plain).to_bytes(4, "big"))


def encode_plain_request(header: RequestHeader, padding: bytes) -> bytes:
    """The header before it is sealed. `padding` has 0 to MAX_HEADER_PADDING random bytes.

    Raises: PeerError, a destination that cannot be written.
    """
    plain = _FIXED.pack(_VERSION, header.body_iv, header.body_key, header.response_v, header.options,
                        len(padding) << 4 | header.security, 0, header.command)
    if header.command is not Command.MUX:
        plain += encode_port_address(header.destination.host, header.destination.port)
    plain += padding
    return plain + fnv1a32(plain).to_bytes(_FNV_BYTES, "big")


def seal_request(command_key: bytes, auth_id: bytes, nonce: bytes, plain: bytes) -> bytes:
    """The request on the wire, from authID to the end of the header. `nonce` has NONCE_BYTES random bytes."""
    length, header = (AESGCM(kdf.kdf16(command_key, key, auth_id, nonce)).encrypt(
        kdf.kdf12(command_key, iv, auth_id, nonce), data, auth_id)
        for key, iv, data in ((kdf.LENGTH_KEY, kdf.LENGTH_NONCE, len(plain).to_bytes(2, "big")),
                              (kdf.HEADER_KEY, kdf.HEADER_NONCE, plain)))
    return auth_id + length + nonce + header


def decode_plain_request(plain: bytes) -> RequestHeader:
    """Read a header that was opened. Bytes behind the hash are ignored, as the cores do.

    Raises: PeerError, anything that no client writes.
    """
    if len(plain) < _FIXED.size + _FNV_BYTES:
        raise PeerError("a request header that is too short")
    _, body_iv, body_key, response_v, options, security_byte, _, command_byte = _FIXED.unpack_from(plain)
    try:
        command = Command(command_byte)
        security = Security(security_byte & 0x0F)
    except ValueError as error:
        raise PeerError(str(error)) from None
    end = _FIXED.size
    if command is Command.MUX:
        destination = Destination("tcp", MUX_HOST, 0)
    else:
        destination, end = decode_port_address(plain, end, "udp" if command is Command.UDP else "tcp")
    end += security_byte >> 4
    if int.from_bytes(plain[end:end + _FNV_BYTES], "big") != fnv1a32(plain[:end]) or len(plain) < end + _FNV_BYTES:
        raise PeerError("the hash of a request header is wrong")
    if options & Option.GLOBAL_PADDING and not options & Option.CHUNK_MASKING:
        raise PeerError("padding without masking")
    return RequestHeader(body_iv, body_key, response_v, options, security, command, destination)


class RequestDecoder(Generic[CredentialT]):
    """Read one request header from however many pieces; what follows it is left in `rest`.

    Holds at most one header of MAX_HEADER_BYTES, and nothing once it has returned or raised.
    """

    __slots__ = ("_authenticate", "_buffer", "_length_known", "_need", "credential", "rest")

    def __init__(self, authenticate: Callable[[bytes], CredentialT]) -> None:
        """`authenticate` tells whose an authID is, and raises AuthError where it is nobody's."""
        self._authenticate = authenticate
        self._buffer = bytearray()
        self._need = AUTH_ID_BYTES
        self._length_known = False
        self.credential: CredentialT | None = None
        self.rest: Buffer = b""

    def feed(self, data: Buffer) -> RequestHeader | None:
        """Return the header once it is complete; `rest` is then what of `data` is body, a view valid as long as `data`.

        Raises: AuthError, from `authenticate` or where a seal is broken. PeerError, the header breaks the protocol.
        """
        buffer = self._buffer
        view = memoryview(data)
        while True:
            missing = self._need - len(buffer)
            buffer += view[:missing]
            view = view[missing:]
            if len(buffer) < self._need:
                return None
            if self.credential is None:
                self.credential = self._authenticate(bytes(buffer))
                self._need += SEALED_LENGTH_BYTES + NONCE_BYTES
            elif not self._length_known:
                size = self._open_length(self.credential.command_key)
                if size > MAX_HEADER_BYTES:
                    raise LimitError("bytes of a request header", got=size, limit=MAX_HEADER_BYTES)
                self._length_known = True
                self._need += size + TAG_BYTES
            else:
                header = decode_plain_request(self._open_header(self.credential.command_key))
                self._buffer = bytearray()
                self.rest = view
                return header

    def _open_length(self, command_key: bytes) -> int:
        sealed = bytes(self._buffer[AUTH_ID_BYTES:AUTH_ID_BYTES + SEALED_LENGTH_BYTES])
        return int.from_bytes(self._open(command_key, kdf.LENGTH_KEY, kdf.LENGTH_NONCE, sealed), "big")

    def _open_header(self, command_key: bytes) -> bytes:
        start = AUTH_ID_BYTES + SEALED_LENGTH_BYTES + NONCE_BYTES
        return self._open(command_key, kdf.HEADER_KEY, kdf.HEADER_NONCE, bytes(self._buffer[start:]))

    def _open(self, command_key: bytes, key_salt: bytes, nonce_salt: bytes, sealed: bytes) -> bytes:
        auth_id = bytes(self._buffer[:AUTH_ID_BYTES])
        start = AUTH_ID_BYTES + SEALED_LENGTH_BYTES
        nonce = bytes(self._buffer[start:start + NONCE_BYTES])
        cipher = AESGCM(kdf.kdf16(command_key, key_salt, auth_id, nonce))
        try:
            return cipher.decrypt(kdf.kdf12(command_key, nonce_salt, auth_id, nonce), sealed, auth_id)
        except InvalidTag:
            raise AuthError("bad tag") from None


def response_keys(body_key: bytes, body_iv: bytes) -> tuple[bytes, bytes]:
    """Key and IV of the response, header and body, from those of the request."""
    return hashlib.sha256(body_key).digest()[:16], hashlib.sha256(body_iv).digest()[:16]


def encode_response(header: RequestHeader) -> bytes:
    """The sealed response header that answers `header`."""
    key, iv = response_keys(header.body_key, header.body_iv)
    plain = bytes((header.response_v, 0, 0, 0))
    length = AESGCM(kdf.kdf16(key, kdf.RESPONSE_LENGTH_KEY)).encrypt(
        kdf.kdf12(iv, kdf.RESPONSE_LENGTH_NONCE), len(plain).to_bytes(2, "big"), None)
    return length + AESGCM(kdf.kdf16(key, kdf.RESPONSE_HEADER_KEY)).encrypt(
        kdf.kdf12(iv, kdf.RESPONSE_HEADER_NONCE), plain, None)


class ResponseDecoder:
    """Read the response header that answers `request`, from however many pieces; what follows it is left in `rest`.

    Option byte and command of the header are ignored (sing-box echoes our options; the one command is long gone).
    """

    __slots__ = ("_buffer", "_need", "_request", "rest")

    def __init__(self, request: RequestHeader) -> None:
        self._request = request
        self._buffer = bytearray()
        self._need = SEALED_LENGTH_BYTES
        self.rest: Buffer = b""

    @property
    def has_begun(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: Buffer) -> bool:
        """True once the header is complete; `rest` is then what of `data` is body, a view valid as long as `data`.

        Raises: AuthError, a seal is broken or the header does not answer this request. LimitError, it is too long.
        """
        buffer = self._buffer
        view = memoryview(data)
        while True:
            missing = self._need - len(buffer)
            buffer += view[:missing]
            view = view[missing:]
            if len(buffer) < self._need:
                return False
            if self._need == SEALED_LENGTH_BYTES:
                plain = self._open(kdf.RESPONSE_LENGTH_KEY, kdf.RESPONSE_LENGTH_NONCE, bytes(buffer))
                size = int.from_bytes(plain, "big")
                if size > MAX_RESPONSE_HEADER_BYTES:
                    raise LimitError("bytes of a response header", got=size, limit=MAX_RESPONSE_HEADER_BYTES)
                self._need += size + TAG_BYTES
                continue
            plain = self._open(kdf.RESPONSE_HEADER_KEY, kdf.RESPONSE_HEADER_NONCE, bytes(buffer[SEALED_LENGTH_BYTES:]))
            if len(plain) < _MIN_RESPONSE_HEADER_BYTES or plain[0] != self._request.response_v:
                raise AuthError("the response header answers another request")
            self._buffer = bytearray()
            self.rest = view
            return True

    def _open(self, key_salt: bytes, nonce_salt: bytes, sealed: bytes) -> bytes:
        key, iv = response_keys(self._request.body_key, self._request.body_iv)
        try:
            return AESGCM(kdf.kdf16(key, key_salt)).decrypt(kdf.kdf12(iv, nonce_salt), sealed, None)
        except InvalidTag:
            raise AuthError("the response header is not from the server that has our id") from None


def fnv1a32(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
