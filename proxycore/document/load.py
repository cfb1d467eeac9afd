"""Reads documents: text in, a model or all of the problems out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from proxycore.document.checks import check
from proxycore.document.environment import with_variables
from proxycore.document.files import STDIN
from proxycore.document.formats import parse_document
from proxycore.document.jsonc import MAX_DOCUMENT_CHARS, JsonError, Parsed
from proxycore.document.log import Log
from proxycore.document.merge import Merged, Part
from proxycore.document.model import Document, LoadedDocument, problem_maker
from proxycore.document.problems import DocumentError, Problem
from proxycore.document.report import Report
from proxycore.document.root import NEWER_V2RAY, RootShape
from proxycore.document.sections import SectionReader
from proxycore.document.shape import field_of, fit_object
from proxycore.protocols import all_protocols
from proxycore.protocols.base import ProtocolSpec

MAX_FILE_BYTES = MAX_DOCUMENT_CHARS
_REMOTE = ("http://", "https://", "http+unix://")

__all__ = ["STDIN", "DocumentError", "LoadedDocument", "load_document", "load_files", "load_texts"]


def load_document(
    text: str, file: str, *, environ: Mapping[str, str] | None = None, protocols: Mapping[str, ProtocolSpec] | None = None
) -> LoadedDocument:
    """Read one document; `file` is its name in messages. Raises DocumentError with every problem in it.

    `environ` is for values such as `env:NAME`, the process's own by default; `protocols` are those that are run.
    """
    return load_texts([(file, text)], environ=environ, protocols=protocols)


def load_files(paths: Sequence[str], *, stdin: BinaryIO | None = None) -> LoadedDocument:
    """Read and merge files, in this order; `-` is standard input. Raises DocumentError, also for what cannot be read."""
    texts: list[tuple[str, str]] = []
    unreadable: list[Problem] = []
    for path in paths:
        try:
            data = _read_bytes(path, sys.stdin.buffer if stdin is None else stdin)
            texts.append(("<stdin>" if path == STDIN else path, _decoded(data)))
        except OSError as error:
            unreadable.append(Problem("error", path, 0, 0, "", f"cannot be read: {error.strerror or error}"))
        except ValueError as error:
            unreadable.append(Problem("error", path, 0, 0, "", str(error)))
    if unreadable:
        raise DocumentError(unreadable)
    return load_texts(texts)


def _read_bytes(path: str, stdin: BinaryIO) -> bytes:
    """Raises OSError, and ValueError for what is too large or no file."""
    if path.startswith(_REMOTE):
        raise ValueError("documents from the network are known to Xray, not run by this version; save it as a file")
    if path == STDIN:
        data = stdin.read(MAX_FILE_BYTES + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"is longer than {MAX_FILE_BYTES} bytes")
    return data


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8: line {line} has the byte 0x{data[error.start]:02x}") from None


def load_texts(
    texts: Sequence[tuple[str, str]],
    *,
    environ: Mapping[str, str] | None = None,
    protocols: Mapping[str, ProtocolSpec] | None = None,
) -> LoadedDocument:
    """Read and merge documents, each given as (name for messages, text). Raises DocumentError with every problem."""
    report: Report | None = None
    syntax: list[Problem] = []
    parts: list[Part] = []
    for file, text in texts:
        try:
            parsed = parse_document(text, file)
        except JsonError as error:
            fault = error.fault
            syntax.append(Problem("error", file, fault.line, fault.column, "", fault.message))
        else:
            part, report = _part(file, parsed, report)
            parts.append(part)
    if syntax or report is None:
        raise DocumentError([*syntax, *([*report.errors, *report.warnings] if report is not None else [])])
    return _load(parts, report, environ, protocols)


def load_parsed(file: str, parsed: Parsed) -> LoadedDocument:
    """The same for one document that was read already, and is left as it is."""
    part, report = _part(file, parsed, None)
    return _load([part], report, None, None)


def _load(
    parts: Sequence[Part], report: Report, environ: Mapping[str, str] | None, protocols: Mapping[str, ProtocolSpec] | None
) -> LoadedDocument:
    merged = Merged(parts)
    report = Report(merged, report)
    for name in ("access", "error"):
        if isinstance(field_of(merged.sections.get("log"), name), dict):
            raise DocumentError([report.problem("error", ("log", name), NEWER_V2RAY, of_key=True)])
    environ = with_variables(merged.sections.get("env"), os.environ if environ is None else environ, report)
    found = SectionReader(merged.sections, report, all_protocols() if protocols is None else protocols, environ).read()
    rules = check(merged.sections, found, report)
    if report.errors:
        raise DocumentError([*report.errors, *report.warnings])
    document = Document(
        log=found.log if found.log is not None else Log(access="none"),     # without the section there is no access log
        inbounds=tuple(found.inbounds.values()),
        outbounds=tuple(found.outbounds.values()),
        rules=rules,
        bridges=tuple(found.bridges.values()),
        portals=tuple(found.portals.values()),
        balancers=tuple(found.balancers.values()),
        observed=found.observed,
        dns=found.dns,
        domain_strategy=found.domain_strategy,
        policy=found.policy,
        exports_stats=found.exports_stats,
    )
    return LoadedDocument(document, report.warnings, problem_maker(report), merged.sections)


def _part(file: str, parsed: Parsed, earlier: Report | None) -> tuple[Part, Report]:
    """One file as a part of the document, and its report."""
    part = Part(file, parsed, {})
    report = Report(part, earlier)
    for duplicate in parsed.duplicates:
        report.add_fault(duplicate, file)
    if isinstance(parsed.value, dict):
        part = Part(file, parsed, fit_object(RootShape, parsed.value, (), report))
    else:
        report.error((), "an object is expected: { ... }")
    return part, report
