"""What SOCKS peers say to each other. Integers are big-endian.

    SOCKS 4   04 | cmd | u16 port | ip4 | user id 00 [| domain 00]      answer  00 | 5a or 5b | six bytes
    SOCKS 5   05 | n | n methods                                        answer  05 | method
              01 | n | user | n | password                              answer  01 | status
              05 | cmd | 00 | address                                   answer  05 | code | 00 | address
    datagram  00 00 | fragment | address | data

Source: RFC 1928, RFC 1929, Xray-core proxy/socks/protocol.go.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple

from proxycore.destination import Destination, IPAddress
from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.stream import Buffer
from proxycore.wire.address import TruncatedAddress, domain_from_wire
from proxycore.wire.socks_address import decode_socks_address, encode_socks_address

MAX_SOCKS4_BYTES = 8 + 2 * 256
"""A whole SOCKS 4 request; its texts have no length of their own."""

SOCKS4_GRANTED = bytes.fromhex("005a000000000000")
SOCKS4_REFUSED = bytes.fromhex("005b000000000000")
NO_AUTH, PASSWORD, NO_METHOD = 0, 2, 0xFF
SUCCEEDED, GENERAL_FAILURE, NOT_ALLOWED, NETWORK_UNREACHABLE, HOST_UNREACHABLE, REFUSED = 0, 1, 2, 3, 4, 5
COMMAND_NOT_SUPPORTED = 7
_REASONS = {
    1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "connection refused",
    6: "time to live expired", 7: "command not supported", 8: "address type not supported",
}
_UNSPECIFIED = IPv4Address(0)


class Command(Enum):
    CONNECT = 1
    ASSOCIATE = 3


_COMMANDS = {1: Command.CONNECT, 3: Command.ASSOCIATE, 0xF0: Command.CONNECT, 0xF1: Command.CONNECT}
"""The last two are Tor's name look-ups, which the cores take for CONNECT."""


class SocksRequest(NamedTuple):
    version: int
    command: Command
    destination: Destination        # for ASSOCIATE: where the client will send from, mostly unspecified
    user: str


UNKNOWN_USER = "unknown_user"


class Refusal(PeerError):
    """What the client wants is not given; `answer` tells it so."""

    def __init__(self, reason: str, answer: bytes, kind: str = PeerError.kind) -> None:
        super().__init__(reason)
        self.answer = answer
        self.kind = kind


def encode_reply(code: int, host: str | IPAddress = _UNSPECIFIED, port: int = 0) -> bytes:
    """The answer to a SOCKS 5 request."""
    return b"\x05%c\x00%b" % (code, encode_socks_address(host, port))


class ServerDecoder:
    """The server's half of a handshake. `passwords` by user name; None: everybody may come."""

    __slots__ = ("_buffer", "_has_method", "_passwords", "_takes_udp", "_user", "login", "request")

    def __init__(self, passwords: Mapping[bytes, bytes] | None, *, takes_udp: bool) -> None:
        self._passwords = passwords
        self._takes_udp = takes_udp
        self._buffer = b""
        self._has_method = False
        self._user: str | None = "" if passwords is None else None      # None: has to be proved
        self.request: SocksRequest | None = None
        self.login: tuple[bytes, bytes] | None = None       # as which the client has proven itself, with the password

    @property
    def rest(self) -> bytes:
        """What came behind the request."""
        return self._buffer

    def feed(self, data: Buffer) -> bytes:
        """Return what is to be answered now. `request` is set once it is complete; it is answered by the caller.

        Raises: Refusal, with an answer. PeerError, this is not SOCKS.
        """
        buffer = self._buffer = self._buffer + bytes(data)
        answer = b""
        if not buffer:
            return answer
        if not self._has_method and buffer[0] == 4:
            self._read_socks4(buffer)
            return answer
        if not self._has_method:
            if buffer[0] != 5:
                raise PeerError(f"version {buffer[0]} of SOCKS is not known")
            if len(buffer) < 2 or len(buffer) < 2 + buffer[1]:
                return answer
            method = NO_AUTH if self._passwords is None else PASSWORD
            if method not in buffer[2:2 + buffer[1]]:
                raise Refusal("the client offers no way of authentication that is wanted", bytes((5, NO_METHOD)), UNKNOWN_USER)
            self._has_method = True
            answer = bytes((5, method))
            buffer = self._buffer = buffer[2 + buffer[1]:]
        try:
            if self._user is None:
                step = self._read_password(buffer)
                if step is None:
                    return answer
                answer += b"\x01\x00"
                buffer = self._buffer = buffer[step:]
            self._read_request(buffer)
        except Refusal as error:
            raise Refusal(str(error), answer + error.answer, error.kind) from None      # what is due before comes first
        return answer

    def _read_password(self, buffer: bytes) -> int | None:
        """The length of the message, or None until it is complete."""
        if len(buffer) < 2:
            return None
        at = 2 + buffer[1]
        if len(buffer) < at + 1 or len(buffer) < at + 1 + buffer[at]:
            return None
        end = at + 1 + buffer[at]
        user, password = buffer[2:at], buffer[at + 1:end]
        assert self._passwords is not None
        known = self._passwords.get(user)
        is_right = hmac.compare_digest(known if known is not None else b"\0", password)
        if known is None or not is_right:
            raise Refusal("wrong user name or password", b"\x01\xff", UNKNOWN_USER)
        self._user = user.decode(errors="replace")
        self.login = user, password
        return end

    def _read_request(self, buffer: bytes) -> None:
        if len(buffer) < 4:
            return
        if buffer[0] != 5:
            raise PeerError(f"a request of version {buffer[0]} after a greeting of version 5")
        command = _COMMANDS.get(buffer[1])
        if command is None or (command is Command.ASSOCIATE and not self._takes_udp):
            raise Refusal(f"command {buffer[1]} is not served", encode_reply(COMMAND_NOT_SUPPORTED))
        try:
            destination, end = decode_socks_address(buffer, 3, "tcp" if command is Command.CONNECT else "udp")
        except TruncatedAddress:
            return
        assert self._user is not None
        self.request = SocksRequest(5, command, destination, self._user)
        self._buffer = buffer[end:]

    def _read_socks4(self, buffer: bytes) -> None:
        end = buffer.find(b"\0", 8, MAX_SOCKS4_BYTES)
        raw = b""
        if end >= 0 and len(buffer) >= 8 and buffer[4] == 0:
            begin = end + 1
            end = buffer.find(b"\0", begin, MAX_SOCKS4_BYTES)
            raw = buffer[begin:end]
        if end < 0:
            if len(buffer) >= MAX_SOCKS4_BYTES:
                raise LimitError("bytes of a SOCKS 4 request", got=len(buffer), limit=MAX_SOCKS4_BYTES)
            return
        if self._passwords is not None:
            raise Refusal("SOCKS 4 has no passwords, and one is wanted", SOCKS4_REFUSED, UNKNOWN_USER)
        if buffer[1] != 1:
            raise Refusal(f"command {buffer[1]} is not served", SOCKS4_REFUSED)
        host = domain_from_wire(raw) if buffer[4] == 0 else IPv4Address(buffer[4:8])
        destination = Destination("tcp", host, buffer[2] << 8 | buffer[3])
        self.request = SocksRequest(4, Command.CONNECT, destination, "")
        self._buffer = buffer[end + 1:]


