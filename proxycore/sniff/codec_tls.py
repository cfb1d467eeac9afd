"""TLS over a stream: the name in the ClientHello, which may be cut over several records.

    u8 type = 22 · u8 major = 3 · u8 minor · u16 length · payload        (RFC 8446 section 5.1)
"""

from __future__ import annotations

from proxycore.sniff.codec_client_hello import read_server_name
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Undecided, Verdict

_BEGIN = b"\x16\x03"         # a handshake of TLS, any version
_HEADER_BYTES = 5
_MAX_RECORD_BYTES = 16384


def sniff_tls(data: bytes | bytearray) -> Verdict:
    """`data`: everything that the client has sent."""
    hello = bytearray()
    at = 0
    while True:
        header = data[at : at + _HEADER_BYTES]
        if not _BEGIN.startswith(header[:2]):
            return NOT
        if len(header) < _HEADER_BYTES:
            return MORE
        length = int.from_bytes(header[3:5])
        if not 0 < length <= _MAX_RECORD_BYTES:
            return NOT
        at += _HEADER_BYTES
        hello += data[at : at + length]
        at += length
        name = read_server_name(hello)
        if name is not MORE:
            return name if isinstance(name, Undecided) else Sniffed("tls", name)
        if at >= len(data):
            return MORE
