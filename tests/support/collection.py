"""Documents of a folder that is not ours (a clone of a public collection): what import and export make of them.

    python -m tests.support.collection FOLDER

prints a line for each document that is not accepted, with its reason, and the counts. The same is asserted by
tests/dashboard/services/test_collection.py where XREV_COLLECTION names a folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dashboard.engine.compile import compile_document, compile_with_comments
from dashboard.engine.parse import UnreadableDocument, parse_document
from proxycore.api import parse

ENDINGS: Final = frozenset({".json", ".jsonc"})


@dataclass(slots=True)
class Survey:
    """Paths relative to the folder. `equal_plain`: of those equal, the ones that Python's own parser reads, too."""

    equal: list[str] = field(default_factory=list)
    equal_plain: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)        # (path, why)


def documents(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS and path.is_file())


def wanted_value(text: str) -> tuple[object, bool]:
    """What the document says, and whether that was found without our parser."""
    try:
        return json.loads(text), True
    except ValueError:
        return parse(text).value, False


def survey(folder: Path) -> Survey:
    found = Survey()
    for path in documents(folder):
        name = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
            content, _ = parse_document(text)
        except UnicodeDecodeError:
            found.refused.append((name, "it is not UTF-8"))
            continue
        except UnreadableDocument as error:
            first = error.problems[0]
            found.refused.append((name, f"line {first.line}, column {first.column}: {first.message}"))
            continue
        value, is_plain = wanted_value(text)
        wanted = json.dumps(value)
        written = (compile_document(content), parse(compile_with_comments(content)).value)
        if any(json.dumps(one) != wanted for one in written):
            found.differ.append(name)
            continue
        found.equal.append(name)
        if is_plain:
            found.equal_plain.append(name)
    return found


def main(folder: str) -> int:
    found = survey(Path(folder))
    for name, why in found.refused:
        sys.stdout.write(f"not accepted  {name}: {why}\n")
    for name in found.differ:
        sys.stdout.write(f"DIFFERS       {name}\n")
    sys.stdout.write(
        f"{len(found.equal)} equal ({len(found.equal_plain)} of them plain JSON), {len(found.differ)} differ, "
        f"{len(found.refused)} not accepted\n")
    return 1 if found.differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