class ClientDecoder:
    """The client's half of a SOCKS 5 handshake."""

    __slots__ = ("_buffer", "_login", "_request", "_state", "bound", "is_done", "rest")

    def __init__(self, command: Command, destination: Destination | None, login: tuple[bytes, bytes] | None) -> None:
        """`destination` None: not said (ASSOCIATE). Raises: PeerError, a destination that cannot be written."""
        host, port = (_UNSPECIFIED, 0) if destination is None else (destination.host, destination.port)
        self._request = b"\x05%c\x00%b" % (command.value, encode_socks_address(host, port))
        self._login = login
        self._buffer = b""
        self._state = self._read_method
        self.is_done = False
        self.bound: Destination | None = None       # what the server said where it is
        self.rest = b""

    def hello(self) -> bytes:
        return bytes((5, 1, NO_AUTH if self._login is None else PASSWORD))

    def feed(self, data: Buffer) -> bytes:
        """Return what is to be said next. Raises: PeerError, it refused or is no SOCKS 5 server."""
        self._buffer += bytes(data)
        answer = b""
        while not self.is_done:
            said = self._state()
            if said is None:
                break
            answer += said
        return answer

    def _take(self, size: int) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < size:
            return None
        self._buffer = buffer[size:]
        return buffer[:size]

    def _read_method(self) -> bytes | None:
        got = self._take(2)
        if got is None:
            return None
        if got[0] != 5:
            raise PeerError("the server does not speak SOCKS 5")
        if got[1] == NO_METHOD:
            raise AuthError("the SOCKS server wants another way of authentication")
        if got[1] == NO_AUTH:
            self._state = self._read_reply
            return self._request
        if got[1] != PASSWORD or self._login is None:
            raise PeerError("the SOCKS server chose a way of authentication that was not offered")
        user, password = self._login
        self._state = self._read_status
        return b"\x01%c%b%c%b" % (len(user), user, len(password), password)

    def _read_status(self) -> bytes | None:
        got = self._take(2)
        if got is None:
            return None
        if got[1] != 0:
            raise AuthError("the SOCKS server does not know this user and password")
        self._state = self._read_reply
        return self._request

    def _read_reply(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] != 5:
            raise PeerError("the server does not speak SOCKS 5")
        if buffer[1] != SUCCEEDED:
            raise PeerError(f"the SOCKS server answers: {_REASONS.get(buffer[1], f'code {buffer[1]}')}")
        if len(buffer) < 4:
            return None
        if buffer[3] == 3 and len(buffer) > 4 and buffer[4] == 0:       # an empty name: as good as unspecified
            if len(buffer) < 7:
                return None
            self.bound, end = Destination("udp", _UNSPECIFIED, buffer[5] << 8 | buffer[6]), 7
        else:
            try:
                self.bound, end = decode_socks_address(buffer, 3, "udp")
            except TruncatedAddress:
                return None
        self.is_done = True
        self.rest, self._buffer = buffer[end:], b""
        return b""


def encode_datagram(source: Destination, data: Buffer) -> bytes:
    """Raises: PeerError, an address that cannot be written."""
    return b"".join((b"\0\0\0", encode_socks_address(source.host, source.port), data))


def decode_datagram(data: Buffer) -> tuple[Destination, int]:
    """The address of a datagram and where its data begins. Raises: PeerError, fragments among them."""
    if len(data) < 4:
        raise TruncatedAddress
    if data[2]:
        raise PeerError("a fragment of a datagram")
    return decode_socks_address(data, 3, "udp")
