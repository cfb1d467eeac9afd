"""The door: all of the data plane that a control plane may import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxycore.document.load import load_document
from proxycore.document.problems import DocumentError, Problem
from proxycore.protocols import all_protocols
from proxycore.protocols.base import Settings

__all__ = ["Problem", "ProtocolDescription", "check_text", "describe_protocols"]


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


def _schema(model: type[Settings]) -> dict[str, Any]:
    """With the keys as a document spells them."""
    return model.model_json_schema(by_alias=True)
