"""What a document says about the dns outbound: what becomes of which questions, and which server the others go to.

Source: Xray-core infra/conf/dns_proxy.go, proxy/dns/dns.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import AliasChoices, BeforeValidator, Field, PlainValidator, ValidationInfo, model_validator

from proxycore.destination import IPAddress, parse_host
from proxycore.dns.answer import Rcode
from proxycore.dns.codec import AAAA, A
from proxycore.document.entries import Domains
from proxycore.protocols.base import Settings
from proxycore.routing.domains import DomainCondition
from proxycore.routing.ports import PortRange, parse_ports

MAX_PORT = 65535
MAX_LEVEL = 2**32 - 1
MAX_TYPE = 65535
MAX_RCODE = 15
MAX_RULES = 1024

Action: TypeAlias = Literal["hijack", "direct", "drop", "return"]
_TYPES_OF_ADDRESSES: tuple[PortRange, ...] = ((A, A), (AAAA, AAAA))


def _folded(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _types(value: object, info: ValidationInfo) -> tuple[PortRange, ...]:
    try:
        return parse_ports(value, {})
    except ValueError:
        raise ValueError(f'types of questions as numbers from 0 to {MAX_TYPE} are expected: 28, "1,28" or "64-65"') from None


class RuleSettings(Settings):
    """Which questions, and what becomes of them."""

    action: Annotated[Action, BeforeValidator(_folded)] = Field(
        description="hijack: answered by the built-in DNS (addresses only); direct: handed on; drop: nothing; return: rCode.")
    types: Annotated[tuple[PortRange, ...], PlainValidator(_types, json_schema_input_type=int | str)] = Field(
        default=(), alias="qType", description='Types of questions, such as "1,28"; all, if it is left out.')
    domains: Annotated[Domains, Field(json_schema_extra={"items": {"type": "string"}})] = Field(
        default_factory=list, alias="domain", description="Names, as in a routing rule; all, if it is left out.")
    rcode: int = Field(default=0, alias="rCode", ge=0, le=MAX_RCODE, description="Code of the empty answer of return.")


class Choice(NamedTuple):
    """A rule, compiled. Without types or names it is for all of them."""

    action: Action
    types: Sequence[PortRange] = ()
    names: DomainCondition | None = None
    rcode: int = Rcode.NO_ERROR

    def fits(self, question_type: int, name: str) -> bool:
        if self.types and not any(first <= question_type <= last for first, last in self.types):
            return False
        return self.names is None or self.names.find(name) is not None


class DnsSettings(Settings):
    """Questions about names are answered by the built-in DNS, or handed on."""

    network: Annotated[Literal["", "tcp", "udp"], BeforeValidator(_folded)] = Field(
        default="", validation_alias=AliasChoices("network", "rewriteNetwork"),
        description="How questions are handed on; empty: as they came.")
    address: str = Field(
        default="", validation_alias=AliasChoices("address", "rewriteAddress"), max_length=255,
        description="The server that they are handed on to; empty: the one that they were for.")
    port: int = Field(
        default=0, validation_alias=AliasChoices("port", "rewritePort"), ge=0, le=MAX_PORT, description="Its port; 0: as it was.")
    user_level: int = Field(default=0, alias="userLevel", ge=0, le=MAX_LEVEL, description="Policy level.")
    rules: list[RuleSettings] | None = Field(
        default=None, max_length=MAX_RULES, description="The first that fits decides; without one, questions for addresses are "
        "answered and others get an empty answer.")
    other_questions: Literal["", "reject", "drop", "skip"] | None = Field(
        default=None, alias="nonIPQuery", description="The older form: what becomes of questions that are not for addresses.")
    block_types: list[Annotated[int, Field(ge=0, le=MAX_TYPE)]] | None = Field(
        default=None, alias="blockTypes", description="The older form: types of questions that get nothing.")

    @model_validator(mode="after")
    def _has_one_form(self) -> DnsSettings:
        if self.rules is not None and (self.other_questions is not None or self.block_types is not None):
            raise ValueError('"nonIPQuery" and "blockTypes" are the older form and cannot be mixed with "rules"')
        return self

    @property
    def rewritten_host(self) -> str | IPAddress | None:
        return parse_host(self.address) if self.address.strip() else None

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The rules, in either form; those that hold without any are the last."""
        if self.other_questions is None and self.block_types is None:
            own = (
                Choice(rule.action, rule.types, DomainCondition(rule.domains) if rule.domains else None, rule.rcode)
                for rule in self.rules or ()
            )
            return (*own, Choice("hijack", _TYPES_OF_ADDRESSES), Choice("return"))
        mode = self.other_questions or "reject"
        rejection = Choice("return", rcode=Rcode.REFUSED)
        blocked = [(number, number) for number in self.block_types or ()]
        refused = rejection if mode == "reject" else Choice("drop")
        others = {"reject": rejection, "drop": Choice("drop"), "skip": Choice("direct")}[mode]
        return (*((refused._replace(types=blocked),) if blocked else ()), Choice("hijack", _TYPES_OF_ADDRESSES), others)
