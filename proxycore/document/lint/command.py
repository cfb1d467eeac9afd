"""`python -m proxycore lint`: files in, findings on standard output."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from proxycore.document.files import files_to_read
from proxycore.document.lint.cores import Core, parse_core
from proxycore.document.lint.finding import Finding, printable
from proxycore.document.lint.fixing import fix_texts
from proxycore.document.lint.linting import lint_texts
from proxycore.document.lint.merged import lint_merged
from proxycore.document.lint.rules.text import UNREADABLE
from proxycore.document.lint.sarif import sarif_log
from proxycore.document.load import MAX_FILE_BYTES, STDIN, DocumentError

EXIT_CLEAN: Final = 0  # nothing, or notes only
EXIT_WARNINGS: Final = 1
EXIT_WRONG_ARGUMENTS: Final = 2
EXIT_ERRORS: Final = 23  # as for a document that is wrong


def lint_files(files: Sequence[str], *, core: str, form: str, is_fixing: bool, confdirs: Sequence[str] = ()) -> int:
    """Lint (and mend) files and say what was found; the exit code. `core` is the name that --for gives, or empty.

    The files of each folder of `confdirs` are one document; they are not mended.
    """
    try:
        meant = parse_core(core) if core else None
    except ValueError as error:
        sys.stderr.write(f"--for: {error}\n")
        return EXIT_WRONG_ARGUMENTS
    if is_fixing and STDIN in files:
        sys.stderr.write("--fix changes files; standard input is none\n")
        return EXIT_WRONG_ARGUMENTS
    texts, findings = _read(files)
    if is_fixing:
        texts, failed = _fix(texts, meant)
        findings += failed
    findings += lint_texts(texts, meant)
    for folder in confdirs:
        findings += _lint_folder(folder, meant)
    _write(findings, form)
    severities = {finding.severity for finding in findings}
    return EXIT_ERRORS if "error" in severities else EXIT_WARNINGS if "warning" in severities else EXIT_CLEAN


def _lint_folder(folder: str, core: Core | None) -> list[Finding]:
    try:
        names = files_to_read((), [folder], {})
    except DocumentError as error:
        return [_unreadable(problem.file, problem.message) for problem in error.problems]
    texts, failed = _read(names)
    return [*failed, *lint_merged(texts, core)]


def _read(files: Sequence[str]) -> tuple[list[tuple[str, str]], list[Finding]]:
    texts: list[tuple[str, str]] = []
    failed: list[Finding] = []
    for file in dict.fromkeys(files):
        try:
            if file == STDIN:
                data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
            else:
                with Path(file).open("rb") as opened:
                    data = opened.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                failed.append(_unreadable(file, f"is longer than {MAX_FILE_BYTES} bytes"))
            else:
                texts.append(("<stdin>" if file == STDIN else file, data.decode("utf-8")))
        except OSError as error:
            failed.append(_unreadable(file, f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError as error:
            failed.append(_unreadable(file, f"is not UTF-8: line {data.count(10, 0, error.start) + 1}"))
    return texts, failed


def _unreadable(file: str, message: str) -> Finding:
    return Finding(UNREADABLE, file, 0, 0, "", message, "give a file that can be read and written")


def _fix(texts: Sequence[tuple[str, str]], core: Core | None) -> tuple[list[tuple[str, str]], list[Finding]]:
    """Mend the files and say on standard error what was done; their texts now, and what could not be written."""
    now: list[tuple[str, str]] = []
    failed: list[Finding] = []
    for (file, before), fixed in zip(texts, fix_texts(texts, core), strict=True):
        now.append((file, before))
        if fixed.text == before:
            continue
        try:
            _replace_file(Path(file), fixed.text.encode())
        except OSError as error:
            failed.append(_unreadable(file, f"cannot be written: {error.strerror or error}"))
            continue
        now[-1] = (file, fixed.text)
        for one in fixed.applied:
            where = f"{one.path}: " if one.path else ""
            sys.stderr.write(printable(f"{file}: fixed {one.code.id} {one.code.name}: {where}{one.message} ({one.fix})") + "\n")
    return now, failed


def _replace_file(path: Path, data: bytes) -> None:
    """All of the new content or all of the old, whenever it is read. Links are followed and the mode is kept."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _write(findings: Sequence[Finding], form: str) -> None:
    if form == "text":
        sys.stdout.writelines(f"{finding.render()}\n" for finding in findings)
        return
    told: Any = sarif_log(findings) if form == "sarif" else {"findings": [as_json(finding) for finding in findings]}
    json.dump(told, sys.stdout, indent=2)
    sys.stdout.write("\n")


def as_json(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code.id,
        "name": finding.code.name,
        "severity": finding.severity,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "path": finding.path,
        "message": finding.message,
        "fix": finding.fix,
        "fixable": finding.is_fixable,
    }
