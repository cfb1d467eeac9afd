"""The door: all of the data plane that a control plane may import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import WithDefaultSchema

from proxycore.document.comments import Comment, Place, comments_of, write_jsonc
from proxycore.document.jsonc import JsonError, Loc, Parsed, parse
from proxycore.document.lint.cores import parse_core
from proxycore.document.lint.finding import Finding
from proxycore.document.lint.fixing import Fixed, fix_texts
from proxycore.document.lint.linting import lint_texts
from proxycore.document.load import load_document
from proxycore.document.places import parse_path, render_path
from proxycore.document.problems import DocumentError, Problem
from proxycore.document.stream_settings import StreamSettings
from proxycore.protocols import all_protocols
from proxycore.protocols.base import Settings

__all__ = [
    "Comment",
    "Finding",
    "Fixed",
    "JsonError",
    "Loc",
    "Parsed",
    "Place",
    "Problem",
    "ProtocolDescription",
    "check_text",
    "comments_of",
    "describe_protocols",
    "describe_stream_settings",
    "fix",
    "lint",
    "parse",
    "parse_path",
    "render_path",
    "write_jsonc",
]


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


def lint(texts: Sequence[tuple[str, str]], core: str = "") -> list[Finding]:
    """What will not work in documents of any core, was probably not meant, or is not safe; by file and place.

    Each text is given as (name for messages, text). They stand side by side, a portal and its bridge, say. `core` is the
    one that is to run them, such as "xray-26.4.17"; ValueError if there is no such name.
    """
    return lint_texts(texts, parse_core(core) if core else None)


def fix(texts: Sequence[tuple[str, str]], core: str = "") -> list[Fixed]:
    """The same texts with everything mended that can be; raises as `lint` does."""
    return fix_texts(texts, parse_core(core) if core else None)


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
