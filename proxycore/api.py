"""The door: all of the data plane that a control plane may import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import WithDefaultSchema

from proxycore import __version__
from proxycore.destination import Destination, Network, Request, parse_host
from proxycore.document.comments import Comment, Place, comments_of, write_jsonc
from proxycore.document.jsonc import Fault, JsonError, Loc, Parsed, parse
from proxycore.document.lint.command import as_json as finding_as_json
from proxycore.document.lint.command import lint_files
from proxycore.document.lint.cores import parse_core
from proxycore.document.lint.finding import Finding
from proxycore.document.lint.fixing import Fixed, fix_texts
from proxycore.document.lint.linting import lint_parsed, lint_texts, parsed_or_fault
from proxycore.document.load import load_document, load_parsed
from proxycore.document.places import parse_path, render_path
from proxycore.document.problems import DocumentError, Problem
from proxycore.document.stream_settings import StreamSettings
from proxycore.geodata.countries import country_of
from proxycore.protocols import all_protocols
from proxycore.protocols.base import Settings
from proxycore.routing.router import Step

__all__ = [
    "Comment",
    "DocumentError",
    "Finding",
    "Fixed",
    "JsonError",
    "Loc",
    "Parsed",
    "Place",
    "Problem",
    "ProtocolDescription",
    "Question",
    "Step",
    "__version__",
    "check_text",
    "comments_of",
    "country_of",
    "describe_protocols",
    "describe_stream_settings",
    "explain",
    "finding_as_json",
    "fix",
    "lint",
    "lint_files",
    "parse",
    "parse_path",
    "render_path",
    "review",
    "write_jsonc",
]


@dataclass(frozen=True, slots=True)
class Question:
    """A connection that might come: what is not given is not known. Hosts are names or IP literals.

    `resolved` are the addresses that the destination's name has, for rules that ask for them.
    """

    host: str
    port: int
    network: Network = "tcp"
    inbound_tag: str = ""
    source: str = ""
    source_port: int = 0
    user: str = ""
    protocol: str = ""
    resolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtocolDescription:
    """One protocol. `inbound` and `outbound` are the JSON Schemas of their settings; None: there is no such side."""

    name: str
    title: str
    aliases: tuple[str, ...]
    inbound: dict[str, Any] | None
    outbound: dict[str, Any] | None


def check_text(text: str, file: str) -> list[Problem]:
    """Everything that is wrong or odd about a document, in the order of its text. It can be run if none is an error."""
    try:
        return load_document(text, file).warnings
    except DocumentError as error:
        return error.problems


def review(text: str, file: str) -> tuple[list[Problem], list[Finding]]:
    """What `check_text` and `lint` say of one document, which is read only once."""
    parsed = parsed_or_fault(text, file)
    findings = lint_parsed([(file, text, parsed)])
    if isinstance(parsed, Fault):
        return [Problem("error", file, parsed.line, parsed.column, "", parsed.message)], findings
    try:
        return load_parsed(file, parsed).warnings, findings
    except DocumentError as error:
        return error.problems, findings


def lint(texts: Sequence[tuple[str, str]], core: str = "") -> list[Finding]:
    """What will not work in documents of any core, was probably not meant, or is not safe; by file and place.

    Each text is given as (name for messages, text). They stand side by side, a portal and its bridge, say. `core` is the
    one that is to run them, such as "xray-26.4.17"; ValueError if there is no such name.
    """
    return lint_texts(texts, parse_core(core) if core else None)


def fix(texts: Sequence[tuple[str, str]], core: str = "") -> list[Fixed]:
    """The same texts with everything mended that can be; raises as `lint` does."""
    return fix_texts(texts, parse_core(core) if core else None)


def explain(text: str, file: str, question: Question) -> list[Step]:
    """Why a connection would go where it goes: every rule in turn, up to the one that decides. Nothing is looked up.

    Raises DocumentError, as the document does not run; ValueError: `source` or `resolved` is no address.
    """
    source = ip_address(question.source) if question.source else None
    request = Request(
        Destination(question.network, parse_host(question.host), question.port),
        question.inbound_tag,
        source=(str(source), question.source_port) if source is not None else None,
        user=question.user,
        protocol=question.protocol,
        resolved=tuple(ip_address(one) for one in question.resolved) or None,
    )
    return load_document(text, file).document.router().explain(request)


def describe_protocols() -> list[ProtocolDescription]:
    """The protocols that are run, by name."""
    specs = {spec.name: spec for spec in all_protocols().values()}
    return [
        ProtocolDescription(
            spec.name,
            spec.title,
            tuple(spec.aliases),
            _schema(spec.inbound.settings) if spec.inbound is not None else None,
            _schema(spec.outbound.settings) if spec.outbound is not None else None,
        )
        for _, spec in sorted(specs.items())
    ]


def describe_stream_settings() -> dict[str, Any]:
    """The JSON Schema of `streamSettings`: transports, TLS and socket options, of inbounds and outbounds alike."""
    return StreamSettings.model_json_schema(by_alias=True, schema_generator=_WithoutDefaults)


class _WithoutDefaults(GenerateJsonSchema):
    """Leaves out defaults that are whole models: their own fields have them already, and some cannot be written as JSON."""

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        if isinstance(schema.get("default"), BaseModel | tuple | StrEnum):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _schema(model: type[Settings]) -> dict[str, Any]:
    """With the keys as a document spells them."""
    return model.model_json_schema(by_alias=True)
