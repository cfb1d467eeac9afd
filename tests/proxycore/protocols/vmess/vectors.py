"""The cases of vectors/vmess.json as objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from proxycore.destination import Destination, parse_host
from proxycore.protocols.vmess.authenticator import VmessCredential
from proxycore.protocols.vmess.header_codec import MUX_HOST, Command, RequestHeader, Security
from proxycore.protocols.vmess.ids import user_id_from_text

FILE = Path(__file__).parents[3] / "vectors" / "vmess.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())


class Chunk(NamedTuple):
    plain: bytes
    wire: bytes


class Case(NamedTuple):
    name: str
    credential: VmessCredential
    request: RequestHeader
    time_s: int
    auth_random: bytes
    nonce: bytes
    padding: bytes
    auth_id: bytes
    plain_header: bytes
    header_wire: bytes
    chunks: list[Chunk]
    end_wire: bytes
    response_wire: bytes
    response_chunks: list[Chunk]
    raw: dict[str, Any]

    @property
    def request_wire(self) -> bytes:
        """All that the client sends."""
        return self.header_wire + b"".join(chunk.wire for chunk in self.chunks) + self.end_wire

    @property
    def request_plain(self) -> bytes:
        return b"".join(chunk.plain for chunk in self.chunks)


def _case(name: str, raw: dict[str, Any]) -> Case:
    inputs = raw["inputs"]
    command = Command(inputs["command"])
    destination = Destination("tcp", MUX_HOST, 0)
    if inputs["address"] is not None:
        host, port = inputs["address"]
        destination = Destination("udp" if command is Command.UDP else "tcp", parse_host(host), port)
    request = RequestHeader(
        bytes.fromhex(inputs["body_iv"]), bytes.fromhex(inputs["body_key"]), inputs["response_v"],
        inputs["option"], Security(inputs["security"]), command, destination)
    return Case(
        name=name,
        credential=VmessCredential(user_id_from_text(inputs["uuid"])),
        request=request,
        time_s=inputs["time"],
        auth_random=bytes.fromhex(inputs["authid_random"]),
        nonce=bytes.fromhex(inputs["connection_nonce"]),
        padding=bytes.fromhex(inputs["header_padding"]),
        auth_id=bytes.fromhex(raw["auth_id"]["auth_id"]),
        plain_header=bytes.fromhex(raw["header"]["plaintext"]),
        header_wire=bytes.fromhex(raw["header"]["wire"]),
        chunks=_chunks(raw["request_body"]["chunks"]),
        end_wire=bytes.fromhex(raw["request_body"]["end_of_stream"]),
        response_wire=bytes.fromhex(raw["response"]["header_wire"]),
        response_chunks=_chunks(raw["response"]["example_chunks"]),
        raw=raw,
    )


def _chunks(raw: list[dict[str, str]]) -> list[Chunk]:
    return [Chunk(bytes.fromhex(chunk["plain"]), bytes.fromhex(chunk["wire"])) for chunk in raw]


CASES = {name: _case(name, raw) for name, raw in VECTORS["cases"].items()}
