"""All rules of the linter and all of its codes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from proxycore.document.lint.codes import Code
from proxycore.document.lint.rules import balancers, bridges, credentials, entries, pairs, portals, routes, tags, text, versions

_ALL: Final = (text, tags, routes, bridges, portals, pairs, credentials, entries, balancers, versions)

CHECKS: Final = tuple(
    module.check for module in (text, tags, routes, bridges, portals, credentials, entries, balancers, versions)
)
"""What is asked of each file by itself; pairs.check_together looks at all of them."""

GROUPS: Final = tuple(((module.__doc__ or "").split("\n")[0], module.CODES) for module in _ALL)
"""The codes under the sentence that says what they are about."""

CODES: Final[Mapping[str, Code]] = MappingProxyType({code.id: code for _, codes in GROUPS for code in codes})
