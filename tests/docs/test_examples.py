"""What the documentation shows works: its documents load without a warning, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from proxycore.document.load import load_document, load_files
from proxycore.protocols import all_protocols

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIG = re.compile(r"^```json config\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOREIGN = re.compile(r"^```(yaml|toml) config\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


class Block(NamedTuple):
    page: str
    number: int
    text: str


def blocks() -> list[Block]:
    return [
        Block(page.relative_to(ROOT).as_posix(), number, text)
        for page in PAGES
        for number, text in enumerate(CONFIG.findall(page.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"{block.page} {block.number}")
def test_a_document_of_the_documentation_loads(block: Block) -> None:
    loaded = load_document(block.text, block.page)
    warnings = [problem.message for problem in loaded.warnings if "there is no outbound" not in problem.message]
    assert warnings == []
    assert loaded.document.inbounds or loaded.document.bridges


@pytest.mark.parametrize(
    ("page", "form", "text"),
    [(page.name, *found) for page in PAGES for found in FOREIGN.findall(page.read_text(encoding="utf-8"))],
)
def test_a_document_in_another_format_loads(page: str, form: str, text: str) -> None:
    loaded = load_document(text, f"{page}.{form}")
    assert loaded.warnings == []
    assert loaded.document.inbounds


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.name)
def test_an_example_loads_without_a_warning(path: Path) -> None:
    loaded = load_files([str(path)])
    assert loaded.warnings == []
    assert loaded.document.portals or loaded.document.bridges


@pytest.mark.parametrize("name", sorted({spec.name for spec in all_protocols().values()}))
def test_every_protocol_has_a_page_whose_first_example_uses_it(name: str) -> None:
    page = ROOT / "docs" / "protocols" / f"{name}.md"
    assert page.exists(), f"{page.relative_to(ROOT)} is missing"
    [example, *_] = CONFIG.findall(page.read_text(encoding="utf-8"))
    used = load_document(example, page.name).document
    assert name in {part.spec.name for part in (*used.inbounds, *used.outbounds)}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target} has no heading for #{anchor}"
