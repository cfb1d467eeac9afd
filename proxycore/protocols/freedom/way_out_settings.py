"""`fragment`, `noises` and `finalRules` of freedom, as a document writes them. Source: Xray-core infra/conf/freedom.go."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from proxycore.document.entries import Addresses
from proxycore.protocols.base import Settings
from proxycore.routing.ports import PortRange, parse_ports

MAX_LENGTH_BYTES = 1 << 20      # of a piece: more is never cut
MAX_NOISE_BYTES = 65507         # of a datagram
MAX_DELAY_MS = 60_000
MAX_NOISES = 64
MAX_BLOCK_DELAY_S = 86_400
MAX_COUNT = 1 << 31

_RANGE_SCHEMA = WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["10-20"]}]})
_TEXTS_SCHEMA = WithJsonSchema({"type": "array", "items": {"type": "string"}})


class Range(NamedTuple):
    """From `low` to `high`, both inside."""

    low: int
    high: int


def parse_range(value: object) -> Range:
    """A number, or text such as "5" or "10-20"; "" is 0. In either order, as in the cores. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Range(value, value)
    if not isinstance(value, str):
        raise ValueError('a number, or text such as "10-20", is expected')
    words = [word.strip() for word in value.split("-")] if value.strip() else ["0"]
    if len(words) > 2 or not all(word.isascii() and word.isdigit() and len(word) <= 10 for word in words):
        raise ValueError('a number, or text such as "10-20", is expected')
    numbers = sorted(int(word) for word in words)
    return Range(numbers[0], numbers[-1])


def _bounded(low: int, high: int, what: str) -> PlainValidator:
    def read(value: object) -> Range:
        found = parse_range(value)
        if found.low < low or found.high > high:
            raise ValueError(f"{what} from {low} to {high} are expected")
        return found

    return PlainValidator(read)


Length = Annotated[Range, _bounded(1, MAX_LENGTH_BYTES, "bytes"), _RANGE_SCHEMA]
Delay = Annotated[Range, _bounded(0, MAX_DELAY_MS, "milliseconds"), _RANGE_SCHEMA]
Splits = Annotated[Range, _bounded(0, MAX_COUNT, "pieces"), _RANGE_SCHEMA]
BlockDelay = Annotated[Range, _bounded(0, MAX_BLOCK_DELAY_S, "seconds"), _RANGE_SCHEMA]


def _packets(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    word = value.strip().lower()
    if word in ("", "tlshello"):
        return word
    try:
        found = parse_range(word)
    except ValueError:
        raise ValueError('"tlshello", or writes such as "1-3", is expected') from None
    if not found.low:
        raise ValueError("writes are counted from 1")
    return word


class FragmentSettings(Settings):
    """Cuts what is sent first into pieces."""

    packets: Annotated[str, BeforeValidator(_packets)] = Field(
        default="", description='"tlshello" (the first TLS record, as several), writes such as "1-3", or empty: all.')
    length: Length = Field(description="Bytes of a piece: a number or a range.")
    interval: Delay = Field(description="Milliseconds between pieces: a number or a range.")
    max_split: Splits = Field(default=Range(0, 0), alias="maxSplit", description="Pieces at most; 0: no limit.")

    @property
    def writes(self) -> Range | None:
        """Which writes are cut, counted from 1; None: every one."""
        return parse_range(self.packets) if self.packets not in ("", "tlshello") else None


class NoiseSettings(Settings):
    """A datagram that is sent before the first one."""

    type: Literal["rand", "str", "hex", "base64"] = Field(description="What `packet` is.")
    packet: str = Field(default="", max_length=2 * MAX_NOISE_BYTES, description='Content; of "rand" its length, such as "10-20".')
    delay: Delay = Field(default=Range(0, 0), description="Milliseconds after it: a number or a range.")
    apply_to: Annotated[Literal["ip", "ipv4", "ipv6"], BeforeValidator(
        lambda value: {"": "ip", "all": "ip"}.get(value.lower(), value.lower()) if isinstance(value, str) else value)] = Field(
        default="ip", alias="applyTo", description="Only on the way to addresses of this family.")

    @model_validator(mode="after")
    def _packet_is_readable(self) -> Self:
        length = self.length
        if not 0 < length.low <= length.high <= MAX_NOISE_BYTES:
            raise ValueError(f"packet: a datagram of 1 to {MAX_NOISE_BYTES} bytes is expected")
        return self

    @property
    def content(self) -> bytes | None:
        """None: random bytes. Raises ValueError."""
        text = self.packet.strip()
        if self.type == "str":
            return text.encode()
        if self.type == "hex":
            try:
                return bytes.fromhex(text)
            except ValueError:
                raise ValueError("packet: hexadecimal digits are expected") from None
        if self.type == "base64":
            plain = text.replace("-", "+").replace("_", "/").replace("=", "")
            try:
                return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
            except (ValueError, binascii.Error):
                raise ValueError("packet: base64 is expected") from None
        return None

    @property
    def length(self) -> Range:
        """Bytes. Raises ValueError."""
        content = self.content
        return parse_range(self.packet.strip()) if content is None else Range(len(content), len(content))


def _read_ports(value: object, info: ValidationInfo) -> tuple[PortRange, ...]:
    return parse_ports(value, (info.context or {}).get("environ", os.environ))


def _action(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _networks(value: object) -> object:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError('a list, or text such as "tcp,udp", is expected')
    names = tuple(dict.fromkeys(word.strip().lower() for word in words))
    for name in names:
        if name not in ("tcp", "udp"):
            raise ValueError(f'"{name[:40]}" is no network; tcp and udp are')
    return names


Networks: TypeAlias = tuple[Literal["tcp", "udp"], ...]


class FinalRuleSettings(Settings):
    """Whether what is about to be dialled may be. The first rule that fits decides; without matchers one fits everything."""

    action: Annotated[Literal["allow", "block"], BeforeValidator(_action)] = Field(description="What happens.")
    network: Annotated[Networks, BeforeValidator(_networks)] = Field(default=(), description="Empty: any.")
    port: Annotated[tuple[PortRange, ...], PlainValidator(_read_ports), WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string"}]})] = Field(default=(), description="Ports, as in a rule.")
    ip: Annotated[Addresses, _TEXTS_SCHEMA] = Field(default_factory=list, description="Addresses, as in a rule.")
    block_delay: BlockDelay = Field(
        default=Range(30, 90), alias="blockDelay", description="Seconds for which a blocked connection is held: a range.")
