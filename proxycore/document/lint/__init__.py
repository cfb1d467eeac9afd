"""The linter: what will not work in a document, was probably not meant, or is not safe.

linting.py      the entry: texts -> findings           command.py   `python -m proxycore lint`
rules/          the rules, by noun; pairs.py looks at files side by side
codes.py registry.py page.py     what a finding can be; the page of all codes
view.py tree.py known_keys.py    a document read leniently, with places; works on any Xray document
matching.py coverage.py paths.py reach.py cores.py     what the rules ask about routing, addresses and cores
spans.py fixing.py               edits of the text that keep its comments and layout
finding.py sarif.py              a finding, and findings for other programs
"""

from proxycore.document.lint.codes import Code
from proxycore.document.lint.cores import Core, parse_core
from proxycore.document.lint.finding import Finding
from proxycore.document.lint.fixing import Fixed, fix_texts
from proxycore.document.lint.linting import lint_texts
from proxycore.document.lint.registry import CODES

__all__ = ["CODES", "Code", "Core", "Finding", "Fixed", "fix_texts", "lint_texts", "parse_core"]
