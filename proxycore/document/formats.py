"""In what a document is written: JSON, YAML or TOML, by the file's name or else by trying."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from proxycore.document.jsonc import JsonError, Parsed, parse

Format: TypeAlias = Literal["json", "yaml", "toml"]

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {".json": "json", ".jsonc": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
)
"""By the ending of a file's name, in the order in which Xray looks for a configuration that nobody named."""

_BEGINS_AS_JSON: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|#[^\n]*|/\*.*?\*/)*(?:[{\"]|$)", re.DOTALL).match


def format_of(file: str) -> Format | None:
    """What the name says; None: nothing."""
    return FORMATS.get(PurePath(file).suffix.lower())


def parse_document(text: str, file: str) -> Parsed:
    """Read a document as its name says, or as what it can be read. Raises JsonError."""
    known = format_of(file)
    if known is not None:
        return _READERS[known](text)
    if _BEGINS_AS_JSON(text):
        return parse(text)
    for name in ("toml", "yaml"):
        try:
            parsed = _READERS[name](text)
        except JsonError:
            continue
        if parsed.value and isinstance(parsed.value, dict):
            return parsed
    return parse(text)


# The libraries are loaded when there is something to read: most documents are JSON.


def _yaml(text: str) -> Parsed:
    from proxycore.document.yaml_reader import parse_yaml

    return parse_yaml(text)


def _toml(text: str) -> Parsed:
    from proxycore.document.toml_reader import parse_toml

    return parse_toml(text)


_READERS: Final[Mapping[str, Callable[[str], Parsed]]] = MappingProxyType({"json": parse, "yaml": _yaml, "toml": _toml})
