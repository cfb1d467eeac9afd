"""What the linter says about an instance, and about which of its entries; and about the sides of a tunnel together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.engine.compile import compile_document
from dashboard.engine.content import Content
from dashboard.engine.linting import Finding, PlacedFinding, lint_text, lint_texts, place_findings
from dashboard.models import Instance
from dashboard.services.exporting import as_text
from dashboard.services.storing import load_content


def lint_instance(instance: Instance, core: str = "") -> list[PlacedFinding]:
    """As it would be published now. `core`: see `lint_text`; ValueError if there is none of this name. Raises CannotCompile."""
    content = load_content(instance, "usable")
    return place_findings(content, lint_text(as_text(compile_document(content)), instance.name, core))


def lint_together(
    instances: Sequence[Instance], files: Mapping[str, str]
) -> tuple[dict[int, list[PlacedFinding]], dict[str, list[Finding]]]:
    """What is found only where the sides of a tunnel are seen side by side: what does not fit the other side.

    By instance, and by the name of a file (`files`: name -> text). Raises CannotCompile.
    """
    contents: dict[int, Content] = {one.pk: load_content(one, "usable") for one in instances}
    texts = {f"instance {pk}": as_text(compile_document(content)) for pk, content in contents.items()} | dict(files)
    alone = {(one.file, one.code, one.path, one.message) for name, text in texts.items() for one in lint_text(text, name)}
    found: dict[str, list[Finding]] = {}
    for one in lint_texts(list(texts.items())) if len(texts) > 1 else ():
        if (one.file, one.code, one.path, one.message) not in alone:
            found.setdefault(one.file, []).append(one)
    placed = {pk: place_findings(content, found.get(f"instance {pk}", [])) for pk, content in contents.items()}
    return placed, {name: found.get(name, []) for name in files}
