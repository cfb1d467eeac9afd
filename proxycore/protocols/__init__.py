"""Every protocol, found by its folder. Adding one means adding a folder here; this file is not edited for it."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from proxycore.protocols.base import ProtocolSpec


@cache
def all_protocols() -> Mapping[str, ProtocolSpec]:
    """Specs by name and by alias, lower case."""
    specs: dict[str, ProtocolSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            continue
        spec: ProtocolSpec = import_module(f"{__name__}.{module.name}").PROTOCOL
        for name in (spec.name, *spec.aliases):
            if name in specs:
                raise RuntimeError(f"two protocols claim the name {name!r}")
            specs[name] = spec
    return MappingProxyType(specs)
