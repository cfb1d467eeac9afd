"""What the linter says about an instance, and about which of its entries."""

from __future__ import annotations

from dashboard.engine.compile import compile_document
from dashboard.engine.linting import PlacedFinding, lint_text, place_findings
from dashboard.models import Instance
from dashboard.services.exporting import as_text
from dashboard.services.storing import load_content


def lint_instance(instance: Instance, core: str = "") -> list[PlacedFinding]:
    """As it would be published now. `core`: see `lint_text`; ValueError if there is none of this name. Raises CannotCompile."""
    content = load_content(instance, "usable")
    return place_findings(content, lint_text(as_text(compile_document(content)), instance.name, core))
